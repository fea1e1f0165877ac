"""Read rows and say them in the API's words; the statements stand in ``reads.sql``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec
import numpy as np
import psycopg
import shapely
from psycopg.rows import dict_row

from core.db.queries import load
from core.model import Field, Severity
from core.units import DEVICE_KINDS, QUANTITIES, judged_unit
from twin.history.moment import open_alarm
from twin.state import I4, I8, Freshness, OpenAlarm, State, Topology

SQL = load("twin.api", "reads.sql")

Conn = psycopg.AsyncConnection[Any]
Row = dict[str, Any]

_SEEN = np.dtype([("series", ">i4"), ("at", ">i8")])
_EPOCH_2000_US = 946_684_800_000_000
_TIMES = (
    "raised_at", "detected_at", "returned_at", "acknowledged_at", "closed_at", "hidden_until",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmQuery:
    """Which alarms; None means any. ``after`` is (raised_at, alarm id) of the last one seen."""

    ids: list[str] | None = None
    open: bool | None = None
    field: str | None = None
    severity: int | None = None
    space: str | None = None
    device: str | None = None
    hidden: bool | None = None
    after: tuple[str, str] | None = None
    limit: int | None = None


async def rows(conn: Conn, name: str, **parameters: Any) -> list[Row]:
    """Run a statement of ``reads.sql`` and return its rows."""
    async with conn.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(SQL[name], parameters)
        return await cursor.fetchall()


async def open_alarms(conn: Conn) -> list[OpenAlarm]:
    """Read the alarms that are not closed."""
    return [open_alarm(row) for row in await rows(conn, "open_alarms")]


async def scalar(conn: Conn, name: str) -> Any:
    """Return the one value of a statement."""
    row = await (await conn.execute(SQL[name])).fetchone()
    return row[0] if row is not None else None


async def seen(conn: Conn) -> tuple[I4, I8]:
    """Return series ids and when each was last received, microseconds since 1970, UTC."""
    cursor = await conn.execute(SQL["seen"], binary=True)
    row = await cursor.fetchone()
    packed = np.frombuffer((row[0] if row else None) or b"", dtype=_SEEN)
    return packed["series"].astype(np.int32), packed["at"].astype(np.int64) + _EPOCH_2000_US


async def alarms(conn: Conn, query: AlarmQuery) -> list[Row]:
    """Return alarm rows, the newest first."""
    after_at, after_id = query.after or (None, None)
    return await rows(
        conn,
        "alarms",
        ids=query.ids,
        open=query.open,
        field=query.field,
        severity=query.severity,
        space=query.space,
        device=query.device,
        hidden=query.hidden,
        after_at=after_at,
        after_id=after_id,
        limit=query.limit,
    )


async def events(conn: Conn, after: int, limit: int) -> tuple[list[Row], dict[str, Row]]:
    """Return the alarm events after a number in order, and their alarms as they stand now."""
    found = await rows(conn, "events_after", after=after, limit=limit)
    ids = sorted({row["alarm_id"] for row in found})
    known = await alarms(conn, AlarmQuery(ids=ids)) if ids else []
    return found, {row["alarm_id"]: row for row in known}


def alarm_word(row: Row, topology: Topology) -> Row:
    """Return an alarm as the API says it."""
    quantity = QUANTITIES.get(row["quantity"])
    apart = {"space_id", "rule_type", "forecast"}
    word = {key: value for key, value in row.items() if key not in apart}
    return word | {
        "name": row["name"] or {"zh": row["rule_id"], "en": row["rule_id"]},
        "advice": row["advice"] or {"zh": "", "en": ""},
        "path": path_word(topology, row["space_id"]),
        "quantity_zh": quantity.zh if quantity else "",
        "quantity_en": quantity.en if quantity else "",
        "unit": judged_unit(row["quantity"], row["rule_type"], row["forecast"] or ""),
        **{key: utc(row[key]) for key in _TIMES},
    }


def event_word(row: Row) -> Row:
    """Return an alarm event as the API says it."""
    word = {key: value for key, value in row.items() if key != "alarm_id"}
    return word | {"at": utc(row["at"]), "event_at": utc(row["event_at"])}


def occurrence_word(row: Row) -> Row:
    """Return one occurrence of an alarm as the API says it."""
    return row | {key: utc(row[key]) for key in ("onset_at", "detected_at", "returned_at")}


def path_word(topology: Topology, space_id: int | None) -> list[Row]:
    """Return the way from the district to a space."""
    return [
        {"code": row.code, "kind": row.kind, "name": row.name, "name_en": row.name_en}
        for row in topology.path(space_id)
    ]


def space_features(found: Sequence[Row]) -> Row:
    """Return space rows as a GeoJSON feature collection; the outlines stay unparsed text."""
    texts = np.array([row["outline"] for row in found], dtype=object)
    inside = shapely.get_coordinates(shapely.point_on_surface(shapely.from_geojson(texts)))
    features = [
        {
            "type": "Feature",
            "id": row["code"],
            "geometry": msgspec.Raw(row["outline"].encode()),
            "properties": _space_properties(row) | {"lon": round(lon, 7), "lat": round(lat, 7)},
        }
        for row, (lon, lat) in zip(found, inside.tolist(), strict=True)
    ]
    return {"type": "FeatureCollection", "features": features}


def space_detail(row: Row, topology: Topology) -> Row:
    """Return one space with its way, its bounds and the number of spaces right inside it."""
    index = topology.index(row["code"])
    children = int(np.count_nonzero(topology.parent == index)) if index is not None else 0
    bounds = shapely.bounds(shapely.from_geojson(row["outline"])).tolist()
    path = path_word(topology, row["space_id"])
    return _space_properties(row) | {"path": path, "children": children, "bbox": bounds}


def device_features(found: Sequence[Row], following: str | None) -> Row:
    """Return device rows as a GeoJSON feature collection."""
    features = [
        {
            "type": "Feature",
            "id": row["device_id"],
            "geometry": {"type": "Point", "coordinates": _position(row)},
            "properties": {
                key: row[key]
                for key in ("device_id", "kind", "field", "name", "gateway_id", "space")
            }
            | _kind_names(row["kind"])
            | {"placed_how": row["placed_how"], "interval_s": row["interval_s"]},
        }
        for row in found
    ]
    return {"type": "FeatureCollection", "features": features, "next": following}


def device_detail(
    row: Row, series: Sequence[Row], rules: Sequence[Row], alarms: list[Row], state: State
) -> Row:
    """Return one device with its quantities, thresholds and open alarms."""
    freshness, severity = state.device(row["device_id"])
    return {key: value for key, value in row.items() if key != "space_id"} | {
        **_kind_names(row["kind"]),
        "freshness": Freshness(freshness).name.lower(),
        "severity": severity,
        "path": path_word(state.topology, row["space_id"]),
        "quantities": [_quantity(one, row, rules) for one in series],
        "alarms": alarms,
    }


def gateway_words(found: Sequence[Row]) -> list[Row]:
    """Return gateway rows as the API says them."""
    return [row | {"at": utc(row["at"])} for row in found]


def utc(when: datetime | None) -> datetime | None:
    """Return a time in UTC, whatever zone the database connection speaks."""
    return when.astimezone(UTC) if when is not None else None


def _space_properties(row: Row) -> Row:
    keys = ("code", "kind", "name", "name_en", "parent", "height_m", "source")
    return {key: row[key] for key in keys}


def _position(row: Row) -> list[float]:
    position = [row["lon"], row["lat"]]
    return position if row["height_m"] is None else [*position, row["height_m"]]


def _kind_names(kind: str) -> Row:
    known = DEVICE_KINDS.get(kind)
    return {"kind_zh": known.zh if known else kind, "kind_en": known.en if known else kind}


def _quantity(row: Row, device: Row, rules: Sequence[Row]) -> Row:
    quantity = QUANTITIES[row["quantity"]]
    latest = None
    if row["observed_at"] is not None:
        latest = {key: utc(row[key]) for key in ("observed_at", "received_at")}
        latest |= {"value": row["value"], "quality": row["quality"]}
    return {
        "quantity": row["quantity"],
        "zh": quantity.zh,
        "en": quantity.en,
        "unit": quantity.unit,
        "series_id": row["series_id"],
        "latest": latest,
        "thresholds": _thresholds(row["quantity"], device, rules),
    }


def _thresholds(quantity: str, device: Row, rules: Sequence[Row]) -> list[Row]:
    return [
        {
            "rule_id": rule["rule_id"],
            "name": rule["body"]["name"],
            "type": rule["body"]["type"],
            "severity": _severity(level["severity"]),
            "raise": level["raise"],
            "clear": level.get("clear", level["raise"]),
        }
        for rule in rules
        if rule["body"]["select"]["quantity"] == quantity and _selects(rule["body"], device)
        for level in rule["body"]["levels"]
    ]


def _selects(body: Row, device: Row) -> bool:
    """A rule without kinds is for every kind of its field, and one of ``system`` for all."""
    kinds = body["select"].get("kind")
    if kinds:
        return device["kind"] in kinds
    return body["field"] in (device["field"], Field.SYSTEM)


def _severity(word: str | int) -> int:
    return int(Severity[word.upper()]) if isinstance(word, str) else word
