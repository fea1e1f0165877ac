from __future__ import annotations

import itertools
import math
import struct
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.backtest import plan as plans
from alerts.backtest import readings
from alerts.backtest import run as runs
from alerts.backtest import tally as tallies
from alerts.backtest.plan import TooMuch, Window
from alerts.backtest.quiet import Quiet
from alerts.backtest.tally import Place, Tally, peak
from alerts.engine import Engine
from alerts.rules import LoadedRule, Override
from core import batch as batches
from core.batch import Batch
from core.errors import UsageError
from core.model import Severity, Transition, TransitionKind
from core.registry import Registry, SeriesInfo
from tests.support.alerting import HIGH, LADDER, LOW, RISE, T0_US, S, loaded, registry, transition

T0 = datetime(2026, 9, 21, 0, 0, tzinfo=UTC)
WINDOW = Window(since=T0, until=T0 + timedelta(days=2))


def us(at: datetime) -> int:
    return round(at.timestamp() * 1e6)


def said(kind: TransitionKind, hours: float, **more: Any) -> Transition:
    return transition(kind=kind, at_us=us(T0 + timedelta(hours=hours)), **more)


RAISED, ESCALATED, RETURNED = (
    TransitionKind.RAISED, TransitionKind.ESCALATED, TransitionKind.RETURNED,
)  # fmt: skip


def tally(*transitions: Transition, rule: str = HIGH) -> Tally:
    counted = Tally(loaded(rule)[0].rule, WINDOW)
    for each in transitions:
        counted.take(each)
    return counted


def test_an_alarm_is_an_onset_with_its_worst_and_its_end() -> None:
    result = tally(
        said(RAISED, 1, severity=Severity.ORANGE),
        said(ESCALATED, 2, severity=Severity.RED),
        said(RETURNED, 3, severity=Severity.RED),
        said(RAISED, 25, severity=Severity.ORANGE),
    ).result({"heat-1": Place(name="n", lon=114.0, lat=22.5, space="b")})
    assert (result.alarms, result.woken) == (2, 3)
    assert result.by_severity == {"blue": 0, "yellow": 0, "orange": 1, "red": 1}
    first, second = result.list
    assert (first.severity, first.peak, first.returned_at) == (
        "orange", "red", T0 + timedelta(hours=3),
    )  # fmt: skip
    assert second.returned_at is None
    (device,) = result.devices
    assert (device.device_id, device.alarms, device.worst, device.lon) == ("heat-1", 2, "red", 114)
    assert [(one.space, one.alarms) for one in result.by_space] == [("b", 2)]


def test_what_began_before_the_window_is_not_counted() -> None:
    counted = tally(said(RAISED, -1), said(ESCALATED, 1, severity=Severity.RED), said(RETURNED, 2))
    assert (counted.result({}).alarms, counted.woken) == (0, 1)


def test_a_day_is_one_of_china() -> None:
    result = tally(said(RAISED, 15.9), said(RETURNED, 16), said(RAISED, 16)).result({})
    assert [(one.day, one.alarms) for one in result.per_day] == [
        ("2026-09-21", 1), ("2026-09-22", 1), ("2026-09-23", 0),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("rule", "severity", "woken"),
    [
        (HIGH, Severity.YELLOW, 0),
        (HIGH, Severity.ORANGE, 1),
        (HIGH + "advisory = true", Severity.RED, 0),
        (HIGH + "life_safety = true", Severity.ORANGE, 1),
    ],
)
def test_who_is_woken(rule: str, severity: Severity, woken: int) -> None:
    assert tally(said(RAISED, 1, severity=severity), rule=rule).woken == woken


@given(st.lists(st.integers(0, 3_000_000_000), max_size=40))
def test_the_peak_is_the_fullest_ten_minutes(times: list[int]) -> None:
    times.sort()
    slow = max((sum(at <= x < at + 600_000_000 for x in times) for at in times), default=0)
    assert peak(times) == slow


