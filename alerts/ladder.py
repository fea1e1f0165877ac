"""Every level of every rule as columns, so that the machine reads its numbers by index.

A rule's own levels stand beside those that hold for one device instead of them; which apply to a
condition is said by a ``Pick``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from alerts.rules import Level, Rule
from core.batch import F8, I4, I8

Bool = npt.NDArray[np.bool_]

MOST_LEVELS = 4

_US = 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class Pick:
    """The keys that one rule judges by one ladder.

    Attributes:
        number: position of the rule among the rules.
        levels: the ladder that holds, mildest first.
        sign: +1 if larger values are worse, -1 if smaller ones are.
        keys: what is judged: series ids, or the rows of a judge.
    """

    number: int
    rule: Rule
    levels: tuple[Level, ...]
    sign: float
    keys: I4


@dataclass(frozen=True, slots=True, kw_only=True)
class Ladder:
    """The levels of all picks, one after the other; a low limit stands with its sign turned.

    Attributes:
        derived: it judges a slope or a run of equal values instead of the value.
        of_n: how many of the last ``of_m`` values must be beyond it; 0: the first one is enough.
        hours: its rule may raise only at certain hours.
        rank: its severity.
        first: of each pick, its first level's position here; ``count`` how many it has.
    """

    sign: F8
    raise_at: F8
    clear_at: F8
    dwell_us: I8
    clear_dwell_us: I8
    reject: I4
    derived: Bool
    of_n: npt.NDArray[np.uint8]
    of_m: npt.NDArray[np.uint8]
    hours: Bool
    rank: npt.NDArray[np.uint8]
    first: I4
    count: I4

    @classmethod
    def of(cls, picks: Sequence[Pick]) -> Ladder:
        """Lay the levels of the picks out."""
        pairs = [(pick.rule, level, pick.sign) for pick in picks for level in pick.levels]
        rules = [rule for rule, _, _ in pairs]
        sign = np.array([sign for _, _, sign in pairs], dtype=np.float64)
        limits = [_limits(rule, level) for rule, level, _ in pairs]
        limit = np.array(limits, dtype=np.float64).reshape(-1, 2)
        waits = [(round(rule.dwell_s * _US), round(rule.clear_dwell_s * _US)) for rule in rules]
        wait = np.array(waits, dtype=np.int64).reshape(-1, 2)
        count = np.array([len(pick.levels) for pick in picks], dtype=np.int32)
        last = [(r.of_last.n, r.of_last.m) if r.of_last else (0, 1) for r in rules]
        of_last = np.array(last, dtype=np.uint8).reshape(-1, 2)
        return cls(
            sign=sign,
            raise_at=sign * limit[:, 0],
            clear_at=sign * limit[:, 1],
            dwell_us=wait[:, 0].copy(),
            clear_dwell_us=wait[:, 1].copy(),
            reject=np.array([rule.reject_mask for rule in rules], dtype=np.int32),
            derived=np.array([r.type in ("rise", "fall", "stuck") for r in rules], dtype=np.bool_),
            of_n=of_last[:, 0].copy(),
            of_m=of_last[:, 1].copy(),
            hours=np.array([bool(rule.hours) for rule in rules], dtype=np.bool_),
            rank=np.array([int(level.rank) for _, level, _ in pairs], dtype=np.uint8),
            first=(np.cumsum(count, dtype=np.int32) - count).astype(np.int32),
            count=count,
        )


def _limits(rule: Rule, level: Level) -> tuple[float, float]:
    """Return raise and clear; an ``all`` or ``any`` rule judges how many parts are true."""
    if level.raise_at is None or level.clear_at is None:
        needed = float(len(rule.parts) if rule.type == "all" else 1)
        return needed, needed
    return level.raise_at, level.clear_at


def mask_of(ranks: Sequence[int]) -> int:
    """Return a ladder's severities as bits: two ladders with equal bits have the same steps."""
    return sum(1 << rank for rank in ranks)
