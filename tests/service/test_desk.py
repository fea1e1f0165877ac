"""The desk over a real database: one cause one message, flapping damped, nothing of it lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from alerts import store
from alerts.desk import hiding
from alerts.desk import store as desk_store
from alerts.desk.config import DeskConfig
from alerts.desk.run import Desk
from alerts.desk.store import Mark
from alerts.desk.work import look
from core.config import DatabaseConfig
from core.model import CloseCause, Severity
from tests.support.desk import (
    CHARGER,
    DAWN,
    FAR_PUDDLE,
    PUDDLES,
    RULES,
    SMOKE,
    SUPPLY,
    Story,
    desk_district,
    since_dawn,
)
from tests.support.small_district import block_code
from tests.support.waiting import eventually
from twin.relations import store as relations
from twin.relations.model import RelationKind
from twin.relations.tables import read_csv
from twin.store import load_district

Conn = psycopg.Connection[Any]

PUDDLE, SECOND = PUDDLES


@pytest.fixture
def district(conn: Conn, tmp_path: Path) -> Conn:
    folder = tmp_path / "rules"
    folder.mkdir()
    (folder / "all.toml").write_text(RULES)
    store.load_rules(conn, str(folder))
    load_district(conn, desk_district())
    return conn


def behind(conn: Conn, gateway: str, count: int) -> list[str]:
    rows = conn.execute(
        "SELECT 'device:' || device_id FROM device WHERE gateway_id = %s ORDER BY 1 LIMIT %s",
        (gateway, count),
    )
    return [row[0] for row in rows]


def feeds(conn: Conn, kind: RelationKind, *pairs: tuple[str, str]) -> None:
    lines = ["from,to,from_lon,from_lat,from_name,from_sort"]
    for up, down in pairs:
        place = "114.1,22.5,x,x" if up.startswith("node:") else ",,,"
        lines.append(f"{up},{down},{place}")
    report = relations.import_set(
        conn,
        f"{kind}-set",
        kind,
        read_csv("\n".join(lines) + "\n", "t.csv"),
        by="li",
        dry_run=False,
    )
    assert report.applied, report


def the_alarm(conn: Conn, subject: str) -> str:
    row = conn.execute(
        "SELECT alarm_id::text FROM alarm WHERE subject = %s ORDER BY raised_at DESC", (subject,)
    ).fetchone()
    assert row is not None
    return str(row[0])


def test_a_gateway_with_200_sensors_dies_and_people_hear_of_it_once(district: Conn) -> None:
    load_district(district, desk_district(400))
    story = Story(district)
    sensors = behind(district, "gw-a", 200)
    assert len(sensors) == 200
    story.says("raised", 0, "device-missing", *sensors[:150])
    assert story.look(1).next_at is not None
    assert story.verdicts() == []
    story.says("raised", 3, "gateway-offline", "gateway:gw-a")
    story.says("raised", 4, "device-missing", *sensors[150:])
    story.look(5)
    story.look(60)
    assert story.verdicts() == [("raised", "gateway:gw-a")]
    assert story.hidden() == 200
    assert story.incidents() == [("open", ["system"], 201, "grid-a", 2)]


def test_what_comes_back_with_its_gateway_is_closed_and_what_does_not_is_shown(
    district: Conn,
) -> None:
    story = Story(district)
    back, gone = behind(district, "gw-a", 2)
    story.says("raised", 0, "gateway-offline", "gateway:gw-a")
    story.says("raised", 1, "device-missing", back, gone)
    story.look(10)
    story.says("returned", 1000, "gateway-offline", "gateway:gw-a")
    story.says("returned", 1010, "device-missing", back)
    story.look(1011)
    assert story.hidden() == 2  # for those that need a minute to report
    story.look(1061)
    assert story.hidden() == 0
    story.look(since_dawn() + 6)
    assert story.verdicts() == [
        ("raised", "gateway:gw-a"), ("returned", "gateway:gw-a"), ("unsuppressed", gone),
    ]  # fmt: skip
    states = district.execute("SELECT subject, state FROM alarm WHERE device_id IS NOT NULL")
    assert dict(states.fetchall()) == {back: "closed", gone: "unacknowledged"}


def test_a_dead_supply_hides_gateways_and_low_voltage_and_the_nearest_cause_wins(
    district: Conn,
) -> None:
    story = Story(district)
    feeds(
        district, RelationKind.POWER,
        (SUPPLY, "node:box"), ("node:box", CHARGER), ("node:box", "gateway:gw-a"),
    )  # fmt: skip
    sensor = SECOND
    story.says("raised", 0, "voltage-low", CHARGER)
    story.says("raised", 1, "gateway-offline", "gateway:gw-a")
    story.says("raised", 2, "device-missing", sensor)
    story.says("raised", 3, "voltage-low", SUPPLY)
    story.look(4)
    story.look(30)
    assert story.verdicts() == [("raised", SUPPLY)]
    rows = district.execute("SELECT subject, hidden_by FROM alarm").fetchall()
    cause, gateway = (f"alarm:{the_alarm(district, one)}" for one in (SUPPLY, "gateway:gw-a"))
    assert dict(rows) == {
        CHARGER: cause, "gateway:gw-a": cause, sensor: gateway, SUPPLY: None,
    }  # fmt: skip


def test_a_supply_that_reports_through_what_it_feeds_explains_it_once(district: Conn) -> None:
    supply = behind(district, "gw-a", 1)[0]
    feeds(
        district, RelationKind.POWER,
        (supply, "node:box"), ("node:box", SUPPLY), ("node:box", "gateway:gw-a"),
    )  # fmt: skip
    story = Story(district)
    story.says("raised", 0, "voltage-low", SUPPLY, quantity="voltage")
    story.says("raised", 1, "gateway-offline", "gateway:gw-a")
    story.says("raised", 2, "device-missing", supply, SECOND)
    story.says("raised", 3, "voltage-low", supply)
    story.look(4)
    story.look(30)
    assert story.verdicts() == [("raised", supply)]
    assert story.hidden() == 4


def test_a_silent_supply_hides_low_voltage_for_good(district: Conn) -> None:
    """Though it is milder: silence and voltage are of different fields."""
    feeds(district, RelationKind.POWER, (SUPPLY, "node:box"), ("node:box", CHARGER))
    story = Story(district)
    story.says("raised", 0, "device-missing", SUPPLY)
    story.says("raised", 1, "voltage-low", CHARGER)
    story.look(2)
    assert story.look(10).shown == 0
    assert (story.hidden(), story.verdicts()) == (1, [("raised", SUPPLY)])
    worse = {"quantity": "voltage", "severity": Severity.ORANGE}
    story.says("escalated", 20, "voltage-low", CHARGER, **worse)
    story.look(21)
    assert story.hidden() == 1


def test_two_that_depend_on_each_other_are_not_both_hidden(district: Conn) -> None:
    """The instrument that watches a gateway's supply reports through that gateway."""
    (watch,) = behind(district, "gw-a", 1)
    feeds(district, RelationKind.POWER, (watch, "gateway:gw-a"))
    story = Story(district)
    story.says("raised", 0, "device-missing", watch)
    story.says("raised", 1, "gateway-offline", "gateway:gw-a")
    story.look(10)
    assert story.verdicts() == [("raised", "gateway:gw-a")]
    story.says("escalated", 20, "gateway-offline", "gateway:gw-a", severity=Severity.ORANGE)
    story.look(26)
    assert story.hidden() == 1
    assert story.verdicts()[-1] == ("escalated", "gateway:gw-a")