def test_a_list_is_cut_and_says_so() -> None:
    counted = tally(
        *(said(RAISED, 1 + n / 100, subject=f"device:d{n}") for n in range(1001)),
    )
    result = counted.result({})
    assert (result.alarms, len(result.list), result.list_cut) == (1001, 1000, True)
    assert result.list[0].device_id == "d0"


def test_a_rule_that_raises_all_the_time_is_refused_and_not_kept_in_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tallies, "MOST_ALARMS", 3)
    more = [said(RAISED, 1 + n, subject=f"device:d{n}") for n in range(4)]
    assert tally(*more[:3]).result({}).alarms == 3
    with pytest.raises(TooMuch, match=r"has raised 3 alarms by 2026-09-21T12:00\+08:00"):
        tally(*more)


def array(element: str, values: list[float]) -> bytes:
    body = b"".join(struct.pack(f">i{element}", struct.calcsize(element), v) for v in values)
    return struct.pack(">iiiii", 1, 0, 0, len(values), 1) + body


def test_an_array_is_taken_apart() -> None:
    assert readings.decode(array("d", [1.5, -2.0]), ">f8").tolist() == [1.5, -2.0]
    assert readings.decode(array("q", [1, 1 << 60]), ">i8").tolist() == [1, 1 << 60]
    assert readings.decode(array("i", [7]), ">i4").dtype == np.dtype("=i4")


@pytest.mark.parametrize(
    "content",
    [b"", array("d", [1.0])[:-1], array("q", [1]) + b"x", struct.pack(">iiiii", 1, 1, 0, 0, 1)],
)
def test_what_is_no_plain_array_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match="array"):
        readings.decode(content, ">f8")


def place(*infos: SeriesInfo, space: str) -> list[SeriesInfo]:
    return [replace(info, spaces=("d", space)) for info in infos]


def two_spaces() -> Registry:
    near, far = registry(("a", "heat"), ("b", "heat")).by_id.values()
    return Registry([*place(near, space="x"), *place(far, space="y")])


def test_a_plan_tries_a_rule_beside_the_one_in_force() -> None:
    now = loaded(HIGH)[0].rule
    tried = loaded(HIGH.replace("57.0", "60.0"))[0].rule
    laid = plans.make(tried, {"rule-0": now}, two_spaces(), WINDOW, space="x")
    assert [entry.rule.id for entry in laid.rules] == ["candidate:rule-0", "rule-0"]
    assert (laid.judged, [one.device_id for one in laid.registry.by_id.values()]) == (1, ["a"])
    assert not laid.same
    assert plans.make(now, {"rule-0": now}, two_spaces(), WINDOW).same


def test_a_rule_that_confirms_itself_does_so_under_its_other_name() -> None:
    confirm = 'confirm = { by = ["rule-0"], within_s = 9, radius_m = 50, severity = "red" }'
    tried = loaded(HIGH + confirm)[0].rule
    laid = plans.make(tried, {}, two_spaces(), WINDOW)
    inner = laid.rules[0].rule.confirm
    assert inner is not None
    assert inner.by == ("candidate:rule-0",)


def test_an_override_holds_for_the_tried_rule_too_where_its_ladder_allows_it() -> None:
    now, tried = loaded(HIGH)[0].rule, loaded(HIGH.replace("orange", "red"))[0].rule
    off = Override(rule_id="rule-0", device_id="a", enabled=False)
    own = Override(rule_id="rule-0", device_id="b", levels=now.levels)
    laid = plans.make(tried, {"rule-0": now}, two_spaces(), WINDOW, overrides=(off, own))
    assert [(one.rule_id, one.device_id) for one in laid.overrides] == [
        ("rule-0", "a"), ("candidate:rule-0", "a"), ("rule-0", "b"),
    ]  # fmt: skip


NEIGHBOUR = """
type = "anomaly"
detector = "neighbour"
advisory = true
field = "fire"
select = { kind = ["heat"], quantity = "temperature" }
levels = [{ severity = "blue", raise = 4.0, clear = 3.0 }]
"""


