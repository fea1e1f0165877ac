"""What one engine hands on to another: after a reload, and after a restart."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from alerts.engine import Engine, OpenCondition
from alerts.rules import LoadedRule
from alerts.snapshot import MAGIC
from core.model import Field, Severity, Transition
from core.registry import Registry
from tests.support.alerting import (
    ALL,
    ANY,
    HIGH,
    LADDER,
    MISSING,
    OFFLINE,
    RISE,
    SMOKE,
    STUCK,
    T0_US,
    S,
    batch,
    feed,
    loaded,
    registry,
    row,
    words,
)

HEAT = registry(("heat-1", "heat"), ("heat-2", "heat"))
TURNED = registry(("pond-1", "waterlogging"), ("heat-2", "heat"), ("heat-1", "heat"))
DWELL = "dwell_s = 10\nclear_dwell_s = 20\n"


def engine(*texts: str, of: Registry = HEAT, now_s: float = 0, version: int = 1) -> Engine:
    return Engine(loaded(*texts, version=version), of, now_us=T0_US + round(now_s * S))


def resumed(old: Engine, *texts: str, of: Registry = HEAT, now_s: float = 0) -> Engine:
    new = engine(*texts, of=of, now_s=now_s)
    new.resume(old.snapshot())
    return new


def test_a_running_dwell_survives() -> None:
    old = engine(HIGH + DWELL)
    feed(old, 1, [(0, 60), (5, 60)])
    new = resumed(old, HIGH + DWELL)
    assert feed(new, 1, [(9.9, 60), (10, 60)]) == [("raised", "orange", "10")]
    feed(new, 1, [(20, 40)])
    again = resumed(new, HIGH + DWELL)
    assert feed(again, 1, [(39, 40), (40, 40)]) == [("returned", "orange", "40")]


def test_series_are_known_by_name() -> None:
    old = engine(HIGH + DWELL)
    feed(old, 1, [(0, 60)])
    new = resumed(old, HIGH + DWELL, of=TURNED)
    assert feed(new, 2, [(10, 60)]) == []
    assert feed(new, 3, [(10, 60)]) == [("raised", "orange", "10")]


def test_a_slope_over_six_hours_is_not_blind_after_a_restart() -> None:
    slow = RISE.replace("window_s = 30", "window_s = 21600").replace("8.3", "0.05")
    slow = slow.replace("4.0", "0.01")
    old = engine(slow)
    feed(old, 1, [(n * 600, 20.0) for n in range(36)])
    new = resumed(old, slow)
    told = feed(new, 1, [(21600 + n * 600, 20.0 + 10 * n) for n in range(8)])
    assert [w[0] for w in told] == ["raised"]


def test_runs_and_counts_survive() -> None:
    text = HIGH + "of_last = { n = 2, m = 3 }"
    still = STUCK.replace('"waterlogging"', '"heat"').replace("depth", "temperature")
    still = still.replace('"water"', '"fire"')
    old = engine(text, still)
    feed(old, 1, [(0, 60), (25, 20)])
    new = resumed(old, text, still)
    assert feed(new, 1, [(30, 60)]) == [("raised", "orange", "30")]
    assert feed(new, 1, [(59.9, 60), (60, 60)]) == [("raised", "blue", "60")]


def test_parts_survive() -> None:
    hut = registry(("smoke-1", "smoke"))
    old = engine(ANY, of=hut)
    feed(old, 1, [(0, 5)])
    new = resumed(old, ANY, of=hut)
    assert feed(new, 2, [(1, 1), (2, 0)]) == []
    assert feed(new, 1, [(3, 0)]) == [("returned", "orange", "3")]


def test_resume_tells_the_clock() -> None:
    old = engine(HIGH)
    old.process(batch([row(1, 0, 20.0, received_s=7)]))
    assert engine(HIGH).resume(old.snapshot()) == T0_US + 7 * S
    old.tick(T0_US + 9 * S)
    assert engine(HIGH).resume(old.snapshot()) == T0_US + 9 * S


def test_a_redelivered_reading_changes_nothing_after_a_restart() -> None:
    old = engine(HIGH)
    feed(old, 1, [(5, 20)])
    assert feed(resumed(old, HIGH), 1, [(4, 60), (5, 60)]) == []


def test_silence_goes_on_where_no_time_has_passed_and_afresh_where_it_has() -> None:
    one = registry(("heat-1", "heat"))
    old = engine(MISSING, of=one)
    feed(old, 1, [(5, 20)])
    old.tick(T0_US + 20 * S)
    at_once = resumed(old, MISSING, of=one)
    assert words(at_once.tick(T0_US + 36 * S)) == [("raised", "blue", "35")]
    later = resumed(old, MISSING, of=one, now_s=100)
    assert later.tick(T0_US + 129 * S) == []
    assert words(later.tick(T0_US + 130 * S)) == [("raised", "blue", "130")]


def test_who_was_missing_is_still_missing() -> None:
    apart = registry(("heat-1", "heat", "gw-a"), ("heat-2", "heat", "gw-b"))
    old = engine(MISSING, OFFLINE, of=apart)
    assert len(old.tick(T0_US + 30 * S)) == 2
    old.gateway_status("gw-b", False, T0_US + 31 * S)
    new = resumed(old, MISSING, OFFLINE, of=apart, now_s=60)
    assert new.tick(T0_US + 200 * S) == []
    assert words(new.process(batch([row(1, 201, 20.0)]))) == [("returned", "blue", "201")]
    assert len(new.gateway_status("gw-b", True, T0_US + 202 * S)) == 1


@pytest.mark.parametrize("damage", ["short", "flip", "version", "other"])
def test_a_foreign_or_broken_snapshot_is_refused_and_leaves_the_engine_as_new(damage: str) -> None:
    old = engine(HIGH + DWELL)
    feed(old, 1, [(0, 60)])
    blob = bytearray(old.snapshot())
    if damage == "short":
        del blob[-5:]
    elif damage == "flip":
        blob[len(blob) // 2] ^= 1
    elif damage == "version":
        blob[len(MAGIC)] += 1
    else:
        blob = bytearray(b"no snapshot at all, but long enough for one")
    new = engine(HIGH + DWELL)
    with pytest.raises(ValueError, match="snapshot"):
        new.resume(bytes(blob))
    assert new.snapshot() == engine(HIGH + DWELL).snapshot()


def test_a_changed_rule_keeps_its_active_conditions_and_not_another_windows_past() -> None:
    old = engine(LADDER, RISE, of=registry(("pond-1", "waterlogging"), ("heat-1", "heat")))
    feed(old, 1, [(0, 0.45)])
    feed(old, 2, [(n, 20.0 + n) for n in range(60)])
    shorter = LADDER.replace('{ severity = "yellow", raise = 0.27, clear = 0.25 },', "")
    longer = RISE.replace("window_s = 30", "window_s = 300")
    new = resumed(old, shorter, longer, of=registry(("pond-1", "waterlogging"), ("heat-1", "heat")))
    assert feed(new, 1, [(2, 0.30)]) == [("eased", "blue", "2")]
    assert feed(new, 2, [(60, 80.0)]) == []


def ends(transitions: Sequence[Transition]) -> list[tuple[str, str, str]]:
    return [(t.rule_id, t.subject, str(t.kind)) for t in transitions]


def test_a_removed_rule_ends_its_conditions() -> None:
    pond = registry(("pond-1", "waterlogging"))
    old = engine(LADDER, MISSING, OFFLINE, of=pond, version=3)
    feed(old, 1, [(0, 0.45)])
    old.tick(T0_US + 60 * S)
    old.gateway_status("gw-a", False, T0_US + 61 * S)
    new = engine(HIGH.replace("select", 'id = "other"\nselect'), of=pond)
    told = new.adopt(old)
    assert sorted(ends(told)) == [
        ("rule-0", "device:pond-1", "returned"),
        ("rule-1", "device:pond-1", "returned"),
        ("rule-2", "gateway:gw-a", "returned"),
    ]
    first = min(told, key=lambda t: t.rule_id)
    assert (first.severity, first.rule_version, first.quantity) == (Severity.ORANGE, 3, "depth")
    assert "no longer" in first.said[1]


def test_a_device_that_leaves_ends_its_conditions_and_the_others_stay() -> None:
    old = engine(HIGH)
    feed(old, 1, [(0, 60)])
    feed(old, 2, [(0, 60)])
    new = engine(HIGH, of=registry(("heat-2", "heat")))
    assert ends(new.adopt(old)) == [("rule-0", "device:heat-1", "returned")]
    assert feed(new, 1, [(1, 20)]) == [("returned", "orange", "1")]


def test_adopting_the_same_ends_nothing() -> None:
    old = engine(HIGH, MISSING, OFFLINE)
    feed(old, 1, [(0, 60)])
    old.tick(T0_US + 60 * S)
    assert engine(HIGH, MISSING, OFFLINE).adopt(old) == []


def test_a_timer_does_not_count_for_a_rule_that_judges_something_else() -> None:
    low = HIGH.replace('"high"', '"low"').replace(
        "raise = 57.0, clear = 50.0", "raise = 5, clear = 8"
    )
    old = engine(HIGH + DWELL)
    feed(old, 1, [(0, 60)])
    new = engine(low + DWELL)
    new.adopt(old)
    assert feed(new, 1, [(10, 2), (19, 2), (20, 2)]) == [("raised", "orange", "20")]


@pytest.mark.parametrize("texts", [(SMOKE, ALL), (ALL, SMOKE), (SMOKE, ANY), (ANY, ALL)])
@pytest.mark.parametrize("restart", [True, False])
def test_a_rule_that_becomes_one_over_parts_is_taken_over(
    texts: tuple[str, str], restart: bool
) -> None:
    hut = registry(("smoke-1", "smoke"))
    before, after = texts
    old = engine(before, HIGH + DWELL, of=hut)
    feed(old, 1, [(0, 5)])
    feed(old, 2, [(1, 1)])
    new = engine(after, HIGH + DWELL, of=hut)
    if restart:
        new.resume(old.snapshot())
    else:
        assert new.adopt(old) == []
    assert [w[0] for w in feed(new, 1, [(2, 0)]) + feed(new, 2, [(3, 0)])][:1] == ["returned"]


def open_one(rule: str, subject: str, *, returned: bool = False, version: int = 0) -> OpenCondition:
    return OpenCondition(
        rule_id=rule,
        subject=subject,
        severity=Severity.ORANGE,
        returned=returned,
        rule_version=version,
        field=Field.FIRE,
        latch=True,
    )


def test_restore_ends_what_nothing_judges() -> None:
    told = engine(HIGH, MISSING).restore(
        [
            open_one("rule-0", "device:heat-1"),
            open_one("rule-0", "device:gone"),
            open_one("rule-1", "device:gone"),
            open_one("rule-0", "device:gone-too", returned=True),
            open_one("rule-9", "device:heat-1", version=2),
            open_one("rule-8", "device:heat-1"),  # a version that is not known: not ours to end
        ]
    )
    assert sorted(ends(told)) == [
        ("rule-0", "device:gone", "returned"),
        ("rule-1", "device:gone", "returned"),
        ("rule-9", "device:heat-1", "returned"),
    ]
    assert [t.latch for t in told if t.rule_id == "rule-9"] == [True]


def test_restore_leaves_a_running_timer_alone() -> None:
    old = engine(HIGH + DWELL)
    feed(old, 1, [(0, 60), (10, 60), (20, 40)])
    new = resumed(old, HIGH + DWELL)
    new.restore([open_one("rule-0", "device:heat-1")])
    assert feed(new, 1, [(40, 40)]) == [("returned", "orange", "40")]


def test_a_snapshot_of_many_quiet_series_is_small() -> None:
    many = registry(*((f"pond-{n}", "waterlogging") for n in range(2_000)))
    rules: list[LoadedRule] = loaded(LADDER, MISSING)
    quiet = Engine(rules, many, now_us=T0_US)
    quiet.process(batch([row(n, 1, 0.0) for n in range(1, 2_001)]))
    assert len(quiet.snapshot()) / 2_000 < 60
