"""What all detectors share: options, snapshots, the kind's help at the beginning, the sentence.

A detector is a file of its own with one subclass: it says what is expected of a reading and how
far off it is; rarity, holding and warming up are the same for all and stand here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar

import msgspec
import numpy as np
import numpy.typing as npt

from alerts.detectors.baseline import Baseline, Guess
from alerts.detectors.columns import Columns, Said
from alerts.detectors.episode import Episode, Verdict
from alerts.detectors.tail import NORMAL, Floor, Tail
from alerts.judges import Board, Bool, Index, State
from core.batch import F8, I8
from core.registry import SeriesInfo
from core.units import QUANTITIES

US = 1_000_000

DONORS = 256
"""Warm rows of a kind that are asked at most, when a new one begins."""

_FEWEST_DONORS = 3
_CHUNK = 8192  # rows judged at a time: their columns and what is made of them stay in the cache
_RAREST = 6.0  # beyond this the share is only told to be smaller
_BORROW = 32  # readings after which a new row's own level and spread are known

Seconds = Annotated[float, msgspec.Meta(ge=0, le=30 * 86_400)]
Count = Annotated[float, msgspec.Meta(ge=1, le=1_000_000)]
Share = Annotated[float, msgspec.Meta(gt=0, le=1)]
Metres = Annotated[float, msgspec.Meta(gt=0, le=100_000)]


class DetectorOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every detector may be told.

    Attributes:
        hold_s: seconds for which an anomaly's highest score is said, so that it is one alarm.
        accept_s: seconds after which what is still anomalous becomes the new normal.
        warm: readings of a series before its first score, unless others of its kind lend theirs.
        gap_s: silence after which a series finds its level anew.
    """

    hold_s: Seconds = 4 * 3600.0
    accept_s: Seconds = 86_400.0
    warm: Count = 250.0
    gap_s: Seconds = 6 * 3600.0


