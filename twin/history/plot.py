"""A window of readings drawn in text: the envelope from least to greatest, the mean in it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 72, 12
_BAND, _LINE, _NOTHING = "░", "█", " "

Value = float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """Points to draw, ascending; of single readings ``low``, ``high`` and ``middle`` are equal.

    Attributes:
        t: milliseconds since the Unix epoch.
        low, high, middle: None where nothing counts.
    """

    t: Sequence[int]
    low: Sequence[Value]
    high: Sequence[Value]
    middle: Sequence[Value]


def draw(
    curve: Curve, span: tuple[int, int], width: int = WIDTH, height: int = HEIGHT
) -> list[str]:
    """Return the lines of a plot over a span of time (milliseconds), the greatest value on top.

    A column without readings stays empty.

    Example:
        >>> one = Curve(t=[0, 9], low=[0, 1], high=[0, 3], middle=[0, 2])
        >>> for line in draw(one, (0, 10), width=2, height=3): print(line.rstrip())
                 3 │ ░
               1.5 │ █
                 0 │█
    """
    columns = _columns(curve, span, width)
    known = [part for part in columns if part is not None]
    if not known:
        return []
    least, greatest = min(p[0] for p in known), max(p[1] for p in known)
    rise = (greatest - least) or 1.0

    def row_of(value: float) -> int:
        return min(round((value - least) / rise * (height - 1)), height - 1)

    rows = [[_NOTHING] * width for _ in range(height)]
    for x, part in enumerate(columns):
        if part is None:
            continue
        low, high, middle = part
        for y in range(row_of(low), row_of(high) + 1):
            rows[y][x] = _BAND
        rows[row_of(middle)][x] = _LINE
    lines = []
    for y in reversed(range(height)):
        label = f"{least + rise * y / max(height - 1, 1):.4g}" if y in _labelled(height) else ""
        lines.append(f"{label:>10} │{''.join(rows[y])}")
    return lines


def _labelled(height: int) -> set[int]:
    return {0, (height - 1) // 2, height - 1}


def _columns(
    curve: Curve, span: tuple[int, int], width: int
) -> list[tuple[float, float, float] | None]:
    """Gather the points of each column of text: least, greatest, mean of the means."""
    begin, end = span
    gathered: list[list[tuple[float, float, float]]] = [[] for _ in range(width)]
    for at, low, high, middle in zip(curve.t, curve.low, curve.high, curve.middle, strict=True):
        if low is None or high is None or middle is None:
            continue
        x = math.floor((at - begin) / max(end - begin, 1) * width)
        gathered[min(max(x, 0), width - 1)].append((low, high, middle))
    return [
        (
            min(p[0] for p in parts),
            max(p[1] for p in parts),
            sum(p[2] for p in parts) / len(parts),
        )
        if parts
        else None
        for parts in gathered
    ]
