"""The state of a forecast as named arrays with one row for each series, and their life."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from alerts.judges import Index, State


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One array: its type, how many places a row has (0: one number) and what a new row holds."""

    dtype: str
    width: int = 0
    empty: float = 0.0


class Columns:
    """Arrays of equal length by name: made empty, written out, taken over.

    Example:
        >>> held = Columns(2, {"level": Column(dtype="f4", empty=1.0)})
        >>> held["level"][0] = 5.0
        >>> held.forget(np.array([0]))
        >>> held["level"].tolist(), held.nbytes
        ([1.0, 1.0], 8)
    """

    __slots__ = ("_arrays", "_columns")

    def __init__(self, rows: int, columns: Mapping[str, Column]) -> None:
        self._columns = dict(columns)
        self._arrays = {
            name: np.full((rows, one.width) if one.width else rows, one.empty, one.dtype)
            for name, one in columns.items()
        }

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        return self._arrays[name]

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays."""
        return sum(array.nbytes for array in self._arrays.values())

    def forget(self, row: Index) -> None:
        """Make some rows as new."""
        for name, array in self._arrays.items():
            array[row] = self._columns[name].empty

    def state(self) -> State:
        """Return the arrays themselves, by name."""
        return dict(self._arrays)

    def resume(self, state: Mapping[str, npt.NDArray[Any]], mine: Index, theirs: Index) -> None:
        """Take over rows ``theirs`` of other arrays as rows ``mine``.

        Raises:
            ValueError: if they have other names, types or widths; nothing is taken over then.
        """
        if state.keys() != self._arrays.keys():
            raise ValueError("the state has other arrays")
        for name, array in self._arrays.items():
            if state[name].dtype != array.dtype or state[name].shape[1:] != array.shape[1:]:
                raise ValueError(f"the state's {name!r} has another form")
        for name, array in self._arrays.items():
            array[mine] = state[name][theirs]


class Kept:
    """What every forecast does alike with its arrays: count, forget, give away and take over."""

    _held: Columns

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays."""
        return self._held.nbytes

    def forget(self, row: Index) -> None:
        """Begin anew for some rows."""
        self._held.forget(row)

    def state(self) -> State:
        """Return the arrays that a snapshot keeps."""
        return self._held.state()

    def resume(self, state: Mapping[str, npt.NDArray[Any]], mine: Index, theirs: Index) -> None:
        """Take over rows ``theirs`` of another one's ``state`` as rows ``mine``.

        Raises:
            ValueError: if the arrays are not those of ``state``.
        """
        self._held.resume(state, mine, theirs)
