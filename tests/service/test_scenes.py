"""Scenes and surveys over a real database: kept, shown, compared, and refused with a reason."""

from __future__ import annotations

import json
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest

from core.errors import UsageError
from core.model import District
from geodata.frames import frame
from geodata.mesh.files import read as read_mesh
from geodata.mesh.judge import judge
from geodata.mesh.plane import Plane
from tests.support.small_district import BLOCK, SOUTH, STEP, WEST, block_code, small_district
from tests.support.twin_api import running_api
from twin.scenes import scenes, surfaces
from twin.scenes.surfaces import Deed
from twin.store import load_district

ROOT = Path(__file__).parents[2]
HERE = block_code(0, 0)
MIDDLE = Plane(lon=WEST + BLOCK / 2, lat=SOUTH + BLOCK / 2)
DEGREES = frame("EPSG:4490")


def slope_district() -> District:
    """The little district, its devices turned into tilt gauges and one of them far away."""
    plain = small_district()
    devices = [replace(d, kind="tilt", device_id=f"tilt-{i}") for i, d in enumerate(plain.devices)]
    return replace(plain, devices=tuple(devices))


def survey(rise: float = 0.0, *, half: float = 60.0, fall: float = 0.5) -> bytes:
    """A plane that falls to the south by ``fall``, 40 m high in the block's middle."""
    line = np.linspace(-half, half, 13)
    east, north = (axis.ravel() for axis in np.meshgrid(line, line))
    lonlat = MIDDLE.degrees(np.column_stack([east, north]))
    height = 40.0 + fall * north + rise
    rows = [f"{x:.9f},{y:.9f},{z:.4f}" for (x, y), z in zip(lonlat, height, strict=True)]
    return ("lon,lat,height\n" + "\n".join(rows)).encode()


def deed(day: int = 1, **other: Any) -> Deed:
    plain: dict[str, Any] = {
        "name": "东坡",
        "space": HERE,
        "surveyed_at": datetime(2026, 5, day, tzinfo=UTC),
        "height_datum": "1985",
        "source": "synthetic",
        "file_name": "slope.csv",
    }
    return Deed(**(plain | other))


def keep(conn: psycopg.Connection[Any], data: bytes, day: int = 1, **other: Any) -> str:
    taken = surfaces.take(conn, data, DEGREES, deed(day, **other), actor="test")
    found: str = taken.row["surface_id"]
    return found


def heads(glb: bytes) -> dict[str, Any]:
    (length,) = struct.unpack_from("<I", glb, 12)
    found: dict[str, Any] = json.loads(glb[20 : 20 + length])
    return found


def names(word: dict[str, Any]) -> list[str]:
    return [node["name"] for node in word["nodes"]]


def test_a_block_has_its_ground_its_building_and_its_devices(conn: psycopg.Connection) -> None:
    load_district(conn, small_district())
    told = scenes.of_space(conn, HERE)
    word, glb = told.word(), told.scene.glb()
    assert names(word) == [f"ground:{HERE}", f"building:{HERE}-1", *_devices(word)]
    assert _devices(word)
    assert names(word) == [node["name"] for node in heads(glb)["nodes"]]
    assert glb == scenes.of_space(conn, HERE).scene.glb()
    building = judge(read_mesh(glb, "a.glb")[f"building:{HERE}-1"])
    side = (BLOCK / 3) * np.pi / 180 * 6_378_137
    assert building.watertight
    assert building.volume_m3 == pytest.approx(side**2 * np.cos(np.radians(SOUTH)) * 24, rel=0.01)
    assert word["report"] == []
    assert word["surface"] is None


def _devices(word: dict[str, Any]) -> list[str]:
    return [node["name"] for node in word["nodes"] if node["kind"] == "device"]


def test_a_building_is_shown_in_its_block_and_larger_spaces_as_a_whole(
    conn: psycopg.Connection,
) -> None:
    load_district(conn, small_district())
    word = scenes.of_space(conn, f"{HERE}-1").word()
    assert (word["space"], word["focus"]) == (HERE, f"{HERE}-1")
    grid = scenes.of_space(conn, "grid-a").word()
    assert sum(node["kind"] == "building" for node in grid["nodes"]) == 6
    with pytest.raises(surfaces.SpaceUnknown, match="no space 'nowhere'"):
        scenes.of_space(conn, "nowhere")