def test_a_detector_that_looks_around_sees_beyond_the_space_and_judges_only_in_it() -> None:
    tried = loaded(NEIGHBOUR)[0].rule
    laid = plans.make(tried, {}, two_spaces(), WINDOW, space="x")
    assert laid.judged == 1
    assert {one.device_id for one in laid.registry.by_id.values()} == {"a", "b"}
    assert [(one.rule_id, one.device_id, one.enabled) for one in laid.overrides] == [
        ("candidate:rule-0", "b", False)
    ]
    assert laid.window.lead == timedelta(days=14)
    assert Engine(laid.rules, laid.registry, now_us=0, overrides=laid.overrides).nbytes > 0


def test_series_of_unlike_rates_are_as_far_as_each_other_where_a_detector_looks_around() -> None:
    three = registry(("a", "heat"), ("b", "heat"), ("c", "heat"))
    rates = [60, 600, 600]
    infos = [
        replace(info, interval_s=rate, lon=114.0, lat=22.5 + n * 1e-4)
        for n, (info, rate) in enumerate(zip(three.by_id.values(), rates, strict=True))
    ]
    laid = plans.make(loaded(NEIGHBOUR)[0].rule, {}, Registry(infos), WINDOW)
    rows = sorted(
        (us(T0) + t * S, info.series_id, _warmth(t, info.series_id))
        for info, rate in zip(infos, rates, strict=True)
        for t in range(0, 172_800, rate)
    )
    at_us, series, value = ([row[n] for row in rows] for n in range(3))
    whole = batches.of(series, at_us, at_us, value, [0] * len(rows))
    live = Engine(laid.rules, laid.registry, now_us=us(T0))
    said = [one for n in range(len(whole)) for one in live.process(whole.take(np.array([n])))]
    step_us = runs._step_us(laid, timedelta(days=2))
    assert step_us == 60 * S
    played = Engine(laid.rules, laid.registry, now_us=us(T0))
    piece = (WINDOW.since, WINDOW.until)
    found = list(runs._said(played, whole.sorted(), piece, step_us))
    assert [one.kind for one in found] == [RAISED, RETURNED]
    for one, live_one in zip(found, said, strict=True):
        assert (one.kind, one.subject) == (live_one.kind, live_one.subject)
        assert abs(one.at_us - live_one.at_us) <= 600 * S


def _warmth(t: int, series: int) -> float:
    """A day's wave that all share; the first parts from the others for two hours of the second."""
    parts = 15.0 if series == 1 and 129_600 <= t < 136_800 else 0.0
    return 20 + 8 * math.sin(t * math.tau / 86_400) + parts + 0.1 * (t * 7919 % 13 - 6) / 6


def test_rules_during_whose_alarms_nothing_is_learned_run_beside_a_detector() -> None:
    tried = loaded(NEIGHBOUR)[0].rule
    known = {one.rule.id: one.rule for one in loaded(LOW, HIGH, LADDER)}
    laid = plans.make(
        tried, {"rule-1": known["rule-1"], "rule-2": known["rule-2"]}, two_spaces(), WINDOW
    )
    assert [entry.rule.id for entry in laid.rules] == ["candidate:rule-0", "rule-1"]
    plain = plans.make(known["rule-1"], known, two_spaces(), WINDOW)
    assert [entry.rule.id for entry in plain.rules] == ["candidate:rule-1"]


def test_what_inhibits_a_companion_runs_too() -> None:
    by = 'inhibit = [{{ by = ["rule-{}"] }}]'
    first, second, third = (
        one.rule for one in loaded(HIGH + by.format(1), HIGH + by.format(2), HIGH)
    )
    known = {one.id: one for one in (first, second, third)}
    laid = plans.make(first, known, two_spaces(), WINDOW)
    assert [entry.rule.id for entry in laid.rules] == ["candidate:rule-0", "rule-1", "rule-2"]


