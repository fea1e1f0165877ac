"""Arrays with one row for each series: what a detector keeps, as named columns.

A detector is made of a few such blocks (a baseline, a tail, an episode …), each of which knows its
own columns, so that snapshots, forgetting and counting bytes are written once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from alerts.judges import Index, State


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """How one column is laid out.

    Attributes:
        width: values for each row; 0: one, without an axis of its own.
        blank: what a row begins with.
    """

    dtype: str
    width: int = 0
    blank: float = 0.0

    def make(self, rows: int) -> npt.NDArray[Any]:
        """Return the column for a number of rows, all blank."""
        shape = (rows, self.width) if self.width else (rows,)
        return np.full(shape, self.blank, dtype=self.dtype)


class Columns:
    """A block of columns; a subclass names them in ``LAYOUT`` and annotates them as attributes.

    Attributes:
        LAYOUT: name -> layout.
        RUNNING: names of columns that every reading moves, also one that teaches nobody: clocks,
            running sums, the last words. All others are learned.
    """

    LAYOUT: ClassVar[Mapping[str, Column]]
    RUNNING: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, rows: int, *, without: frozenset[str] = frozenset()) -> None:
        """Lay the columns out, all blank, but for those that this detector does not need."""
        self._names = tuple(name for name in self.LAYOUT if name not in without)
        for name in self._names:
            setattr(self, name, self.LAYOUT[name].make(rows))

    @property
    def nbytes(self) -> int:
        """Bytes of all columns."""
        return sum(array.nbytes for array in self.state().values())

    def state(self) -> State:
        """Return the columns by name, not copied."""
        return {name: getattr(self, name) for name in self._names}

    def forget(self, row: Index) -> None:
        """Blank some rows."""
        for name in self._names:
            getattr(self, name)[row] = self.LAYOUT[name].blank

    def check(self, state: Mapping[str, npt.NDArray[Any]], prefix: str) -> None:
        """See whether ``state`` has these columns under ``prefix``.

        Raises:
            ValueError: if one is missing or of another layout.
        """
        for name, own in self.state().items():
            column = state.get(prefix + name)
            if column is None or column.dtype != own.dtype or column.shape[1:] != own.shape[1:]:
                raise ValueError(f"column {prefix + name!r} is not one of this version")

    def take(
        self, state: Mapping[str, npt.NDArray[Any]], prefix: str, mine: Index, theirs: Index
    ) -> None:
        """Take over rows of the columns that ``state`` has under ``prefix``, once checked."""
        for name, own in self.state().items():
            own[mine] = state[prefix + name][theirs]


class Said(Columns):
    """The last judgement of each row, for its sentence."""

    LAYOUT: ClassVar[Mapping[str, Column]] = {
        "value": Column(dtype="f4"),
        "expected": Column(dtype="f4"),
        "scale": Column(dtype="f4"),
        "score": Column(dtype="f4"),
    }
    RUNNING: ClassVar[frozenset[str]] = frozenset(LAYOUT)

    value: npt.NDArray[np.float32]
    expected: npt.NDArray[np.float32]
    scale: npt.NDArray[np.float32]
    score: npt.NDArray[np.float32]