def test_a_building_without_a_height_is_marked(conn: psycopg.Connection) -> None:
    plain = small_district()
    spaces = [replace(s, height_m=None) if s.code == f"{HERE}-1" else s for s in plain.spaces]
    spaces = [
        replace(s, height_m=24_000.0) if s.code == f"{block_code(0, 1)}-1" else s for s in spaces
    ]
    load_district(conn, replace(plain, spaces=tuple(spaces)))
    word = scenes.of_space(conn, "grid-a").word()
    marked = [node["space_code"] for node in word["nodes"] if node.get("placeholder")]
    assert marked == [f"{HERE}-1", f"{block_code(0, 1)}-1"]
    assert [f["kind"] for f in word["report"]] == ["missing_height", "implausible_height"]


def test_buildings_and_devices_stand_on_the_newest_survey(conn: psycopg.Connection) -> None:
    load_district(conn, small_district())
    keep(conn, survey(), day=1)
    newest = keep(conn, survey(rise=2.0), day=9)
    word = scenes.of_space(conn, HERE).word()
    assert (word["surface"], word["source"]) == (newest, "synthetic")
    nodes = {node["name"]: node for node in word["nodes"]}
    assert nodes[f"building:{HERE}-1"]["roof_m"] + word["origin"]["height_m"] == pytest.approx(
        42.0 + 24.0, abs=0.1
    )
    device = nodes[_devices(word)[0]]
    assert device["at"][1] + word["origin"]["height_m"] == pytest.approx(45.0, abs=0.1)
    assert device["facet"]["slope_deg"] == pytest.approx(26.57, abs=0.01)
    assert device["facet"]["aspect_deg"] == pytest.approx(180.0, abs=0.1)
    assert [f["kind"] for f in word["report"]] == ["other_surveys"]


def test_a_newer_survey_of_a_neighbour_does_not_push_out_the_one_over_the_block(
    conn: psycopg.Connection,
) -> None:
    load_district(conn, small_district())
    own = keep(conn, survey(half=60.0))
    east = Plane(lon=MIDDLE.lon + 0.9 * STEP, lat=MIDDLE.lat)
    lonlat = east.degrees(np.array([[x, y] for x in (-60.0, 0, 60) for y in (-60.0, 0, 60)]))
    rows = [f"{x:.9f},{y:.9f},80" for x, y in lonlat.tolist()]
    keep(conn, ("lon,lat,height\n" + "\n".join(rows)).encode(), 9, space=block_code(1, 0))
    assert scenes.of_space(conn, HERE).word()["surface"] == own


def test_a_survey_that_covers_a_part_leaves_the_rest_flat_and_says_so(
    conn: psycopg.Connection,
) -> None:
    load_district(conn, small_district())
    keep(conn, survey(half=20.0))
    told = scenes.of_space(conn, HERE)
    assert [f.kind for f in told.scene.findings] == ["ground_partly_surveyed"]
    ground = judge(told.scene.nodes[0].mesh, closed=False)
    up = told.scene.nodes[0].mesh.crosses()[:, 2].sum() / 2
    side = BLOCK * np.pi / 180 * 6_378_137
    assert up == pytest.approx(side**2 * np.cos(np.radians(SOUTH)), rel=0.01)
    assert ground.findings == () or [f.kind for f in ground.findings] == ["duplicate_points"]


def test_a_device_learns_its_slope_from_the_facet_it_stands_on(conn: psycopg.Connection) -> None:
    load_district(conn, slope_district())
    nothing = scenes.facet_of(conn, "tilt-0")
    assert (nothing["slope_deg"], nothing["reason"]) == (None, "no surface is surveyed")
    kept = keep(conn, survey())
    word = scenes.facet_of(conn, "tilt-0")
    assert word["surface_id"] == kept
    assert word["slope_deg"] == pytest.approx(26.57, abs=0.01)
    assert word["aspect_deg"] == pytest.approx(180.0, abs=0.1)
    assert word["ground_m"] == pytest.approx(40.0, abs=0.01)
    away = scenes.facet_of(conn, "tilt-1")
    assert (away["slope_deg"], away["aspect_deg"]) == (None, None)
    assert away["distance_m"] == pytest.approx(STEP * np.pi / 180 * 6_378_137 * 0.924 - 60, abs=1)
    assert "outside the survey" in away["reason"]
    with pytest.raises(scenes.DeviceUnknown):
        scenes.facet_of(conn, "nobody")


def test_between_two_surveys_the_volume_is_what_was_heaped_up(conn: psycopg.Connection) -> None:
    load_district(conn, small_district())
    before, after = keep(conn, survey(), 1), keep(conn, survey(rise=0.25), 2)
    found = surfaces.volume(conn, before, after)[2]
    assert found.area_m2 == pytest.approx(14_400, rel=1e-4)
    assert found.fill_m3 == pytest.approx(3_600, rel=1e-3)
    assert found.cut_m3 == pytest.approx(0, abs=1)
    other = keep(conn, survey(), 3, height_datum="Huanghai 1956")
    with pytest.raises(surfaces.NoTerrain, match="no change of the ground"):
        surfaces.volume(conn, before, other)