class Detector(ABC):
    """A judge whose value is -log10 of how often a reading as odd as this one comes.

    Attributes:
        FLOOR: the lightest tail that is believed of its scores.
        COUNTED: what a score is a share of, in Chinese with its counter, and English.
        series: of each row.
        blocks: name -> the columns that snapshots keep.
    """

    name: ClassVar[str]
    worse: ClassVar[int] = 1
    unit: ClassVar[str] = "1"
    Options: ClassVar[type[msgspec.Struct]]
    FLOOR: ClassVar[Floor] = NORMAL
    COUNTED: ClassVar[tuple[str, str]] = ("次读数", "reading")

    def __init__(
        self, options: DetectorOptions, series: Sequence[SeriesInfo], levels: Sequence[float]
    ) -> None:
        """Lay out what all detectors have."""
        self.series = tuple(series)
        self.tail = Tail(len(series))
        self.episode = Episode(len(series))
        self.said = Said(len(series))
        self.blocks: dict[str, Columns] = {
            "tail.": self.tail, "episode.": self.episode, "said.": self.said,
        }  # fmt: skip
        self._least = min(levels, default=4.0)
        self._hold = (round(options.hold_s * US), round(options.accept_s * US))
        self._warm = options.warm
        self._group, self._kin = _groups(self.series)

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays."""
        return sum(block.nbytes for block in self.blocks.values())

    def state(self) -> State:
        """Return the arrays that a snapshot keeps, each with one row for each series."""
        return {
            prefix + name: array
            for prefix, block in self.blocks.items()
            for name, array in block.state().items()
        }

    def learned(self) -> State:
        """Return those of ``state`` that a reading may only change where it teaches."""
        running = {p + name for p, block in self.blocks.items() for name in block.RUNNING}
        return {name: array for name, array in self.state().items() if name not in running}

    def resume(self, state: Mapping[str, npt.NDArray[Any]], mine: Index, theirs: Index) -> None:
        """Take over rows of another detector's state.

        Raises:
            ValueError: if the arrays are not those of this version; nothing is changed then.
        """
        for prefix, block in self.blocks.items():
            block.check(state, prefix)
        for prefix, block in self.blocks.items():
            block.take(state, prefix, mine, theirs)

    def forget(self, row: Index) -> None:
        """Begin anew for some rows."""
        for block in self.blocks.values():
            block.forget(row)

    def judge(self, row: Index, at_us: I8, value: F8, learn: Bool, board: Board) -> F8:
        """Judge one reading for each of some rows; see ``alerts.judges.Judge``."""
        if len(row) <= _CHUNK:
            return self._judge(row, at_us, value, learn, board)
        said = np.empty(len(row))
        for begin in range(0, len(row), _CHUNK):
            part = slice(begin, begin + _CHUNK)
            said[part] = self._judge(row[part], at_us[part], value[part], learn[part], board)
        return said

    @abstractmethod
    def _judge(self, row: Index, at_us: I8, value: F8, learn: Bool, board: Board) -> F8:
        """Judge so few rows that what is computed for them fits the processor's cache."""

    def explain(self, row: int) -> tuple[str, str]:
        """Say the last score of a row with its numbers, Chinese and English."""
        score = float(self.said.score[row])
        zh, en = self._sentence(row)
        often_zh, often_en = _often(score, self.COUNTED)
        return (
            f"{self._quantity(row)[0]}{zh}；异常分{score:.1f}（{often_zh}）",
            f"{self._quantity(row)[1]} {en}; score {score:.1f} ({often_en})",
        )

    @abstractmethod
    def _sentence(self, row: int) -> tuple[str, str]:
        """Return the middle of the sentence: what was measured against what was expected."""

    def _quantity(self, row: int) -> tuple[str, str]:
        quantity = QUANTITIES.get(self.series[row].quantity)
        return (quantity.zh, quantity.en) if quantity else ("读数", "reading")

    def _unit(self, row: int) -> str:
        quantity = QUANTITIES.get(self.series[row].quantity)
        return f" {quantity.unit}" if quantity and quantity.unit != "1" else ""

    def _ready(self, row: Index, seen: npt.NDArray[Any]) -> Bool:
        """Tell which rows know enough to score: they are warm, or their kind has lent its past."""
        return (seen >= self._warm) | (self.tail.seen[row] >= self._warm)

    def _verdict(
        self, row: Index, at_us: I8, x: F8, ready: Bool, certain: Bool | None = None
    ) -> Verdict:
        """Score the oddness ``x`` (NaN: unknown) by the row's tail, and hold it.

        Where it is ``certain`` the first level is said, also before the row is warm.
        """
        raw = self.tail.score(row, np.nan_to_num(x), self.FLOOR)
        raw[np.isnan(x) | ~ready] = np.nan
        if certain is not None:
            # An episode that began before the row is warm must be able to end.
            running = (self.episode.since_us[row] != 0) & ~np.isnan(x)
            raw[running] = np.nan_to_num(raw[running])
            raw[certain] = np.fmax(raw[certain], self._least)
        verdict = self.episode.see(row, at_us, raw, self._least, self._hold)
        self.said.score[row] = np.nan_to_num(verdict.said)
        return verdict

    def _lend(self, row: Index, seen: npt.NDArray[Any], blocks: Sequence[Baseline]) -> None:
        """Let rows that have just found their level begin with what their kind has learned."""
        new = row[(seen == _BORROW) & (self.tail.seen[row] < self._warm)]
        for group in np.unique(self._group[new]).tolist():
            kin = self._kin[group]
            donors = kin[self.tail.seen[kin] >= self._warm][:DONORS]
            if len(donors) >= _FEWEST_DONORS:
                mine = new[self._group[new] == group]
                self.tail.borrow(mine, donors)
                for block in blocks:
                    block.borrow(mine, donors)


