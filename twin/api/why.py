"""Why a space looks as it does: its worst alarms, its silent devices, and the parts they are in."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from twin.api.reads import Row
from twin.state import SpaceRow, State

SILENT = 20
PARTS = 50

_REASON = (
    "alarm_id", "severity", "state", "rule_id", "device_id", "device_name", "gateway_id",
    "quantity", "value", "threshold", "unit", "path",
)  # fmt: skip


def reasons(state: State, index: int, alarms: Sequence[Row]) -> Row:
    """Return the body for a space in force.

    Args:
        state: the live state.
        index: of the space in its topology; not 0.
        alarms: its open alarms as ``reads.alarm_word`` says them, in the order to show.
    """
    row = state.topology.spaces[index - 1]
    severity, opened, unseen = state.space(index)
    devices = int(state.device_count[index])
    fresh, stale = int(state.fresh_count[index]), int(state.stale_count[index])
    return {
        "code": row.code,
        "kind": row.kind,
        "severity": severity,
        "open": opened,
        "unacknowledged": unseen,
        "freshness": {"fresh": fresh, "stale": stale, "never": devices - fresh - stale},
        "reasons": [_reason(alarm) for alarm in alarms],
        "stale_devices": [
            {"device_id": device, "last_at": datetime.fromtimestamp(us / 1e6, UTC)}
            for device, us in state.silent_inside(index)[:SILENT]
        ],
        "parts": _parts(state, index),
    }


def _reason(alarm: Row) -> Row:
    word = {key: alarm[key] for key in _REASON}
    return word | {"rule_name": alarm["name"], "since": alarm["raised_at"]}


def _parts(state: State, index: int) -> list[Row]:
    """The spaces right inside that something is wrong with, the worst first."""
    rows = state.space_rows()
    found = [
        _part(state.topology.spaces[child - 1], rows[child])
        for child in state.topology.children(index)
    ]
    wrong = [part for part in found if part["open"] or part["stale"]]
    wrong.sort(key=lambda part: (-part["severity"], -part["open"], -part["stale"], part["code"]))
    return wrong[:PARTS]


def _part(row: SpaceRow, counts: list[int]) -> Row:
    severity, opened, _, _, _, stale = counts
    return {
        "code": row.code,
        "kind": row.kind,
        "name": row.name,
        "name_en": row.name_en,
        "severity": severity,
        "open": opened,
        "stale": stale,
    }
