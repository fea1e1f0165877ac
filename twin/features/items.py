"""Rows as GeoJSON features, in the coordinate system that was asked for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
import numpy as np
import shapely

from core.units import DEVICE_KINDS, QUANTITIES
from twin.features.crs import CRS84, Crs
from twin.features.outlines import Outlines, properties
from twin.state import Freshness, State

Row = dict[str, Any]

DECIMALS = 9
"""Of a degree in another geographic system; a tenth of a millimetre."""


def spaces(
    outlines: Outlines,
    chosen: Sequence[int],
    crs: Crs,
    now: State,
) -> list[Row]:
    """Return spaces as features; in CRS84 the outlines go out as the text they are stored as."""
    rows = [outlines.rows[i] for i in chosen]
    state = now.spaces_of(row["code"] for row in rows)
    if crs is CRS84:
        texts = [row["outline"] for row in rows]
    else:
        shapes = outlines.shapes[list(chosen)]
        texts = shapely.to_geojson(shapely.transform(shapes, crs.from_degrees)).tolist()
    return [
        _feature(row["id"], msgspec.Raw(text.encode()), properties(row, state))
        for row, text in zip(rows, texts, strict=True)
    ]


def devices(rows: Sequence[Row], crs: Crs, now: State) -> list[Row]:
    """Return devices as features, with freshness and severity as of now."""
    state = now.devices_of(row["id"] for row in rows)
    return [
        _feature(row["id"], point, _device(row, *state[row["id"]]))
        for row, point in zip(rows, _points(rows, crs), strict=True)
    ]


def alarms(rows: Sequence[Row], crs: Crs) -> list[Row]:
    """Return alarms as features; one that stands nowhere has no geometry."""
    return [
        _feature(row["id"], point, _alarm(row))
        for row, point in zip(rows, _points(rows, crs), strict=True)
    ]


def _feature(feature: str, geometry: Any, word: Row) -> Row:
    return {"type": "Feature", "id": feature, "geometry": geometry, "properties": word}


def _points(rows: Sequence[Row], crs: Crs) -> list[Row | None]:
    """Positions as GeoJSON points; the height, in metres above ground, is a property instead."""
    placed = [i for i, row in enumerate(rows) if row["lon"] is not None]
    lonlat = np.array([[rows[i]["lon"], rows[i]["lat"]] for i in placed], dtype=np.float64)
    xy = crs.from_degrees(lonlat.reshape(-1, 2)).round(DECIMALS).tolist()
    points: list[Row | None] = [None] * len(rows)
    for i, pair in zip(placed, xy, strict=True):
        points[i] = {"type": "Point", "coordinates": pair}
    return points


def _device(row: Row, freshness: int, severity: int) -> Row:
    keys = (
        "device_id", "kind", "field", "name", "height_m", "address", "gateway_id", "space",
        "placed_how", "placed_note", "interval_s", "frame",
    )  # fmt: skip
    kind = DEVICE_KINDS.get(row["kind"])
    return {key: row[key] for key in keys} | {
        "kind_zh": kind.zh if kind else row["kind"],
        "kind_en": kind.en if kind else row["kind"],
        "created_at": _utc(row["created_at"]),
        "freshness": Freshness(freshness).name.lower(),
        "severity": severity,
    }


def _alarm(row: Row) -> Row:
    keys = (
        "alarm_id", "rule_id", "rule_version", "name_zh", "name_en", "field", "severity",
        "peak_severity", "state", "subject", "device_id", "gateway_id", "space", "quantity",
        "value", "threshold", "acknowledged_by", "closed_by", "close_cause", "occurrences",
        "height_m",
    )  # fmt: skip
    times = ("raised_at", "detected_at", "returned_at", "acknowledged_at", "closed_at")
    quantity = QUANTITIES.get(row["quantity"])
    return {key: row[key] for key in keys} | {
        "quantity_zh": quantity.zh if quantity else "",
        **{key: _utc(row[key]) for key in times},
    }


def _utc(when: datetime | None) -> datetime | None:
    return when.astimezone(UTC) if when is not None else None
