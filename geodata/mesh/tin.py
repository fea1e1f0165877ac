"""Surveyed points made into a surface: triangles over the plane, every doubt about a point said.

A surface is a height over each place, so overhangs and the face of a wall that stands upright are
not in it. Points are metres of ``plane``. Delaunay's triangulation is scipy's; for a regular grid
the triangles follow from the grid and its holes stay holes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from geodata.mesh.words import B1, F8, I8, Finding, Mesh, MeshRefused, Weight, every

SAME_PLACE_M = 0.01
SAME_HEIGHT_M = 0.05
"""Two points at one place that differ by more are a contradiction, and it is said how large."""

SPIKE_DEG = 60.0
SPIKE_M = 2.0
SPIKE_DEVIATIONS = 8.0
"""A spike stands alone: all its edges go down (or up) steeper than this from it, by more than
``SPIKE_M`` and by more than so many robust deviations of the survey's own roughness."""

LONG_EDGES = 5.0
"""A triangle at the rim is let go while its outer edge is longer than so many median edges."""

SLIVER = 0.01
"""A triangle thinner than so much of its length is no ground, if it lies at the rim."""

TRIFLE = 1e-4
"""A share of the surface too small to speak of."""

THINNEST_M = 1e-6
LEAST_POINTS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Surface:
    """A surface and what was set aside on the way to it; ``mesh`` looks up."""

    mesh: Mesh
    findings: tuple[Finding, ...]

    @property
    def area_m2(self) -> float:
        """Return its area on the plane."""
        return float(self.mesh.crosses()[:, 2].sum() / 2)


def surface(points: F8, *, shape: tuple[int, int] | None = None) -> Surface:
    """Return the surface of n x 3 points.

    Args:
        points: metres; a height that is no number is a hole of a grid, or a finding.
        shape: rows and columns if the points are a regular grid, row by row.

    Raises:
        MeshRefused: fewer than three usable points, or all on one line.
    """
    if shape is not None:
        return _of_grid(points, shape)
    findings: list[Finding] = []
    clean = _at_one_place(_numbers(points, findings), findings)
    _require_area(clean)
    clean = _without_spikes(clean, findings)
    return Surface(mesh=_trimmed(_delaunay(clean, findings), findings), findings=tuple(findings))


def _of_grid(points: F8, shape: tuple[int, int]) -> Surface:
    """Split every cell with four heights into two triangles, always along the same diagonal."""
    rows, columns = shape
    if rows * columns != len(points) or min(shape) < 2:
        raise MeshRefused(f"a grid of {rows} x {columns} does not hold {len(points)} points")
    number = np.arange(rows * columns).reshape(rows, columns)
    a, b = number[:-1, :-1].ravel(), number[:-1, 1:].ravel()
    c, d = number[1:, :-1].ravel(), number[1:, 1:].ravel()
    whole = np.isfinite(points[:, 2])
    cells = whole[a] & whole[b] & whole[c] & whole[d]
    if not cells.any():
        raise MeshRefused("no cell of the grid has a height at all four corners")
    a, b, c, d = a[cells], b[cells], c[cells], d[cells]
    faces = np.vstack([np.column_stack([a, c, b]), np.column_stack([b, c, d])])
    holes = int((~whole).sum())
    findings = []
    if holes:
        findings.append(
            _note("no_data", holes, f"{holes} of {len(points)} cells have no height: holes stay")
        )
    return Surface(mesh=_upward(_compact(points, faces)), findings=tuple(findings))


def _numbers(points: F8, findings: list[Finding]) -> F8:
    fine = np.isfinite(points).all(axis=1)
    lost = int((~fine).sum())
    if lost:
        findings.append(
            _warn("not_finite", lost, f"{lost} points have no number somewhere; left out")
        )
    return points[fine]


def _at_one_place(points: F8, findings: list[Finding]) -> F8:
    """Leave one point at each place: the mean height of those within a centimetre."""
    cells = np.round(points[:, :2] / SAME_PLACE_M).astype(np.int64)
    _, which, counts = np.unique(cells, axis=0, return_inverse=True, return_counts=True)
    which = which.reshape(-1)
    extra = len(points) - len(counts)
    if not extra:
        return points
    low = np.full(len(counts), np.inf)
    high = np.full(len(counts), -np.inf)
    np.minimum.at(low, which, points[:, 2])
    np.maximum.at(high, which, points[:, 2])
    apart = float((high - low).max())
    detail = f"{extra} points lie at the place of another; heights were averaged"
    if apart > SAME_HEIGHT_M:
        detail += f", though they differ by up to {apart:.2f} m"
    weigh = _warn if apart > SAME_HEIGHT_M else _note
    findings.append(weigh("duplicate_points", extra, detail))
    return np.column_stack([np.bincount(which, weights=points[:, k]) / counts for k in range(3)])


def _require_area(points: F8) -> None:
    if len(points) < LEAST_POINTS:
        raise MeshRefused(
            f"{len(points)} points at different places make no surface; three do, not on one line"
        )
    flat = points[:, :2] - points[:, :2].mean(axis=0)
    across = float(np.linalg.svd(flat, compute_uv=False)[1] / np.sqrt(len(points)))
    along = float(np.abs(flat).max())
    if across < max(1e-6 * along, SAME_PLACE_M / 10):
        raise MeshRefused(
            f"all {len(points)} points lie on one line (they leave it by {across * 1000:.2g} mm): "
            "survey points on both sides of it"
        )


