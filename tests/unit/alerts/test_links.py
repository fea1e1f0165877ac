"""Inhibition and confirmation."""

from __future__ import annotations

from dataclasses import replace

import pytest

from alerts.engine import Engine, OpenCondition
from core.model import Severity, Transition
from core.registry import Registry
from tests.support.alerting import (
    HIGH,
    LADDER,
    MISSING,
    OFFLINE,
    SMOKE,
    T0_US,
    S,
    batch,
    loaded,
    placed,
    row,
    words,
)

B1, B2 = ("d", "s", "c", "g", "b", "b1"), ("d", "s", "c", "g", "b", "b2")
# Series: 1 heat-1, 2 and 3 smoke-1 (density, word), 4 heat-2, 5 pond-1.
TOWN = placed(
    ("heat-1", "heat", B1),
    ("smoke-1", "smoke", B1),
    ("heat-2", "heat", B2),
    ("pond-1", "waterlogging", B2),
    at={"heat-1": (114.0, 22.5), "smoke-1": (114.0, 22.5004), "heat-2": (114.0, 22.5011)},
)
CONFIRM = """
confirm = {{ by = ["rule-0", "rule-1"], within_s = 600, severity = "red", {where} }}
"""
INSIDE = CONFIRM.format(where='inside = "building"')
NEAR = CONFIRM.format(where="radius_m = 100")


def engine(*texts: str, of: Registry = TOWN) -> Engine:
    return Engine(loaded(*texts), of, now_us=T0_US)


def play(judged: Engine, *readings: tuple[float, int, float]) -> list[tuple[str, ...]]:
    said: list[Transition] = []
    for at_s, series, value in readings:
        said += judged.process(batch([row(series, at_s, value)]))
    return [(t.subject.removeprefix("device:"), *w) for t in said for w in words([t])]


def test_a_second_signal_in_the_building_makes_both_red_and_delays_neither() -> None:
    said = play(engine(HIGH + INSIDE, SMOKE + INSIDE), (0, 1, 60), (100, 3, 1))
    assert said[:2] == [("heat-1", "raised", "orange", "0"), ("smoke-1", "raised", "orange", "100")]
    assert sorted(said[2:]) == [
        ("heat-1", "escalated", "red", "100"),
        ("smoke-1", "escalated", "red", "100"),
    ]


def test_a_signal_too_late_or_elsewhere_confirms_nothing() -> None:
    late = play(engine(HIGH + INSIDE, SMOKE + INSIDE), (0, 1, 60), (601, 3, 1))
    assert [s[1] for s in late] == ["raised", "raised"]
    elsewhere = play(engine(HIGH + INSIDE, SMOKE + INSIDE), (0, 4, 60), (100, 3, 1))
    assert [s[1] for s in elsewhere] == ["raised", "raised"]


def test_a_signal_within_the_radius_confirms() -> None:
    near = play(engine(HIGH + NEAR, SMOKE + NEAR), (0, 1, 60), (10, 3, 1))  # 44 m
    assert [s[1] for s in near].count("escalated") == 2
    far = play(engine(HIGH + NEAR, SMOKE + NEAR), (0, 1, 60), (10, 4, 60))  # 122 m
    assert [s[1] for s in far] == ["raised", "raised"]
    chain = play(engine(HIGH + NEAR, SMOKE + NEAR), (0, 4, 60), (10, 3, 1))  # 78 m, another square
    assert [s[1] for s in chain].count("escalated") == 2


def test_the_same_rule_on_another_subject_confirms_and_its_own_subject_does_not() -> None:
    block = HIGH + INSIDE.replace("building", "block")
    assert [s[1] for s in play(engine(block, SMOKE), (0, 1, 60), (5, 4, 60))].count(
        "escalated"
    ) == 2
    again = play(engine(block, SMOKE), (0, 1, 60), (5, 1, 20), (10, 1, 60))
    assert [s[1] for s in again] == ["raised", "returned", "raised"]


def test_an_onset_counts_though_its_condition_has_ended() -> None:
    said = play(engine(HIGH + INSIDE, SMOKE), (0, 3, 1), (5, 3, 0), (60, 1, 60))
    assert said[-1] == ("heat-1", "escalated", "red", "60")


def test_the_needed_number_of_signals() -> None:
    two = HIGH + INSIDE.replace("within_s", "needed = 2, within_s").replace("building", "block")
    judged = engine(two, SMOKE)
    assert [s[1] for s in play(judged, (0, 1, 60), (5, 3, 1))] == ["raised", "raised"]
    assert play(judged, (10, 4, 60))[-1][1:3] == ("escalated", "red")