def test_the_same_file_is_kept_once_and_a_dry_run_keeps_none(conn: psycopg.Connection) -> None:
    load_district(conn, small_district())
    taken = surfaces.take(conn, survey(), DEGREES, deed(), actor="a", dry_run=True)
    assert not taken.known
    assert surfaces.listed(conn) == []
    assert keep(conn, survey()) == keep(conn, survey()) == taken.row["surface_id"]
    assert len(surfaces.listed(conn, HERE)) == 1
    assert surfaces.listed(conn, block_code(1, 0)) == []
    surfaces.remove(conn, taken.row["surface_id"], dry_run=True)
    assert len(surfaces.listed(conn)) == 1
    surfaces.remove(conn, taken.row["surface_id"], dry_run=False)
    assert surfaces.listed(conn) == []


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"x,y,z\n1,2\n", "line 2"),
        (b"lon,lat,height\n114.1,22.5,1\n114.2,22.5,1\n", "make no surface"),
        (b"lon,lat,height\n114.1,22.5,1\n114.1,22.6,1\n116.9,22.5,1\n", "degrees wide"),
        (b"II*\0....", "gdal_translate"),
        (b"", "is empty"),
    ],
)
def test_what_is_no_survey_is_refused_with_its_place(
    conn: psycopg.Connection, data: bytes, said: str
) -> None:
    load_district(conn, small_district())
    with pytest.raises(UsageError, match=said):
        keep(conn, data)
    assert surfaces.listed(conn) == []


def test_a_projected_survey_lands_where_it_was_measured(conn: psycopg.Connection) -> None:
    load_district(conn, small_district())
    gauss = frame("EPSG:4547")
    corner = gauss.from_degrees(np.array([[MIDDLE.lon, MIDDLE.lat]]))[0]
    rows = "\n".join(" ".join(str(30 + r) for _ in range(4)) for r in range(3))
    head = f"ncols 4\nnrows 3\nxllcenter {corner[0]}\nyllcenter {corner[1]}\ncellsize 5\n"
    made = deed(file_name="dem.asc")
    taken = surfaces.take(conn, (head + rows).encode(), gauss, made, actor="t")
    row = surfaces.surface(conn, taken.row["surface_id"])
    assert (row["kind"], row["row_count"], row["column_count"]) == ("dem", 3, 4)
    assert (row["west"], row["south"]) == pytest.approx((MIDDLE.lon, MIDDLE.lat), abs=1e-6)
    points = surfaces.terrain(row).points
    assert points[:, 2].tolist() == [30.0] * 4 + [31.0] * 4 + [32.0] * 4
    assert points[0, 1] > points[-1, 1]


async def test_the_api_serves_scenes_with_tags_and_surveys_with_their_report(
    dsn: str, conn: psycopg.Connection, tmp_path: Path
) -> None:
    load_district(conn, slope_district())
    async with running_api(dsn, tmp_path) as api:
        scene = await api.viewer.get(f"/api/v1/spaces/{HERE}/scene")
        assert scene.status_code == 200
        glb = await api.viewer.get(f"/api/v1/spaces/{HERE}/scene.glb")
        assert glb.headers["content-type"] == "model/gltf-binary"
        assert names(scene.json()) == [node["name"] for node in heads(glb.content)["nodes"]]
        tag = {"If-None-Match": glb.headers["etag"]}
        again = await api.viewer.get(f"/api/v1/spaces/{HERE}/scene.glb", headers=tag)
        assert again.status_code == 304
        said = {"name": "东坡", "frame": "EPSG:4490", "space": HERE}
        first = said | {"surveyed_at": "2026-05-01T08:00:00+08:00", "height_datum": "1985"}
        posted = await api.gis.post("/api/v1/surfaces", params=first, content=survey())
        assert posted.status_code == 201, posted.text
        before = posted.json()["surface_id"]
        assert (await api.gis.post("/api/v1/surfaces", params=first, content=survey())).json()[
            "known"
        ]
        second = first | {"surveyed_at": "2026-06-01T08:00:00+08:00"}
        posted = await api.gis.post("/api/v1/surfaces", params=second, content=survey(0.5))
        after = posted.json()["surface_id"]
        listed = await api.get("/api/v1/surfaces", space=HERE)
        assert [row["surface_id"] for row in listed["surfaces"]] == [after, before]
        moved = await api.viewer.get(f"/api/v1/spaces/{HERE}/scene.glb", headers=tag)
        assert moved.status_code == 200
        change = await api.get("/api/v1/surfaces/volume", before=before, after=after)
        assert change["net_m3"] == pytest.approx(7_200, rel=1e-3)
        detail = await api.get(f"/api/v1/surfaces/{after}")
        assert names(detail)[0] == f"slope:{after}"
        assert len(detail["legend"]) == 7
        facet = await api.get("/api/v1/devices/tilt-0/facet")
        assert facet["surface_id"] == after


