"""Read the registered series from the database."""

from __future__ import annotations

from typing import Any

from psycopg import Connection

from core.db.queries import load as load_queries
from core.model import Field
from core.registry import Registry, SeriesInfo

_SQL = load_queries("core.db", "registry.sql")


def load(conn: Connection[Any]) -> Registry:
    """Return the registry as it is now; series of one space share its lineage."""
    lineages = {space: tuple(codes) for space, codes in conn.execute(_SQL["lineages"])}
    series = [
        SeriesInfo(
            series_id=series_id,
            device_id=device_id,
            quantity=quantity,
            kind=kind,
            field=Field(field),
            gateway_id=gateway_id,
            interval_s=interval_s,
            spaces=lineages.get(space, ()),
        )
        for series_id, device_id, quantity, kind, field, gateway_id, interval_s, space in (
            conn.execute(_SQL["series"])
        )
    ]
    return Registry(series, [row[0] for row in conn.execute(_SQL["gateways"])])
