"""The words of meshes: triangles over points, and what a person should know of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt

F8 = npt.NDArray[np.float64]
I8 = npt.NDArray[np.int64]
B1 = npt.NDArray[np.bool_]
Shapes = npt.NDArray[np.object_]
"""Shapely geometries."""


class Weight(StrEnum):
    """How much a finding matters: an error means it cannot be used as it is."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something a person should know of a mesh or a survey.

    Attributes:
        kind: one word of a closed list, e.g. ``duplicate_points``, ``spike``, ``long_edges``,
            ``not_watertight``, ``missing_height``.
        detail: one sentence with the figures.
        count: how many points, faces or edges it speaks of.
        about: the space or node concerned, empty for the whole.
    """

    kind: str
    weight: Weight
    detail: str
    count: int = 0
    about: str = ""

    def word(self) -> dict[str, Any]:
        """Return it as JSON says it."""
        return {
            "kind": self.kind,
            "weight": str(self.weight),
            "detail": self.detail,
            "count": self.count,
            "about": self.about,
        }


class MeshRefused(ValueError):
    """Nothing can be made of it; the sentence says why and what would help."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mesh:
    """Triangles over points.

    Attributes:
        points: n x 3, metres east, north, up of an origin.
        faces: m x 3 indexes; seen from outside (or from above) they run anticlockwise.
    """

    points: F8
    faces: I8

    def corners(self) -> F8:
        """Return the faces' corners, m x 3 x 3."""
        found: F8 = self.points[self.faces]
        return found

    def crosses(self) -> F8:
        """Return for each face the vector along its normal, twice its area long."""
        a, b, c = (self.corners()[:, k] for k in range(3))
        return np.cross(b - a, c - a)

    def areas(self) -> F8:
        """Return the faces' areas, m²."""
        found: F8 = np.linalg.norm(self.crosses(), axis=1) / 2
        return found

    def normals(self) -> F8:
        """Return the faces' unit normals; up for a face without area."""
        cross = self.crosses()
        length = np.linalg.norm(cross, axis=1, keepdims=True)
        up = np.array([0.0, 0.0, 1.0])
        found: F8 = np.where(length > 0, cross / np.where(length > 0, length, 1.0), up)
        return found

    def volume(self) -> float:
        """Return the volume inside a closed mesh, m³; negative when its faces look inwards.

        Measured from its first point, so that a mesh far from the origin loses no digits.
        """
        if not len(self.faces):
            return 0.0
        a, b, c = (self.corners()[:, k] - self.points[self.faces[0, 0]] for k in range(3))
        return float(np.einsum("ij,ij->i", a, np.cross(b, c)).sum() / 6)


def every(mask: B1) -> B1:
    """Tell for each row whether all of it is true."""
    return np.asarray(mask.all(axis=1), dtype=np.bool_)


NOTHING = Mesh(points=np.empty((0, 3)), faces=np.empty((0, 3), dtype=np.int64))


def joined(meshes: Sequence[Mesh]) -> Mesh:
    """Return several meshes as one; their points stay apart."""
    if not meshes:
        return NOTHING
    begins = np.cumsum([0, *(len(mesh.points) for mesh in meshes[:-1])])
    return Mesh(
        points=np.concatenate([mesh.points for mesh in meshes]),
        faces=np.concatenate(
            [mesh.faces + begin for mesh, begin in zip(meshes, begins, strict=True)]
        ),
    )
