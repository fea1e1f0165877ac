"""What a device's configuration should be, and what the device says it is; every change is kept.

Desired values are set by a person and validated against the schema of the device's kind. Nothing
here carries them to the gateway: they stand as wished for until a report says that they hold.
Whoever reads sees both sides and what differs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

import msgspec
import psycopg
from psycopg.rows import dict_row

from core.errors import BlocktwinError
from twin.devices.places import SQL, DeviceUnknown
from twin.kinds import Kinds

Conn = psycopg.Connection[Any]
Row = dict[str, Any]
Side = Literal["desired", "reported"]

MAX_NAMES = 100
"""Attributes that one write names at most."""

MAX_VALUE_BYTES = 8192
"""Bytes of one value as JSON at most."""

AHEAD = timedelta(minutes=5)
"""How far a report's clock may run ahead of ours."""

_LARGEST = 2**63
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")


class AttributesRefused(BlocktwinError):
    """Values that cannot be taken; nothing was changed."""


class VersionConflict(BlocktwinError):
    """Somebody else has changed the desired values; ``version`` is the one in force."""

    def __init__(self, expected: int, version: int) -> None:
        super().__init__(
            f"the desired values are at version {version}, not {expected}: somebody changed them",
            remedy="read them again, and then decide",
        )
        self.version = version


@dataclass(frozen=True, slots=True, kw_only=True)
class SideNow:
    """One side of the attributes.

    Attributes:
        version: counts the writes that changed something; 0 when there was none.
        values: name -> {value, at, by}; removed ones are not there.
        at: of the newest report; None on the desired side, and before the first.
    """

    version: int
    values: Mapping[str, Row]
    at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attributes:
    """Both sides, and what is wished for but not reported.

    Attributes:
        delta: name -> {desired, reported, since}; ``reported`` is None where nothing was said.
    """

    desired: SideNow
    reported: SideNow
    delta: Mapping[str, Row]


def set_desired(
    conn: Conn,
    device_id: str,
    values: Mapping[str, Any],
    *,
    kinds: Kinds,
    by: str,
    expected: int | None = None,
) -> Attributes:
    """Wish for values; None removes a wish. Names left out stay as they are.

    Args:
        expected: the version the writer has seen; None writes whatever it is now.

    Raises:
        DeviceUnknown: there is no such device.
        AttributesRefused: a value the kind's schema forbids, or a name that cannot be set.
        VersionConflict: the version is another.
    """
    _check_shape(values)
    with conn.transaction():
        kind = _hold(conn, device_id)
        held = _hold_twin(conn, device_id)
        version = int(held["desired_version"])
        if expected is not None and expected != version:
            raise VersionConflict(expected, version)
        faults = [
            str(fault)
            for name, value in values.items()
            if value is not None and (fault := kinds.desired_fault(kind, name, value)) is not None
        ]
        if faults:
            raise AttributesRefused("; ".join(faults[:5]), remedy=f"blocktwin device kinds {kind}")
        _write(conn, device_id, "desired", values, version=version, at=held["now"], by=by)
    return read(conn, device_id)


def report(
    conn: Conn, device_id: str, values: Mapping[str, Any], *, by: str, at: datetime, now: datetime
) -> Attributes:
    """Take in what a device says of its attributes; None says that it has one no more.

    What it says is kept even where the kind's schema would forbid it: it is what the device says.

    Raises:
        DeviceUnknown: there is no such device.
        AttributesRefused: the values are none, or from the future.
    """
    _check_shape(values)
    if at > now + AHEAD:
        raise AttributesRefused(
            f"the report is of {at.isoformat()}, which lies ahead", remedy="set the sender's clock"
        )
    with conn.transaction():
        _hold(conn, device_id)
        version = int(_hold_twin(conn, device_id)["reported_version"])
        _write(conn, device_id, "reported", values, version=version, at=at, by=by)
    return read(conn, device_id)


def read(conn: Conn, device_id: str, at: datetime | None = None) -> Attributes:
    """Return both sides as they are now, or were at a time (then versions are of that time)."""
    with conn.cursor(row_factory=dict_row) as cursor:
        found = cursor.execute(SQL["attributes"], {"device": device_id, "at": at}).fetchall()
        counted = cursor.execute(SQL["versions"], {"device": device_id}).fetchone()
    return fold(found, counted if at is None else None)


