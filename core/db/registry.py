"""Read the registered series from the database."""

from __future__ import annotations

from collections.abc import Mapping
from sys import intern
from typing import Any

from psycopg import Connection

from core.db.queries import load as load_queries
from core.model import Field
from core.plausible import faults_of, own_of
from core.registry import Registry, SeriesInfo

_SQL = load_queries("core.db", "registry.sql")
_PORTION = 5_000  # rows asked for at a time; one by one they take three times as long


def load(conn: Connection[Any]) -> Registry:
    """Return the registry as it is now; series of one space share its lineage."""
    lineages = {space: tuple(codes) for space, codes in conn.execute(_SQL["lineages"])}
    said: dict[str, object] = {}  # device -> its own limits, as it has them
    # In portions, and one copy of each repeated word: a district has some 240,000 series.
    with conn.transaction(), conn.cursor("registry") as rows:
        rows.itersize = _PORTION
        rows.execute(_SQL["series"])
        series = [_info(row, lineages, said) for row in rows]
    faults = [
        f"device {device}: {fault}" for device, own in said.items() for fault in faults_of(own)
    ]
    steps: dict[str, dict[str, list[str]]] = {"drainage": {}, "power": {}}
    for kind, upstream, downstream in conn.execute(_SQL["relations"]):
        steps[kind].setdefault(upstream, []).append(downstream)
    return Registry(
        series,
        [row[0] for row in conn.execute(_SQL["gateways"])],
        faults,
        drains={upstream: tuple(below) for upstream, below in steps["drainage"].items()},
        powers={upstream: tuple(below) for upstream, below in steps["power"].items()},
    )


def _info(
    row: tuple[Any, ...], lineages: Mapping[int, tuple[str, ...]], said: dict[str, object]
) -> SeriesInfo:
    series_id, device, quantity, kind, field, gateway, interval_s, space, own, lon, lat, tags = row
    if own is not None:
        said[device] = own
    return SeriesInfo(
        series_id=series_id,
        device_id=device,
        quantity=intern(quantity),
        kind=intern(kind),
        field=Field(field),
        gateway_id=intern(gateway),
        interval_s=interval_s,
        spaces=lineages.get(space, ()),
        plausible=None if own is None else own_of(quantity, own),
        lon=lon,
        lat=lat,
        tags=_tags(tags),
    )


def _tags(said: object) -> tuple[str, ...]:
    if not isinstance(said, list):
        return ()
    return tuple(intern(tag) for tag in said if isinstance(tag, str))