class ResidualDetector(Detector):
    """A detector that compares a signal with its own baseline.

    Attributes:
        SIDE: 0: both sides count, +1: only more than expected does.
        RATE: share by which the level follows each reading.
        DAILY: whether the baseline has a course of the day.
    """

    SIDE: ClassVar[int] = 0
    RATE: ClassVar[float] = 0.05
    DAILY: ClassVar[bool] = False

    def __init__(
        self,
        options: DetectorOptions,
        series: Sequence[SeriesInfo],
        levels: Sequence[float],
        *,
        floor: F8 | None = None,
    ) -> None:
        """Lay out what residual detectors have."""
        super().__init__(options, series, levels)
        self.baseline = Baseline(
            len(series), floor=resolution(series) if floor is None else floor, daily=self.DAILY
        )
        self.blocks["baseline."] = self.baseline
        self._gap_us = gaps_us(options.gap_s, series)
        self._rate = self.RATE

    def _compare(
        self,
        row: Index,
        at_us: I8,
        signal: F8,
        learn: Bool,
        speaks: Bool,
        certain: Bool | None = None,
    ) -> tuple[F8, Bool]:
        """Judge a signal of some rows; return the judged values and which rows were taught.

        Args:
            row: row numbers; ``at_us`` their times.
            signal: what is compared with the baseline; NaN: unknown.
            learn: where it may teach.
            speaks: where this detector has anything to say; elsewhere the judged value is 0.
            certain: where it is an anomaly whatever was learned; None: nowhere.
        """
        self.baseline.pause(row, at_us, self._gap_us[row])
        known = ~np.isnan(signal)
        signal = np.nan_to_num(signal)
        guess = self.baseline.guess(row, at_us)
        off = (signal - guess.value) / guess.scale
        odd = np.maximum(off, 0.0) if self.SIDE > 0 else np.abs(off)
        settled = self.baseline.settled(row)
        heard = np.where(speaks & settled, odd, 0.0)
        ready = self._ready(row, self.baseline.seen[row])
        verdict = self._verdict(row, at_us, np.where(known, heard, np.nan), ready, certain)
        self._note(row[known], signal[known], guess, known)
        taught = learn & known & speaks
        self._teach(row, at_us, signal, guess, odd, taught, verdict)
        return verdict.said, taught & verdict.quiet

    def _note(self, row: Index, signal: F8, guess: Guess, known: Bool) -> None:
        self.said.value[row] = signal
        self.said.expected[row] = guess.value[known]
        self.said.scale[row] = guess.scale[known]

    def _teach(
        self,
        row: Index,
        at_us: I8,
        signal: F8,
        guess: Guess,
        odd: F8,
        taught: Bool,
        verdict: Verdict,
    ) -> None:
        """Teach the tail and the baseline; an episode teaches nobody but by its first reading."""
        counted = taught & (verdict.quiet | verdict.begins) & self.baseline.settled(row)
        counted &= self.baseline.seen[row] >= _BORROW
        self.tail.learn(row[counted], odd[counted], self.FLOOR, self._least + 1.0)
        quiet = np.flatnonzero(taught & verdict.quiet)
        rows = row[quiet]
        part = Guess(value=guess.value[quiet], scale=guess.scale[quiet])
        self.baseline.learn(rows, at_us[quiet], signal[quiet], part, self._rate)
        if (self.baseline.seen[rows] == _BORROW).any():
            self._lend(rows, self.baseline.seen[rows], [self.baseline])
        anew = row[taught & verdict.accepted]
        if len(anew):
            self.baseline.restart(anew)
            self.episode.end(anew)


def _often(score: float, counted: tuple[str, str]) -> tuple[str, str]:
    """Say how rare a score is, as far as a tail of 24 can know."""
    zh, en = counted
    if score < 1.0:
        return "属平常", "nothing unusual"
    if score >= _RAREST:
        return f"百万{zh}不到一遇", f"fewer than one {en} in a million"
    many = f"{10**score:,.0f}"
    return f"约{many}{zh}一遇", f"about one {en} in {many}"


def resolution(series: Sequence[SeriesInfo]) -> F8:
    """Return the least spread of each series: 1e-5 of what is plausible of its quantity."""
    return np.array([
        1e-5 * (QUANTITIES[info.quantity].high - QUANTITIES[info.quantity].low)
        if info.quantity in QUANTITIES else 1e-6
        for info in series
    ], dtype=np.float64)  # fmt: skip


def gaps_us(gap_s: float, series: Sequence[SeriesInfo]) -> I8:
    """Return the silence after which a row begins anew: ``gap_s``, at least 20 intervals."""
    return np.array(
        [round(max(gap_s, 20.0 * info.interval_s) * US) for info in series], dtype=np.int64
    )


def _groups(series: Sequence[SeriesInfo]) -> tuple[Index, list[Index]]:
    """Return the group of each row, and the rows of each: equal kind and quantity."""
    numbers: dict[tuple[str, str], int] = {}
    group = np.array(
        [numbers.setdefault((info.kind, info.quantity), len(numbers)) for info in series],
        dtype=np.intp,
    )
    return group, [np.flatnonzero(group == number) for number in range(len(numbers))]