def fold(found: list[Row], counted: Row | None) -> Attributes:
    """Make both sides of rows of ``attributes`` and the row of ``versions``.

    Without the latter (a time in the past, a device nobody wrote to) versions are the newest of
    the rows.
    """
    sides: dict[str, dict[str, Row]] = {"desired": {}, "reported": {}}
    newest = {"desired": 0, "reported": 0}
    for row in found:
        side = row["side"]
        sides[side][row["name"]] = {key: row[key] for key in ("value", "at", "by")}
        newest[side] = max(newest[side], row["version"])
    desired, reported = sides["desired"], sides["reported"]
    if counted is not None:
        newest = {side: counted[f"{side}_version"] for side in newest}
    return Attributes(
        desired=SideNow(version=newest["desired"], values=desired),
        reported=SideNow(
            version=newest["reported"],
            values=reported,
            at=counted["reported_at"] if counted is not None else None,
        ),
        delta={
            name: {
                "desired": wish["value"],
                "reported": reported[name]["value"] if name in reported else None,
                "since": wish["at"],
            }
            for name, wish in desired.items()
            if name not in reported or not _equal(reported[name]["value"], wish["value"])
        },
    )


def _equal(one: object, other: object) -> bool:
    """Compare as JSON does: 30 and 30.0 are one number, true is none."""
    return one == other and isinstance(one, bool) == isinstance(other, bool)


def _check_shape(values: Mapping[str, Any]) -> None:
    if not values:
        raise AttributesRefused("no attribute was named", remedy="give at least one NAME=VALUE")
    if len(values) > MAX_NAMES:
        raise AttributesRefused(
            f"{len(values)} attributes at once are more than {MAX_NAMES}",
            remedy="write them in several steps",
        )
    for name, value in values.items():
        if not _NAME.fullmatch(name):
            raise AttributesRefused(
                f"{name[:80]!r} is no name of an attribute",
                remedy="use a-z 0-9 _, the first a letter, 64 at most",
            )
        if not _is_keepable(value):
            raise AttributesRefused(
                f"the value of {name} cannot be kept",
                remedy=f"at most {MAX_VALUE_BYTES} bytes of JSON, numbers below 2^63, no U+0000",
            )


def _is_keepable(value: object) -> bool:
    """Tell whether PostgreSQL keeps a value and JSON gives it back: text, depth and size."""
    try:
        text = json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
        small = _numbers_fit(value)
    except (ValueError, RecursionError):
        return False
    return small and len(text) <= MAX_VALUE_BYTES and b"\\u0000" not in text


def _numbers_fit(value: object) -> bool:
    """The store gives a large float back as a whole number, which must fit 64 bits."""
    if isinstance(value, dict):
        return all(map(_numbers_fit, value.values()))
    if isinstance(value, list):
        return all(map(_numbers_fit, value))
    return not isinstance(value, int | float) or abs(value) < _LARGEST


def _hold(conn: Conn, device_id: str) -> str:
    row = conn.execute(SQL["hold"], {"device": device_id}).fetchone()
    if row is None:
        raise DeviceUnknown(device_id)
    return str(row[0])


def _hold_twin(conn: Conn, device_id: str) -> Row:
    with conn.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(SQL["hold_twin"], {"device": device_id}).fetchone()
    assert row is not None
    return row


def _write(
    conn: Conn,
    device_id: str,
    side: Side,
    values: Mapping[str, Any],
    *,
    version: int,
    at: datetime,
    by: str,
) -> None:
    """Keep those values that differ from what holds at the time; count them as one version."""
    own = {"device": device_id, "at": at}
    with conn.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(SQL["attributes"], own).fetchall()
    holds = {row["name"]: row for row in rows if row["side"] == side}
    new = [
        {"name": name, "value": value}
        for name, value in values.items()
        if (name in holds) != (value is not None)
        or (value is not None and not _equal(holds[name]["value"], value))
    ]
    if new:
        version += 1
        new += _said_later(conn, [holds[one["name"]] for one in new if one["name"] in holds], at)
        parameters = own | {"side": side, "version": version, "by": by}
        rows_json = msgspec.json.encode(new).decode()
        conn.execute(SQL["insert_changes"], parameters | {"rows": rows_json})
    named = {one["name"] for one in new}
    again = [holds[name] for name in values if name in holds and name not in named]
    newer = [row["change_id"] for row in again if at > (row["said_until"] or row["at"])]
    conn.execute(SQL["say_until"], {"changes": newer, "until": at})
    conn.execute(SQL[f"count_{side}"], own | {"version": version})


def _said_later(conn: Conn, held: list[Row], at: datetime) -> list[Row]:
    """What was said again after a time at which something else was said: it holds from then on."""
    back = [row for row in held if row["said_until"] is not None and row["said_until"] > at]
    conn.execute(SQL["say_until"], {"changes": [row["change_id"] for row in back], "until": None})
    return [
        {"name": row["name"], "value": row["value"], "at": row["said_until"], "by": row["by"]}
        for row in back
    ]
