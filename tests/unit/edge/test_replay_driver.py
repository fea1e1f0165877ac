"""The replay driver's pace and options, without a broker."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import UsageError
from edge.drivers.replay import Pace, from_options, parse_speed


def test_as_fast_as_it_goes() -> None:
    pace = Pace(None, max_gap_s=0, start_s=0)
    assert [pace.wait_s(at, 0.0) for at in (5.0, 1e9)] == [0.0, 0.0]


def test_sixty_fold() -> None:
    pace = Pace(60.0, max_gap_s=0, start_s=100.0)
    assert pace.wait_s(1000.0, 100.0) == 0.0
    assert pace.wait_s(1060.0, 100.0) == 1.0
    assert pace.wait_s(1120.0, 101.5) == 0.5
    assert pace.wait_s(1120.0, 150.0) == 0.0


def test_a_long_gap_and_a_step_back_are_skipped() -> None:
    pace = Pace(1.0, max_gap_s=60, start_s=0.0)
    assert pace.wait_s(0.0, 0.0) == 0.0
    assert pace.wait_s(60.0, 0.0) == 60.0
    assert pace.wait_s(100_000.0, 60.0) == 0.0
    assert pace.wait_s(5.0, 60.0) == 0.0
    assert pace.wait_s(6.0, 60.0) == 1.0


@given(
    times=st.lists(st.floats(0, 1e6), min_size=1, max_size=20).map(sorted),
    speed=st.floats(0.1, 1000),
)
def test_a_row_is_due_at_its_own_distance_from_the_first(times: list[float], speed: float) -> None:
    pace = Pace(speed, max_gap_s=0, start_s=0.0)
    for at in times:
        assert math.isclose(pace.wait_s(at, 0.0), (at - times[0]) / speed, abs_tol=1e-6)


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "fast", ""])
def test_no_speed(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        parse_speed(text)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({}, "missing file, map"),
        ({"file": "a", "map": "b", "sped": "1"}, "unknown sped"),
        ({"file": "a", "map": "b", "speed": "fast"}, "speed"),
    ],
)
def test_wrong_options_are_told(options: dict[str, str], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        from_options(options)
