"""Rules as people read them on a terminal, and as the API serves them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from alerts.rules import Rule, body
from alerts.rulestore import Change, Version

Difference = tuple[str, Any, Any]
"""A key, and what it was and is."""

_ABSENT = "(none)"


def word(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a rule in force as plain data, without the parts that only the engine needs."""
    said = row["body"]
    return {
        "rule_id": row["rule_id"],
        "version": row["version"],
        **{key: said[key] for key in ("name", "field", "type", "levels")},
        "source": said.get("source", ""),
        "life_safety": said.get("life_safety", False),
        "advisory": said.get("advisory", False),
        "loaded_at": row["loaded_at"].isoformat(),
        "loaded_by": row["loaded_by"],
        "note": row["note"],
        "overrides": row["overrides"],
    }


def lines(rules: Iterable[Rule]) -> Iterator[str]:
    """Yield one line a rule."""
    for rule in rules:
        yield f"{rule.id:28}{rule.field:9}{rule.type:17}{steps(body(rule)):48}{rule.name.zh}"


def in_force_lines(rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Yield one line a rule in force, with its version and who loaded it."""
    for row in rows:
        said, more = row["body"], f"  {row['overrides']} 设备另有规定" if row["overrides"] else ""
        yield (
            f"{row['rule_id']:28}v{row['version']:<4}{said['type']:17}{steps(said):48}"
            f"{row['loaded_at']:%Y-%m-%d %H:%M}  {row['loaded_by']}{more}"
        )


def steps(said: Mapping[str, Any]) -> str:
    """Return a ladder in a few words, as in ``orange 57 red 90``."""
    return " ".join(
        level["severity"] if level["raise"] is None else f"{level['severity']} {level['raise']:g}"
        for level in said["levels"]
    )


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Difference]:
    """Return what differs between two stored forms, key by key, as their file spells the keys."""
    was, now = dict(_flat("", before)), dict(_flat("", after))
    return [
        (key, was.get(key, _ABSENT), now.get(key, _ABSENT))
        for key in sorted(was.keys() | now.keys())
        if was.get(key, _ABSENT) != now.get(key, _ABSENT)
    ]


def diff_lines(
    change: Change, rules: Sequence[Rule], now: Mapping[str, Mapping[str, Any]]
) -> Iterator[str]:
    """Yield what putting ``rules`` in force would change, while the bodies ``now`` are."""
    bodies = {rule.id: body(rule) for rule in rules}
    for name in change.added:
        yield f"+ {name}: new"
    for name in change.retired:
        yield f"- {name}: no longer in the files"
    for name in change.changed:
        yield f"~ {name}"
        for key, was, is_now in differences(now[name], bodies[name]):
            yield f"    {key}: {plain(was)} -> {plain(is_now)}"


def history_lines(versions: Iterable[Version]) -> Iterator[str]:
    """Yield one line a version, and one for its end."""
    for each in versions:
        mark = "*" if each.active else " "
        yield (
            f"{mark} {each.rule_id} v{each.version}  {_minute(each.loaded_at)}  "
            f"{each.loaded_by or '(unknown)'}: {each.note}"
        )
        if each.ended_at is not None:
            yield f"      ended {_minute(each.ended_at)}  {each.ended_by}: {each.ended_note}"


def override_lines(rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Yield one line an override."""
    for row in rows:
        what = steps(row) if row["enabled"] else "off"
        until = f" until {_minute(row['until'])}" if row["until"] else ""
        ended = ""
        if row["ended_at"]:
            ended = f" (ended {_minute(row['ended_at'])} by {row['ended_by']})"
        yield (
            f"{row['rule_id']:28}{row['device_id']:24}{what}{until}  {_minute(row['at'])}  "
            f"{row['author']}: {row['reason']}{ended}"
        )


def override_word(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return an override as plain data."""
    return {
        key: value.isoformat() if isinstance(value, datetime) else value
        for key, value in row.items()
    }


def plain(value: Any) -> str:
    """Return a value as a rule file writes it, nearly."""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def _flat(key: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _flat(f"{key}.{name}" if key else str(name), inner)
    elif isinstance(value, list | tuple):
        for number, inner in enumerate(value):
            yield from _flat(f"{key}[{number}]", inner)
    elif value is not None:
        yield key, value


def _minute(when: datetime) -> str:
    return f"{when:%Y-%m-%d %H:%M}"