def test_water_upstream_hides_water_downstream_only_where_that_is_configured(
    district: Conn,
) -> None:
    upstream, downstream = PUDDLE, FAR_PUDDLE
    feeds(district, RelationKind.DRAINAGE, (upstream, "node:m1"), ("node:m1", downstream))
    plain = Story(district)
    plain.says("raised", 0, "water-level", upstream, downstream)
    plain.look(10)
    assert plain.hidden() == 0
    story = Story(district, consequences=("water-level",))
    story.says("escalated", 20, "water-level", upstream, severity=Severity.RED)
    story.look(21)
    assert story.hidden() == 1
    story.says("escalated", 30, "water-level", downstream, severity=Severity.RED)
    story.look(31)
    assert story.hidden() == 1  # no worse than its cause
    story.says("eased", 40, "water-level", upstream, severity=Severity.YELLOW)
    story.look(41)
    assert story.hidden() == 0


def test_life_safety_is_told_at_once_and_never_hidden(district: Conn) -> None:
    story = Story(district)
    story.says("raised", 0, "gateway-offline", "gateway:gw-a")
    story.says("raised", 1, "smoke", SMOKE)
    story.look(1)
    assert ("raised", SMOKE) in story.verdicts()
    story.look(10)
    assert story.hidden() == 0


