"""Survey and mesh files: read, refused with a reason, written the same way every time."""

import io
import json
import struct
import zlib
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
import shapely
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st

from geodata.mesh import files, glb, scene, survey
from geodata.mesh.judge import judge
from geodata.mesh.plane import Plane
from geodata.mesh.solid import extrude
from geodata.mesh.survey import SurveyKind
from geodata.mesh.words import NOTHING, Mesh, MeshRefused

PLANE = Plane(lon=114.1, lat=22.5, height_m=12.0)
GRID = """ncols 3
nrows 2
xllcorner 100
yllcorner 200
cellsize 10
NODATA_value -1
1 2 3
4 -1 6
"""


def box(size: float = 2.0) -> Mesh:
    return extrude(shapely.box(0, 0, size, size), 0.0, size)


def node(name: str, mesh: Mesh, **more: Any) -> glb.Node:
    return glb.Node(name=name, mesh=mesh, material=scene.BUILDING, **more)


def exported(mesh: Mesh, form: str) -> bytes:
    made = trimesh.Trimesh(mesh.points, mesh.faces, process=False).export(file_type=form)
    assert isinstance(made, str | bytes)
    return made.encode() if isinstance(made, str) else made


def document(data: bytes) -> dict[str, Any]:
    (length,) = struct.unpack_from("<I", data, 12)
    found: dict[str, Any] = json.loads(data[20 : 20 + length])
    return found


def test_a_grid_is_read_from_north_to_south_at_its_cells_middles() -> None:
    read = survey.read(GRID.encode(), "a.asc")
    assert (read.kind, read.shape) == (SurveyKind.DEM, (2, 3))
    assert read.points[:4].tolist() == [[105, 215, 1], [115, 215, 2], [125, 215, 3], [105, 205, 4]]
    assert np.isnan(read.points[4, 2])
    centre = GRID.replace("xllcorner", "XLLCENTER").replace("yllcorner", "yllcenter")
    assert survey.read(centre.encode(), "a.asc").points[0].tolist() == [100, 210, 1]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (GRID.replace("ncols 3", "ncols 4"), "8 heights, there are 6"),
        (GRID.replace("ncols 3", "ncols 1e9"), "ncols must be a whole number"),
        (GRID.replace("nrows 2", "nrows 400000"), "thin it"),
        (GRID.replace("cellsize 10", "cellsize 0"), "cellsize must be above 0"),
        (GRID.replace("xllcorner 100\n", ""), "neither xllcorner nor xllcenter"),
        (GRID.replace("-1 6", "x 6"), "no number"),
        (GRID.replace("cellsize 10", "cellsize ten"), "line 5"),
    ],
)
def test_a_broken_grid_is_refused_with_its_place(text: str, said: str) -> None:
    with pytest.raises(MeshRefused, match=said):
        survey.read(text.encode(), "a.asc")


@pytest.mark.parametrize(
    "text",
    [
        "1,2,3\n4,5,6\n7,8,9.5\n",
        "# survey of May\nx y z\n1 2 3\n\n4 5 6\n7 8 9.5\n",
        "id;height;north;east\na;3;2;1\nb;6;5;4\nc;9.5;8;7\n",
        "\ufeff点号,东坐标,北坐标,高程\n1,1,2,3\n2,4,5,6\n3,7,8,9.5\n",
    ],
)
def test_lists_of_points_are_read_by_their_names(text: str) -> None:
    read = survey.read(text.encode(), "p.csv")
    assert (read.kind, read.shape) == (SurveyKind.POINTS, None)
    assert read.points.tolist() == [[1, 2, 3], [4, 5, 6], [7, 8, 9.5]]


def test_exchanged_axes_are_noticed() -> None:
    read = survey.read(b"22.5,114.1,3\n22.6,114.2,4\n22.5,114.2,4\n", "p.csv")
    assert [f.kind for f in read.findings] == ["axes"]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "is empty"),
        (b"# only remarks\n", "remarks only"),
        (b"a,b,c\n1,2,3\n", "names no columns"),
        (b"1,2,3\n1,2\n", "line 2"),
        (b"1,2,3\n1,2,high\n", "line 2"),
        (b"MM\0*rest", "gdal_translate"),
        (b"\xff\xfe\x00", "no text at byte 0"),
        (b"1 2 3\n" * (survey.MAX_POINTS + 2), "thin it"),
    ],
)
def test_what_is_no_list_is_refused_with_its_place(data: bytes, said: str) -> None:
    with pytest.raises(MeshRefused, match=said):
        survey.read(data, "p.csv")


@settings(deadline=None, max_examples=60)
@given(st.binary(max_size=400) | st.text(alphabet="0123456789.,;- \nxyzncolsrw#e", max_size=400))
def test_no_bytes_break_the_reading_of_surveys(data: bytes | str) -> None:
    with suppress(MeshRefused):
        survey.read(data if isinstance(data, bytes) else data.encode(), "f")


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(*[st.floats(allow_nan=True)] * 3), min_size=0, max_size=60))
def test_points_come_back_from_the_store_bit_by_bit(rows: list[tuple[float, float, float]]) -> None:
    points = np.array(rows, dtype=np.float64).reshape(-1, 3)
    back = survey.unpacked(survey.packed(points), len(points))
    assert back.tobytes() == points.tobytes()


