"""The conditions of a rule whose values a detector or a forecast works out."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from alerts.conditions import Conditions, Sentence
from alerts.judges import Board, Judge
from alerts.keeping import State, Told
from alerts.ladder import Bool
from alerts.limits import Limits, Moves, no_moves
from alerts.rules import LoadedRule
from alerts.spread import Index
from core.batch import I4, Batch
from core.model import ONLY_RAISES
from core.registry import Registry, SeriesInfo

_PREFIX = "judge."


class Judged(Conditions):
    """The conditions of one rule, keyed by the row of its judge."""

    def __init__(
        self,
        rules: tuple[LoadedRule, ...],
        number: int,
        registry: Registry,
        limits: Limits,
        series: I4,
        judge: Judge,
    ) -> None:
        """Join a judge with its ladder.

        Args:
            number: position of the rule.
            series: of each row of the judge, its series; ascending.
        """
        super().__init__(rules, registry, limits)
        self.judge = judge
        self._reject = rules[number].rule.reject_mask
        self._series = series

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays."""
        return self.limits.nbytes + self.judge.nbytes + self._series.nbytes

    def concerns(self, series: I4) -> bool:
        """Tell whether any of some series is judged."""
        return bool(np.isin(series, self._series).any())

    def judge_part(
        self, part: Batch, board: Board, busy: npt.NDArray[np.int16], place_of: I4 | None
    ) -> Moves:
        """Judge readings of different, ascending series.

        Nothing is learned from a doubtful reading, nor while a condition of this rule, or one on
        the value itself, is active on the series.

        Args:
            board: what every series said last, this part included.
            busy: of each series, how many conditions on its own values are active.
            place_of: of each series, its place in the part, -1 if it has none; None for a part so
                small that looking for its few series is quicker.
        """
        if place_of is None:
            row = np.minimum(np.searchsorted(self._series, part.series), len(self._series) - 1)
            of = np.flatnonzero(self._series[row] == part.series)
            row = row[of]
        else:
            place = place_of[self._series]
            row = np.flatnonzero(place >= 0)
            of = place[row].astype(np.intp)
        if not len(of):
            return no_moves()
        good = ((part.quality[of] & self._reject) == 0) & np.isfinite(part.value[of])
        if not good.all():
            row, of = row[good], of[good]
        learn: Bool = (part.quality[of] & int(ONLY_RAISES)) == 0
        learn &= (self.limits.level[row] == 0) & (busy[part.series[of]] == 0)
        at_us = part.observed_us[of]
        value = self.judge.judge(row, at_us, part.value[of], learn, board)
        return self.limits.step(row.astype(np.int32), at_us, value, part.quality[of])

    def forget(self, series: I4) -> None:
        """Begin anew for series whose clock was set back."""
        mine = np.flatnonzero(np.isin(self._series, series))
        self.judge.forget(mine)
        self.limits.forget(mine.astype(np.int32))

    def info(self, condition: int) -> SeriesInfo:
        """Return the series that a condition judges."""
        return self._registry.by_id[int(self._series[self.limits.key[condition]])]

    def said(self, condition: int, value: float) -> Sentence:
        """Return the judge's own sentence."""
        del value
        return self.judge.explain(int(self.limits.key[condition]))

    def series(self, condition: Index) -> I4:
        """Return the series that conditions judge."""
        return self._series[self.limits.key[condition]]

    def find(self, number: int, series: int) -> int | None:
        """Return the condition that judges a series, None if there is none."""
        place = int(np.searchsorted(self._series, series))
        if place == len(self._series) or self._series[place] != series:
            return None
        return self.limits.find(place, number)

    def state(self, number: int, condition: Index) -> State:
        """Return what a snapshot keeps: conditions, and the judge's own arrays."""
        own = {f"{_PREFIX}{name}": array for name, array in self.judge.state().items()}
        return super().state(number, condition) | {
            name: array[self.limits.key[condition]] for name, array in own.items()
        }

    def take(self, mine: Index, state: Told, theirs: Index, *, same: bool) -> None:
        """Take over conditions, and of the same judge what it has learned.

        Raises:
            ValueError: if the judge's arrays are not those of this version of the program.
        """
        super().take(mine, state, theirs, same=same)
        if same:
            own = {
                name.removeprefix(_PREFIX): array
                for name, array in state.items()
                if name.startswith(_PREFIX)
            }
            self.judge.resume(own, self.limits.key[mine].astype(np.intp), theirs)
