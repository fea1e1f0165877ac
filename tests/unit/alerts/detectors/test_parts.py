from __future__ import annotations

import inspect
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.detectors.baseline import OPEN, SETTLE, Baseline, slot_of
from alerts.detectors.episode import Episode
from alerts.detectors.near import ages_us, heard, nearest
from alerts.detectors.tail import LONG, NORMAL, TOP, Tail
from bench import detectors, fires, rivers
from tests.support.detecting import T0_US, board_of, catchment, drain

ONE = np.array([0])
S = 1_000_000


def tail_of(scores: np.ndarray[tuple[int], np.dtype[np.float64]], most: float = 5.0) -> Tail:
    tail = Tail(1)
    for score in scores:
        tail.learn(ONE, np.array([score]), NORMAL, most)
    return tail


def score(tail: Tail, x: float) -> float:
    return float(tail.score(ONE, np.array([x]), NORMAL)[0])


def test_the_score_of_an_exponential_tail_is_its_share() -> None:
    scores = np.random.default_rng(1).exponential(1.5, 5000)
    tail = tail_of(scores)
    for share in (1e-3, 1e-4, 1e-5):
        assert score(tail, -1.5 * math.log(share)) == pytest.approx(-math.log10(share), abs=0.6)


def test_a_noisy_series_needs_a_larger_error_than_a_quiet_one() -> None:
    chance = np.random.default_rng(2)
    quiet, noisy = tail_of(abs(chance.standard_normal(2000))), tail_of(chance.exponential(3, 2000))
    assert score(quiet, 8.0) > 6.0
    assert score(noisy, 8.0) < 2.5


def test_one_broken_reading_does_not_blind_a_series() -> None:
    scores = abs(np.random.default_rng(3).standard_normal(2000))
    once, often = scores.copy(), scores.copy()
    once[1000] = 1e6
    often[500::100] = 30.0
    assert score(tail_of(once), 8.0) > 5.0
    assert score(tail_of(often), 8.0) < 4.0


def test_the_tail_forgets_half_of_a_long_past() -> None:
    chance = np.random.default_rng(4)
    tail = Tail(1)
    tail.seen[:] = LONG - 200
    for x in chance.exponential(1.0, 150):
        tail.learn(ONE, np.array([x]), NORMAL, 5.0)
    tail.top[0] = np.sort(8 + chance.exponential(1.0, TOP)).astype(np.float32)
    tail.count[:], tail.begin[:] = TOP, tail.top.min()
    before = score(tail, 12.0)
    for x in chance.exponential(1.0, 100):
        tail.learn(ONE, np.array([x]), NORMAL, 5.0)
    assert tail.seen[0] < LONG / 2 + 100
    assert tail.count[0] < TOP
    assert score(tail, 12.0) == pytest.approx(before, abs=0.3)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(0, 1e4), min_size=1, max_size=80), st.floats(0, 1e4), st.floats(0, 1e4))
def test_a_larger_error_never_has_a_smaller_score(
    scores: list[float], first: float, second: float
) -> None:
    tail = tail_of(np.array(scores))
    low, high = sorted((first, second))
    assert 0 <= score(tail, low) <= score(tail, high) <= 20


def see(episode: Episode, at_s: float, raw: float) -> float:
    verdict = episode.see(
        ONE, np.array([T0_US + round(at_s * S)]), np.array([raw]), 4.0, (100 * S, 1000 * S)
    )
    return float(verdict.said[0])


def test_an_anomaly_is_held_at_its_highest_score_for_the_hold() -> None:
    episode = Episode(1)
    said = [see(episode, at, raw) for at, raw in
            [(0, 1), (10, 5), (20, 0), (30, 7), (109, 0), (110, 0), (120, 1)]]  # fmt: skip
    assert said == [1, 5, 5, 7, 7, 0, 1]


def test_an_anomaly_goes_on_after_the_hold_until_it_ends() -> None:
    episode = Episode(1)
    assert [see(episode, at, 5) for at in (0, 99, 100, 999)] == [5, 5, 5, 5]
    assert see(episode, 999.5, 3.9) == 3.9
    assert see(episode, 1000, 5) == 5
    assert episode.since_us[0] == T0_US + 1000 * S


def test_what_lasts_too_long_is_no_anomaly_any_more() -> None:
    episode = Episode(1)
    see(episode, 0, 5)
    assert see(episode, 1000, 9) == 0
    assert see(episode, 1001, 9) == 0
    episode.end(ONE)
    assert see(episode, 1002, 9) == 9


def test_an_unknown_score_stays_unknown_and_ends_nothing_within_the_hold() -> None:
    episode = Episode(1)
    assert math.isnan(see(episode, 0, math.nan))
    see(episode, 1, 6)
    assert see(episode, 2, math.nan) == 6
    assert math.isnan(see(episode, 200, math.nan))
    assert episode.since_us[0]


def learnt(values: list[float], *, daily: bool = False) -> Baseline:
    base = Baseline(1, floor=np.array([0.01]), daily=daily)
    for n, value in enumerate(values):
        at = np.array([T0_US + n * 900 * S])
        base.learn(ONE, at, np.array([value]), base.guess(ONE, at), 0.05)
    return base


def test_a_spike_teaches_no_more_than_three_deviations() -> None:
    noise = np.random.default_rng(5).normal(10, 0.1, 300).tolist()
    before, after = learnt(noise), learnt([*noise, 1000.0])
    assert after.level[0] - before.level[0] < 3.1 * 0.12 * 0.05
    assert np.sqrt(after.var[0]) < 1.04 * np.sqrt(before.var[0])