def test_a_plan_of_too_much_is_refused() -> None:
    rule = loaded(HIGH)[0].rule
    long = Window(since=T0, until=T0 + timedelta(days=400))
    with pytest.raises(TooMuch, match="400 days are too many"):
        plans.make(rule, {}, two_spaces(), long)
    dense = registry(*((f"d{n}", "heat") for n in range(50)), interval_s=0.5)
    with pytest.raises(TooMuch, match="million readings are too many"):
        plans.make(rule, {}, dense, Window(since=T0, until=T0 + timedelta(days=30)))
    with pytest.raises(UsageError, match="judges no series in z"):
        plans.make(rule, {}, two_spaces(), WINDOW, space="z")
    with pytest.raises(UsageError, match="from must be before to"):
        plans.make(rule, {}, two_spaces(), Window(since=T0, until=T0))


def test_slices_follow_each_other_and_are_bounded() -> None:
    rule = loaded(HIGH)[0].rule
    many = registry(*((f"d{n}", "heat") for n in range(500)), interval_s=10)
    laid = plans.make(rule, {}, many, WINDOW)
    cut = list(laid.slices())
    assert cut[0][0] == T0 - timedelta(hours=1)
    assert cut[-1][1] == WINDOW.until
    assert all(one[1] == two[0] for one, two in itertools.pairwise(cut))
    assert all((end - begin).total_seconds() * 50 <= 1_500_000 for begin, end in cut)
    days = {begin.date() for begin, _ in cut}
    midnights = {begin for begin, _ in cut if (begin.hour, begin.minute) == (0, 0)}
    assert len(midnights) == len(days) - 1  # none but the first goes over midnight


# What the engine says of all readings, it says of those that are left.

WAITING = LADDER + "dwell_s = 20\nclear_dwell_s = 45"
COUNTED = LADDER + "of_last = { n = 2, m = 4 }\nclear_dwell_s = 15"
VALUES = {HIGH: (40, 49, 50, 55, 57, 60), LADDER: (0.0, 0.12, 0.13, 0.14, 0.15, 0.3, 0.7)}


@st.composite
def histories(draw: st.DrawFn, values: tuple[float, ...]) -> Batch:
    """Runs of equal readings, some long enough for every timer to end in them."""
    quality = st.sampled_from([0, 0, 0, 0, 0, 0, 1, 4, 32, 128, 16])
    run = st.tuples(
        st.integers(1, 2),
        st.sampled_from([1, 1, 2, 3, 5, 7, 12, 25]),
        st.sampled_from([5, 10, 10, 30]),
        st.sampled_from([values[0], *values]),
        quality,
    )
    at_us, rows = T0_US, []
    for series, times, after_s, value, bits in draw(st.lists(run, min_size=3, max_size=14)):
        for _ in range(times):
            at_us += after_s * S
            rows.append((series, at_us, at_us, value, bits))
    return batches.of(*([row[n] for row in rows] for n in range(5)))


def heard(rules: list[LoadedRule], parts: list[Batch]) -> list[Transition]:
    engine = Engine(rules, _two(rules), now_us=T0_US, overrides=_overrides(rules))
    return [one for part in parts for one in engine.process(part)]


def _two(rules: list[LoadedRule]) -> Registry:
    kind = rules[0].rule.select.kind[0]
    return registry(("a", kind), ("b", kind))


def _overrides(rules: list[LoadedRule]) -> tuple[Override, ...]:
    rule = rules[0].rule
    return (Override(rule_id=rule.id, device_id="b", levels=rule.levels[:1]),)


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_leaving_quiet_readings_out_changes_nothing(data: st.DataObject) -> None:
    text = data.draw(st.sampled_from([HIGH, LADDER, WAITING, COUNTED]))
    rules = loaded(text)
    whole = data.draw(histories(VALUES[HIGH if text == HIGH else LADDER]))
    cut = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=4)))
    pieces = np.split(np.arange(len(whole)), cut)
    parts = [whole.take(piece).sorted() for piece in pieces]
    quiet = Quiet(rules, _two(rules), _overrides(rules))
    kept = [quiet.needed(part) for part in parts]
    assert heard(rules, kept) == heard(rules, parts)


