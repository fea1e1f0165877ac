"""Read a mesh file that somebody sent, to judge it: GLB, OBJ, PLY, STL, and nothing it refers to.

trimesh parses. It is given bytes and no resolver, so a file cannot make it open another one.
"""

from __future__ import annotations

import io
import json
import struct
from typing import Any

import numpy as np

from geodata.mesh.words import Mesh, MeshRefused

MAX_FILE_BYTES = 268_435_456
MAX_FACES = 5_000_000
FORMATS = ("glb", "obj", "ply", "stl")

_MAGIC = b"glTF"


def read(data: bytes, name: str) -> dict[str, Mesh]:
    """Return the meshes of a file by node name, each in the file's own coordinates.

    A GLB's are turned back from +Y up to metres east, north, up.

    Raises:
        MeshRefused: no format of ``FORMATS``, too large, broken, or without a face.
        ModuleNotFoundError: trimesh is not installed.
    """
    import trimesh

    form = name.rsplit(".", 1)[-1].lower()
    if form not in FORMATS:
        raise MeshRefused(f"{name}: a mesh file ends in {', '.join('.' + f for f in FORMATS)}")
    if len(data) > MAX_FILE_BYTES:
        raise MeshRefused(f"{name} has {len(data):,} bytes, more than {MAX_FILE_BYTES:,}")
    if form == "glb":
        _require_whole(data, name)
    if form == "stl":
        _require_count(data, name)
    try:
        scene = trimesh.load_scene(
            io.BytesIO(data), file_type=form, resolver=None, allow_remote=False, process=False,
            skip_materials=True,
        )  # fmt: skip
        found = _meshes(scene)
    except MeshRefused:
        raise
    except (
        ArithmeticError, AssertionError, AttributeError, LookupError, MemoryError, NameError,
        NotImplementedError, OSError, RuntimeError, TypeError, ValueError, struct.error,
    ) as error:  # fmt: skip
        # What trimesh raises at a broken file is whatever broke in it.
        said = f"{type(error).__name__}: {error}"[:200]
        raise MeshRefused(f"{name} cannot be read as {form.upper()}: {said}") from error
    if not found:
        raise MeshRefused(f"{name} has no face")
    if form == "glb":
        found = {
            key: Mesh(points=_up(mesh.points), faces=mesh.faces) for key, mesh in found.items()
        }
    return found


def _meshes(scene: Any) -> dict[str, Mesh]:
    found: dict[str, Mesh] = {}
    faces = 0
    for node in sorted(scene.graph.nodes_geometry):
        transform, key = scene.graph[node]
        shape = scene.geometry[key]
        if not hasattr(shape, "faces") or not len(shape.faces):
            continue
        faces += len(shape.faces)
        if faces > MAX_FACES:
            raise MeshRefused(f"more than {MAX_FACES:,} faces: cut the model into parts")
        with np.errstate(all="ignore"):
            points = np.asarray(shape.vertices, np.float64) @ transform[:3, :3].T + transform[:3, 3]
        found[str(node)] = Mesh(points=points, faces=np.asarray(shape.faces, dtype=np.int64))
    return found


def _up(points: Any) -> Any:
    return np.column_stack([points[:, 0], -points[:, 2], points[:, 1]])


def _require_whole(data: bytes, name: str) -> None:
    """Check a GLB's frame, and that its buffers are its own."""
    if len(data) < 20 or data[:4] != _MAGIC:
        raise MeshRefused(f"{name} is no GLB: it does not begin with 'glTF'")
    version, length, head, kind = struct.unpack_from("<IIII", data, 4)
    if version != 2:
        raise MeshRefused(f"{name} is glTF {version}; glTF 2.0 is read")
    if length > len(data) or 20 + head > len(data) or kind != 0x4E4F534A:
        raise MeshRefused(f"{name} is cut off: it says {length:,} bytes and has {len(data):,}")
    try:
        document = json.loads(data[20 : 20 + head])
    except (ValueError, RecursionError) as error:
        raise MeshRefused(f"{name}: its JSON is broken: {error}") from error
    if not isinstance(document, dict):
        raise MeshRefused(f"{name}: its JSON is no object")
    for buffer in document.get("buffers") or []:
        uri = str(buffer.get("uri", "data:")) if isinstance(buffer, dict) else ""
        if not uri.startswith("data:"):
            raise MeshRefused(f"{name} refers to the file {uri[:60]!r}, which is not followed")
    needed = document.get("extensionsRequired") or []
    if "KHR_draco_mesh_compression" in needed or "EXT_meshopt_compression" in needed:
        raise MeshRefused(f"{name} is compressed ({needed}); export it without compression")


def _require_count(data: bytes, name: str) -> None:
    """Check that a binary STL has as many faces as it says, before room is made for them."""
    if data[:5].lower() == b"solid" or len(data) < 84:
        return
    (count,) = struct.unpack_from("<I", data, 80)
    if 84 + count * 50 != len(data):
        raise MeshRefused(
            f"{name} says {count:,} faces, which are {84 + count * 50:,} bytes, and has "
            f"{len(data):,}"
        )