def test_stored_points_that_are_others_or_too_many_are_refused() -> None:
    packed = survey.packed(np.ones((50, 3)))
    for data, count in ((packed, 49), (packed, 51), (b"no", 1), (packed[:-9], 50)):
        with pytest.raises(MeshRefused):
            survey.unpacked(data, count)
    bomb = zlib.compress(bytes(200_000_000), 9)
    with pytest.raises(MeshRefused, match="are 73 bytes"):
        survey.unpacked(bomb, 3)


def test_a_glb_has_the_same_bytes_again_and_its_nodes_their_facts() -> None:
    nodes = [
        node("building:1", box(), extras={"kind": "building", "height_m": None}),
        node("ground:2", NOTHING),
    ]
    data = glb.write(nodes, PLANE, title="x")
    assert data == glb.write(list(nodes), PLANE, title="x")
    word = document(data)
    assert [one["name"] for one in word["nodes"]] == ["building:1", "ground:2"]
    assert word["nodes"][0]["extras"] == {"kind": "building", "height_m": None}
    assert word["asset"]["extras"]["origin"] == {"lon": 114.1, "lat": 22.5, "height_m": 12.0}
    assert len(data) % 4 == 0
    assert struct.unpack_from("<I", data, 8) == (len(data),)


def test_a_glb_is_y_up_and_north_is_minus_z() -> None:
    tower = extrude(shapely.box(1, 10, 2, 12), 0.0, 30.0)
    loaded = trimesh.load_scene(io.BytesIO(glb.write([node("t", tower)], PLANE)), file_type="glb")
    assert loaded.bounds.tolist() == [[1, 0, -12], [2, 30, -10]]
    back = files.read(glb.write([node("t", tower)], PLANE), "t.glb")["t"]
    assert back.points.min(axis=0).tolist() == [1, 10, 0]
    assert judge(back).volume_m3 == pytest.approx(60.0)


def test_nodes_that_share_a_mesh_share_its_bytes_and_stand_apart() -> None:
    mesh = box()
    one = glb.write([node("a", mesh, at=(0, 0, 0))], PLANE)
    many = glb.write([node(f"n{i}", mesh, at=(5.0 * i, 1.0, 2.0)) for i in range(50)], PLANE)
    assert len(many) < len(one) + 50 * 100
    assert document(many)["nodes"][3]["translation"] == [15, 2, -1]


def test_two_nodes_of_one_name_and_too_much_are_refused() -> None:
    with pytest.raises(MeshRefused, match="two nodes are called 'a'"):
        glb.write([node("a", box()), node("a", box())], PLANE)
    large = Mesh(points=box().points, faces=np.zeros((2_000_000, 3), dtype=np.int64))
    with pytest.raises(MeshRefused, match="more than"):
        glb.write([node("a", large)], PLANE)


@pytest.mark.parametrize("form", ["glb", "obj", "ply", "stl"])
def test_every_format_is_judged_the_same(form: str) -> None:
    mesh = box(3.0)
    (read,) = files.read(exported(mesh, form), f"a.{form}").values()
    judged = judge(read)
    assert judged.watertight
    assert judged.volume_m3 == pytest.approx(27.0)


def gltf(word: dict[str, Any]) -> bytes:
    head = json.dumps(word).encode()
    head += b" " * (-len(head) % 4)
    chunk = struct.pack("<II", len(head), 0x4E4F534A) + head
    return struct.pack("<4sII", b"glTF", 2, 12 + len(chunk)) + chunk


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("a.fbx", b"", "ends in"),
        ("a.glb", b"", "no GLB"),
        ("a.glb", b"glTF" + struct.pack("<IIII", 1, 20, 0, 0), "glTF 1"),
        ("a.glb", glb.write([node("a", box())], PLANE)[:200], "cut off"),
        ("a.glb", gltf({"buffers": [{"uri": "../../etc/passwd"}]}), "not followed"),
        ("a.glb", gltf({"buffers": [{"uri": "https://x.test/a.bin"}]}), "not followed"),
        ("a.glb", gltf({"extensionsRequired": ["KHR_draco_mesh_compression"]}), "compression"),
        ("a.stl", bytes(80) + struct.pack("<I", 4_000_000_000), "says 4,000,000,000 faces"),
        ("a.obj", b"v 1 2 3\n", "no face"),
        ("a.ply", b"ply\nformat ascii 1.0\n", "PLY|no face"),
    ],
)  # fmt: skip
def test_bad_mesh_files_are_refused_in_words(name: str, data: bytes, said: str) -> None:
    with pytest.raises(MeshRefused, match=said):
        files.read(data, name)


def test_an_obj_opens_no_other_file() -> None:
    text = "mtllib /etc/hostname\nusemtl x\nv 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n"
    (read,) = files.read(text.encode(), "a.obj").values()
    assert len(read.faces) == 1


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(["glb", "obj", "ply", "stl"]), st.data())
def test_no_damage_to_a_mesh_file_breaks_its_reading(form: str, data: st.DataObject) -> None:
    mesh = box()
    whole = bytearray(exported(mesh, form))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(whole[: data.draw(st.integers(0, len(whole)))])
    with suppress(MeshRefused):
        for read in files.read(cut, f"a.{form}").values():
            judge(read)


def test_the_legend_has_a_colour_for_each_class_and_darkens() -> None:
    steps = scene.legend()
    assert [step["from_deg"] for step in steps] == [0, 5, 15, 25, 35, 45, 60]
    assert steps[-1]["to_deg"] is None

    def light(colour: str) -> float:
        red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    lights = [light(step["colour"]) for step in steps]
    assert lights == sorted(lights, reverse=True)
