"""What turns the readings of some series into the values that a rule's ladder is held against.

A detector's judged value is a score, a forecast's a time or an angle; ``alerts.engine`` feeds them
and runs hysteresis, dwell and levels on what they return, as it does for plain values. One judge
serves one rule: all of its state is arrays with one row for each series that the rule selects.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import msgspec
import numpy as np
import numpy.typing as npt

from core.batch import F8, I8
from core.registry import Registry, SeriesInfo

Index = npt.NDArray[np.intp]
Bool = npt.NDArray[np.bool_]
State = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """The newest accepted value of every series, by series id; the engine keeps it.

    Attributes:
        at_us: event time, microseconds since the Unix epoch; 0: none yet.
        value: in the quantity's unit; NaN: none yet.
    """

    at_us: I8
    value: F8


class Judge(Protocol):
    """A detector or a forecast.

    Attributes:
        name: as rules name it.
        worse: +1 if larger judged values are worse (scores, angles), -1 if smaller ones are (time
            left).
        unit: of the judged value: ``"1"``, ``"min"``, ``"deg"`` …
        Options: what ``options`` of a rule may say; frozen, keyword-only, unknown keys refused.
    """

    name: ClassVar[str]
    worse: ClassVar[int]
    unit: ClassVar[str]
    Options: ClassVar[type[msgspec.Struct]]

    def __init__(
        self,
        options: Any,
        series: Sequence[SeriesInfo],
        registry: Registry,
        levels: Sequence[float],
    ) -> None:
        """Lay the arrays out; row ``n`` is ``series[n]``, ``levels`` the rule's raise values."""
        ...

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays."""
        ...

    def judge(self, row: Index, at_us: I8, value: F8, learn: Bool, board: Board) -> F8:
        """Take one reading for each of some rows; return the judged values, NaN where unknown.

        Args:
            row: row numbers, none twice, ascending.
            at_us: event times, each later than its row's last.
            value: finite values.
            learn: where false (an alarm is active, or the reading is doubtful) the reading is
                judged and taught to nobody.
            board: what other series said last; this round's readings are in it already.
        """
        ...

    def explain(self, row: int) -> tuple[str, str]:
        """Say the last judged value of a row in one sentence with numbers, Chinese and English."""
        ...

    def forget(self, row: Index) -> None:
        """Begin anew for some rows: their clock was set back."""
        ...

    def state(self) -> State:
        """Return the arrays that a snapshot keeps, each with one row for each series (axis 0)."""
        ...

    def resume(self, state: Mapping[str, npt.NDArray[Any]], mine: Index, theirs: Index) -> None:
        """Take over rows ``theirs`` of another judge's ``state`` of the same options as ``mine``.

        Raises:
            ValueError: if the arrays are not those of ``state`` (another version of the program).
        """
        ...
