"""The state of conditions as plain arrays: what another engine of the same rules takes over.

One way serves a reload of the rules and a restart of the process: the conditions of a rule, each
named by its series, with columns of equal length.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from alerts.ladder import MOST_LEVELS, mask_of
from alerts.limits import Limits
from alerts.spread import Index

State = dict[str, npt.NDArray[Any]]
Told = Mapping[str, npt.NDArray[Any]]


def state_of(limits: Limits, condition: Index) -> State:
    """Return the state of one rule's conditions; the axis 0 of every array is theirs."""
    first = limits.first_row[condition]
    many = limits.ladder.count[_pick(limits, condition)]
    step = np.arange(MOST_LEVELS, dtype=np.int32)
    inside = step < many[:, None]
    rows = np.where(inside, first[:, None] + step, 0)
    state: State = {
        "mask": _masks(limits, condition),
        "level": limits.level[condition],
        "since_us": limits.since_us[rows] * inside if len(rows) else _none(np.int64),
    }
    if limits.counts:
        state["bits"] = limits.counts.bits[rows] * inside if len(rows) else _none(np.uint32)
    return state | limits.past.state(condition)


def take(limits: Limits, mine: Index, state: Told, theirs: Index, *, same: bool) -> None:
    """Take over rows ``theirs`` of a ``state`` as conditions ``mine`` of one rule.

    Where the ladder has other severities now, an active condition keeps its severity, or the next
    milder one that is left, and its timers start anew.

    Args:
        same: whether the rule judges the same values as before, so that its timers and its past
            are worth anything.
    """
    alike = _masks(limits, mine) == state["mask"][theirs]
    level = state["level"][theirs]
    for condition, was, bits in zip(
        mine[~alike].tolist(),
        level[~alike].tolist(),
        state["mask"][theirs[~alike]].tolist(),
        strict=True,
    ):
        if was:
            limits.put(condition, level_of(limits, condition, _rank(bits, was)))
    mine, theirs, level = mine[alike], theirs[alike], level[alike]
    limits.level[mine] = level
    first = limits.first_row[mine]
    many = limits.ladder.count[_pick(limits, mine)]
    for step in range(int(many.max(initial=0))):
        some = many > step
        rows = first[some] + step
        limits.active[rows] = level[some] > step
        limits.since_us[rows] = state["since_us"][theirs[some], step] if same else 0
        if limits.counts and "bits" in state and same:
            limits.counts.bits[rows] = state["bits"][theirs[some], step]


def level_of(limits: Limits, condition: int, severity: int) -> int:
    """Return the highest level that is no worse than ``severity``, at least the first."""
    return max(1, sum(rank <= severity for rank in limits.ranks(condition)))


def severity_of(mask: int, level: int) -> int:
    """Return the severity of a level of a ladder with these severities; 0 for level 0."""
    return _rank(mask, level) if level else 0


def _rank(bits: int, level: int) -> int:
    ranks = [rank for rank in range(1, MOST_LEVELS + 1) if bits >> rank & 1]
    return ranks[level - 1]


def _pick(limits: Limits, condition: Index) -> npt.NDArray[np.intp]:
    """Return which pick a condition is of."""
    first = limits.level_row[limits.first_row[condition]]
    return np.searchsorted(limits.ladder.first, first, side="right") - 1


def _masks(limits: Limits, condition: Index) -> npt.NDArray[np.uint8]:
    ladder = limits.ladder
    table = [
        mask_of(ladder.rank[begin : begin + many].tolist())
        for begin, many in zip(ladder.first.tolist(), ladder.count.tolist(), strict=True)
    ]
    return np.array(table, dtype=np.uint8)[_pick(limits, condition)]


def _none(kind: type[np.generic]) -> npt.NDArray[Any]:
    return np.zeros((0, MOST_LEVELS), dtype=kind)
