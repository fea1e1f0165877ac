"""Judge a mesh: closed, the right way out, free of what breaks programs that read it.

Points at the same place count as one here, because files of flat-shaded faces repeat them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from geodata.mesh.words import B1, F8, I8, Finding, Mesh, Weight, every

HUGE_FACES = 1_000_000
HUGE_EXTENT_M = 50_000.0
FAR_M = 10_000.0
"""Beyond it a 32-bit float no longer holds the millimetre."""

DEGENERATE_M2 = 1e-10

_SAYINGS = (
    (
        "not_finite",
        Weight.ERROR,
        "faces name a point that is not there or is no number; not judged",
    ),
    ("duplicate_points", Weight.NOTE, "points lie where another lies; flat shading needs that"),
    ("degenerate_faces", Weight.WARNING, "faces have no area; remove them"),
    ("duplicate_faces", Weight.WARNING, "faces lie exactly on another one"),
    (
        "non_manifold_edges",
        Weight.WARNING,
        "edges have more than two faces: two bodies touch there",
    ),
    ("inconsistent_winding", Weight.WARNING, "edges have neighbours that look to opposite sides"),
    ("not_watertight", Weight.ERROR, "edges have a face on one side only: a volume means nothing"),
    ("flipped", Weight.ERROR, "faces look inwards, the volume is negative: turn every face around"),
)
"""What can be wrong, how much it matters, and what is said of so many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What a mesh is, and what is wrong with it.

    Attributes:
        extent_m: its size along the three axes.
        area_m2: of all faces; ``volume_m3`` is None for a mesh that is not closed.
    """

    points: int
    faces: int
    watertight: bool
    extent_m: tuple[float, float, float]
    area_m2: float
    volume_m3: float | None
    findings: tuple[Finding, ...]

    def word(self) -> dict[str, Any]:
        """Return it as JSON says it."""
        return {
            "points": self.points,
            "faces": self.faces,
            "watertight": self.watertight,
            "extent_m": [round(side, 3) for side in self.extent_m],
            "area_m2": round(self.area_m2, 3),
            "volume_m3": None if self.volume_m3 is None else round(self.volume_m3, 3),
            "findings": [finding.word() for finding in self.findings],
        }


def judge(mesh: Mesh, *, closed: bool = True, about: str = "") -> Judged:
    """Judge a mesh; ``closed`` says whether it is meant to enclose a volume.

    A surface such as the ground is open by nature: then only its edges with more than two faces
    and the winding are judged.
    """
    # A broken file may hold any numbers; what overflows is found as such.
    with np.errstate(all="ignore"):
        return _judged(mesh, closed, about)


def _judged(mesh: Mesh, closed: bool, about: str) -> Judged:
    usable = _usable(mesh)
    welded, repeated = _welded(mesh.points)
    faces = welded[mesh.faces[usable]]
    sound = Mesh(points=mesh.points, faces=mesh.faces[usable])
    flat = _flat(sound, faces)
    edges = _Edges(faces[~flat])
    watertight = bool(len(faces)) and edges.open == 0
    volume = sound.volume() if watertight and edges.balanced else None
    counts = {
        "not_finite": len(mesh.faces) - int(usable.sum()),
        "duplicate_points": repeated,
        "degenerate_faces": int(flat.sum()),
        "duplicate_faces": _again(faces[~flat]),
        "non_manifold_edges": edges.crowded,
        "inconsistent_winding": edges.turned,
        "not_watertight": (edges.open or int(not len(faces))) if closed else 0,
        "flipped": len(faces) if volume is not None and volume < 0 else 0,
    }
    findings = [
        Finding(kind=kind, weight=weight, count=counts[kind], about=about,
                detail=f"{counts[kind]:,} {says}")
        for kind, weight, says in _SAYINGS
        if counts[kind]
    ]  # fmt: skip
    findings += _size(mesh, about)
    return Judged(
        points=len(mesh.points),
        faces=len(mesh.faces),
        watertight=watertight,
        extent_m=_extent(mesh.points),
        area_m2=float(sound.areas().sum()),
        volume_m3=volume,
        findings=tuple(findings),
    )


class _Edges:
    """Counts of edges by how many faces they have, and how these lie."""

    def __init__(self, faces: I8) -> None:
        self.open = self.crowded = self.turned = 0
        self.balanced = True
        if not len(faces):
            return
        directed = np.vstack([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
        ahead = (directed[:, 0] < directed[:, 1]).astype(np.float64)
        number = int(faces.max()) + 1
        keys = directed.min(axis=1) * number + directed.max(axis=1)
        _, which, counts = np.unique(keys, return_inverse=True, return_counts=True)
        forward = np.bincount(which, weights=ahead)
        # Where two solids touch along an edge it has four faces, and both are closed all the same.
        self.open = int((counts % 2 == 1).sum())
        self.balanced = bool((2 * forward == counts).all())
        self.crowded = int((counts > 2).sum())
        self.turned = int(np.count_nonzero((counts == 2) & (forward != 1)))


def _usable(mesh: Mesh) -> B1:
    inside = every((mesh.faces >= 0) & (mesh.faces < len(mesh.points)))
    if not len(mesh.points):
        return inside
    finite = every(np.isfinite(mesh.points))
    return inside & every(finite[np.where(inside[:, None], mesh.faces, 0)])


def _welded(points: F8) -> tuple[I8, int]:
    """For each point the number of its place, and how many points are not the first at theirs."""
    if not len(points):
        return np.empty(0, dtype=np.int64), 0
    # Adding zero makes -0.0 the same place as 0.0.
    _, places = np.unique(points + 0.0, axis=0, return_inverse=True)
    flat: I8 = places.reshape(-1).astype(np.int64)
    return flat, len(points) - int(flat.max()) - 1


def _flat(mesh: Mesh, faces: I8) -> B1:
    repeated = (
        (faces[:, 0] == faces[:, 1]) | (faces[:, 1] == faces[:, 2]) | (faces[:, 2] == faces[:, 0])
    )
    flat: B1 = repeated | (mesh.areas() < DEGENERATE_M2)
    return flat


def _again(faces: I8) -> int:
    if not len(faces):
        return 0
    return len(faces) - len(np.unique(np.sort(faces, axis=1), axis=0))


def _extent(points: F8) -> tuple[float, float, float]:
    finite = points[np.isfinite(points).all(axis=1)]
    if not len(finite):
        return 0.0, 0.0, 0.0
    x, y, z = np.ptp(finite, axis=0).tolist()
    return x, y, z


def _size(mesh: Mesh, about: str) -> list[Finding]:
    """Say what is too large for a page, and what lies so far off that digits are lost."""
    said = []
    if len(mesh.faces) > HUGE_FACES:
        said.append(("huge", f"{len(mesh.faces):,} faces; a page shows {HUGE_FACES:,} at most"))
    longest = max(_extent(mesh.points))
    if longest > HUGE_EXTENT_M:
        unit = "are its coordinates millimetres or degrees?"
        said.append(("huge", f"it is {longest / 1000:,.0f} km long: {unit}"))
    finite = mesh.points[np.isfinite(mesh.points).all(axis=1)]
    far = float(np.abs(finite).max(initial=0.0))
    if far > FAR_M:
        step_mm = float(np.spacing(np.float32(far))) * 1000
        steps = f"a 32-bit float steps by {step_mm:.2g} mm there"
        mend = "move the mesh to an origin near it"
        said.append(("far_from_origin", f"coordinates reach {far:,.0f} m; {steps}: {mend}"))
    return [
        Finding(kind=kind, weight=Weight.WARNING, detail=detail, count=1, about=about)
        for kind, detail in said
    ]
