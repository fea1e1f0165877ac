"""What rules judge instead of the value: slopes and runs of equal values, series by series."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from alerts.ladder import Pick
from alerts.rings import Rings
from alerts.rules import Rule, StuckOptions
from alerts.spread import Index, spread
from alerts.stuck import Runs
from core.batch import F8, I4, I8

State = dict[str, npt.NDArray[Any]]


class Past:
    """The rings and runs of the conditions that need them.

    Attributes:
        rings: for ``rise`` and ``fall``; ``runs`` for ``stuck``.
    """

    def __init__(
        self, picks: Sequence[Pick], key: I4, rule: npt.NDArray[np.int16], size: int
    ) -> None:
        rules = {pick.number: pick.rule for pick in picks}
        rises = {number: one for number, one in rules.items() if one.type in ("rise", "fall")}
        stuck = [number for number, one in rules.items() if one.type == "stuck"]
        rising = np.flatnonzero(np.isin(rule, list(rises)))
        first, shared = _alike(rises, key[rising], rule[rising])
        self._ring = _Lane(rising[first], key, rule, rules, size)
        self._run = _Lane(np.flatnonzero(np.isin(rule, stuck)), key, rule, rules, size)
        own = self._ring.rule
        table = np.zeros(max(rules, default=0) + 1)
        sign = np.ones(len(table), dtype=np.int8)
        for number, one in rises.items():
            table[number] = round((one.window_s or 0.0) * 1e6)
            sign[number] = -1 if one.type == "fall" else 1
        self.rings = Rings(table[own].astype(np.int64))
        self._sign = sign[own] if -1 in sign else None
        options = {n: msgspec.convert(rules[n].options, StuckOptions) for n in stuck}
        own = self._run.rule
        self.runs = Runs(
            np.array([options[n].tolerance for n in own.tolist()], dtype=np.float64),
            np.array([options[n].learn for n in own.tolist()], dtype=np.bool_),
        )
        count = len(key) if len(self) else 0
        self._place = np.full(count, -1, dtype=np.int32)
        self._place[rising] = shared
        self._place[self._run.condition] = len(self.rings) + np.arange(
            len(self.runs), dtype=np.int32
        )
        self._found = np.full(len(self), np.nan)

    def __len__(self) -> int:
        return len(self.rings) + len(self.runs)

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays."""
        own = self._place.nbytes + self._found.nbytes + self._ring.nbytes + self._run.nbytes
        signs = 0 if self._sign is None else self._sign.nbytes
        return own + signs + self.rings.nbytes + self.runs.nbytes

    def step(
        self, key: I4, at_us: I8, value: F8, quality: I4, level: npt.NDArray[np.uint8]
    ) -> None:
        """Take readings of different keys in; what they give is asked for with ``found``."""
        if len(self.rings):
            ring, of = self._ring.good(key, value, quality, self._found[: len(self.rings)])
            slope = self.rings.slopes(ring, at_us[of], value[of])
            self._found[ring] = slope if self._sign is None else slope * self._sign[ring]
        if len(self.runs):
            run, of = self._run.good(key, value, quality, self._found[len(self.rings) :])
            active = level[self._run.condition[run]] > 0
            length = self.runs.lengths(run, at_us[of], value[of], active)
            self._found[len(self.rings) + run] = length

    def found(self, condition: npt.NDArray[np.int32]) -> F8:
        """Return what the last step found for some conditions; NaN where it is not known."""
        found: F8 = self._found[self._place[condition]]
        return found

    def ring_of(self, condition: I4) -> I4:
        """Return the ring of each condition; all of them must have one."""
        ring: I4 = self._place[condition]
        return ring

    def rings_of(self, key: I4) -> tuple[Index, Index, I4]:
        """Return the rings of readings, the reading of each, and the bits that it rejects."""
        if not len(self.rings):
            none = np.zeros(0, dtype=np.intp)
            return none, none, self._ring.reject
        ring, of = spread(self._ring.start, self._ring.count, key)
        return ring, of, self._ring.reject[ring]

    def slopes_of(self, ring: Index, slope: F8) -> F8:
        """Turn the sign of slopes where a fall is judged."""
        return slope if self._sign is None else slope * self._sign[ring]

    def forget(self, key: I4) -> None:
        """Begin anew for some keys."""
        if len(self.rings):
            self.rings.forget(spread(self._ring.start, self._ring.count, key)[0])
        if len(self.runs):
            self.runs.forget(spread(self._run.start, self._run.count, key)[0])

    def state(self, condition: Index) -> State:
        """Return what a snapshot keeps of one rule's conditions."""
        place = self._places(condition)
        if not len(place) or place[0] < 0:
            return {}
        if place[0] < len(self.rings):
            return self.rings.state(place)
        return self.runs.state(place - len(self.rings))

    def take(self, mine: Index, state: Mapping[str, npt.NDArray[Any]], theirs: Index) -> None:
        """Take over rows ``theirs`` of a ``state`` as ``mine``, as far as it is the same kind."""
        place = self._places(mine)
        if not len(place) or place[0] < 0:
            return
        if place[0] < len(self.rings) and "ring_head" in state:
            self.rings.take(place, state, theirs)
        elif place[0] >= len(self.rings) and "run_value" in state:
            self.runs.take(place - len(self.rings), state, theirs)

    def _places(self, condition: Index) -> Index:
        if not len(self._place):
            return np.zeros(0, dtype=np.intp)
        return self._place[condition].astype(np.intp)


def _alike(rises: Mapping[int, Rule], key: I4, rule: npt.NDArray[np.int16]) -> tuple[Index, Index]:
    """Let rules that look at the same slopes of a key share a ring.

    Returns:
        Of each ring the first of its conditions, by key; and of each condition its ring.
    """
    groups: dict[tuple[Any, ...], int] = {}
    table = np.zeros(max(rises, default=0) + 1, dtype=np.int64)
    for number, one in rises.items():
        looks = one.type, one.window_s, one.reject_mask
        table[number] = groups.setdefault(looks, len(groups))
    at = key.astype(np.int64) * max(1, len(groups)) + table[rule]
    _, first, shared = np.unique(at, return_index=True, return_inverse=True)
    return first, shared


class _Lane:
    """Those conditions that have a ring (or a run), found by key."""

    __slots__ = ("condition", "count", "reject", "rule", "start")

    def __init__(
        self,
        condition: Index,
        key: I4,
        rule: npt.NDArray[np.int16],
        rules: Mapping[int, Rule],
        size: int,
    ) -> None:
        self.condition = condition.astype(np.int32)
        self.rule = rule[condition]
        table = np.zeros(max(rules, default=0) + 1, dtype=np.int32)
        for number, one in rules.items():
            table[number] = one.reject_mask
        self.reject = table[self.rule]
        count = np.bincount(key[condition], minlength=size) if len(condition) else np.zeros(0)
        self.count = count.astype(np.uint8)
        self.start = (np.cumsum(count) - count).astype(np.int32)

    @property
    def nbytes(self) -> int:
        return sum(getattr(self, name).nbytes for name in self.__slots__)

    def good(self, key: I4, value: F8, quality: I4, found: F8) -> tuple[Index, Index]:
        """Return those that take a reading in, and its position; the others find nothing."""
        some, of = spread(self.start, self.count, key)
        good = ((quality[of] & self.reject[some]) == 0) & np.isfinite(value[of])
        found[some] = np.nan
        return some[good], of[good]
