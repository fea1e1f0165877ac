"""Write named, coloured meshes as one GLB (glTF 2.0): the same input gives the same bytes.

Faces are flat: each has its own three corners and one normal, as buildings and facets look. Numbers
are 32-bit floats relative to the origin, which stands in the asset's extras. A node carries its
name and its facts in ``extras``, so that a page can colour it by what is known of it later.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from geodata.mesh.plane import Plane
from geodata.mesh.words import F8, Mesh, MeshRefused

MAX_BYTES = 134_217_728
"""No page takes more; 1.2 million faces."""

_GLTF, _JSON, _BIN = 0x46546C67, 0x4E4F534A, 0x004E4942
_FLOAT, _UBYTE = 5126, 5121
_VERTICES = 34962

U1 = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """How a surface looks, in glTF's metallic-roughness terms.

    Attributes:
        colour: red, green, blue, opacity, each 0 to 1 and linear (not sRGB), as glTF wants it.
        both_sides: for open surfaces, which are looked at from below too.
    """

    name: str
    colour: tuple[float, float, float, float]
    both_sides: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A named thing of the scene.

    Attributes:
        mesh: metres east, north, up of the origin; or of ``at``, if that is given.
        at: where the node stands; None for the origin. Nodes that share one ``Mesh`` object and
            material share its bytes.
        colours: red, green, blue, opacity (0 to 255) for each face, times the material's.
        extras: facts in JSON's types.
    """

    name: str
    mesh: Mesh
    material: Material
    at: tuple[float, float, float] | None = None
    colours: U1 | None = None
    extras: dict[str, Any] = field(default_factory=dict)


def write(nodes: Sequence[Node], plane: Plane, *, title: str = "") -> bytes:
    """Return the GLB of nodes; those without faces are written as bare nodes.

    Raises:
        MeshRefused: two nodes have one name, or it would be larger than ``MAX_BYTES``.
    """
    names = [node.name for node in nodes]
    if len(set(names)) != len(names):
        again = next(name for name in names if names.count(name) > 1)
        raise MeshRefused(f"two nodes are called {again!r}")
    size = sum(len(node.mesh.faces) for node in nodes) * 3 * 28
    if size > MAX_BYTES:
        raise MeshRefused(f"the model would have {size:,} bytes, more than {MAX_BYTES:,}")
    maker = _Maker()
    document: dict[str, Any] = {
        "asset": {
            "version": "2.0",
            "generator": "blocktwin",
            "extras": {
                "origin": {"lon": plane.lon, "lat": plane.lat, "height_m": plane.height_m},
                "frame": "EPSG:4490",
                "axes": "+X east, +Y up, +Z south, metres from the origin",
            },
        },
        "scene": 0,
        "scenes": [{"name": title or "scene", "nodes": list(range(len(nodes)))}],
        "nodes": [maker.node(node) for node in nodes],
    }
    if not nodes:
        del document["scenes"][0]["nodes"]
        del document["nodes"]
    return _packed(document | maker.lists(), b"".join(maker.parts))


def axes(points: F8) -> F8:
    """Return metres east, north, up as glTF's x, y, z.

    Example:
        >>> axes(np.array([[1.0, 2.0, 3.0]])).tolist()
        [[1.0, 3.0, -2.0]]
    """
    return np.column_stack([points[:, 0], points[:, 2], -points[:, 1] + 0.0])


class _Maker:
    """Collects the buffer's parts and what points into it."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self._size = 0
        self._views: list[dict[str, Any]] = []
        self._accessors: list[dict[str, Any]] = []
        self._materials: dict[Material, int] = {}
        self._meshes: list[dict[str, Any]] = []
        self._known: dict[tuple[int, Material], int] = {}

    def node(self, node: Node) -> dict[str, Any]:
        """Return a node's JSON; its mesh goes into the buffer."""
        word: dict[str, Any] = {"name": node.name}
        if len(node.mesh.faces):
            word["mesh"] = self._mesh(node)
        if node.at is not None:
            word["translation"] = axes(np.array([node.at])).astype(np.float32)[0].tolist()
        if node.extras:
            word["extras"] = node.extras
        return word

    def lists(self) -> dict[str, Any]:
        """Return the lists of the document; glTF wants no empty ones."""
        found = {
            "meshes": self._meshes,
            "materials": [_material(material) for material in self._materials],
            "accessors": self._accessors,
            "bufferViews": self._views,
            "buffers": [{"byteLength": self._size}] if self._size else [],
        }
        return {name: values for name, values in found.items() if values}

    def _mesh(self, node: Node) -> int:
        key = (id(node.mesh), node.material)
        if node.colours is None and key in self._known:
            return self._known[key]
        # Through 32-bit floats first: the smallest and largest must be those of the buffer.
        points = axes(node.mesh.corners().reshape(-1, 3)).astype(np.float32)
        normals = axes(np.repeat(node.mesh.normals(), 3, axis=0)).astype(np.float32)
        attributes = {
            "POSITION": self._accessor(points, "VEC3", _FLOAT, bounds=True),
            "NORMAL": self._accessor(normals, "VEC3", _FLOAT),
        }
        if node.colours is not None:
            colours = np.repeat(node.colours, 3, axis=0)
            attributes["COLOR_0"] = self._accessor(colours, "VEC4", _UBYTE)
        material = self._materials.setdefault(node.material, len(self._materials))
        primitive = {"attributes": attributes, "material": material}
        self._meshes.append({"name": node.name, "primitives": [primitive]})
        self._known[key] = len(self._meshes) - 1
        return len(self._meshes) - 1

    def _accessor(self, values: Any, shape: str, number: int, *, bounds: bool = False) -> int:
        data = np.ascontiguousarray(values, dtype="<f4" if number == _FLOAT else "u1").tobytes()
        self._views.append(
            {
                "buffer": 0,
                "byteOffset": self._size,
                "byteLength": len(data),
                "target": _VERTICES,
            }
        )
        self.parts.append(data)
        self._size += len(data)
        word: dict[str, Any] = {
            "bufferView": len(self._views) - 1,
            "componentType": number,
            "count": len(values),
            "type": shape,
        }
        if number == _UBYTE:
            word["normalized"] = True
        if bounds:
            word |= {"min": values.min(axis=0).tolist(), "max": values.max(axis=0).tolist()}
        self._accessors.append(word)
        return len(self._accessors) - 1


def _material(material: Material) -> dict[str, Any]:
    word: dict[str, Any] = {
        "name": material.name,
        "pbrMetallicRoughness": {
            "baseColorFactor": list(material.colour),
            "metallicFactor": 0.0,
            "roughnessFactor": 0.9,
        },
    }
    if material.both_sides:
        word["doubleSided"] = True
    if material.colour[3] < 1:
        word["alphaMode"] = "BLEND"
    return word


def _packed(document: dict[str, Any], binary: bytes) -> bytes:
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    head = text.encode()
    head += b" " * (-len(head) % 4)
    body = binary + b"\0" * (-len(binary) % 4)
    chunks = struct.pack("<II", len(head), _JSON) + head
    if body:
        chunks += struct.pack("<II", len(body), _BIN) + body
    return struct.pack("<III", _GLTF, 2, 12 + len(chunks)) + chunks
