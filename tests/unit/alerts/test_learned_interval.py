"""Missing data in a learned interval, and against a slow version of it."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.engine import Engine
from alerts.learn import Gaps
from core.registry import Registry
from tests.oracle.silence import Device
from tests.support.alerting import MISSING, OFFLINE, T0_US, S, batch, loaded, registry, row, words

ONE = registry(("heat-1", "heat"))
LEARN = MISSING + "learn_interval = true"


def engine(of: Registry = ONE, *rules: str) -> Engine:
    return Engine(loaded(*(rules or (LEARN,))), of, now_us=T0_US)


def hear(engine: Engine, *at_s: float) -> None:
    for at in at_s:
        engine.process(batch([row(1, at, 20.0)]))


def tick(engine: Engine, at_s: float) -> list[tuple[str, ...]]:
    return words(engine.tick(T0_US + round(at_s * S)))


def test_the_registered_interval_holds_until_enough_was_heard() -> None:
    silent = engine()
    hear(silent, *range(0, 60, 4))
    assert tick(silent, 85.9) == []
    assert tick(silent, 86) == [("raised", "blue", "86")]


def test_a_device_that_reports_more_often_is_missed_sooner() -> None:
    silent = engine()
    hear(silent, *range(0, 200, 4))
    assert tick(silent, 196 + 11.9) == []
    assert tick(silent, 196 + 12.1) == [("raised", "blue", "208")]


def test_a_device_that_reports_less_often_is_missed_later() -> None:
    silent = engine()
    times = [n * 25 for n in range(60)]
    told = []
    for at in times:
        hear(silent, at)
        told += tick(silent, at + 24)
    assert told == []
    assert tick(silent, times[-1] + 74) == []
    assert len(tick(silent, times[-1] + 76)) == 1


def test_the_gap_that_ends_a_silence_is_not_learned() -> None:
    silent = engine()
    hear(silent, *range(0, 200, 10))
    for n in range(40):  # a day of failures would otherwise teach it to be patient
        at = 200 + n * 90
        assert [w[0] for w in tick(silent, at + 60)] == ["raised"]
        hear(silent, at + 80, at + 90)
    assert tick(silent, 3800 + 30) != []


def test_parts_of_one_report_are_no_gaps() -> None:
    many = registry(("wq-1", "water_quality"))
    silent = engine(many)
    for n in range(40):
        for series in (1, 2, 3):
            silent.process(batch([row(series, n * 10 + series * 0.3, 7.0)]))
    assert tick(silent, 390.9 + 29) == []
    assert len(tick(silent, 390.9 + 31)) == 1


def test_a_gateway_is_silent_by_what_its_devices_learned() -> None:
    many = registry(*((f"heat-{n}", "heat") for n in range(1, 6)))
    silent = engine(many, LEARN, OFFLINE)
    told: list[tuple[str, ...]] = []
    for n in range(1, 60):
        for s in range(5):
            silent.process(batch([row(s + 1, n * 25 + s * 0.1, 20.0)]))
        told += tick(silent, n * 25 + 24)
    assert [w for w in told if float(w[2]) > 600] == []
    assert tick(silent, 59 * 25 + 60) == []
    (said,) = silent.tick(T0_US + (59 * 25 + 77) * S)
    assert said.subject == "gateway:gw-a"


@pytest.mark.parametrize("interval", [3.0, 10.0, 21.0])
def test_a_steady_interval_is_met(interval: float) -> None:
    gaps = Gaps(np.array([10.0]))
    at = T0_US + (np.arange(200) * interval * S).astype(np.int64)
    gaps.hear(np.zeros(200, dtype=np.intp), at, np.ones(200, dtype=np.bool_))
    assert gaps.interval_s()[0] == pytest.approx(interval, rel=1e-4)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.booleans())
def test_silence_agrees_with_the_oracle(seed: int, learns: bool) -> None:
    chance = random.Random(seed)
    fast = engine(ONE, LEARN if learns else MISSING)
    slow = Device(interval_s=10.0, intervals=3.0, learns=learns, start_s=0.0)
    usual = chance.choice([2.0, 4.0, 10.0, 15.0])
    now = 0.0
    for _ in range(chance.randint(1, 120)):
        step = chance.choice([0.25, 1.0, usual, usual, usual, usual, usual * 4, 120.0])
        now += step
        if chance.random() < 0.75:
            said = fast.process(batch([row(1, now, 20.0)]))
            expected = slow.hear(now)
        else:
            said = fast.tick(T0_US + round(now * S))
            expected = slow.tick(now)
        assert [str(t.kind) for t in said] == [kind for kind, _ in expected]
        found = [(t.at_us - T0_US) / S for t in said]
        assert np.allclose(found, [at for _, at in expected], atol=1e-3)