def test_an_hour_of_flapping_at_a_threshold_is_at_most_two_messages(district: Conn) -> None:
    story = Story(district)
    for second in range(0, 3600, 40):
        story.says("raised", second, "water-level", PUDDLE)
        story.look(second + 1)
        story.says("returned", second + 20, "water-level", PUDDLE)
        story.look(second + 21)
    assert story.verdicts() == [("raised", PUDDLE)]
    assert story.verdicts("digest") == []
    story.look(3600 + 200)
    assert story.verdicts() == [("raised", PUDDLE), ("returned", PUDDLE)]
    row = district.execute("SELECT occurrences FROM alarm").fetchone()
    assert row == (90,)


def test_what_was_told_is_not_forgotten_over_thousands_of_events(district: Conn) -> None:
    story = Story(district)
    story.says("raised", 0, "water-level", PUDDLE)
    story.look(1)
    district.execute(
        "WITH flapping AS ("
        "  INSERT INTO alarm_event (alarm_id, kind, at, event_at, actor, severity, state)"
        "  SELECT alarm_id, CASE n % 2 WHEN 0 THEN 'raised' ELSE 'returned' END, t, t, 'engine', 2,"
        "         'unacknowledged'"
        "    FROM alarm, generate_series(1, 3000) n,"
        "         LATERAL (SELECT raised_at + make_interval(secs => n)) w (t)"
        "   ORDER BY n RETURNING event_id)"
        " INSERT INTO desk_verdict (event_id, verdict) SELECT event_id, 'hold' FROM flapping"
    )
    newest = district.execute("SELECT max(event_id) FROM alarm_event").fetchone()
    assert newest is not None
    desk_store.move(district, Mark(looked=newest[0], judged=newest[0]))
    story.says("returned", 3001, "water-level", PUDDLE)
    story.says("raised", 3002, "water-level", PUDDLE)
    story.look(3003)
    assert story.verdicts() == [("raised", PUDDLE)]


def test_a_second_occurrence_that_stays_is_told(district: Conn) -> None:
    story = Story(district)
    story.says("raised", 0, "water-level", PUDDLE)
    story.says("returned", 400, "water-level", PUDDLE)
    story.look(401)
    assert story.verdicts() == [("raised", PUDDLE), ("returned", PUDDLE)]
    story.says("raised", 500, "water-level", PUDDLE)
    held = story.look(501)
    assert held.next_at is not None
    story.look(500 + 361)
    assert story.verdicts()[2:] == [("raised", PUDDLE)]
    story.says("escalated", 900, "water-level", PUDDLE, severity=Severity.RED)
    story.look(900)
    assert story.verdicts()[3:] == [("escalated", PUDDLE)]


def test_an_alarm_closed_by_hand_that_comes_again_is_told_when_it_stays(district: Conn) -> None:
    story = Story(district)
    story.says("raised", 0, "water-level", PUDDLE)
    story.look(1)
    store.close(district, the_alarm(district, PUDDLE), "li", CloseCause.FALSE)
    now = since_dawn()
    story.says("returned", now + 10, "water-level", PUDDLE)
    story.says("raised", now + 20, "water-level", PUDDLE)
    story.look(now + 21)
    story.look(now + 20 + 3700)
    assert [kind for kind, _ in story.verdicts()] == ["raised", "closed", "raised"]


def test_rain_water_voltage_and_smoke_in_one_block_are_one_incident(district: Conn) -> None:
    story = Story(district)
    story.says("raised", 0, "water-level", PUDDLE)
    story.look(1)
    story.says("raised", 60, "voltage-low", CHARGER)
    story.says("raised", 120, "smoke", SMOKE)
    story.look(126)
    ((state, fields, alarms, space, severity),) = story.incidents()
    assert (state, sorted(fields), alarms, severity) == ("open", ["fire", "traffic", "water"], 3, 3)
    assert fields[0] == "fire"
    assert space == f"{block_code(0, 0)}-1"
    title = district.execute("SELECT title_zh, title_en FROM incident").fetchone()
    assert title is not None
    assert "感烟报警等 3 个告警（消防、水务、交通）" in title[0]
    assert "Smoke detector alarm and 2 more (fire, water, traffic)" in title[1]
    assert len(story.verdicts()) == 3  # each department is told
    story.says("raised", 4000, "water-level", FAR_PUDDLE)
    story.look(4010)
    assert [row[2] for row in story.incidents()] == [3, 1]


