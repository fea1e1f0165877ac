"""Each detector finds what it is for, in the catchment of ``tests.support.detecting``."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest

from alerts.detectors import DETECTORS
from alerts.detectors.baseline import Baseline
from alerts.detectors.detector import Detector
from core.batch import F8
from core.registry import Registry
from tests.support.detecting import (
    ROWS,
    STEP_US,
    T0_US,
    Weather,
    board_of,
    catchment,
    drain,
    judge_of,
    play,
    weather,
)

STEPS = 480
DRY = 390
"""A step in dry weather; it rained last more than two days before."""

WET = 425
"""A step in the rain."""

Change = Callable[[F8], object]


DRY_ONLY = ("seasonal", "change_point", "drift")
"""Detectors that know nothing of rain; a storm is as large to them as what they look for here."""


def changed(change: Change | None = None, *, storms: bool = True) -> Weather:
    days = weather(STEPS, storms=storms)
    if change is not None:
        change(days.value)
    return days


@cache
def usual(name: str) -> F8:
    return play(judge_of(name), changed(storms=name not in DRY_ONLY))


def leap(value: F8) -> None:
    value[DRY : DRY + 12, 1] += 1.5


def shift(value: F8) -> None:
    value[DRY - 40 :, 1] += 0.3


def frozen(value: F8) -> None:
    value[DRY - 60 :, 1] = value[DRY - 60, 1]


def creep(value: F8) -> None:
    value[240:, 1] += 0.01 * np.arange(STEPS - 240)


def loss(value: F8) -> None:
    value[DRY : DRY + 24, 1] -= 0.5


def discharge(value: F8) -> None:
    value[DRY : DRY + 24, 1] += 0.5


def blocked(value: F8) -> None:
    value[WET - 3 : WET + 12, 1] = 0.0


@pytest.mark.parametrize(
    ("name", "change", "within"),
    [
        ("seasonal", leap, (DRY, 1)),
        ("change_point", shift, (DRY - 40, 40)),
        ("stuck", frozen, (DRY - 60, 20)),
        ("drift", creep, (240, 160)),
        ("neighbour", leap, (DRY, 1)),
        ("balance", loss, (DRY, 3)),
        ("rain_explained", blocked, (WET - 3, 8)),
        ("dry_weather", discharge, (DRY, 1)),
    ],
)
def test_a_detector_finds_what_it_is_for(
    name: str, change: Change, within: tuple[int, int]
) -> None:
    judge = judge_of(name)
    said = play(judge, changed(change, storms=name not in DRY_ONLY))
    begin, steps = within
    fired = np.flatnonzero(said[:, 0] >= 4.0)
    assert begin <= fired[0] < begin + steps
    assert (said[:, 3:] >= 4.0).sum() == 0, "others are left alone"


@pytest.mark.parametrize("flows", [False, True], ids=["nothing", "now and then"])
def test_a_drain_that_stops_in_a_burst_is_found_before_it_is_warm(flows: bool) -> None:
    def stop(value: F8) -> None:
        value[WET - 5 : WET + 8, 1] = 0.0
        value[WET - 5 : WET + 8 : 3, 1] += 1.2 * flows

    said = play(judge_of("rain_explained", warm=100_000), changed(stop))
    found = np.flatnonzero(said[:, 0] >= 4.0)
    if flows:
        assert len(found) == 0
    else:
        assert WET - 5 < found[0] <= WET
        assert np.isnan(said[-1, 0]), "it has ended, and the series is no warmer than before"
    assert np.isnan(said[:, 1:]).all(), "of the others nothing is known yet"


@pytest.mark.parametrize("name", sorted(DETECTORS))
def test_a_week_as_always_is_no_anomaly(name: str) -> None:
    assert np.nanmax(usual(name)) < 4.0


def together(value: F8) -> None:
    value[DRY : DRY + 24, 1:17] += 1.0


@pytest.mark.parametrize("name", ["neighbour", "balance"])
def test_what_moves_everybody_is_no_anomaly_of_one(name: str) -> None:
    assert np.nanmax(play(judge_of(name), changed(together))) < 4.0


def test_less_than_usual_is_no_dry_weather_discharge() -> None:
    assert np.nanmax(play(judge_of("dry_weather"), changed(loss))) < 4.0


def test_a_flow_in_the_rain_is_no_dry_weather_discharge() -> None:
    def flood(value: F8) -> None:
        value[WET - 4 : WET + 10, 1] += 5.0

    assert np.nanmax(play(judge_of("dry_weather"), changed(flood))) < 4.0


def test_dry_weather_is_unknown_without_a_gauge() -> None:
    lonely = Registry([drain(1, "drain-1")])
    judge = judge_of("dry_weather", series=[lonely.by_id[1]], registry=lonely)
    board = board_of(lonely)
    for step in range(200):
        board.at_us[1], board.value[1] = T0_US + step * STEP_US, 1.0
        said = judge.judge(np.array([0]), board.at_us[1:], board.value[1:], np.array([True]), board)
        assert np.isnan(said).all()


def test_a_value_that_may_rest_is_never_stuck() -> None:
    def empty(value: F8) -> None:
        value[DRY - 60 :, 1] = 0.0

    assert np.nanmax(play(judge_of("stuck"), changed(empty))) < 4.0


def test_a_spike_is_no_change_point() -> None:
    def spike(value: F8) -> None:
        value[DRY, 1] += 50.0

    assert np.nanmax(play(judge_of("change_point"), changed(spike))) < 4.0


def test_a_lasting_change_is_one_alarm_and_then_the_new_normal() -> None:
    judge = judge_of("seasonal", accept_s=30 * 900.0, hold_s=4 * 900.0)
    said = play(
        judge,
        changed(
            lambda value: np.add(value[DRY - 40 :, 1], 3, out=value[DRY - 40 :, 1]), storms=False
        ),
    )
    high = said[:, 0] >= 4.0
    assert np.flatnonzero(np.diff(high.astype(int)) == 1).tolist() == [DRY - 41]
    assert high[DRY - 40 : DRY - 10].all()
    assert not high[DRY - 10 :].any()


def test_neighbours_that_change_places_keep_what_was_learned_of_them() -> None:
    registry = catchment()
    numbers = {1: 5, 2: 1, 3: 6, 4: 2, 5: 4, 6: 3}  # other series ids for the same devices
    moved = Registry(
        [drain(numbers.get(n, n), one.device_id, kind=one.kind) if n in numbers else one
         for n, one in registry.by_id.items()]
    )  # fmt: skip
    first = judge_of("neighbour")
    play(first, weather(200))
    again = judge_of(
        "neighbour", series=[moved.by_id[numbers[n]] for n in range(1, ROWS + 1)], registry=moved
    )
    everyone = np.arange(ROWS)
    again.resume({key: one.copy() for key, one in first.state().items()}, everyone, everyone)
    theirs, ours = first.state(), again.state()
    for row in range(ROWS):
        before = dict(zip(theirs["offsets.who"][row], theirs["offsets.offset"][row], strict=True))
        after = dict(zip(ours["offsets.who"][row], ours["offsets.offset"][row], strict=True))
        shared = (set(before) & set(after)) - {0}
        assert shared
        assert all(before[who] == after[who] for who in shared)
        assert ours["offsets.seen"][row][ours["offsets.who"][row] != 0].all()


def newcomer(judge: Detector, steps: int) -> F8:
    """Warm five rows, then let the sixth begin."""
    days = weather(600)
    board, said = board_of(catchment()), []
    for step in range(600):
        row = np.arange(ROWS if step >= 600 - steps else ROWS - 1)
        when = np.full(len(row), days.at_us[step])
        value = days.value[step, row + 1]
        learn = np.ones(len(row), dtype=np.bool_)
        said.append(judge.judge(row, when, value, learn, board)[-1])
    return np.array(said[-steps:])


def test_a_new_series_begins_with_what_its_kind_has_learned() -> None:
    judge = judge_of("seasonal")
    said = newcomer(judge, 60)
    assert np.isnan(said[:32]).all()
    assert np.isfinite(said[33:]).all()
    assert judge.tail.seen[5] >= judge.tail.seen[:5].min() - 60
    base: Baseline = judge.baseline  # type: ignore[attr-defined]
    middle = np.median(base.course[:5].astype(np.float32), axis=0)
    untouched = base.visits[5] == 1
    np.testing.assert_allclose(base.course[5][untouched], middle[untouched], atol=0.05)


def test_a_new_series_of_a_new_kind_waits_until_it_is_warm() -> None:
    registry = catchment()
    series = [registry.by_id[n] for n in range(1, ROWS)]
    stranger = drain(ROWS, f"drain-{ROWS}", kind="outfall_flow")
    said = newcomer(judge_of("seasonal", series=[*series, stranger]), 120)
    assert np.isnan(said[:100]).all()
    assert np.isfinite(said[100:]).all()


def test_an_anomaly_is_not_learned_while_it_lasts() -> None:
    judge = judge_of("seasonal")
    days = changed(lambda value: np.add(value[DRY:, 1], 3.0, out=value[DRY:, 1]), storms=False)
    play(judge, Weather(at_us=days.at_us[:DRY], value=days.value[:DRY]))
    base: Baseline = judge.baseline  # type: ignore[attr-defined]
    before = base.level[0]
    rest = Weather(at_us=days.at_us[DRY : DRY + 40], value=days.value[DRY : DRY + 40])
    said = play(judge, rest, learn=lambda _: True)
    assert (said[:, 0] >= 4.0).all()
    assert base.level[0] == before


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("seasonal", leap, ("at this time of day", "此时段通常约")),
        ("change_point", shift, ("slow mean", "慢均值")),
        ("stuck", frozen, ("unchanged for", "分钟未变")),
        ("drift", creep, ("slow mean", "慢均值")),
        ("neighbour", leap, ("neighbours", "同类测点")),
        ("balance", loss, ("upstream", "上游合计")),
        ("rain_explained", blocked, ("mm/h of rain", "雨强")),
        ("dry_weather", discharge, ("without rain", "无雨")),
    ],
)
def test_the_sentence_names_what_was_compared(
    name: str, change: Change, words: tuple[str, str]
) -> None:
    judge = judge_of(name)
    days = changed(change, storms=name not in DRY_ONLY)
    board = board_of(catchment())
    for step in range(STEPS):
        part = Weather(at_us=days.at_us[step : step + 1], value=days.value[step : step + 1])
        said = play(judge, part, learn=lambda _: True, board=board)
        if said[0, 0] >= 4.0:
            break
    zh, en = judge.explain(0)
    assert words[0] in en
    assert words[1] in zh
    assert "m3/s" in en
    assert f"{said[0, 0]:.1f}" in zh