def test_a_quiet_series_has_a_floor_under_its_spread() -> None:
    base = learnt([10.0] * 100)
    guess = base.guess(ONE, np.array([T0_US]))
    assert guess.scale[0] == pytest.approx(0.01)
    assert learnt([5000.0] * 100).guess(ONE, np.array([T0_US])).scale[0] == pytest.approx(5.0)


def test_the_time_of_day_is_learned() -> None:
    """A jump each morning at eight is expected after some days, and a level alone never knows."""
    values = [1.0 + (32 <= n % 96 < 48) for n in range(96 * 20)]
    daily, flat = learnt(values, daily=True), learnt(values)
    at = np.array([T0_US + (96 * 20 + 32) * 900 * S])
    slot = slot_of(at)
    assert daily.guess(ONE, at).value[0] - daily.level[0] > 0.4, slot
    assert flat.guess(ONE, at).value[0] == flat.level[0]


def test_a_quarter_of_an_hour_is_counted_from_midnight_in_china() -> None:
    midnight_us = 1_790_006_400_000_000 // (86_400 * S) * 86_400 * S - 8 * 3600 * S
    assert slot_of(np.array([midnight_us, midnight_us + 899 * S, midnight_us - 1])).tolist() == [
        0, 0, 95,
    ]  # fmt: skip


def test_after_a_gap_the_level_is_found_anew_within_a_few_readings() -> None:
    base = learnt(np.random.default_rng(6).normal(10, 0.1, 200).tolist())
    at = T0_US + 200 * 900 * S
    base.pause(ONE, np.array([at]), np.array([3600 * S]))
    base.pause(ONE, np.array([at + 3601 * S]), np.array([3600 * S]))
    spread = base.guess(ONE, np.array([at])).scale[0]
    for n in range(SETTLE):
        assert not base.settled(ONE)[0]
        when = np.array([at + n * 900 * S])
        base.learn(ONE, when, np.array([25.0]), base.guess(ONE, when), 0.05)
    assert base.settled(ONE)[0]
    assert base.level[0] == pytest.approx(25.0, abs=0.01)
    assert base.guess(ONE, np.array([at])).scale[0] < 2.0 * spread


def test_the_first_readings_are_not_clipped() -> None:
    base = learnt([0.0] * 5 + [100.0] * (OPEN - 5))
    assert base.level[0] > 60


def test_neighbours_are_the_nearest_of_another_device_within_the_radius() -> None:
    series = [drain(n, f"drain-{n}") for n in range(1, 7)]
    assert nearest(series, series, 210.0, 3).tolist()[2] == [2, 4, 1]
    assert nearest(series, series, 50.0, 3).tolist()[2] == [-1, -1, -1]


def test_neighbours_without_a_position_are_those_of_the_smallest_space() -> None:
    series = [drain(n, f"drain-{n}") for n in (1, 2)]
    homeless = [
        type(one)(**{name: getattr(one, name) for name in one.__slots__} | {"lon": math.nan})
        for one in series
    ]
    assert nearest(homeless, [*homeless, series[0]], 100.0, 2).tolist() == [[2, -1], [1, -1]]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.floats(-0.02, 0.02), st.floats(-0.02, 0.02)), min_size=2, max_size=25))
def test_the_cells_miss_no_neighbour(places: list[tuple[float, float]]) -> None:
    series = [
        type(one)(
            **{name: getattr(one, name) for name in one.__slots__}
            | {"lon": 114.0 + east, "lat": 50.0 + north}
        )
        for n, (east, north) in enumerate(places, 1)
        for one in [drain(n, f"drain-{n}")]
    ]
    found = nearest(series, series, 700.0, 30)
    cosine = math.cos(math.radians(50.0))
    for row, (east, north) in enumerate(places):
        apart = {
            n: math.hypot((x - east) * cosine, y - north) * 111_320
            for n, (x, y) in enumerate(places, 1)
            if n != row + 1
        }
        sure = {n for n, metres in apart.items() if metres < 695}
        may = {n for n, metres in apart.items() if metres < 705}
        near = {n for n in found[row].tolist() if n >= 0}
        assert sure <= near <= may


def test_of_many_at_one_point_the_first_are_the_neighbours() -> None:
    series = [
        type(one)(**{name: getattr(one, name) for name in one.__slots__} | {"lon": 114.0, "lat": y})
        for n, y in enumerate([22.5] * 60 + [22.5001], 1)
        for one in [drain(n, f"drain-{n}")]
    ]
    found = nearest(series[::-1], series, 100.0, 3)[::-1]
    assert found[[0, 1, 2, 3, 59]].tolist() == [[2, 3, 4], [1, 3, 4], [1, 2, 4], *[[1, 2, 3]] * 2]
    assert found[60].tolist() == [1, 2, 3]


def test_only_fresh_words_of_others_are_heard() -> None:
    registry = catchment()
    series = [registry.by_id[1]]
    board = board_of(registry)
    board.at_us[[2, 3, 4]] = [T0_US - 100 * S, T0_US - 4000 * S, T0_US]
    board.value[[2, 3]] = [7.0, 8.0]
    said, fresh = heard(
        np.array([[2, 3, 4, -1]]), ONE, np.array([T0_US]), ages_us(3.0, series), board
    )
    assert fresh.tolist() == [[True, False, False, False]]
    assert said.tolist() == [[7.0, 0.0, 0.0, 0.0]]


def test_the_alarm_bench_can_call_its_parts(tmp_path: Path) -> None:
    for module in (detectors, fires, rivers):
        asked = inspect.signature(module.measure).parameters.values()
        assert all(one.default is not one.empty for one in asked), module.__name__
        assert callable(module.table), module.__name__
    gone = rivers.measure(tmp_path)
    assert rivers.table(gone) == [f"recorded rivers: no recordings in {tmp_path}"]