def test_more_of_the_same_in_one_place_goes_into_the_digest(district: Conn) -> None:
    story = Story(district)
    story.says("raised", 0, "water-level", PUDDLE)
    story.says("raised", 10, "water-level", SECOND)
    story.look(11)
    assert (story.verdicts(), story.verdicts("digest")) == (
        [("raised", PUDDLE)], [("raised", SECOND)],
    )  # fmt: skip
    story.says("escalated", 20, "water-level", SECOND, severity=Severity.RED)
    story.look(21)
    assert story.verdicts()[1:] == [("escalated", SECOND)]


def test_what_only_advises_joins_no_incident_and_explains_nothing(district: Conn) -> None:
    story = Story(district)
    story.says("raised", 0, "gateway-offline", "gateway:gw-a")
    story.says("raised", 0, "device-missing", *behind(district, "gw-a", 1))
    district.execute("UPDATE alarm SET advisory = true WHERE gateway_id = 'gw-a' AND quantity = ''")
    story.look(10)
    assert (story.incidents(), story.hidden()) == ([], 0)


def test_an_incident_closes_with_its_alarms_and_opens_again(district: Conn) -> None:
    story = Story(district)
    story.says("raised", 0, "water-level", PUDDLE)
    story.look(1)
    store.acknowledge(district, the_alarm(district, PUDDLE), "li")
    story.says("returned", 60, "water-level", PUDDLE)
    story.look(61)
    assert [row[0] for row in story.incidents()] == ["closed"]
    story.says("raised", 90, "water-level", PUDDLE)
    story.look(91)
    assert [row[0::2] for row in story.incidents()] == [("open", 2, 2)]


def test_a_desk_that_is_killed_before_it_wrote_does_the_same_again(district: Conn) -> None:
    story = Story(district)
    (sensor,) = behind(district, "gw-a", 1)
    story.says("raised", 0, "gateway-offline", "gateway:gw-a")
    story.says("raised", 1, "device-missing", sensor)
    with district.transaction(force_rollback=True):
        story.look(10)
    assert (story.verdicts(), story.incidents(), story.hidden()) == ([], [], 0)
    story.look(11)
    assert story.verdicts() == [("raised", "gateway:gw-a")]
    assert desk_store.mark(district).judged == desk_store.mark(district).looked


def test_what_a_killed_desk_did_not_hide_is_hidden_by_the_next(district: Conn) -> None:
    story = Story(district)
    story.says("raised", 0, "gateway-offline", "gateway:gw-a")
    story.says("raised", 1, "device-missing", *behind(district, "gw-a", 3))
    newest = district.execute("SELECT max(event_id) FROM alarm_event").fetchone()
    assert newest is not None
    desk_store.move(district, Mark(looked=newest[0], judged=newest[0]))
    story.look(10)
    assert story.hidden() == 0
    done = look(district, story.cfg, story.places, DAWN + timedelta(seconds=11), scan=True)
    assert (done.hidden, story.hidden()) == (3, 3)


def test_the_running_desk_hears_judges_and_leaves_to_the_next(district: Conn, dsn: str) -> None:
    story = Story(district)

    async def scenario() -> None:
        stop, second_stop = asyncio.Event(), asyncio.Event()
        cfg, database = DeskConfig(settle_s=0.2), DatabaseConfig(dsn=dsn)
        desk, second = Desk(cfg, database, stop), Desk(cfg, database, second_stop)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(desk.run())
            await eventually(lambda: desk.database_ok)
            tasks.create_task(second.run())
            await eventually(lambda: second.database_ok)
            now = since_dawn()
            await asyncio.to_thread(story.says, "raised", now, "water-level", PUDDLE)
            await eventually(lambda: desk.counts.get("told"))
            assert second.counts == {}
            stop.set()
            await asyncio.to_thread(story.says, "raised", now + 1, "smoke", SMOKE)
            await eventually(lambda: second.counts.get("told"))
            second_stop.set()

    asyncio.run(scenario())
    assert [kind for kind, _ in story.verdicts()] == ["raised", "raised"]


