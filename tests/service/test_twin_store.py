"""Loading a district into a real database: idempotent, versioned, placed."""

from __future__ import annotations

import dataclasses
from typing import Any

import psycopg
import pytest

from core.errors import UsageError
from core.model import District
from tests.support.small_district import SOUTH, STEP, WEST, block_code, small_district, square
from twin.store import load_district, summary

Conn = psycopg.Connection[Any]
PLAIN = small_district()


def one(conn: Conn, sql: str, *values: object) -> Any:
    row = conn.execute(sql, values).fetchone()
    assert row is not None
    return row[0] if len(row) == 1 else row


def place_of(conn: Conn, device: str) -> tuple[str | None, str, str]:
    found: tuple[str | None, str, str] = one(
        conn,
        "SELECT s.code, placed_how, placed_note FROM device LEFT JOIN space s USING (space_id) "
        "WHERE device_id = %s",
        device,
    )
    return found


def with_device(**change: Any) -> District:
    changed = dataclasses.replace(PLAIN.devices[0], **change)
    return District(spaces=(), gateways=(), devices=(changed,))


def test_everything_is_stored_placed_and_counted(conn: Conn) -> None:
    report = load_district(conn, PLAIN)
    assert (report.spaces_added, report.gateways_added, report.devices_added) == (31, 2, 20)
    assert (report.within, report.snapped, report.unplaced) == (20, 0, {})
    assert place_of(conn, "smoke.00000") == (f"{block_code(0, 0)}-1", "within", "")
    quantities = conn.execute(
        "SELECT quantity FROM series WHERE device_id = 'smoke.00000' ORDER BY quantity"
    ).fetchall()
    assert quantities == [("smoke_alarm",), ("smoke_obscuration",)]
    gateway_space = "SELECT s.code FROM gateway JOIN space s USING (space_id) WHERE gateway_id = %s"
    assert one(conn, gateway_space, "gw-b") == f"{block_code(3, 0)}-1"
    found = summary(conn)
    assert found["spaces"]["building"] == 12
    assert found["devices"]["fire"] == {"within": 6}
    assert found["districts"][0]["code"] == "440303"


def test_loading_again_changes_nothing_and_burns_no_number(conn: Conn) -> None:
    load_district(conn, PLAIN)
    before = one(conn, "SELECT max(series_id) FROM series")
    report = load_district(conn, PLAIN)
    numbers = dataclasses.asdict(report)
    assert [key for key, value in numbers.items() if value] == ["within"]
    load_district(conn, with_device(device_id="late.1"))
    assert one(conn, "SELECT max(series_id) FROM series") == before + 2


def test_a_redrawn_outline_is_a_new_version_and_moves_its_devices(conn: Conn) -> None:
    load_district(conn, PLAIN)
    code = block_code(0, 0)
    old = one(conn, "SELECT space_id FROM space WHERE code = %s", code)
    spaces = {space.code: space for space in PLAIN.spaces}
    far = square(WEST + 0.1, SOUTH, WEST + 0.101, SOUTH + 0.001)
    block = dataclasses.replace(spaces[code], outline=far)
    building = dataclasses.replace(spaces[f"{code}-1"], outline=far)
    report = load_district(conn, District(spaces=(block, building), gateways=(), devices=()))
    assert (report.spaces_added, report.spaces_redrawn, report.moved) == (0, 2, 2)
    assert place_of(conn, "smoke.00000")[0] == "grid-a"
    versions = conn.execute(
        "SELECT space_id = %s, valid_to IS NULL FROM space WHERE code = %s ORDER BY space_id",
        (old, code),
    ).fetchall()
    assert versions == [(True, False), (False, True)]


def test_children_follow_their_parents_new_version(conn: Conn) -> None:
    load_district(conn, PLAIN)
    district = dataclasses.replace(
        PLAIN.spaces[0], outline=square(WEST - STEP, SOUTH, WEST + 9 * STEP, SOUTH + 9 * STEP)
    )
    report = load_district(conn, District(spaces=(district,), gateways=(), devices=()))
    assert (report.spaces_redrawn, report.spaces_updated, report.moved) == (1, 0, 0)
    orphans = one(
        conn,
        "SELECT count(*) FROM space c JOIN space p ON p.space_id = c.parent_id "
        "WHERE c.valid_to IS NULL AND p.valid_to IS NOT NULL",
    )
    assert orphans == 0


def test_a_corrected_name_makes_no_new_version(conn: Conn) -> None:
    load_district(conn, PLAIN)
    renamed = dataclasses.replace(PLAIN.spaces[1], name="新名")
    report = load_district(conn, District(spaces=(renamed,), gateways=(), devices=()))
    assert (report.spaces_updated, report.spaces_redrawn) == (1, 0)
    assert one(conn, "SELECT count(*) FROM space WHERE code = %s", renamed.code) == 1


@pytest.mark.parametrize(
    ("offset_m", "how"), [(10.0, "snapped"), (500.0, "unplaced"), (0.0, "within")]
)
def test_a_device_outside_is_snapped_or_unplaced(conn: Conn, offset_m: float, how: str) -> None:
    load_district(conn, PLAIN)
    lat = SOUTH - offset_m / 111_195
    report = load_district(conn, with_device(device_id="edge.1", lat=lat))
    assert place_of(conn, "edge.1")[1] == how
    assert ("edge.1" in report.unplaced) == (how == "unplaced")


def test_devices_without_any_space_wait_for_the_first(conn: Conn) -> None:
    load_district(conn, dataclasses.replace(PLAIN, spaces=()))
    assert place_of(conn, "smoke.00000") == (None, "unplaced", "no space is loaded")
    report = load_district(conn, dataclasses.replace(PLAIN, gateways=(), devices=()))
    assert report.moved == 20
    assert place_of(conn, "smoke.00000")[1] == "within"


def test_a_moved_device_is_placed_anew_and_the_others_are_not_touched(conn: Conn) -> None:
    load_district(conn, PLAIN)
    report = load_district(conn, with_device(lon=WEST + STEP + STEP / 10))
    assert (report.devices_updated, report.moved, report.within) == (1, 1, 1)
    assert place_of(conn, "smoke.00000")[0] == block_code(1, 0)


@pytest.mark.parametrize("inside_a_transaction", [True, False])
def test_a_refused_district_leaves_nothing(dsn: str, inside_a_transaction: bool) -> None:
    bowtie = {"type": "Polygon", "coordinates": [[[0, 0], [1, 1], [1, 0], [0, 1], [0, 0]]]}
    bad = dataclasses.replace(PLAIN.spaces[-1], outline=bowtie)
    district = dataclasses.replace(PLAIN, spaces=(*PLAIN.spaces[:-1], bad))
    with psycopg.connect(dsn, autocommit=not inside_a_transaction) as conn:
        with pytest.raises(UsageError, match="Self-intersection"):
            load_district(conn, district)
        assert one(conn, "SELECT count(*) FROM space") == 0


def test_workers_are_told(conn: Conn, dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as listener:
        listener.execute("LISTEN blocktwin_registry")
        load_district(conn, PLAIN)
        assert [n.channel for n in listener.notifies(timeout=5, stop_after=1)]
