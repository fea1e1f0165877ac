"""The alarm report as text with small bars, for a terminal or a mail; pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_BAR = 24
_NAMES = {
    "per_operator_10min": "alarms per operator in 10 min",
    "flood_share": "share of time in a flood",
    "chattering": "chattering sources",
    "stale": "alarms open for over a day",
    "top_share": "share of the ten worst sources",
    "blue_share": "share of blue alarms",
    "yellow_share": "share of yellow alarms",
    "orange_share": "share of orange alarms",
    "red_share": "share of red alarms",
}


def text(report: Mapping[str, Any]) -> str:
    """Return a report as lines."""
    rates, floods = report["per_operator_10min"], report["floods"]
    return "\n".join(
        [
            f"alarm report {report['from']:%Y-%m-%d %H:%M} to {report['to']:%Y-%m-%d %H:%M} UTC",
            f"told: {report['alarms']} alarms; held back: {report['held']}",
            f"per operator in 10 min: {rates['avg']:g}, at most {rates['max']:g}",
            f"floods: {floods['count']}, {floods['share']:.1%} of the time",
            f"longest flood: {floods['longest_min']:g} min; operators: {rates['operators']}",
            "",
            *_priorities(report["priorities"]),
            "",
            *_confirmed(report["confirmed"]),
            "",
            *_sources("ten worst sources", report["top"], "count"),
            *_sources("chattering (three within a minute)", report["chattering"], "times"),
            *_targets(report["targets"]),
        ]
    )


def bar(value: float, most: float) -> str:
    """Return a bar of a value.

    Example:
        >>> bar(1, 2), bar(0, 5), bar(1, 1000)
        ('████████████', '', '▏')
    """
    if value <= 0 or most <= 0:
        return ""
    return "█" * round(_BAR * min(value / most, 1)) or "▏"


def _priorities(counts: Mapping[str, int]) -> list[str]:
    most = max(counts.values(), default=0)
    return [f"  {name:8} {count:8}  {bar(count, most)}".rstrip() for name, count in counts.items()]


def _confirmed(causes: Mapping[str, Any]) -> list[str]:
    share = causes["share_true"]
    said = "nobody has judged any yet" if share is None else f"{share:.0%} of those judged"
    words = ", ".join(f"{name} {count}" for name, count in causes.items() if name != "share_true")
    return [f"closed as: {words}", f"confirmed: {said}"]


def _sources(title: str, rows: list[Mapping[str, Any]], key: str) -> list[str]:
    if not rows:
        return [f"{title}: none", ""]
    most = max(row[key] for row in rows)
    lines = [
        f"  {row[key]:8}  {bar(row[key], most):{_BAR}}  {row['rule_id']} {row['subject']}"
        for row in rows
    ]
    return [f"{title}:", *lines, ""]


def _targets(targets: Mapping[str, Mapping[str, Any]]) -> list[str]:
    lines = ["targets (ISA-18.2, EEMUA 191):"]
    for name, target in targets.items():
        sign = "at least" if name == "blue_share" else "at most"
        verdict = "ok" if target["ok"] else "MISSED"
        lines.append(
            f"  {verdict:7} {_NAMES[name]}: {target['value']:g} ({sign} {target['limit']:g})"
        )
    return lines
