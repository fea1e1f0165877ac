"""The address service over a real database: lists brought in, commands, and the API."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

import blocktwin
from core.errors import UsageError
from core.model import SpaceKind
from geodata.addresses import table
from geodata.addresses.find import find
from geodata.addresses.names import built_in
from geodata.frames import frame
from simulators.addresses import demo_addresses
from simulators.district import demo_district
from tests.support.small_district import BLOCK, SOUTH, WEST, block_code, small_district
from tests.support.twin_api import Api, running_api, soon
from twin.addresses import store
from twin.addresses.service import locate
from twin.addresses.store import Report
from twin.api import words_addresses
from twin.store import load_district

Conn = psycopg.Connection[Any]
MIDDLE = (round(WEST + BLOCK / 2, 7), round(SOUTH + BLOCK / 2, 7))
FIRST = block_code(0, 0)
HOUSE = "4403030010010100012000301"
LIST = f"""地址,经度,纬度,房屋编码
罗湖区桂园街道云庭路12号丰樵居3栋,{MIDDLE[0]},{MIDDLE[1]},
罗湖区桂园街道云庭路１６号,{MIDDLE[0] + 0.001},{MIDDLE[1]},
罗湖区桂园街道云庭路12号丰樵居3栋1单元301,{MIDDLE[0]},{MIDDLE[1]},{HOUSE}
,114.1,22.5,
云庭路18号,abc,22.5,
云庭路20号,200,22.5,
罗湖区桂园街道云庭路16號,114.1,22.5,
云庭路22号,,,
"""


def bring(conn: Conn, text: str, *, dry_run: bool = False, frame_name: str = "EPSG:4490") -> Report:
    rows = table.read(text, frame=frame(frame_name), names=built_in(), source="test", columns={})
    *_, report = store.bring_in(conn, rows, dry_run=dry_run)
    return report


@pytest.fixture
def loaded(conn: Conn) -> Conn:
    load_district(conn, small_district())
    return conn


def count(conn: Conn) -> int:
    row = conn.execute("SELECT count(*) FROM address").fetchone()
    assert row is not None
    return int(row[0])


def test_a_list_is_brought_in_and_bad_rows_are_kept_back_with_their_lines(loaded: Conn) -> None:
    report = bring(loaded, LIST)
    assert (report.rows, report.added, report.updated, report.same) == (8, 3, 0, 0)
    assert report.kept_back == 5
    kept = {one.line: one.reason for one in report.kept}
    assert set(kept) == {5, 6, 7, 8, 9}
    assert kept[5] == "the address is empty"
    assert "is no position" in kept[6]
    assert "200" in kept[7]
    assert kept[8].startswith("line 3 has ")
    assert "neither a position nor" in kept[9]
    assert count(loaded) == 3


def test_bringing_it_in_again_changes_nothing(loaded: Conn) -> None:
    bring(loaded, LIST)
    before = loaded.execute("SELECT * FROM address ORDER BY address_id").fetchall()
    report = bring(loaded, LIST)
    assert (report.added, report.updated, report.same) == (0, 0, 3)
    assert loaded.execute("SELECT * FROM address ORDER BY address_id").fetchall() == before


def test_a_dry_run_says_the_same_and_changes_nothing(loaded: Conn) -> None:
    report = bring(loaded, LIST, dry_run=True)
    assert (report.added, report.dry_run) == (3, True)
    assert count(loaded) == 0


def test_a_house_code_names_an_address_whose_text_changes(loaded: Conn) -> None:
    bring(loaded, LIST)
    changed = f"address,lon,lat,house_code\n云庭路12号丰樵居3栋1单元302,114.1,22.5,{HOUSE}\n"
    report = bring(loaded, changed)
    assert (report.added, report.updated) == (0, 1)
    row = loaded.execute("SELECT text FROM address WHERE house_code = %s", (HOUSE,)).fetchone()
    assert row == ("云庭路12号丰樵居3栋1单元302",)


def test_a_code_and_an_address_of_two_rows_are_kept_back(loaded: Conn) -> None:
    bring(loaded, LIST)
    other = f"address,lon,lat,house_code\n罗湖区桂园街道云庭路16号,114.1,22.5,{HOUSE}\n"
    report = bring(loaded, other)
    assert (report.added, report.updated, report.kept_back) == (0, 0, 1)
    assert "its house code is there already for" in report.kept[0].reason
    stranger = HOUSE[:-1] + "9"
    other = (
        "address,lon,lat,house_code\n"
        f"罗湖区桂园街道云庭路12号丰樵居3栋1单元301室,114.1,22.5,{stranger}\n"
    )
    assert "already with house code" in bring(loaded, other).kept[0].reason


def test_an_address_may_stand_where_its_space_does_if_that_is_in_force(loaded: Conn) -> None:
    text = f"address,space_code\n云庭路30号,{FIRST}\n云庭路32号,nowhere\n"
    report = bring(loaded, text)
    assert (report.added, report.kept_back) == (1, 1)
    assert "its space is not in force" in report.kept[0].reason


def test_positions_come_in_the_frame_that_is_declared(loaded: Conn) -> None:
    bring(loaded, "address,x,y\n云庭路2号,513526.153,2494532.954\n", frame_name="EPSG:4547")
    row = loaded.execute("SELECT lon, lat, frame FROM address").fetchone()
    assert row is not None
    assert row[0] == pytest.approx(114.1315, abs=1e-6)
    assert row[1] == pytest.approx(22.5484, abs=1e-6)
    assert row[2] == "EPSG:4547"


def test_too_many_are_refused_whole(loaded: Conn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "LIMIT", 2)
    with pytest.raises(UsageError, match="more than 2 standard addresses"):
        bring(loaded, LIST)
    assert count(loaded) == 0


@pytest.fixture
def run(
    dsn: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str]]:
    """Run a command in this process; return its exit code and what it printed."""
    monkeypatch.setenv("BLOCKTWIN_DATABASE__DSN", dsn)

    def run(*words: str) -> tuple[int, str]:
        with pytest.raises(SystemExit) as ended:
            blocktwin.main(["address", *words])
        return int(str(ended.value.code)), capsys.readouterr().out

    return run


Run = Callable[..., tuple[int, str]]


@pytest.fixture
def listed(loaded: Conn, tmp_path: Path) -> Path:
    path = tmp_path / "list.csv"
    path.write_bytes(LIST.encode("gbk"))
    return path


def test_the_commands_from_a_list_to_an_answer(run: Run, listed: Path) -> None:
    code, out = run("import", str(listed), "--json")
    assert (code, json.loads(out)["added"]) == (0, 3)
    code, out = run("find", "云庭路16号", "--json")
    answer = json.loads(out)
    words_addresses.AddressFound.model_validate(answer)
    assert code == 0
    assert answer["matches"][0]["address"] == "广东省深圳市罗湖区桂园街道云庭路16号"
    assert answer["matches"][0]["score"] == 1
    where = json.loads(run("at", str(MIDDLE[0]), str(MIDDLE[1]), "--json")[1])
    words_addresses.AddressAt.model_validate(where)
    assert where["space_code"] == f"{FIRST}-1"
    assert "云庭路12号丰樵居3栋" in where["address"]
    assert len(json.loads(run("list", "--json")[1])) == 3
    assert "云庭路16号" in run("list")[1]
    assert run("list", "--begin", "福田区") == (0, "there are none\n")


def test_the_text_of_the_commands(run: Run, listed: Path) -> None:
    shown = run("import", str(listed), "--dry-run")[1]
    assert "3 would be added" in shown
    assert "line 5: the address is empty" in shown
    run("import", str(listed))
    assert "every part given agrees" in run("find", "云庭路16号")[1]
    assert "outside every space" in run("at", "0", "0")[1]
    assert "outside every space" in run("at", "-70.5", "-33.4")[1]


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (1, ["find", "没有这样的地方"]),
        (2, ["find", "路" * 201]),
        (2, ["at", "114", "22", "--frame", "nothing"]),
        (2, ["at", "514", "22"]),
        (2, ["import", "LIST", "--column", "address=没有"]),
        (2, ["import", "LIST", "--column", "nonsense"]),
        (2, ["import", "LIST", "--encoding", "klingon"]),
        (2, ["import", "LIST", "--encoding", "ascii"]),
        (2, ["parse", "路" * 201]),
    ],
)
def test_nothing_found_is_exit_code_1_and_bad_input_2(
    run: Run, listed: Path, code: int, words: list[str]
) -> None:
    assert run(*(str(listed) if word == "LIST" else word for word in words))[0] == code


def test_parse_needs_no_database(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BLOCKTWIN_DATABASE__DSN")
    code, out = run("parse", "罗湖区文锦中路２８号", "--json")
    assert (code, json.loads(out)["normalised"]) == (0, "广东省深圳市罗湖区文锦中路28号")
    assert "door: 28" in run("parse", "文锦中路28号")[1]


@pytest.fixture
async def api(loaded: Conn, dsn: str, tmp_path: Path) -> AsyncIterator[Api]:
    bring(loaded, LIST)
    async with running_api(dsn, tmp_path) as running:
        yield running


async def test_the_api_finds_as_one_types(api: Api) -> None:
    for typed in ("云", "云庭", "云庭路", "云庭路1", "云庭路12号丰", "云庭路12号丰樵居3栋"):
        found = await api.get("/api/v1/addresses/find", text=typed)
        words_addresses.AddressFound.model_validate(found)
    best = found["matches"][0]
    assert best["level"] == "building"
    assert best["space_code"] == f"{FIRST}-1"
    assert best["path"][0]["code"] == "440303"
    assert best["path"][-1]["code"] == f"{FIRST}-1"
    device = await api.get("/api/v1/addresses/find", text=small_district().devices[0].device_id)
    assert device["matches"][0]["device_id"] == small_district().devices[0].device_id
    assert (await api.get("/api/v1/addresses/find", text=""))["matches"] == []


async def test_the_api_says_where_a_point_is_in_any_frame(api: Api) -> None:
    found = await api.get("/api/v1/addresses/at", lon=MIDDLE[0], lat=MIDDLE[1])
    words_addresses.AddressAt.model_validate(found)
    assert found["space_code"] == f"{FIRST}-1"
    east, north = frame("EPSG:4547").from_degrees([list(MIDDLE)])[0].tolist()
    plane = await api.get("/api/v1/addresses/at", lon=east, lat=north, frame="EPSG:4547")
    assert plane["space_code"] == found["space_code"]
    far = await api.get("/api/v1/addresses/at", lon=0, lat=0)
    assert (far["address"], far["how"], far["path"]) == (None, "unplaced", [])


@pytest.mark.parametrize(
    "query",
    [
        "find",
        "find?text=" + "x" * 201,
        "find?text=a&limit=0",
        "find?text=a&near_lon=1",
        "at?lon=200&lat=3",
        "at?lon=1&lat=2&frame=nothing",
        "at?lon=nan&lat=2",
    ],
)
async def test_bad_questions_are_refused(api: Api, query: str) -> None:
    response = await api.viewer.get(f"/api/v1/addresses/{query}")
    assert response.status_code == 422, response.text
    assert response.headers["content-type"] == "application/problem+json"


async def test_only_gis_and_admin_bring_addresses_in(api: Api) -> None:
    body = f"address,lon,lat\n云庭路98号,{MIDDLE[0]},{MIDDLE[1]}\n".encode()
    path = "/api/v1/addresses/import"
    for client, status in (
        (api.stranger, 401), (api.viewer, 403), (api.operator, 403), (api.gis, 200),
    ):  # fmt: skip
        response = await client.post(path, content=body, params={"dry_run": True})
        assert response.status_code == status, response.text
    words_addresses.AddressImport.model_validate(response.json())
    done = await api.admin.post(path, content=body)
    assert done.json()["added"] == 1

    async def seen() -> bool:
        found = await api.get("/api/v1/addresses/find", text="云庭路98号")
        return bool(found["matches"]) and found["matches"][0]["score"] == 1

    await soon(seen)


@pytest.mark.parametrize(
    "body", [b"", b"\xff\xfe\x00", b"a,b\n1,2\n", b'address,lon,lat\n"open,1,2\n', b"\x80\x81\xff"]
)
async def test_what_is_no_list_is_refused(api: Api, body: bytes) -> None:
    response = await api.gis.post("/api/v1/addresses/import", content=body)
    assert response.status_code == 422, response.text


def test_the_demo_can_be_searched_by_its_invented_addresses(conn: Conn) -> None:
    load_district(conn, demo_district())
    addresses = demo_addresses()
    assert store.put(conn, addresses).added == len(addresses)
    again = store.put(conn, addresses[:3000])
    assert (again.added, again.updated, again.same) == (0, 0, 3000)
    locator = locate(conn)
    one = addresses[100]
    found = find(locator, one.text).matches[0]
    assert (found.score, found.space_code) == (1.0, one.space_code)
    assert [step.kind for step in found.path] == list(SpaceKind)
