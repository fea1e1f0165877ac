"""Rule types and options beyond plain limits, one example each."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from alerts.engine import Engine
from alerts.rules import Level, Override
from core.model import Quality
from core.registry import Registry
from tests.support.alerting import (
    ALL,
    ANY,
    FALL,
    HIGH,
    LADDER,
    MISSING,
    SMOKE,
    STUCK,
    T0_US,
    S,
    batch,
    feed,
    loaded,
    placed,
    registry,
    row,
    words,
)

HEAT = registry(("heat-1", "heat"), ("heat-2", "heat"))
POND = registry(("pond-1", "waterlogging"))
CHINA = timezone(timedelta(hours=8))
MONDAY_S = datetime(2026, 9, 28, tzinfo=CHINA).timestamp() - T0_US / S
HUT = registry(("smoke-1", "smoke"))  # series 1 is the density, 2 the detector's own word


def engine(*texts: str, of: Registry = HEAT) -> Engine:
    return Engine(loaded(*texts), of, now_us=T0_US)


def test_fall_is_the_slope_downwards() -> None:
    falling = engine(FALL)
    course = [(n, 60.0 - max(n - 40, 0) / 4) for n in range(90)]
    (said,) = feed(falling, 1, course)
    assert said[:2] == ("raised", "orange")
    assert feed(engine(FALL), 1, [(n, 20.0 + n) for n in range(90)]) == []


def test_stuck_judges_seconds_unchanged() -> None:
    still = engine(STUCK, of=POND)
    assert feed(still, 1, [(0, 0.2), (20, 0.21), (49.9, 0.21)]) == []
    assert feed(still, 1, [(50, 0.21), (110, 0.21), (111, 0.22)]) == [
        ("raised", "blue", "50"),
        ("escalated", "yellow", "110"),
        ("returned", "yellow", "111"),
    ]


def test_stuck_says_for_how_long() -> None:
    still = engine(STUCK, of=POND)
    (said,) = still.process(batch([row(1, 0, 0.2), row(1, 31, 0.2)]))
    assert (said.value, said.threshold) == (31.0, 30.0)
    assert said.said == ("数值已 31 秒未变", "The value has not changed for 31 s")


def test_a_change_within_the_tolerance_is_none() -> None:
    still = engine(STUCK + "options = { tolerance = 0.05 }", of=POND)
    assert feed(still, 1, [(0, 0.20), (10, 0.25), (20, 0.16), (30, 0.24)]) == [
        ("raised", "blue", "30")
    ]
    # A drift away from the value that began the run ends it.
    assert feed(still, 1, [(40, 0.26)]) == [("returned", "blue", "40")]


def test_stuck_may_learn_what_is_usual() -> None:
    text = STUCK.replace("raise = 30, clear = 30", "raise = 3, clear = 3")
    text = text.replace("raise = 90, clear = 60", "raise = 9, clear = 6")
    still = engine(text + "options = { learn = true }", of=POND)
    usual = [(n * 10.0, n // 6 % 2) for n in range(6 * 20)]  # a minute the same, twenty times
    assert feed(still, 1, usual) == []
    after = feed(still, 1, [(1200.0 + n * 10, 0) for n in range(40)])
    assert [said[:2] for said in after] == [("raised", "blue")]
    assert 1200 + 160 <= float(after[0][2]) <= 1200 + 190
    # What lasted that long was an alarm, so it is not usual from now on.
    assert feed(still, 1, [(1600, 1)])[0][0] == "returned"
    again = feed(still, 1, [(1600.0 + n * 10, 1) for n in range(1, 30)])
    assert [said[:2] for said in again] == [("raised", "blue")]


def test_n_of_the_last_m_values() -> None:
    noisy = engine(HIGH + "of_last = { n = 2, m = 3 }")
    assert feed(noisy, 1, [(0, 60), (1, 20), (2, 20), (3, 60), (4, 20)]) == []
    assert feed(noisy, 1, [(5, 60)]) == [("raised", "orange", "5")]
    assert feed(noisy, 1, [(6, 20)]) == [("returned", "orange", "6")]
    # What was before the end does not count towards the next beginning.
    assert feed(noisy, 1, [(7, 60)]) == []
    assert feed(noisy, 1, [(8, 60)]) == [("raised", "orange", "8")]


def test_n_of_m_comes_before_the_dwell() -> None:
    noisy = engine(HIGH + "of_last = { n = 2, m = 3 }\ndwell_s = 10")
    assert feed(noisy, 1, [(0, 60), (5, 60), (9, 20), (14.9, 60)]) == []
    assert feed(noisy, 1, [(15, 60)]) == [("raised", "orange", "15")]


def test_a_doubtful_value_counts_only_for_an_alarm() -> None:
    noisy = engine(HIGH + "of_last = { n = 2, m = 2 }")
    jump = Quality.JUMP
    rows = [row(1, 0, 60, jump), row(1, 1, 20, jump), row(1, 2, 60)]
    assert words(noisy.process(batch(rows))) == [("raised", "orange", "2")]


def test_all_parts_must_be_true() -> None:
    both = engine(ALL, of=HUT)
    assert feed(both, 1, [(0, 5)]) == []
    assert feed(both, 2, [(1, 1)]) == [("raised", "orange", "1")]
    assert feed(both, 1, [(2, 3)]) == []
    assert feed(both, 1, [(3, 1.9)]) == [("returned", "orange", "3")]


def test_any_part_is_enough() -> None:
    either = engine(ANY, of=HUT)
    assert feed(either, 2, [(0, 1)]) == [("raised", "orange", "0")]
    assert feed(either, 1, [(1, 5)]) == []
    assert feed(either, 2, [(2, 0)]) == []
    assert feed(either, 1, [(3, 0)]) == [("returned", "orange", "3")]


def test_readings_of_one_moment_are_taken_together() -> None:
    both = engine(ALL, of=HUT)
    feed(both, 2, [(0, 1)])
    assert both.process(batch([row(1, 1, 5), row(2, 1, 0)])) == []
    (said,) = both.process(batch([row(1, 2, 5), row(2, 2, 1)]))
    assert (said.value, said.threshold, said.quantity) == (2.0, 2.0, "")
    assert said.said[1] == "smoke_obscuration 5 (≥ 4); smoke_alarm 1 (≥ 1)"


def test_a_combined_rule_waits_for_its_dwell() -> None:
    both = engine(ALL + "dwell_s = 10", of=HUT)
    feed(both, 2, [(0, 1)])
    assert feed(both, 1, [(1, 5), (10.9, 5)]) == []
    assert feed(both, 2, [(11, 1)]) == [("raised", "orange", "11")]


@pytest.mark.parametrize(
    ("hours", "at_h", "raises"),
    [
        ("hours = [{ begin = '22:00', end = '06:00' }]", 23, True),
        ("hours = [{ begin = '22:00', end = '06:00' }]", 5, True),
        ("hours = [{ begin = '22:00', end = '06:00' }]", 6, False),
        ("hours = [{ begin = '22:00', end = '06:00', days = ['mon'] }]", 29, True),
        ("hours = [{ begin = '22:00', end = '06:00', days = ['tue'] }]", 29, False),
        ("hours = [{ end = '24:00', days = ['mon'] }]", 23.9, True),
        ("hours = [{ end = '24:00', days = ['mon'] }]", 24, False),
        ("hours = [{ end = '01:00' }, { begin = '12:00', end = '13:00' }]", 12.5, True),
        ("hours = [{ end = '01:00' }, { begin = '12:00', end = '13:00' }]", 3, False),
    ],
)
def test_hours_are_those_of_china(hours: str, at_h: float, raises: bool) -> None:
    said = feed(engine(HIGH + hours), 1, [(MONDAY_S + at_h * 3600, 60)])
    assert bool(said) is raises


def test_what_lasts_until_the_hours_begin_is_raised_then_and_may_get_worse_after_them() -> None:
    watched = engine(LADDER + "dwell_s = 60\nhours = [{ begin = '08:00', end = '09:00' }]", of=POND)
    at = [MONDAY_S + h * 3600 for h in (7.9, 7.99, 8.0, 9.5, 9.6, 10)]
    said = feed(watched, 1, [*zip(at, [0.2, 0.2, 0.2, 0.45, 0.45, 0.0], strict=True)])
    said += feed(watched, 1, [(MONDAY_S + 11 * 3600, 0.3), (MONDAY_S + 12 * 3600, 0.3)])
    assert [s[:2] for s in said] == [
        ("raised", "blue"),
        ("escalated", "orange"),
        ("returned", "orange"),
    ]


def test_a_rule_may_select_by_space_tag_and_device() -> None:
    both = placed(("heat-1", "heat", ("d", "s1")), ("heat-2", "heat", ("d", "s2")))
    select = 'select = { kind = ["heat"], quantity = "temperature", '
    for narrow, found in (
        ('space = ["s2", "s9"]', [2]),
        ('space = ["d"]', [1, 2]),
        ('device = ["heat-1"]', [1]),
        ('tags = ["lift"]', []),
    ):
        text = HIGH.replace(
            'select = { kind = ["heat"], quantity = "temperature" ', select + narrow
        )
        judged = engine(text, of=both)
        assert [n for n in (1, 2) if feed(judged, n, [(0, 60)])] == found


def test_an_override_holds_for_its_device_alone() -> None:
    levels = (Level(severity="red", raise_at=80.0, clear_at=70.0),)
    other = Override(rule_id="rule-0", device_id="heat-1", levels=levels)
    judged = Engine(loaded(HIGH), HEAT, now_us=T0_US, overrides=[other])
    assert feed(judged, 1, [(0, 79), (1, 80), (2, 69)]) == [
        ("raised", "red", "1"),
        ("returned", "red", "2"),
    ]
    assert feed(judged, 2, [(0, 57)]) == [("raised", "orange", "0")]


def test_an_override_takes_a_device_out() -> None:
    off = [
        Override(rule_id=rule, device_id="heat-1", enabled=False) for rule in ("rule-0", "rule-1")
    ]
    judged = Engine(loaded(HIGH, MISSING), HEAT, now_us=T0_US, overrides=off)
    assert feed(judged, 1, [(0, 90)]) == []
    assert [t.subject for t in judged.tick(T0_US + 60 * S)] == ["device:heat-2"]


def test_an_override_may_give_silence_another_severity() -> None:
    worse = Override(rule_id="rule-0", device_id="heat-1", levels=(Level(severity="red"),))
    apart = registry(("heat-1", "heat", "gw-a"), ("heat-2", "heat", "gw-b"))
    judged = Engine(loaded(MISSING), apart, now_us=T0_US, overrides=[worse])
    said = judged.tick(T0_US + 60 * S)
    assert [(t.subject, t.severity.name) for t in said] == [
        ("device:heat-1", "RED"),
        ("device:heat-2", "BLUE"),
    ]


def test_life_safety_is_said_with_every_transition() -> None:
    judged = engine(SMOKE + "life_safety = true", of=HUT)
    said = judged.process(batch([row(2, 0, 1), row(2, 1, 0)]))
    assert [t.life_safety for t in said] == [True, True]
    assert not engine(SMOKE, of=HUT).process(batch([row(2, 0, 1)]))[0].life_safety


def test_many_changes_of_few_series_in_one_batch_are_all_told() -> None:
    ladder = engine(LADDER, of=POND)
    rows = [row(1, n, 0.7 if n % 2 else 0.0) for n in range(200)]
    said = words(ladder.process(batch(rows)))
    assert len(said) == 199
    assert said[:3] == [("raised", "red", "1"), ("returned", "red", "2"), ("raised", "red", "3")]