def test_a_confirmed_alarm_does_not_ease_below_what_confirmed_it_and_starts_anew_after() -> None:
    ladder = (
        LADDER
        + 'confirm = { by = ["rule-1"], within_s = 60, severity = "orange", inside = "block" }'
    )
    judged = engine(ladder, SMOKE)
    assert play(judged, (0, 3, 1), (1, 5, 0.2)) == [
        ("smoke-1", "raised", "orange", "0"),
        ("pond-1", "raised", "blue", "1"),
        ("pond-1", "escalated", "orange", "1"),
    ]
    assert play(judged, (2, 5, 0.3), (3, 5, 0.7), (4, 5, 0.2), (5, 5, 0.0)) == [
        ("pond-1", "escalated", "red", "3"),
        ("pond-1", "eased", "orange", "4"),
        ("pond-1", "returned", "orange", "5"),
    ]
    assert play(judged, (100, 5, 0.2)) == [("pond-1", "raised", "blue", "100")]


def test_a_confirmation_says_by_what() -> None:
    judged = engine(HIGH + INSIDE, SMOKE)
    judged.process(batch([row(3, 0, 1)]))
    told = judged.process(batch([row(1, 30, 60)]))[-1]
    assert told.said == (
        "由 device:smoke-1 的 rule-1确认，相隔 30 秒",
        "Confirmed by rule-1 on device:smoke-1, 30 s apart",
    )
    assert (told.value, told.threshold) == (60.0, 57.0)


INHIBITED = LADDER + 'inhibit = [{ by = ["rule-1"], same = "building" }]'


def test_a_condition_is_held_back_and_told_when_the_other_has_ended() -> None:
    judged = engine(INHIBITED, HIGH)
    assert play(judged, (0, 4, 60), (1, 5, 0.2), (2, 5, 0.45)) == [
        ("heat-2", "raised", "orange", "0")
    ]
    assert play(judged, (3, 4, 20), (4, 5, 0.7)) == [
        ("heat-2", "returned", "orange", "3"),
        ("pond-1", "raised", "orange", "3"),
        ("pond-1", "escalated", "red", "4"),
    ]


def test_what_ends_while_it_is_held_back_is_never_told() -> None:
    judged = engine(INHIBITED, HIGH)
    said = play(judged, (0, 4, 60), (1, 5, 0.2), (2, 5, 0.0), (3, 4, 20))
    assert [s[0] for s in said] == ["heat-2", "heat-2"]


def test_a_condition_elsewhere_holds_nothing_back() -> None:
    assert len(play(engine(INHIBITED, HIGH), (0, 1, 60), (1, 5, 0.2))) == 2


def test_what_is_active_already_is_not_held_back() -> None:
    said = play(engine(INHIBITED, HIGH), (0, 5, 0.2), (1, 4, 60), (2, 5, 0.45), (3, 5, 0))
    assert [s[1] for s in said if s[0] == "pond-1"] == ["raised", "escalated", "returned"]


def test_of_one_moment_the_one_that_holds_back_comes_first() -> None:
    judged = engine(INHIBITED, HIGH)
    said = judged.process(batch([row(5, 0, 0.2), row(4, 0, 60)]))
    assert [t.subject for t in said] == ["device:heat-2"]


def test_silence_may_hold_back() -> None:
    rules = (LADDER + 'inhibit = [{ by = ["rule-1"], same = "gateway" }]', OFFLINE, MISSING)
    judged = engine(*rules)
    judged.gateway_status("gw-a", False, T0_US)
    assert play(judged, (1, 5, 0.2)) == []
    told = judged.gateway_status("gw-a", True, T0_US + 5 * S)
    assert [(t.subject, str(t.kind)) for t in told] == [
        ("gateway:gw-a", "returned"),
        ("device:pond-1", "raised"),
    ]


def open_one(rule: str, subject: str, severity: Severity, raised_us: int = 0) -> OpenCondition:
    return OpenCondition(
        rule_id=rule, subject=subject, severity=severity, returned=False, raised_us=raised_us
    )


def test_a_restored_alarm_can_be_confirmed_if_its_onset_is_known() -> None:
    for raised_us, kinds in ((T0_US, ["raised", "escalated"]), (0, ["raised"])):
        judged = engine(HIGH + INSIDE, SMOKE)
        judged.restore([open_one("rule-0", "device:heat-1", Severity.ORANGE, raised_us)])
        assert [s[1] for s in play(judged, (10, 3, 1))] == kinds