def test_a_desk_that_stands_by_asks_now_and_then_whatever_happens(
    district: Conn, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    claim = desk_store.claim

    def counted(conn: Conn) -> bool:
        asked.append(conn)
        return claim(conn)

    def asked_more_than(times: int) -> Callable[[], bool]:
        return lambda: len(asked) > times

    monkeypatch.setattr(desk_store, "claim", counted)
    district.execute("SELECT pg_advisory_lock(hashtextextended('blocktwin.desk', 0))")

    async def scenario() -> None:
        stop = asyncio.Event()
        desk = Desk(DeskConfig(poll_s=60), DatabaseConfig(dsn=dsn), stop)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(desk.run())
            await eventually(lambda: desk.database_ok)
            for number in range(5):
                district.execute(f"NOTIFY blocktwin_alarm, '{number}'")
                await eventually(asked_more_than(number + 1))
            stop.set()

    asyncio.run(scenario())
    assert len(asked) < 20


def test_what_was_held_and_never_hidden_is_told_when_its_cause_is_gone(district: Conn) -> None:
    story = Story(district)
    (silent,) = behind(district, "gw-a", 1)
    story.says("raised", 0, "gateway-offline", "gateway:gw-a")
    story.look(1)
    story.says("raised", 2, "device-missing", silent)
    cut = pytest.MonkeyPatch()
    cut.setattr(hiding, "hide", lambda *_: 0)  # the desk dies between its verdict and the hiding
    story.look(3)
    cut.undo()
    assert story.hidden() == 0
    story.says("returned", 4, "gateway-offline", "gateway:gw-a")
    look(district, story.cfg, story.places, DAWN + timedelta(seconds=5), scan=True)
    assert ("raised", silent) not in story.verdicts()
    story.look(9)
    assert ("raised", silent) in story.verdicts()


def test_what_a_person_shows_again_stays_shown_until_it_begins_anew(district: Conn) -> None:
    story = Story(district)
    first, second = behind(district, "gw-a", 2)
    story.says("raised", 0, "gateway-offline", "gateway:gw-a")
    story.says("raised", 1, "device-missing", first, second)
    story.look(10)
    assert story.hidden() == 2
    store.unsuppress(district, the_alarm(district, first), actor="li")
    story.look(20)
    look(district, story.cfg, story.places, DAWN + timedelta(seconds=21), scan=True)
    assert story.hidden() == 1
    story.says("returned", 30, "device-missing", first)
    story.says("raised", 40, "device-missing", first)
    story.look(50)
    assert story.hidden() == 2


@pytest.mark.parametrize("ahead_h", [-48, 48])
def test_a_cause_is_over_by_our_clock_whatever_that_of_its_device(
    district: Conn, ahead_h: int
) -> None:
    feeds(district, RelationKind.POWER, (SUPPLY, CHARGER))
    story = Story(district)
    story.says("raised", 0, "voltage-low", SUPPLY)
    story.says("raised", 1, "voltage-low", CHARGER)
    story.look(10)
    assert story.hidden() == 1
    story.says("returned", 20, "voltage-low", SUPPLY)
    district.execute(
        "UPDATE alarm SET returned_at = returned_at + make_interval(hours => %s)"
        " WHERE subject = %s",
        (ahead_h, SUPPLY),
    )
    story.look(79)
    assert story.hidden() == 1
    story.look(81)
    assert story.hidden() == 0


def test_what_was_deleted_meanwhile_stops_nothing(district: Conn) -> None:
    story = Story(district)
    story.says("raised", 0, "water-level", PUDDLE)
    story.says("raised", 1, "water-level", SECOND)
    cut = pytest.MonkeyPatch()
    fresh = desk_store.fresh

    def late(conn: Conn, after: int, batch: int) -> list[desk_store.Fresh]:
        found = fresh(conn, after, batch)
        gone = (PUDDLE,)
        for table in ("alarm_occurrence", "alarm_event"):
            conn.execute(
                f"DELETE FROM {table} WHERE alarm_id IN"
                " (SELECT alarm_id FROM alarm WHERE subject = %s)",
                gone,
            )
        conn.execute("DELETE FROM alarm WHERE subject = %s", gone)
        return found

    cut.setattr(desk_store, "fresh", late)
    story.look(2)
    cut.undo()
    assert story.verdicts() == [("raised", SECOND)]
    assert len(story.incidents()) == 1


def test_a_persons_word_that_only_looks_like_an_alarm_hides_until_they_say(district: Conn) -> None:
    story = Story(district)
    story.says("raised", 0, "water-level", PUDDLE)
    store.suppress(district, the_alarm(district, PUDDLE), "alarm:pump", "泵房检修", actor="li")
    story.look(100)
    assert story.hidden() == 1


def test_a_look_with_nothing_new_writes_nothing(district: Conn) -> None:
    story = Story(district)
    story.says("raised", 0, "water-level", PUDDLE)
    story.look(1)
    before = district.execute("SELECT pg_current_wal_insert_lsn()").fetchone()
    done = look(district, story.cfg, story.places, DAWN)
    assert (done.events, done.told, done.more) == (0, 0, False)
    assert district.execute("SELECT pg_current_wal_insert_lsn()").fetchone() == before