async def test_the_api_refuses_in_words(dsn: str, conn: psycopg.Connection, tmp_path: Path) -> None:
    load_district(conn, small_district())
    good = {
        "name": "s", "frame": "EPSG:4490", "space": HERE, "surveyed_at": "2026-05-01T08:00:00Z",
    }  # fmt: skip
    async with running_api(dsn, tmp_path) as api:
        post = api.gis.post
        for change, body, status, said in (
            ({}, b"", 422, "is empty"),
            ({}, b"\xff\xfe", 422, "is no text"),
            ({"frame": "EPSG:1"}, survey(), 422, "frame"),
            ({"frame": "EPSG:4547"}, survey(), 422, ""),
            ({"space": "nowhere"}, survey(), 404, "no space"),
            ({"surveyed_at": "yesterday"}, survey(), 422, "surveyed_at"),
        ):
            refused = await post("/api/v1/surfaces", params=good | change, content=body)
            assert (refused.status_code, said in refused.text) == (status, True), refused.text
        assert (await api.operator.post("/api/v1/surfaces", params=good)).status_code == 403
        assert (await api.stranger.get(f"/api/v1/spaces/{HERE}/scene")).status_code == 401
        for path in (
            "spaces/nowhere/scene", "spaces/nowhere/scene.glb", "surfaces/none",
            "surfaces/none/mesh.glb", "surfaces/volume?before=a&after=b", "devices/none/facet",
            "surfaces?space=nowhere",
        ):  # fmt: skip
            assert (await api.viewer.get(f"/api/v1/{path}")).status_code == 404, path
        whole = await api.viewer.get("/api/v1/spaces/440303/scene")
        assert whole.status_code == 200


async def test_every_answer_is_what_the_document_says(
    dsn: str, conn: psycopg.Connection, tmp_path: Path
) -> None:
    from twin.api import words_scenes as words

    load_district(conn, slope_district())
    before, after = keep(conn, survey(), 1), keep(conn, survey(rise=1.0), 2)
    async with running_api(dsn, tmp_path) as api:
        for path, kind in (
            (f"spaces/{HERE}/scene", words.Scene),
            (f"spaces/{HERE}-1/scene", words.Scene),
            ("surfaces", words.SurfaceList),
            (f"surfaces/{after}", words.SurfaceDetail),
            (f"surfaces/volume?before={before}&after={after}", words.VolumeChange),
            ("devices/tilt-0/facet", words.DeviceFacet),
            ("devices/tilt-1/facet", words.DeviceFacet),
        ):
            answer = await api.viewer.get(f"/api/v1/{path}")
            kind.model_validate_json(answer.content)


@contextmanager
def _validator(tmp_path: Path) -> Iterator[Path]:
    script = tmp_path / "validate.cjs"
    script.write_text(
        """const { validateBytes } = require("gltf-validator");
        const bytes = new Uint8Array(require("fs").readFileSync(process.argv[2]));
        validateBytes(bytes, { maxIssues: 50 }).then((r) => console.log(JSON.stringify(r.issues)));
        """,
        encoding="utf-8",
    )
    yield script


def test_the_validator_finds_nothing_in_a_block_and_in_a_slope(
    conn: psycopg.Connection, tmp_path: Path
) -> None:
    modules = ROOT / "web" / "node_modules"
    node = ROOT / ".venv" / "bin" / "node"
    if not (modules / "gltf-validator").is_dir() or not node.exists():
        pytest.fail("the glTF validator is not installed; run: make setup-tests")
    load_district(conn, slope_district())
    flat = scenes.of_space(conn, HERE).scene.glb()
    kept = keep(conn, survey())
    scened = {
        "flat": flat,
        "block": scenes.of_space(conn, HERE).scene.glb(),
        "slope": scenes.of_surface(conn, kept).scene.glb(),
    }
    with _validator(tmp_path) as script:
        for name, glb in scened.items():
            file = tmp_path / f"{name}.glb"
            file.write_bytes(glb)
            done = subprocess.run(
                [node, script, file],
                env={"NODE_PATH": str(modules)},
                capture_output=True,
                check=True,
                text=True,
                timeout=60,
            )
            issues = json.loads(done.stdout)
            assert (issues["numErrors"], issues["numWarnings"]) == (0, 0), issues["messages"]