def kept_slowly(batch: Batch, below: float, calm_us: int, calm_count: int) -> list[int]:
    """The rule of ``Quiet`` reading by reading; returns positions."""
    first: dict[int, int] = {}
    count: dict[int, int] = {}
    settled: set[int] = set()
    kept = []
    for n, series in enumerate(batch.series.tolist()):
        quiet = batch.value[n] < below and batch.quality[n] == 0
        if not (quiet and series in settled):
            kept.append(n)
        if not quiet:
            settled.discard(series)
            first.pop(series, None)
            count.pop(series, None)
            continue
        begun = first.setdefault(series, int(batch.observed_us[n]))
        count[series] = count.get(series, 0) + 1
        if batch.observed_us[n] - begun >= calm_us and count[series] >= calm_count:
            settled.add(series)
    return kept


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_what_is_left_out_follows_long_quiet(data: st.DataObject) -> None:
    text, calm_us, calm_count = data.draw(
        st.sampled_from([(HIGH, 0, 5), (HIGH + "clear_dwell_s = 20", 80 * S, 5)])
        | st.just((HIGH + "of_last = { n = 2, m = 6 }\nclear_dwell_s = 5", 20 * S, 10))
    )
    whole = data.draw(histories((20, 49, 50, 55, 60)))
    order = np.lexsort((whole.observed_us, whole.series))
    wanted = {int(order[n]) for n in kept_slowly(whole.take(order), 50, calm_us, calm_count)}
    rules = loaded(text)
    quiet = Quiet(rules, _two(rules))
    cut = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=6)))
    found = set()
    for piece in np.split(np.arange(len(whole)), cut):
        kept = quiet.needed(whole.take(piece).sorted())
        found |= {int(n) for n in piece if whole.observed_us[n] in kept.observed_us}
    assert found == wanted


@pytest.mark.parametrize("bits", [1, 32, 64])
def test_a_doubtful_reading_is_never_quiet(bits: int) -> None:
    rules = loaded(HIGH)
    values = [60.0, *[20.0] * 12, *[21.0] * 12]
    quality = [0, *[bits] * 12, *[0] * 12]
    at_us = [T0_US + n * S for n in range(25)]
    whole = batches.of([1] * 25, at_us, at_us, values, quality)
    quiet = Quiet(rules, _two(rules))
    assert heard(rules, [quiet.needed(whole)]) == heard(rules, [whole])
    assert len(quiet.needed(whole)) < 25


def test_long_quiet_readings_are_left_out() -> None:
    rules = loaded(HIGH)
    rows = [(1, T0_US + n * S, T0_US, 20.0, 0) for n in range(1000)]
    batch = batches.of(*([row[n] for row in rows] for n in range(5)))
    quiet = Quiet(rules, _two(rules))
    assert len(quiet.needed(batch)) < 10
    later = batches.of([1, 1], [T0_US + 5000 * S, T0_US + 5001 * S], [0, 0], [20.0, 58.0], [0, 0])
    assert quiet.needed(later).value.tolist() == [58.0]


def test_two_rules_on_the_same_slope_share_it_and_each_says_what_it_says_alone() -> None:
    heat = registry(("a", "heat"), ("b", "heat"))
    wider, falling = RISE.replace("30", "60"), RISE.replace('"rise"', '"fall"')
    texts = [RISE, RISE.replace("8.3", "6.0"), wider, falling]
    at_us = [T0_US + n * 5 * S for n in range(40)] * 2
    value = [20 + 6 * math.sin(n / 5) for n in range(40)] * 2
    whole = batches.of([1] * 40 + [2] * 40, at_us, at_us, value, [0] * 30 + [4] * 10 + [0] * 40)
    together = Engine(loaded(*texts), heat, now_us=T0_US)
    assert len(together._mine.layout.quick.limits.past.rings) == 2 * 3
    said = together.process(whole)
    for n, rule in enumerate(loaded(*texts)):
        alone = Engine([rule], heat, now_us=T0_US).process(whole)
        assert [one for one in said if one.rule_id == f"rule-{n}"] == alone
        assert alone


def test_only_plain_limits_know_what_is_quiet() -> None:
    heat = registry(("a", "heat"))
    assert not Quiet(loaded(RISE), heat).helps
    assert not Quiet(loaded(HIGH, RISE), heat).helps
    assert Quiet(loaded(LOW), registry(("a", "charging_voltage"))).helps
