"""The twin of a device: moves that keep its series, instruments, wishes and reports, the past."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import threading
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

import blocktwin
from core.model import District
from tests.support import past
from tests.support.past import T0, Row
from tests.support.servers import settings
from tests.support.small_district import BLOCK, SOUTH, STEP, WEST, block_code, small_district
from tests.support.twin_api import Api, running_api, soon
from twin.api import words
from twin.api import words_twins as twin_words
from twin.devices import attributes, places
from twin.devices.attributes import AttributesRefused, VersionConflict
from twin.devices.places import ChangeRefused, DeviceUnknown, Instrument, Target
from twin.kinds import BUILT_IN
from twin.store import load_district

Conn = psycopg.Connection[Any]
Printed = pytest.CaptureFixture[str]

PLAIN = small_district()
HEAT = "heat.00001"
OLD_BLOCK, NEW_BLOCK = block_code(1, 0), block_code(3, 2)
ELSEWHERE = Target(x=WEST + 3 * STEP + BLOCK / 10, y=SOUTH + 2 * STEP + BLOCK / 10)
PATH = f"/api/v1/devices/{HEAT}"


@pytest.fixture
def loaded(conn: Conn) -> Conn:
    load_district(conn, PLAIN)
    return conn


@pytest.fixture
async def api(loaded: Conn, dsn: str, tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(dsn, tmp_path) as running:
        yield running


def move(conn: Conn, target: Target = ELSEWHERE, **how: Any) -> places.Moved:
    plain: dict[str, Any] = {"reason": "wall was torn down", "by": "li", "dry_run": False}
    return places.move(conn, HEAT, target, **(plain | how))


def known_places(conn: Conn, device: str = HEAT) -> list[tuple[Any, ...]]:
    return conn.execute(
        "SELECT s.code, gateway_id, from_at, to_at, reason, by FROM device_place"
        " LEFT JOIN space s USING (space_id) WHERE device_id = %s ORDER BY place_id",
        (device,),
    ).fetchall()


def read(conn: Conn) -> attributes.Attributes:
    return attributes.read(conn, HEAT)


def wish(conn: Conn, values: dict[str, Any], **how: Any) -> attributes.Attributes:
    plain: dict[str, Any] = {"kinds": BUILT_IN, "by": "li"}
    return attributes.set_desired(conn, HEAT, values, **(plain | how))


def report(conn: Conn, values: dict[str, Any], at: datetime | None = None) -> Any:
    now = datetime.now(UTC)
    return attributes.report(conn, HEAT, values, by="agent", at=at or now, now=now)


def test_a_load_leaves_one_place_and_one_instrument_of_each_device(loaded: Conn) -> None:
    for table in ("device_place", "device_installation"):
        counts = loaded.execute(
            f"SELECT count(*), count(DISTINCT device_id), count(from_at) FROM {table}"
        ).fetchone()
        assert counts == (20, 20, 0)
    ((code, _, begin, end, reason, _),) = known_places(loaded)
    assert (code, begin, end, reason) == (f"{OLD_BLOCK}-1", None, None, "district load")
    load_district(loaded, PLAIN)
    assert len(known_places(loaded)) == 1


def test_a_move_keeps_id_series_and_readings_and_is_kept_itself(loaded: Conn) -> None:
    series = past.series_of(loaded, HEAT, "temperature")
    past.store(loaded, series, [Row(0, 20.0)])
    moved = move(loaded, dataclasses.replace(ELSEWHERE, gateway="gw-b", height_m=2.5))
    assert (moved.before["space"], moved.after["space"]) == (f"{OLD_BLOCK}-1", NEW_BLOCK)
    assert (moved.after["gateway_id"], moved.after["height_m"]) == ("gw-b", 2.5)
    assert past.series_of(loaded, HEAT, "temperature") == series
    assert loaded.execute("SELECT count(*) FROM reading").fetchone() == (1,)
    old, new = known_places(loaded)
    assert (old[0], old[1], old[2]) == (f"{OLD_BLOCK}-1", "gw-a", None)
    assert old[3] == new[2]
    assert (new[0], new[1], new[3], new[4], new[5]) == (
        NEW_BLOCK,
        "gw-b",
        None,
        "wall was torn down",
        "li",
    )


def test_a_dry_run_says_where_it_would_belong_and_changes_nothing(loaded: Conn) -> None:
    tried = move(loaded, dry_run=True)
    assert (tried.after["space"], tried.applied) == (NEW_BLOCK, False)
    assert places.device(loaded, HEAT)["space"] == f"{OLD_BLOCK}-1"
    assert len(known_places(loaded)) == 1


def test_a_move_out_of_the_map_is_taken_and_says_so(loaded: Conn) -> None:
    moved = move(loaded, Target(x=WEST - 1, y=SOUTH))
    assert (moved.after["space"], moved.after["placed_how"]) == (None, "unplaced")
    assert "outside every space" in moved.after["placed_note"]


def test_a_position_is_brought_from_its_own_frame(loaded: Conn) -> None:
    import numpy as np

    from geodata.frames import frame

    metres = frame("EPSG:4547").from_degrees(np.array([[ELSEWHERE.x, ELSEWHERE.y]]))[0].tolist()
    moved = move(loaded, Target(x=metres[0], y=metres[1], frame="EPSG:4547"))
    assert (moved.after["space"], moved.after["frame"]) == (NEW_BLOCK, "EPSG:4547")
    assert moved.after["lon"] == pytest.approx(ELSEWHERE.x, abs=1e-8)


@pytest.mark.parametrize(
    ("target", "words_"),
    [
        (Target(x=float("nan"), y=0), "nan"),
        (Target(x=500_000, y=2_500_000), "no degrees of longitude"),
        (Target(x=114, y=22, frame="nonsense"), "nonsense"),
        (Target(x=114, y=22, gateway="gw-z"), "no gateway 'gw-z'"),
        (Target(x=114, y=22, height_m=float("nan")), "height of nan m is none"),
        (Target(x=114, y=22, height_m=1e39), "height of 1e.39 m is none"),
    ],
)
def test_a_senseless_move_is_refused(loaded: Conn, target: Target, words_: str) -> None:
    with pytest.raises(ChangeRefused, match=words_):
        move(loaded, target)
    assert len(known_places(loaded)) == 1


def test_the_change_of_one_device_reads_only_its_own_places(conn: Conn) -> None:
    load_district(conn, small_district(devices=3000))
    conn.execute("ANALYZE")
    count = "SELECT sum(seq_tup_read) FROM pg_stat_xact_user_tables WHERE relname LIKE 'device_%'"
    with conn.transaction():
        conn.execute("UPDATE device SET lon = 114.1001 WHERE device_id = %s", (HEAT,))
        read_one = conn.execute(count).fetchone()
    assert read_one is not None
    assert read_one[0] < 3000


def test_every_writer_of_a_place_is_recorded(loaded: Conn) -> None:
    changed = dataclasses.replace(PLAIN.devices[1], lon=ELSEWHERE.x, lat=ELSEWHERE.y)
    load_district(loaded, District(spaces=(), gateways=(), devices=(changed,)))
    loaded.execute("UPDATE device SET gateway_id = 'gw-b' WHERE device_id = %s", (HEAT,))
    loaded.execute("UPDATE device SET name = 'new name' WHERE device_id = %s", (HEAT,))
    assert [(row[0], row[1]) for row in known_places(loaded)] == [
        (f"{OLD_BLOCK}-1", "gw-a"),
        (NEW_BLOCK, "gw-a"),
        (NEW_BLOCK, "gw-b"),
    ]
    rows = known_places(loaded)
    assert [row[3] for row in rows[:-1]] == [row[2] for row in rows[1:]]


def test_one_transaction_leaves_one_place(loaded: Conn) -> None:
    with loaded.transaction():
        for lon in (114.1001, 114.1002, 114.1003):
            loaded.execute("UPDATE device SET lon = %s WHERE device_id = %s", (lon, HEAT))
    assert len(known_places(loaded)) == 2


def test_a_transaction_that_waited_for_the_device_comes_after_the_other(
    loaded: Conn, dsn: str
) -> None:
    with psycopg.connect(dsn) as early:
        early.execute("SELECT now()")
        loaded.execute("UPDATE device SET lon = 114.1001 WHERE device_id = %s", (HEAT,))
        early.execute("UPDATE device SET lon = 114.1002 WHERE device_id = %s", (HEAT,))
        early.commit()
    rows = known_places(loaded)
    assert len(rows) == 3
    assert [row[3] for row in rows[:-1]] == [row[2] for row in rows[1:]]
    assert rows[1][2] < rows[1][3]


def test_a_replacement_keeps_the_series_and_both_instruments(loaded: Conn) -> None:
    now = datetime.now(UTC)
    series = past.series_of(loaded, HEAT, "temperature")
    how: dict[str, Any] = {"now": now, "reason": "broken", "by": "li"}
    first = Instrument(serial="A1", vendor="Acme", model="T")
    installed = places.replace(loaded, HEAT, first, at=now - timedelta(days=2), **how)
    assert [(i["serial"], i["from_at"] is None, i["to_at"] is None) for i in installed] == [
        ("", True, False),
        ("A1", False, True),
    ]
    second = dataclasses.replace(first, serial="A2")
    for refused, at in (
        (first, now),
        (second, now + timedelta(days=1)),
        (second, now - timedelta(days=3)),
    ):
        with pytest.raises(ChangeRefused):
            places.replace(loaded, HEAT, refused, at=at, **how)
    assert len(places.replace(loaded, HEAT, second, at=now, **how)) == 3
    assert past.series_of(loaded, HEAT, "temperature") == series
    with pytest.raises(DeviceUnknown):
        places.replace(loaded, "nobody", first, at=now, **how)


def test_what_a_load_says_of_the_instrument_is_its_installation(conn: Conn) -> None:
    said = {"serial": "S7", "vendor": "Acme", "installed_at": "2026-01-02T00:00:00+08:00"}
    known = dataclasses.replace(PLAIN.devices[1], attributes=said)
    later = dataclasses.replace(PLAIN.devices[2], attributes={})
    load_district(conn, dataclasses.replace(PLAIN, devices=(known, later)))
    later = dataclasses.replace(later, attributes={"installed_at": "2026-02-02T00:00:00Z"})
    load_district(conn, District(spaces=(), gateways=(), devices=(later,)))
    rows = conn.execute(
        "SELECT serial, vendor, from_at FROM device_installation ORDER BY from_at"
    ).fetchall()
    assert rows[0][:2] == ("S7", "Acme")
    assert rows[0][2] == datetime(2026, 1, 1, 16, tzinfo=UTC)
    assert rows[1][2] == datetime(2026, 2, 2, tzinfo=UTC)


def test_wishes_and_reports_make_a_delta_and_a_history(loaded: Conn) -> None:
    assert read(loaded).desired.version == 0
    found = wish(loaded, {"interval_s": 30, "enabled": True})
    assert (found.desired.version, set(found.delta)) == (1, {"interval_s", "enabled"})
    assert found.delta["interval_s"]["reported"] is None
    found = report(loaded, {"interval_s": 30.0, "enabled": False, "firmware": "1.2"})
    assert set(found.delta) == {"enabled"}
    assert found.delta["enabled"]["reported"] is False
    assert found.reported.values["firmware"]["value"] == "1.2"
    assert wish(loaded, {"interval_s": 30}).desired.version == 1
    found = wish(loaded, {"enabled": None})
    assert (found.desired.version, set(found.desired.values), set(found.delta)) == (
        2,
        {"interval_s"},
        set(),
    )
    rows = loaded.execute(
        "SELECT side, name, value FROM attribute_change ORDER BY change_id"
    ).fetchall()
    assert rows[-1] == ("desired", "enabled", None)
    assert len(rows) == 6


def test_a_late_report_holds_only_until_the_next_that_came_before_it(loaded: Conn) -> None:
    at = [datetime(2026, 1, 1, 8, minute, tzinfo=UTC) for minute in range(6)]
    for minute, value in ((1, 5), (3, 5), (4, 5), (2, 7), (2, 8), (5, 5)):
        report(loaded, {"channel": value}, at[minute])
    values = [
        attributes.read(loaded, HEAT, when).reported.values.get("channel", {}).get("value")
        for when in at
    ]
    assert values == [None, 5, 8, 8, 5, 5]
    assert read(loaded).reported.values["channel"]["value"] == 5


def test_a_late_report_does_not_overwrite_a_newer_one(loaded: Conn) -> None:
    now = datetime.now(UTC)
    report(loaded, {"firmware": "2"}, now)
    found = report(loaded, {"firmware": "1"}, now - timedelta(hours=1))
    assert found.reported.values["firmware"]["value"] == "2"
    assert found.reported.at == now
    then = attributes.read(loaded, HEAT, now - timedelta(minutes=30))
    assert then.reported.values["firmware"]["value"] == "1"
    with pytest.raises(AttributesRefused, match="lies ahead"):
        report(loaded, {"firmware": "3"}, now + timedelta(hours=1))


@pytest.mark.parametrize(
    ("values", "words_"),
    [
        ({"interval_s": "soon"}, "'soon' is not of type 'number'"),
        ({"interval_s": -1}, "less than the minimum of 0.1"),
        ({"interval": 30}, "cannot be set on a heat; did you mean interval_s"),
        ({"serial": "X"}, "cannot be set on a heat"),
        ({}, "no attribute was named"),
        ({"A b": 1}, "is no name of an attribute"),
        ({f"a{n}": 1 for n in range(101)}, "more than 100"),
        ({"interval_s": float("nan")}, "cannot be kept"),
        ({"note": "\0"}, "cannot be kept"),
        ({"note": "x" * 9000}, "cannot be kept"),
        ({"note": "\ud800"}, "cannot be kept"),
        ({"interval_s": 1e300}, "cannot be kept"),
        ({"note": [{"deep": [2**64]}]}, "cannot be kept"),
    ],
)
def test_a_wish_that_cannot_be_is_refused(
    loaded: Conn, values: dict[str, Any], words_: str
) -> None:
    with pytest.raises(AttributesRefused, match=words_):
        wish(loaded, values)
    assert read(loaded).desired.version == 0


def test_of_writers_who_saw_the_same_version_one_wins(loaded: Conn, dsn: str) -> None:
    writers = 6
    ready = threading.Barrier(writers)
    won: list[int] = []
    lost: list[int] = []

    def run(number: int) -> None:
        with psycopg.connect(dsn, autocommit=True) as own:
            ready.wait()
            try:
                wish(own, {"interval_s": 10 + number}, expected=0)
                won.append(number)
            except VersionConflict as error:
                lost.append(error.version)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(writers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(won), lost) == (1, [1] * (writers - 1))
    found = read(loaded).desired
    assert (found.version, found.values["interval_s"]["value"]) == (1, 10 + won[0])


async def test_the_twin_is_read_and_set_over_the_api(api: Api) -> None:
    found = await api.get(f"{PATH}/twin")
    twin_words.Twin.model_validate(found)
    assert (found["attributes"], found["delta"]) == ({"floor": 1}, {})
    first = await api.viewer.get(f"{PATH}/desired")
    tag = first.headers["etag"]
    assert tag == '"0"'
    body = {"interval_s": 30}
    for client in (api.viewer, api.gis):
        assert (await client.put(f"{PATH}/desired", json=body)).status_code == 403
    done = await api.operator.put(f"{PATH}/desired", json=body, headers={"If-Match": tag})
    twin_words.DesiredSide.model_validate(done.json())
    assert (done.status_code, done.headers["etag"]) == (200, '"1"')
    stale = await api.operator.put(f"{PATH}/desired", json=body, headers={"If-Match": tag})
    assert (stale.status_code, stale.headers["etag"]) == (412, '"1"')
    words.Problem.model_validate(stale.json())
    weak = await api.operator.put(f"{PATH}/desired", json=body, headers={"If-Match": 'W/"1"'})
    assert weak.status_code == 412
    assert (await api.operator.put(f"{PATH}/desired", json={"floor": 2})).status_code == 422
    found = await api.get(f"{PATH}/twin")
    assert found["delta"]["interval_s"]["desired"] == 30
    said = await api.operator.put(f"{PATH}/reported", json=body)
    twin_words.ReportedSide.model_validate(said.json())
    assert (await api.get(f"{PATH}/twin"))["delta"] == {}
    history = await api.get(f"{PATH}/attributes", limit=1)
    twin_words.AttributeHistory.model_validate(history)
    assert history["changes"][0]["side"] == "reported"
    older = await api.get(f"{PATH}/attributes", limit=1, after=history["next"])
    assert (older["changes"][0]["side"], older["next"]) == ("desired", None)
    for path in ("twin", "desired", "attributes", "history"):
        assert (await api.viewer.get(f"/api/v1/devices/nobody/{path}")).status_code == 404
    assert (await api.operator.put("/api/v1/devices/nobody/desired", json=body)).status_code == 404


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)
WRITES = ("desired", "reported", "move", "replace")


@given(
    st.sampled_from(WRITES),
    st.dictionaries(
        st.sampled_from(["interval_s", "note", "x", "y", "reason", "serial", "at", "gateway"]),
        JSON,
        max_size=5,
    ),
)
@hypothesis_settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
async def test_no_body_makes_a_500(api: Api, path: str, body: dict[str, Any]) -> None:
    method = "PUT" if path in {"desired", "reported"} else "POST"
    content = json.dumps(body)
    response = await api.admin.request(
        method, f"{PATH}/{path}", content=content, headers={"Content-Type": "application/json"}
    )
    assert response.status_code < 500, (path, content, response.text)
    assert (await api.viewer.get(f"{PATH}/twin")).status_code == 200


async def test_concurrent_wishes_over_the_api_leave_one_winner(api: Api) -> None:
    answers = await asyncio.gather(
        *(
            api.operator.put(
                f"{PATH}/desired", json={"interval_s": 10 + n}, headers={"If-Match": '"0"'}
            )
            for n in range(5)
        )
    )
    assert sorted(answer.status_code for answer in answers) == [200, 412, 412, 412, 412]


async def test_a_device_is_moved_and_replaced_over_the_api(api: Api) -> None:
    body = {"x": ELSEWHERE.x, "y": ELSEWHERE.y, "reason": "road works"}
    assert (await api.viewer.post(f"{PATH}/move", json=body)).status_code == 403
    tried = await api.gis.post(f"{PATH}/move", json=body | {"dry_run": True})
    twin_words.MoveReport.model_validate(tried.json())
    assert tried.json()["after"]["space"] == NEW_BLOCK
    assert (await api.gis.post(f"{PATH}/move", json=body)).json()["applied"]

    async def seen() -> bool:
        return bool((await api.get(PATH))["path"][-1]["code"] == NEW_BLOCK)

    await soon(seen)
    unknown = await api.gis.post(f"{PATH}/move", json=body | {"gateway": "gw-z"})
    assert unknown.status_code == 409
    assert (await api.gis.post(f"{PATH}/move", json={"x": 1, "y": 2})).status_code == 422
    plate = {"serial": "A1", "vendor": "Acme", "reason": "broken"}
    done = await api.operator.post(f"{PATH}/replace", json=plate)
    twin_words.DeviceHistory.model_validate(done.json())
    found = await api.get(f"{PATH}/history")
    assert [one["serial"] for one in found["installations"]] == ["", "A1"]
    assert [one["space"] for one in found["places"]] == [NEW_BLOCK, f"{OLD_BLOCK}-1"]
    assert (found["places"][0]["reason"], found["places"][0]["by"]) == ("road works", "gis")
    assert (await api.operator.post(f"{PATH}/replace", json=plate)).status_code == 409


async def test_the_district_of_then_has_the_device_where_it_was(api: Api, loaded: Conn) -> None:
    past.store(loaded, past.series_of(loaded, HEAT, "temperature"), [Row(0, 20.0)])
    before = datetime.now(UTC).isoformat()
    move(loaded)
    after = datetime.now(UTC).isoformat()

    async def followed() -> bool:
        found = await api.get("/api/v1/state", within=NEW_BLOCK)
        return HEAT in found["devices"]

    await soon(followed)
    counts = {}
    for at in (before, after):
        found = await api.get("/api/v1/state", at=at, kind="block")
        words.StateBody.model_validate(found)
        counts[at] = {row["code"]: row["devices"] for row in found["spaces"]}
    assert counts[before][OLD_BLOCK] == counts[after][OLD_BLOCK] + 1
    assert counts[before][NEW_BLOCK] == counts[after][NEW_BLOCK] - 1
    then = await api.get("/api/v1/state", at=before)
    assert then["places"] == {HEAT: pytest.approx([WEST + STEP + BLOCK / 2, SOUTH + BLOCK / 2])}
    assert (await api.get("/api/v1/state", at=after))["places"] == {}
    # The reading of then is there, and of its place of then.
    old = await api.get("/api/v1/state", at=(T0 + timedelta(seconds=5)).isoformat())
    assert old["values"]["v"] == [20.0]
    part = await api.get(
        "/api/v1/state", at=(T0 + timedelta(seconds=5)).isoformat(), within=OLD_BLOCK
    )
    assert HEAT in part["devices"]


async def test_a_device_not_yet_installed_is_not_there(api: Api, loaded: Conn) -> None:
    new = dataclasses.replace(
        PLAIN.devices[1],
        device_id="heat.new",
        attributes={"installed_at": "2026-03-03T00:00:00Z"},
    )
    load_district(loaded, District(spaces=(), gateways=(), devices=(new,)))

    async def known() -> bool:
        return bool((await api.get("/api/v1/state"))["totals"]["devices"] == 21)

    await soon(known)
    then = await api.get("/api/v1/state", at="2026-03-02T12:00:00Z")
    assert (then["totals"]["devices"], then["absent"]) == (20, ["heat.new"])
    later = await api.get("/api/v1/state", at="2026-03-03T12:00:00Z")
    assert (later["totals"]["devices"], later["absent"]) == (21, [])


async def test_kinds_are_json_schemas_with_units_and_titles(api: Api) -> None:
    found = await api.get("/api/v1/kinds")
    twin_words.KindList.model_validate(found)
    assert {"interval_s", "static_threshold_cel"} <= set(
        next(k for k in found["kinds"] if k["kind"] == "heat")["settable"]
    )
    schema = await api.get("/api/v1/kinds/pipe_flow")
    diameter = schema["properties"]["pipe_diameter_mm"]
    assert (diameter["unit"], diameter["title"], diameter["titleEn"]) == (
        "mm",
        "管径",
        "pipe diameter",
    )
    assert (await api.viewer.get("/api/v1/kinds/toaster")).status_code == 404


def run(*words_: str) -> int:
    with pytest.raises(SystemExit) as end:
        blocktwin.main(list(words_))
    return int(str(end.value.code or 0))


def test_the_command_looks_moves_replaces_sets_and_reports(
    loaded: Conn, dsn: str, monkeypatch: pytest.MonkeyPatch, capsys: Printed
) -> None:
    del loaded
    for name, value in settings(dsn).items():
        monkeypatch.setenv(name, value)
    assert run("device", "list", "--kind", "heat", "--stale", "--json") == 0
    assert [row["freshness"] for row in json.loads(capsys.readouterr().out)] == ["never"] * 2
    assert run("device", "list", "--space", OLD_BLOCK, "--limit", "1") == 0
    assert "give --limit" in capsys.readouterr().err
    where = ("--lon", str(ELSEWHERE.x), "--lat", str(ELSEWHERE.y), "--reason", "road works")
    assert run("device", "move", HEAT, *where, "--dry-run") == 0
    assert "nothing was changed" in capsys.readouterr().out
    assert run("device", "move", HEAT, *where, "--as", "li", "--json") == 0
    assert json.loads(capsys.readouterr().out)["after"]["space"] == NEW_BLOCK
    plate = ("--serial", "A1", "--vendor", "Acme", "--reason", "broken")
    assert run("device", "replace", HEAT, *plate) == 0
    assert run("device", "replace", HEAT, *plate) == 1
    assert "stands there already" in capsys.readouterr().err
    assert run("device", "set", HEAT, "interval_s=30", "--if-version", "0") == 0
    assert "not yet reported: interval_s = 30" in capsys.readouterr().out
    assert run("device", "set", HEAT, "interval_s=40", "--if-version", "0") == 1
    assert run("device", "set", HEAT, "interval_s") == 2
    assert run("device", "report", HEAT, "interval_s=30", "firmware=v2", "--json") == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["delta"] == {}
    assert run("device", "show", HEAT) == 0
    assert "Acme A1" in capsys.readouterr().out
    assert run("device", "show", HEAT, "--json") == 0
    assert json.loads(capsys.readouterr().out)["reported"]["values"]["firmware"]["value"] == "v2"
    assert run("device", "history", HEAT) == 0
    assert "(road works; by li)" in capsys.readouterr().out
    assert run("device", "history", HEAT, "--json") == 0
    assert len(json.loads(capsys.readouterr().out)["places"]) == 2
    assert run("device", "kinds") == 0
    assert "感温探测器" in capsys.readouterr().out
    assert run("device", "kinds", "heat", "--json") == 0
    assert json.loads(capsys.readouterr().out)["titleEn"] == "heat detector"
    assert run("device", "kinds", "toaster") == 2
    assert run("device", "show", "nobody") == 2
