"""What the alarms cost those who hear of them, and whether they were worth it; pure.

The measures and limits are those of ISA-18.2 and EEMUA 191, both from memory: an operator can take
one alarm in ten minutes and is flooded by more than ten; a flood ends below five. Four colours are
taken for their four priorities, about 80, 15, 5 and fewer than 1 in a hundred.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from alerts.desk.flaps import chatters
from core.model import Severity

SLOT = timedelta(minutes=10)
FLOOD_BEGINS = 10
"""More alarms than this for one operator in one slot are a flood."""

FLOOD_ENDS = 5
"""Fewer than this end it."""

STALE_AFTER = timedelta(hours=24)
LONGEST = timedelta(days=366)
"""Longest stretch of one report."""

TOP = 10

LIMITS: Mapping[str, float] = {
    "per_operator_10min": 1.0,
    "flood_share": 0.01,
    "chattering": 0,
    "stale": 5,
    "top_share": 0.05,
    "blue_share": 0.80,
    "yellow_share": 0.15,
    "orange_share": 0.05,
    "red_share": 0.01,
}
"""What a good desk does not exceed; ``blue_share`` is what it does not fall below."""

Begun = tuple[str, str, datetime]
"""Rule id, subject and our clock of a beginning."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """What the database counts for a report.

    Attributes:
        begin: start of the stretch, inclusive; ``end`` exclusive.
        slots: number of the slot since ``begin`` -> beginnings that people were told of.
        held: beginnings that nobody was told of: hidden, or part of flapping.
        priorities: worst severity -> alarms raised.
        stale: alarms open for longer than a day at the end.
        top: (rule id, subject, beginnings) of the worst sources, the worst first.
        beginnings: all of them, held ones included; ``top`` is counted in these.
        bursts: beginnings of those that began at least three times, in order of time.
        causes: close cause -> alarms closed.
    """

    begin: datetime
    end: datetime
    slots: Mapping[int, int]
    held: int
    priorities: Mapping[int, int]
    stale: int
    top: Sequence[tuple[str, str, int]]
    beginnings: int
    bursts: Sequence[Begun]
    causes: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Floods:
    """Floods: how many, the share of slots in one, and the longest in minutes."""

    count: int
    share: float
    longest_min: float


def report(counted: Counted, operators: int) -> dict[str, Any]:
    """Return the report in the words of the API.

    Args:
        counted: what happened.
        operators: how many people share the alarms at a time, at least 1.
    """
    alarms = sum(counted.slots.values())
    slots = slot_count(counted.begin, counted.end)
    rates = {
        "avg": round(alarms / slots / operators, 3),
        "max": round(max(counted.slots.values(), default=0) / operators, 3),
        "operators": operators,
    }
    flooded = floods(counted.slots, slots, operators)
    chattering = chatter(counted.bursts)
    top = [
        {"rule_id": rule, "subject": subject, "count": count,
         "share": round(count / counted.beginnings, 4)}
        for rule, subject, count in counted.top
    ]  # fmt: skip
    words = {level.name.lower(): counted.priorities.get(int(level), 0) for level in Severity}
    return {
        "from": counted.begin,
        "to": counted.end,
        "alarms": alarms,
        "held": counted.held,
        "per_operator_10min": rates,
        "floods": {
            "count": flooded.count,
            "share": flooded.share,
            "longest_min": flooded.longest_min,
        },
        "chattering": chattering,
        "stale": counted.stale,
        "top": top,
        "priorities": words,
        "confirmed": _confirmed(counted.causes),
        "targets": targets(rates["avg"], flooded, len(chattering), counted.stale, top, words),
    }


def slot_count(begin: datetime, end: datetime) -> int:
    """Return how many slots a stretch has, the last one perhaps not whole."""
    return max(1, -(-(end - begin) // SLOT))


def floods(slots: Mapping[int, int], count: int, operators: int) -> Floods:
    """Find floods: from a slot with too much to one in which it has become quiet.

    Example:
        >>> floods({3: 11, 4: 6, 5: 4, 9: 30}, 144, 1)
        Floods(count=2, share=0.0208, longest_min=20.0)
    """
    lengths: list[int] = []
    last = -2
    for slot in sorted(slots):
        each = slots[slot] / operators
        if lengths and last == slot - 1 and each >= FLOOD_ENDS:
            lengths[-1] += 1
        elif each > FLOOD_BEGINS:
            lengths.append(1)
        else:
            continue
        last = slot
    return Floods(
        count=len(lengths),
        share=round(sum(lengths) / count, 4),
        longest_min=max(lengths, default=0) * SLOT.total_seconds() / 60,
    )


def chatter(bursts: Sequence[Begun]) -> list[dict[str, Any]]:
    """Return what began three times within a minute, and how many beginnings belong to that."""
    times: dict[tuple[str, str], list[datetime]] = {}
    for rule, subject, at in bursts:
        times.setdefault((rule, subject), []).append(at)
    found = [
        {"rule_id": rule, "subject": subject, "times": number}
        for (rule, subject), each in times.items()
        if (number := chatters(each))
    ]
    return sorted(found, key=lambda one: (-one["times"], one["rule_id"], one["subject"]))


def targets(
    avg: float,
    flooded: Floods,
    chattering: int,
    stale: int,
    top: Sequence[Mapping[str, Any]],
    priorities: Mapping[str, int],
) -> dict[str, dict[str, Any]]:
    """Return each measure beside its limit and whether it keeps it."""
    total = sum(priorities.values())
    values: dict[str, float] = {
        "per_operator_10min": avg,
        "flood_share": flooded.share,
        "chattering": chattering,
        "stale": stale,
        "top_share": round(sum(one["share"] for one in top), 4),
    }
    for colour, count in priorities.items():
        values[f"{colour}_share"] = round(count / total, 4) if total else 0.0
    return {
        name: {"value": value, "limit": LIMITS[name], "ok": _keeps(name, value, total)}
        for name, value in values.items()
    }


def _keeps(name: str, value: float, total: int) -> bool:
    if name == "blue_share":
        return total == 0 or value >= LIMITS[name]
    return value <= LIMITS[name]


def _confirmed(causes: Mapping[str, int]) -> dict[str, Any]:
    words = {word: causes.get(word, 0) for word in ("true", "false", "test", "maintenance")}
    judged = words["true"] + words["false"]
    return words | {
        "returned": causes.get("returned", 0),
        "share_true": round(words["true"] / judged, 4) if judged else None,
    }
