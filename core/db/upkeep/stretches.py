"""Join and divide stretches of time: which buckets a refresh makes anew, and which it leaves.

Pure: what is marked comes in, what is to be done goes out. A stretch without a series stands for
all of them, and what it covers need not be done for a series alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

Span = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class Stretch:
    """Buckets of one series, or of all; ``to_at`` is excluded, both stand on bucket borders.

    Attributes:
        series: series id; None: every series.
    """

    series: int | None
    from_at: datetime
    to_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What one transaction does.

    Attributes:
        of_all: spans to be made for every series, in order, apart from each other.
        of_one: stretches of single series, outside of those spans.
        left: what has to wait, joined.
    """

    of_all: Sequence[Span]
    of_one: Sequence[Stretch]
    left: Sequence[Stretch]


def plan(
    marks: Iterable[Stretch], ready_to: datetime, width: timedelta, *, most_all: int, most_one: int
) -> Plan:
    """Return what to do now, the earliest first.

    Args:
        marks: what is marked, in any order, overlapping.
        ready_to: buckets from here on are not complete and wait.
        width: of a bucket.
        most_all: most buckets that are made for every series.
        most_one: most buckets, summed over series, that are made for single ones.

    Example:
        >>> at = lambda minute: datetime(2026, 7, 1, 8, minute)
        >>> marks = [Stretch(None, at(1), at(3)), Stretch(7, at(2), at(5))]
        >>> made = plan(marks, at(4), timedelta(minutes=1), most_all=9, most_one=9)
        >>> [(a.minute, b.minute) for a, b in made.of_all]
        [(1, 3)]
        >>> [(s.series, s.from_at.minute, s.to_at.minute) for s in made.of_one]
        [(7, 3, 4)]
        >>> [(s.series, s.from_at.minute, s.to_at.minute) for s in made.left]
        [(7, 4, 5)]
    """
    spans: dict[int | None, list[Span]] = {}
    for mark in marks:
        spans.setdefault(mark.series, []).append((mark.from_at, mark.to_at))
    everything = join(spans.pop(None, []))
    of_all, left_all = _divide(everything, ready_to, width, most_all)
    left = [Stretch(None, *span) for span in left_all]
    of_one: list[Stretch] = []
    for series, own in sorted(spans.items(), key=lambda item: min(item[1])):
        mine = without(join(own), everything)
        now, later = _divide(mine, ready_to, width, most_one)
        most_one -= sum(_buckets(span, width) for span in now)
        of_one += [Stretch(series, *span) for span in now]
        left += [Stretch(series, *span) for span in later]
    return Plan(of_all=of_all, of_one=of_one, left=left)


def join(spans: Iterable[Span]) -> list[Span]:
    """Return the spans in order, with those that touch or overlap made one."""
    joined: list[Span] = []
    for begin, end in sorted(spans):
        if joined and begin <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((begin, end))
    return joined


def without(spans: Sequence[Span], others: Sequence[Span]) -> list[Span]:
    """Return what of ``spans`` lies in none of ``others``; both joined before."""
    rest: list[Span] = []
    start = 0
    for begin, end in spans:
        at = begin
        while start < len(others) and others[start][1] <= begin:
            start += 1
        for other_begin, other_end in others[start:]:
            if other_begin >= end:
                break
            if at < other_begin:
                rest.append((at, other_begin))
            at = max(at, other_end)
        if at < end:
            rest.append((at, end))
    return rest


def _divide(
    spans: Sequence[Span], ready_to: datetime, width: timedelta, most: int
) -> tuple[list[Span], list[Span]]:
    """Part spans into those that are ready and within ``most`` buckets, and the rest."""
    now: list[Span] = []
    later: list[Span] = []
    for begin, end in spans:
        reach = min(end, ready_to, begin + most * width)
        if begin < reach:
            now.append((begin, reach))
            most -= _buckets((begin, reach), width)
        if max(begin, reach) < end:
            later.append((max(begin, reach), end))
    return now, later


def _buckets(span: Span, width: timedelta) -> int:
    return math.ceil((span[1] - span[0]) / width)