def _without_spikes(points: F8, findings: list[Finding]) -> F8:
    """Set aside points that stand alone above or below all their neighbours."""
    if len(points) < 8:  # too few to say what is usual
        return points
    begin, end = _edges(_triangles(points)[0])
    rise = points[end, 2] - points[begin, 2]
    run = np.hypot(*(points[end, :2] - points[begin, :2]).T)
    usual = 1.4826 * float(np.median(np.abs(rise - np.median(rise))))
    least = np.maximum(SPIKE_M, SPIKE_DEVIATIONS * usual)
    steep = np.abs(rise) > np.maximum(run * np.tan(np.radians(SPIKE_DEG)), least)
    sides = np.zeros(len(points), dtype=np.int64)
    np.add.at(sides, begin, np.where(steep, np.sign(rise), 0).astype(np.int64))
    degree = np.bincount(begin, minlength=len(points))
    spikes = (np.abs(sides) == degree) & (degree >= LEAST_POINTS)
    number = int(spikes.sum())
    if not number:
        return points
    worst = points[spikes][:1]
    findings.append(
        _warn(
            "spike",
            number,
            f"{number} points stand alone over or under all their neighbours by more than "
            f"{least:.1f} m and {SPIKE_DEG:.0f}° (the first at {worst[0, 2]:.2f} m): left out",
        )
    )
    rest: F8 = points[~spikes]
    return rest


def _delaunay(points: F8, findings: list[Finding]) -> Mesh:
    faces, left = _triangles(points)
    if left:
        findings.append(_note("left_over", left, f"{left} points fit into no triangle; left out"))
    mesh = _upward(_compact(points, faces))
    twice = mesh.crosses()[:, 2]
    longest = _longest(mesh)
    sound = twice > longest * THINNEST_M
    if not sound.any():
        raise MeshRefused("no triangle of these points has an area")
    return _compact(mesh.points, mesh.faces[sound])


def _triangles(points: F8) -> tuple[I8, int]:
    """Triangulate; return the faces and how many points no face uses."""
    from scipy.spatial import Delaunay, QhullError

    flat = points[:, :2] - points[:, :2].mean(axis=0)
    try:
        faces = Delaunay(flat).simplices.astype(np.int64)
    except QhullError as error:
        raise MeshRefused("these points cannot be triangulated: nearly all on one line") from error
    return faces, len(points) - len(np.unique(faces))


def _trimmed(mesh: Mesh, findings: list[Finding]) -> Mesh:
    """Peel long triangles off the rim: they bridge bays where nobody surveyed."""
    flat = mesh.points[:, :2]
    begin, end = _edges(mesh.faces)
    limit = LONG_EDGES * float(np.median(np.hypot(*(flat[end] - flat[begin]).T)))
    kept: B1 = np.ones(len(mesh.faces), dtype=np.bool_)
    while True:
        outer = _long_at_rim(mesh, kept, limit)
        if not outer.any() or (kept & ~outer).sum() == 0:
            break
        kept[outer] = False
    gone = int((~kept).sum())
    if not gone:
        return mesh
    twice = mesh.crosses()[:, 2]
    area = float(twice[~kept].sum() / 2)
    # A straight rim whose points stand a hair inside it gives slivers that nobody need hear of.
    if area > TRIFLE * float(twice.sum() / 2):
        findings.append(
            _note(
                "long_edges",
                gone,
                f"{gone} triangles at the rim ({area:.0f} m²) bridge more than {limit:.1f} m, "
                f"{LONG_EDGES:g} times the usual distance, where nobody surveyed: left out",
            )
        )
    return _compact(mesh.points, mesh.faces[kept])


def _long_at_rim(mesh: Mesh, kept: B1, limit: float) -> B1:
    """Mark the kept faces at the rim that have an edge there longer than the limit, or are slivers.

    A sliver lies along a rim that is nearly straight; its steepness is the survey's own error.
    """
    faces = mesh.faces
    edges = np.stack([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]], axis=1)
    low, high = edges.min(axis=2), edges.max(axis=2)
    keys = low * len(mesh.points) + high
    _, which, counts = np.unique(keys[kept], return_inverse=True, return_counts=True)
    rim = np.zeros(faces.shape, dtype=np.bool_)
    rim[kept] = (counts[which] == 1).reshape(-1, 3)
    span = mesh.points[edges[:, :, 1], :2] - mesh.points[edges[:, :, 0], :2]
    long = rim & (np.hypot(span[..., 0], span[..., 1]) > limit)
    thin = mesh.crosses()[:, 2] < SLIVER * _longest(mesh) ** 2
    return kept & (~every(~long) | (~every(~rim) & thin))


def _edges(faces: I8) -> tuple[I8, I8]:
    """Return begin and end of every edge, in both directions, each once."""
    pairs = np.vstack([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    both = np.unique(np.vstack([pairs, pairs[:, ::-1]]), axis=0)
    return both[:, 0], both[:, 1]


def _longest(mesh: Mesh) -> F8:
    corners = mesh.corners()[:, :, :2]
    sides = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2)
    found: F8 = sides.max(axis=1)
    return found


def _upward(mesh: Mesh) -> Mesh:
    """Turn the faces that look down."""
    down = mesh.crosses()[:, 2] < 0
    faces = np.where(down[:, None], mesh.faces[:, ::-1], mesh.faces)
    return Mesh(points=mesh.points, faces=faces)


def _compact(points: F8, faces: I8) -> Mesh:
    """Drop the points that no face uses."""
    used, numbered = np.unique(faces, return_inverse=True)
    return Mesh(points=points[used], faces=numbered.reshape(-1, 3).astype(np.int64))


def _note(kind: str, count: int, detail: str) -> Finding:
    return Finding(kind=kind, weight=Weight.NOTE, count=count, detail=detail)


def _warn(kind: str, count: int, detail: str) -> Finding:
    return Finding(kind=kind, weight=Weight.WARNING, count=count, detail=detail)
