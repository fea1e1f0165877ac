"""Footprints and heights made into closed solids.

The caps are shapely's constrained Delaunay triangulation, which uses every corner of the outline;
the walls rise from the cap's own boundary edges. So a solid is closed by construction, also where a
hole touches the outline or an outline has corners on a straight side, where ear clipping would drop
the corner and leave a slit.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import shapely

from geodata.mesh.words import F8, I8, NOTHING, Mesh, Shapes


def cap(outline: shapely.Geometry, heights: F8 | float = 0.0) -> Mesh:
    """Return a flat outline (Polygon or MultiPolygon, metres) as a mesh that looks up.

    Parts and holes that meet in a point each have a point of their own there, so that every edge
    has at most two faces.
    """
    return caps(np.array([outline], dtype=object), [heights])[0]


def caps(outlines: Shapes, heights: Sequence[F8 | float]) -> list[Mesh]:
    """Return one cap for each outline; an outline without area gives an empty mesh."""
    parts, owner = shapely.get_parts(
        shapely.constrained_delaunay_triangles(outlines), return_index=True
    )
    corners = shapely.get_coordinates(parts).reshape(-1, 4, 2)[:, :3]
    found = []
    for i, height in enumerate(heights):
        found.append(_cap(corners[owner == i], height))
    return found


def extrude(outline: shapely.Geometry, low: float, high: float) -> Mesh:
    """Return the solid over an outline (metres) from the height ``low`` to ``high``."""
    return raised(cap(outline), low, high)


def raised(floor: Mesh, low: float, high: float) -> Mesh:
    """Return the solid over a cap, its faces looking outwards.

    Raises:
        ValueError: if ``high`` is not above ``low``.
    """
    if not high > low:
        raise ValueError(f"a solid needs a height: from {low} m to {high} m there is none")
    if not len(floor.faces):
        return NOTHING
    number = len(floor.points)
    flat = floor.points[:, :2]
    points = np.vstack(
        [
            np.column_stack([flat, np.full(number, low)]),
            np.column_stack([flat, np.full(number, high)]),
        ]
    )
    rim = boundary(floor.faces)
    a, b = rim[:, 0], rim[:, 1]
    walls = np.vstack(
        [
            np.column_stack([a, b, b + number]),
            np.column_stack([a, b + number, a + number]),
        ]
    )
    faces = np.vstack([floor.faces[:, ::-1], floor.faces + number, walls])
    return Mesh(points=points, faces=faces)


def boundary(faces: I8) -> I8:
    """Return the directed edges that have no opposite: the rim, the surface on its left."""
    edges = np.vstack([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    number = int(faces.max(initial=0)) + 1
    there = edges[:, 0] * number + edges[:, 1]
    back = edges[:, 1] * number + edges[:, 0]
    found: I8 = edges[~np.isin(there, back)]
    return found


def _cap(corners: F8, height: F8 | float) -> Mesh:
    """Join triangles (m x 3 x 2) into a mesh: corners are one point where an edge joins them."""
    if not len(corners):
        return NOTHING
    a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
    turn = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])
    corners = np.where((turn < 0)[:, None, None], corners[:, ::-1], corners)
    flat = corners.reshape(-1, 2)
    _, places = np.unique(flat, axis=0, return_inverse=True)
    group = _fans(places.reshape(-1, 3))
    first = np.unique(group, return_index=True)[1]
    points = np.column_stack([flat[first], np.full(len(first), 0.0) + height])
    return Mesh(points=points, faces=group.reshape(-1, 3).astype(np.int64))


def _fans(places: I8) -> I8:
    """Number the corners so that two at one place are one point only if edges connect their faces.

    ``places`` are m x 3 numbers of positions; the result has 3 m numbers from 0.
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    count = places.size
    corner = np.arange(count).reshape(-1, 3)
    begin = np.concatenate([corner[:, k] for k in range(3)])
    end = np.concatenate([corner[:, (k + 1) % 3] for k in range(3)])
    flat = places.reshape(-1)
    number = int(flat.max()) + 1
    there = flat[begin] * number + flat[end]
    back = flat[end] * number + flat[begin]
    order = np.argsort(there, kind="stable")
    at = np.clip(np.searchsorted(there[order], back), 0, len(there) - 1)
    twin = order[at]
    has = there[twin] == back
    one = np.concatenate([begin[has], end[has]])
    other = np.concatenate([end[twin[has]], begin[twin[has]]])
    links = coo_matrix((np.ones(len(one)), (one, other)), shape=(count, count))
    group: I8 = connected_components(links, directed=False)[1].astype(np.int64)
    return group