def test_a_restored_alarm_that_was_confirmed_stays_so() -> None:
    judged = engine(HIGH + INSIDE, SMOKE)
    judged.restore([open_one("rule-0", "device:heat-1", Severity.RED, T0_US)])
    assert play(judged, (10, 3, 1), (11, 1, 20)) == [
        ("smoke-1", "raised", "orange", "10"),
        ("heat-1", "returned", "red", "11"),
    ]


def test_a_restored_alarm_confirms_what_begins_after() -> None:
    judged = engine(HIGH, SMOKE + INSIDE)
    judged.restore([open_one("rule-0", "device:heat-1", Severity.ORANGE, T0_US)])
    assert [s[1] for s in play(judged, (10, 3, 1))] == ["raised", "escalated"]


def test_a_restored_alarm_holds_back() -> None:
    judged = engine(INHIBITED, HIGH)
    judged.restore([open_one("rule-1", "device:heat-2", Severity.ORANGE)])
    assert play(judged, (1, 5, 0.2)) == []


def without(device: str) -> Registry:
    return Registry([info for info in TOWN.by_id.values() if info.device_id != device])


def holding() -> Engine:
    """Return an engine in which heat-2 holds pond-1 back."""
    judged = engine(INHIBITED, HIGH)
    assert len(play(judged, (0, 4, 60), (1, 5, 0.45))) == 1
    return judged


@pytest.mark.parametrize("restart", [True, False])
@pytest.mark.parametrize("change", ["inhibit", "rule", "device"])
def test_what_nothing_holds_any_longer_is_told(change: str, restart: bool) -> None:
    other = HIGH.replace("select", 'id = "other"\nselect')
    new = {
        "inhibit": lambda: engine(LADDER, HIGH),
        "rule": lambda: engine(INHIBITED, other),
        "device": lambda: engine(INHIBITED, HIGH, of=without("heat-2")),
    }[change]()
    if restart:
        new.resume(holding().snapshot())
        told = new.restore([])
    else:
        told = new.adopt(holding())
    said = [(t.subject, *w) for t in told for w in words([t]) if t.subject == "device:pond-1"]
    assert said == [("device:pond-1", "raised", "orange", "1")]
    assert play(new, (7, 5, 0.7)) == [("pond-1", "escalated", "red", "7")]


def test_what_is_held_back_and_gone_is_never_told() -> None:
    new = engine(INHIBITED, HIGH, of=without("pond-1"))
    assert new.adopt(holding()) == []
    assert play(new, (6, 4, 20)) == [("heat-2", "returned", "orange", "6")]


def test_a_condition_holds_back_as_soon_as_a_rule_asks_for_it() -> None:
    old = engine(LADDER, HIGH)
    play(old, (0, 4, 60))
    new = engine(INHIBITED, HIGH)
    new.adopt(old)
    assert play(new, (6, 5, 0.45), (7, 4, 20))[1:] == [("pond-1", "raised", "orange", "7")]


def test_what_the_database_knows_as_ended_holds_nothing_back() -> None:
    for also_open in (True, False):
        new = engine(INHIBITED, HIGH)
        new.resume(holding().snapshot())
        known = [replace(open_one("rule-1", "device:heat-2", Severity.ORANGE), returned=True)]
        if also_open:  # it was told before the worker ended
            known.append(open_one("rule-0", "device:pond-1", Severity.ORANGE, T0_US + S))
        assert len(new.restore(known)) == (0 if also_open else 1)
        assert play(new, (7, 5, 0.0))[0][:2] == ("pond-1", "returned")


def test_what_holds_back_may_be_silence_or_a_gateway() -> None:
    quiet = LADDER + 'inhibit = [{ by = ["rule-1"], same = "gateway" }]'
    old = engine(LADDER, OFFLINE)
    old.gateway_status("gw-a", False, T0_US)
    new = engine(quiet, OFFLINE)
    new.adopt(old)
    assert play(new, (6, 5, 0.45)) == []
    assert len(new.gateway_status("gw-a", True, T0_US + 7 * S)) == 2
    old = engine(LADDER, MISSING)
    old.tick(T0_US + 31 * S)
    new = engine(quiet.replace('"gateway"', '"device"'), MISSING)
    assert new.adopt(old) == []
