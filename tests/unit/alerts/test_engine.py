from __future__ import annotations

import random

import pytest

from alerts.engine import Engine, OpenCondition
from alerts.rulebook import read_packaged
from alerts.rules import LoadedRule
from core.model import Quality, Severity
from tests.support.alerting import (
    HIGH,
    LADDER,
    LOW,
    MISSING,
    RISE,
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
POND = registry(("pond-1", "waterlogging"))
DWELL = "dwell_s = 10\nclear_dwell_s = 20\n"


def engine(*texts: str, of: object = HEAT) -> Engine:
    return Engine(loaded(*texts), of, now_us=T0_US)  # type: ignore[arg-type]


def test_a_limit_raises_at_it_and_returns_below_the_lower_one() -> None:
    said = feed(engine(HIGH), 1, enumerate([56.9, 57.0, 60, 50.0, 49.9, 57.0]))
    assert said == [
        ("raised", "orange", "1"),
        ("returned", "orange", "4"),
        ("raised", "orange", "5"),
    ]


def test_a_low_limit_is_the_mirror_of_a_high_one() -> None:
    low = engine(LOW, of=registry(("volt-1", "charging_voltage")))
    said = feed(low, 1, enumerate([220, 198.1, 198, 199, 186, 190, 200, 200.1]))
    assert said == [
        ("raised", "yellow", "2"),
        ("escalated", "orange", "4"),
        ("eased", "yellow", "5"),
        ("returned", "yellow", "7"),
    ]


def test_a_ladder_steps_up_and_down_and_may_skip_steps() -> None:
    said = feed(engine(LADDER, of=POND), 1, enumerate([0.2, 0.45, 0.39, 0.3, 0.7, 0.57, 0.0]))
    assert said == [
        ("raised", "blue", "0"),
        ("escalated", "orange", "1"),
        ("eased", "yellow", "3"),
        ("escalated", "red", "4"),
        ("eased", "orange", "5"),
        ("returned", "orange", "6"),
    ]


def test_a_transition_carries_what_decided() -> None:
    first, second = (
        engine_.process(batch([row(1, at, value)]))[0]
        for engine_ in [engine(LADDER + "latch = true", of=POND)]
        for at, value in ((0, 0.5), (1, 0.1))
    )
    assert (first.value, first.threshold, first.severity) == (0.5, 0.40, Severity.ORANGE)
    assert (second.value, second.threshold, second.severity) == (0.1, 0.13, Severity.ORANGE)
    assert (first.rule_id, first.rule_version) == ("rule-0", 1)
    assert (first.subject, first.quantity, first.latch) == ("device:pond-1", "depth", True)


def test_dwell_runs_on_event_time_and_starts_again_after_a_break() -> None:
    high = engine(HIGH + DWELL)
    said = feed(high, 1, [(0, 60), (9, 60), (9.5, 56), (12, 60), (21.9, 60), (22, 60)])
    assert said == [("raised", "orange", "22")]
    assert feed(high, 1, [(30, 40), (40, 55), (45, 40), (64.9, 40), (65, 40)]) == [
        ("returned", "orange", "65")
    ]


def test_no_timer_runs_out_without_a_reading() -> None:
    high = engine(HIGH + DWELL)
    feed(high, 1, [(0, 60)])
    assert high.tick(T0_US + 3600 * S) == []


def test_many_readings_of_one_series_in_one_batch() -> None:
    rows = [row(1, n, 60.0 if n % 2 else 40.0) for n in range(20)]
    random.Random(7).shuffle(rows)
    said = words(engine(HIGH).process(batch(rows)))
    assert said == [("raised" if n % 2 else "returned", "orange", f"{n}") for n in range(1, 20)]


@pytest.mark.parametrize(
    ("late", "quality"), [(5, 0), (10, 0), (11, Quality.BACKFILLED)], ids=["older", "same", "back"]
)
def test_late_and_backfilled_readings_change_nothing(late: float, quality: int) -> None:
    high = engine(HIGH)
    feed(high, 1, [(10, 20)])
    assert high.process(batch([row(1, late, 900.0, quality)])) == []


@pytest.mark.parametrize("value", [20.0, float("nan"), float("inf")])
def test_a_bad_reading_neither_raises_nor_ends(value: float) -> None:
    high = engine(HIGH)
    bad = Quality.GOOD if value != 20.0 else Quality.DEVICE_FAULT
    assert high.process(batch([row(1, 0, 99.0, Quality.CALIBRATING)])) == []
    assert feed(high, 1, [(1, 60)]) == [("raised", "orange", "1")]
    assert high.process(batch([row(1, 2, value, bad)])) == []
    assert feed(high, 1, [(3, 20)]) == [("returned", "orange", "3")]


def test_bits_that_the_rule_accepts_do_not_matter() -> None:
    high = engine(HIGH)
    bits = Quality.SIMULATED | Quality.CLOCK_SKEW
    assert words(high.process(batch([row(1, 0, 60.0, bits)]))) == [("raised", "orange", "0")]


DOUBTFUL = pytest.mark.parametrize(
    "bit", [Quality.OUT_OF_RANGE, Quality.JUMP, Quality.STUCK], ids=lambda bit: bit.name
)


@DOUBTFUL
def test_a_doubtful_reading_raises_a_fire_and_does_not_end_it(bit: Quality) -> None:
    high = engine(HIGH)
    assert words(high.process(batch([row(1, 0, 60.0, bit)]))) == [("raised", "orange", "0")]
    assert high.process(batch([row(1, 1, 20.0, bit)])) == []
    assert feed(high, 1, [(2, 20.0)]) == [("returned", "orange", "2")]


@DOUBTFUL
def test_a_doubtful_reading_makes_worse_and_does_not_ease(bit: Quality) -> None:
    ladder = engine(LADDER + 'reject_quality = ["device_fault"]', of=POND)
    feed(ladder, 1, [(0, 0.2)])
    assert words(ladder.process(batch([row(1, 1, 0.45, bit)]))) == [("escalated", "orange", "1")]
    assert ladder.process(batch([row(1, 2, 0.2, bit)])) == []
    assert feed(ladder, 1, [(3, 0.2)]) == [("eased", "blue", "3")]


@DOUBTFUL
def test_a_doubtful_reading_speaks_only_for_an_alarm(bit: Quality) -> None:
    high = engine(HIGH + DWELL)
    high.process(batch([row(1, 0, 60.0, bit), row(1, 5, 20.0, bit)]))
    assert feed(high, 1, [(10, 60)]) == [("raised", "orange", "10")]
    feed(high, 1, [(20, 40)])
    high.process(batch([row(1, 30, 60.0, bit)]))
    assert feed(high, 1, [(40, 40), (59, 40)]) == []
    assert feed(high, 1, [(60, 40)]) == [("returned", "orange", "60")]


def test_a_stuck_sensor_keeps_its_alarm_active() -> None:
    high = engine(HIGH)
    feed(high, 1, [(0, 60)])
    assert high.process(batch([row(1, n, 60.0, Quality.STUCK) for n in range(1, 50)])) == []
    assert feed(high, 1, [(50, 20)]) == [("returned", "orange", "50")]


@pytest.mark.parametrize("bit", [Quality.OUT_OF_RANGE, Quality.JUMP], ids=lambda bit: bit.name)
def test_a_false_echo_floods_no_road(bit: Quality) -> None:
    ladder = engine(LADDER, of=POND)
    assert ladder.process(batch([row(1, 0, 3.0, bit), row(1, 1, 0.0, bit)])) == []
    assert feed(ladder, 1, [(2, 3.0)]) == [("raised", "red", "2")]


@pytest.mark.parametrize("rejects", ["", "reject_quality = []"])
def test_a_sensor_in_calibration_never_raises(rejects: str) -> None:
    high = engine(HIGH + rejects, RISE + rejects)
    rows = [row(1, n, 20.0 + n * n, Quality.CALIBRATING | Quality.JUMP) for n in range(60)]
    assert high.process(batch(rows)) == []


@pytest.mark.parametrize("bit", [Quality.LATE, Quality.CLOCK_SKEW], ids=lambda bit: bit.name)
def test_a_wrong_clock_hides_no_fire(bit: Quality) -> None:
    high = engine(HIGH)
    said = words(high.process(batch([row(1, 0, 60.0, bit, received_s=90_000)])))
    assert said == [("raised", "orange", "0")]


def test_a_repeat_is_not_judged_even_where_a_clock_is_set_back() -> None:
    high = engine(HIGH + DWELL)
    ahead = [row(1, 9000, 60.0, received_s=0), row(1, 9000, 60.0, Quality.DUPLICATE, received_s=0)]
    high.process(batch(ahead))
    said = words(high.process(batch([row(1, 9010, 60.0, received_s=10)])))
    assert said == [("raised", "orange", "9010")]


def test_a_device_that_only_repeats_itself_is_missing() -> None:
    silence = engine(MISSING)
    for n in range(1, 4):
        silence.process(batch([row(1, 0, 20.0, Quality.DUPLICATE, received_s=n * 10)]))
        silence.process(batch([row(2, 0, 20.0, Quality.LATE, received_s=n * 10)]))
    assert [t.subject for t in silence.tick(T0_US + 30 * S)] == ["device:heat-1"]


def test_unknown_series_are_passed_over() -> None:
    high = engine(HIGH)
    rows = [row(series, 0, 99.0) for series in (-1, 0, 3, 10**6)]
    assert high.process(batch(rows)) == []
    assert high.process(batch([])) == []


def test_a_clock_that_was_a_year_ahead_does_not_blind_its_series() -> None:
    high = engine(HIGH + DWELL, RISE)
    year = 31_536_000
    high.process(batch([row(1, year, 60.0, received_s=0)]))
    said = feed(high, 1, [(1, 60), (11, 60)])
    assert said == [("raised", "orange", "11")]


def test_a_little_ahead_is_only_late() -> None:
    high = engine(HIGH)
    high.process(batch([row(1, 200, 20.0, received_s=0)]))
    assert feed(high, 1, [(1, 60)]) == []


@pytest.mark.parametrize("step_s", [0.1, 1, 2, 7.5])
def test_rise_is_the_slope_over_the_window(step_s: float) -> None:
    rising = engine(RISE)
    quiet = [(n * step_s, 20.0) for n in range(int(60 / step_s))]
    assert feed(rising, 1, quiet) == []
    hot = [(60 + n * step_s, 20.0 + 10 / 60 * n * step_s) for n in range(int(60 / step_s))]
    (said,) = feed(rising, 1, hot)
    assert said[:2] == ("raised", "orange")
    assert 60 + 15 < float(said[2]) < 60 + 31


def test_rise_needs_most_of_the_window_and_four_samples() -> None:
    steep = [(n, 20.0 + n) for n in range(24)]
    assert feed(engine(RISE), 1, steep) == []
    assert feed(engine(RISE), 1, [*steep, (24, 44)]) == [("raised", "orange", "24")]
    assert feed(engine(RISE), 1, [(0, 20), (15, 35), (30, 50)]) == []
    assert feed(engine(RISE), 1, [(0, 20), (10, 30), (20, 40), (30, 50)]) != []


def test_rise_does_not_look_across_a_gap() -> None:
    rising = engine(RISE)
    feed(rising, 1, [(n, 20.0) for n in range(40)])
    assert feed(rising, 1, [(600 + n, 40.0) for n in range(40)]) == []


def test_rise_ends_when_the_slope_does() -> None:
    rising = engine(RISE)
    course = [(n, 20.0 + min(max(n - 40, 0), 40) / 4) for n in range(160)]
    kinds = [said[0] for said in feed(rising, 1, course)]
    assert kinds == ["raised", "returned"]


def test_a_dense_sensor_takes_no_more_room() -> None:
    rising = engine(RISE)
    size = rising.nbytes
    feed(rising, 1, [(n / 20, 20.0) for n in range(2000)])
    assert rising.nbytes == size


def test_state_is_small() -> None:
    many = registry(*((f"heat-{n}", "heat", f"gw-{n // 200}") for n in range(20_000)))
    rules = [LoadedRule(rule=rule, version=1) for rule in read_packaged()]
    assert Engine(rules, many, now_us=T0_US).nbytes / 20_000 <= 600


def test_restore_puts_open_conditions_back() -> None:
    high = engine(LADDER, of=POND)
    condition = OpenCondition(
        rule_id="rule-0", subject="device:pond-1", severity=Severity.YELLOW, returned=False
    )
    high.restore([condition])
    assert feed(high, 1, [(0, 0.26), (1, 0.45), (2, 0.26), (3, 0.0)]) == [
        ("escalated", "orange", "1"),
        ("eased", "yellow", "2"),
        ("returned", "yellow", "3"),
    ]


def test_the_database_outranks_a_warm_up() -> None:
    high = engine(HIGH)
    feed(high, 1, [(0, 60)])
    condition = OpenCondition(
        rule_id="rule-0", subject="device:heat-1", severity=Severity.ORANGE, returned=True
    )
    high.restore([condition])
    assert feed(high, 1, [(1, 60)]) == [("raised", "orange", "1")]


def test_restore_passes_over_what_is_gone() -> None:
    high = engine(HIGH)
    gone = [("rule-9", "device:heat-1"), ("rule-0", "device:x"), ("rule-0", "space:440303")]
    high.restore(
        [
            OpenCondition(rule_id=rule, subject=subject, severity=Severity.RED, returned=False)
            for rule, subject in gone
        ]
    )
    assert feed(high, 1, [(0, 60)]) == [("raised", "orange", "0")]


def test_adopt_keeps_conditions_timers_and_rings() -> None:
    rules = (HIGH, HIGH + DWELL, RISE)
    old = engine(*rules)
    feed(old, 1, [(n, 20.0) for n in range(25)])
    feed(old, 1, [(25, 60.0)])
    bigger = registry(("heat-1", "heat"), ("heat-2", "heat"), ("pond-1", "waterlogging"))
    new = engine(*rules, LADDER, of=bigger)
    new.adopt(old)
    assert feed(new, 1, [(24, 90.0)]) == []
    said = {said[0] for said in feed(new, 1, [(34.9, 60.0)])}
    assert said == set()
    assert feed(new, 1, [(35, 60.0)]) == [("raised", "orange", "35")]
    assert feed(new, 1, [(36, 20.0)])[0] == ("returned", "orange", "36")
    assert feed(new, 3, [(0, 0.7)]) == [("raised", "red", "0")]


def test_adopt_keeps_an_active_condition_at_its_severity_when_the_ladder_changes() -> None:
    old = engine(LADDER, of=POND)
    feed(old, 1, [(0, 0.45)])
    shorter = LADDER.replace('{ severity = "yellow", raise = 0.27, clear = 0.25 },', "")
    new = engine(shorter, of=POND)
    new.adopt(old)
    assert feed(new, 1, [(1, 0.45)]) == []
    assert feed(new, 1, [(2, 0.30)]) == [("eased", "blue", "2")]
