"""Observations as arrays of values (OGC 18-088, 12): each name stands once. Pure."""

from __future__ import annotations

from typing import Any

from twin.sensorthings.faults import QueryInvalid
from twin.sensorthings.options import Options

_COMPONENTS = ("id", "phenomenonTime", "resultTime", "result", "resultQuality", "parameters")


def components(options: Options) -> list[str]:
    """Return the names of the columns.

    Raises:
        QueryInvalid: something is expanded, or no property is selected.
    """
    if options.expand:
        raise QueryInvalid("$resultFormat=dataArray cannot be expanded")
    chosen = [n for n in _COMPONENTS if options.select is None or n in options.select]
    if not chosen:
        raise QueryInvalid("$select: a dataArray needs a property")
    return chosen


def arranged(answer: dict[str, Any], series: list[int], names: list[str], base: str) -> Any:
    """Return a page of Observations as one array for each Datastream, in order of appearance."""
    groups: dict[int, list[list[Any]]] = {}
    for number, word in zip(series, answer["value"], strict=True):
        row = [word.get("@iot.id" if name == "id" else name) for name in names]
        groups.setdefault(number, []).append(row)
    value = [
        {
            "Datastream@iot.navigationLink": f"{base}/Datastreams({number})",
            "components": names,
            "dataArray@iot.count": len(rows),
            "dataArray": rows,
        }
        for number, rows in groups.items()
    ]
    return answer | {"value": value}
