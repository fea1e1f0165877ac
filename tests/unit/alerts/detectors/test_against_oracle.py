from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.detectors.detector import resolution
from core.registry import Registry
from tests.oracle import detectors as slow
from tests.support.detecting import OPTIONS, STEP_US, T0_US, board_of, catchment, drain, judge_of

NAMES = sorted(OPTIONS)
S = 1_000_000
HOLD, ACCEPT, GAP = 3600.0, 14_400.0, 21_600.0
SHORT = {"hold_s": HOLD, "accept_s": ACCEPT, "gap_s": GAP}
AGE_US = round(3 * STEP_US)


def alone(number: int) -> Registry:
    """The catchment with every judged drain of a kind of its own, so that none can borrow."""
    known = catchment()
    series = [
        drain(n, info.device_id, kind=info.kind) for n, info in known.by_id.items() if n != number
    ]
    return Registry([*series, drain(number, f"drain-{number}", kind="pipe_flow")],
                    drains=known.drains)  # fmt: skip


def oracle(name: str, level: float) -> Any:
    known = catchment()
    options = OPTIONS[name]
    floor = 0.02 if name == "rain_explained" else float(resolution([known.by_id[1]])[0])
    setting = slow.Setting(
        hold_us=round(HOLD * S),
        accept_us=round(ACCEPT * S),
        gap_us=round(max(GAP, 20 * 900) * S),
        warm=options["warm"],
        floor=floor,
        least=level,
    )
    match name:
        case "seasonal":
            return slow.Seasonal(setting)
        case "change_point":
            return slow.ChangePoint(setting, memory_us=options["memory_s"] * S, allowance=1.0)
        case "drift":
            setting.gap_us = max(setting.gap_us, round(4 * 3600 * S))
            return slow.Drift(
                setting,
                memory_us=options["memory_s"] * S,
                allowance=0.25,
                block_us=round(3600 * S),
            )
        case "stuck":
            return slow.Stuck(setting, interval_us=900.0 * S, rest=0.0)
        case "neighbour":
            return slow.Neighbour(setting, age_us=AGE_US)
        case "balance":
            return slow.Balance(setting, smooth_us=900 * S, age_us=AGE_US)
        case "rain_explained":
            step = float(resolution([known.by_id[1]])[0])
            return slow.RainExplained(setting, age_us=1800 * S, step=step)
        case _:
            return slow.DryWeather(setting, dry_us=round(options["dry_s"] * S), age_us=1800 * S)


def others_of(name: str, fast: Any) -> list[int]:
    if name == "neighbour":
        return [int(one) for one in fast.peers[0] if one >= 0]
    if name == "balance":
        return [int(one) for one in fast.sources[0] if one >= 0]
    if name in ("rain_explained", "dry_weather"):
        return [int(one) for one in fast.gauges[0] if one >= 0]
    return []


def run(name: str, seed: int, oddness: float, level: float) -> tuple[list[float], list[float]]:
    """Feed one series of days with steps, spikes, silence, rests and doubt to both."""
    chance = np.random.default_rng(seed)
    registry = alone(1)
    fast = judge_of(name, series=[registry.by_id[1]], registry=registry, level=level, **SHORT)
    reference = oracle(name, level)
    board = board_of(registry)
    who = others_of(name, fast)
    at, centre, alarmed = T0_US, 1.0, False
    first, second = [], []
    for _ in range(340):
        at += STEP_US * (1 if chance.random() > 0.02 * oddness else int(chance.integers(2, 60)))
        centre += 0.3 * (chance.random() < 0.01 * oddness) * chance.standard_normal()
        value = centre + 0.02 * chance.standard_normal() + 0.1 * math.sin(at / 1e6 / 13_750)
        if chance.random() < 0.02 * oddness:
            value += 3.0 * chance.standard_normal()
        if chance.random() < 0.4:
            value = round(value, 1) if chance.random() < 0.8 else 0.0
        for one in who:
            if chance.random() > 0.05:
                raining = max(0.0, chance.normal(-15.0 if at // (40 * STEP_US) % 3 else 3.0, 3.0))
                is_gauge = registry.by_id[one].kind == "rain_gauge"
                board.at_us[one] = at
                board.value[one] = raining if is_gauge else centre + 0.02 * chance.standard_normal()
        learn = not alarmed and chance.random() > 0.03
        said = fast.judge(
            np.array([0]), np.array([at]), np.array([value]), np.array([learn]), board
        )
        first.append(float(said[0]))
        heard = [(int(board.at_us[one]), float(board.value[one])) for one in who]
        second.append(reference.judge(at, value, learn, heard))
        alarmed = first[-1] >= level
    return first, second


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=4, deadline=None)
@given(
    seed=st.integers(0, 1_000_000),
    oddness=st.floats(0.0, 3.0),
    level=st.sampled_from([1.0, 2.0, 4.0]),
)
def test_the_arrays_say_what_the_slow_version_says(
    name: str, seed: int, oddness: float, level: float
) -> None:
    first, second = run(name, seed, oddness, level)
    np.testing.assert_allclose(first, second, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_the_comparison_reaches_scores_and_episodes(name: str) -> None:
    seen = [score for seed in range(3) for score in run(name, seed, 2.0, 1.5)[0]]
    assert any(score >= 1.5 for score in seen)
    assert any(0 <= score < 1.5 for score in seen)
    assert any(math.isnan(score) for score in seen)
