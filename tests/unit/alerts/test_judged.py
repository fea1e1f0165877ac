"""How the engine feeds a detector or forecast, with a small one whose every step can be seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import msgspec
import numpy as np
import numpy.typing as npt
import pytest

from alerts.detectors import DETECTORS
from alerts.engine import Engine
from alerts.forecasts import FORECASTS
from alerts.judges import Board, Bool, Index, State
from core.batch import F8, I8
from core.model import Quality
from core.registry import Registry, SeriesInfo
from tests.support.alerting import HIGH, T0_US, batch, feed, loaded, registry, row

HEAT = registry(("heat-1", "heat"), ("heat-2", "heat"))
RULE = """
type = "anomaly"
detector = "above_mean"
advisory = true
field = "fire"
select = { kind = ["heat"], quantity = "temperature" }
levels = [
    { severity = "blue", raise = 10, clear = 5 },
    { severity = "yellow", raise = 20, clear = 15 },
]
"""
LEFT = RULE.replace("anomaly", "forecast").replace('detector = "above_mean"', 'forecast = "left"')
LEFT = LEFT.replace("raise = 20, clear = 15", "raise = 5, clear = 8").replace(
    "clear = 5", "clear = 12"
)


class AboveMean:
    """Degrees above the mean of what was learned; known from the third reading on."""

    name = "above_mean"
    worse = 1
    unit = "Cel"

    class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
        least: int = 2

    def __init__(
        self,
        options: Options,
        series: Sequence[SeriesInfo],
        registry: Registry,
        levels: Sequence[float],
    ) -> None:
        self.least = options.least
        self.levels = levels
        self.total = np.zeros(len(series))
        self.count = np.zeros(len(series))
        self.last = np.zeros(len(series))
        self.boards: list[list[float]] = []

    @property
    def nbytes(self) -> int:
        return self.total.nbytes + self.count.nbytes + self.last.nbytes

    def judge(self, row: Index, at_us: I8, value: F8, learn: Bool, board: Board) -> F8:
        self.boards.append(board.value[1:].tolist())
        known = self.count[row] >= self.least
        mean = self.total[row] / np.maximum(self.count[row], 1)
        self.last[row] = value - mean
        self.total[row] += value * learn
        self.count[row] += learn
        return np.where(known, value - mean, np.nan)

    def explain(self, row: int) -> tuple[str, str]:
        return f"高 {self.last[row]:g} 度", f"{self.last[row]:g} degrees above"

    def forget(self, row: Index) -> None:
        self.count[row] = 0
        self.total[row] = 0

    def state(self) -> State:
        return {"total": self.total, "count": self.count, "last": self.last}

    def resume(self, state: Mapping[str, npt.NDArray[Any]], mine: Index, theirs: Index) -> None:
        if set(state) != {"total", "count", "last"}:
            raise ValueError("another version")
        for name, array in state.items():
            getattr(self, name)[mine] = array[theirs]


class Left(AboveMean):
    """Its value is what is left, so less is worse."""

    name = "left"
    worse = -1


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(DETECTORS, "above_mean", AboveMean)
    monkeypatch.setitem(FORECASTS, "left", Left)


def engine(*texts: str, of: Registry = HEAT) -> Engine:
    return Engine(loaded(*texts), of, now_us=T0_US)


def judge_of(judged: Engine) -> AboveMean:
    return cast(AboveMean, judged._mine.layout.judged[0].judge)


def test_a_score_climbs_the_ladder_and_says_why() -> None:
    judged = engine(RULE)
    assert feed(judged, 1, [(0, 20), (1, 90)]) == []
    judged = engine(RULE)
    feed(judged, 1, [(0, 20), (1, 20)])
    (said,) = judged.process(batch([row(1, 2, 32)]))
    assert (said.value, said.threshold, said.severity.name) == (12.0, 10.0, "BLUE")
    assert said.said == ("高 12 度", "12 degrees above")
    assert feed(judged, 1, [(3, 45), (4, 38), (5, 28)]) == [
        ("escalated", "yellow", "3"),
        ("eased", "blue", "4"),
        ("returned", "blue", "5"),
    ]


def test_nothing_is_learned_while_an_alarm_is_on_or_a_reading_is_doubtful() -> None:
    judged = engine(RULE)
    feed(judged, 1, [(0, 20), (1, 20), (2, 32)])
    learned = judge_of(judged).count[0]
    feed(judged, 1, [(3, 32), (4, 33)])
    assert judge_of(judged).count[0] == learned
    feed(judged, 1, [(5, 20), (6, 20)])
    learned = judge_of(judged).count[0]
    judged.process(batch([row(1, 7, 20, Quality.STUCK)]))
    assert judge_of(judged).count[0] == learned
    feed(judged, 1, [(8, 20)])
    assert judge_of(judged).count[0] == learned + 1


def test_nothing_is_learned_while_a_limit_on_the_value_is_passed() -> None:
    judged = engine(RULE.replace("raise = 10", "raise = 900").replace("raise = 20", "raise = 990"))
    limited = engine(
        RULE.replace("raise = 10", "raise = 900").replace("raise = 20", "raise = 990"), HIGH
    )
    for one, learned in ((judged, 4), (limited, 2)):
        feed(one, 1, [(0, 20), (1, 60), (2, 60), (3, 20)])
        assert judge_of(one).count[0] == learned


def test_a_rejected_reading_is_not_shown() -> None:
    judged = engine(RULE)
    feed(judged, 1, [(0, 20)])
    judged.process(batch([row(1, 1, 20, Quality.DEVICE_FAULT), row(1, 2, float("nan"))]))
    assert judge_of(judged).count[0] == 1


def test_the_board_has_what_the_others_said_this_round_included() -> None:
    judged = engine(RULE)
    judged.process(batch([row(1, 0, 20)]))
    judged.process(batch([row(2, 1, 30)]))
    judged.process(batch([row(1, 2, 22), row(2, 2, 99, Quality.OUT_OF_RANGE)]))
    assert str(judge_of(judged).boards) == "[[20.0, nan], [20.0, 30.0], [22.0, 30.0]]"


def test_of_a_forecast_less_may_be_worse() -> None:
    judged = engine(LEFT)
    feed(judged, 1, [(0, 0), (1, 0)])
    assert feed(judged, 1, [(2, 9), (3, 5), (4, 30)]) == [
        ("raised", "blue", "2"),
        ("escalated", "yellow", "3"),
        ("returned", "yellow", "4"),
    ]


def test_a_clock_that_is_set_back_begins_anew() -> None:
    judged = engine(RULE)
    judged.process(batch([row(1, 9000, 20, received_s=0), row(1, 9001, 20, received_s=1)]))
    feed(judged, 1, [(5, 20)])
    assert judge_of(judged).count[0] == 1


@pytest.mark.parametrize("reload", [True, False])
def test_what_was_learned_is_handed_on(reload: bool) -> None:
    old = engine(RULE)
    feed(old, 2, [(0, 20), (1, 20)])
    more = registry(("heat-0", "heat"), ("heat-2", "heat"))
    new = engine(RULE, of=more)
    if reload:
        assert new.adopt(old) == []
    else:
        new.resume(old.snapshot())
    assert feed(new, 2, [(2, 32)]) == [("raised", "blue", "2")]


def test_a_judge_of_another_version_of_the_program_is_refused_whole() -> None:
    old = engine(RULE, HIGH)
    feed(old, 1, [(0, 60)])
    judge = judge_of(old)
    judge.state = lambda: {"total": judge.total}  # type: ignore[method-assign]
    new = engine(RULE, HIGH)
    with pytest.raises(ValueError, match="another version"):
        new.resume(old.snapshot())
    assert feed(new, 1, [(0, 60)]) == [("raised", "orange", "0")]
