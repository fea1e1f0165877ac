"""Load a district into the database in one transaction, and place everything that stands in it.

How the map changes is ``twin.versions``; what the API reads is ``twin.api.reads``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import psycopg

from core.db.queries import load
from core.errors import UsageError
from core.model import Device, District, Space, SpaceKind
from core.units import DEVICE_KINDS
from geodata.placement import TOLERANCE_M, OutlineInvalid, parse
from twin import versions
from twin.district import Known, check
from twin.kinds import BUILT_IN, Kinds
from twin.versions import Author, as_json, builtins

SQL = load("twin", "store.sql")

Conn = psycopg.Connection[Any]
Rows = list[dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadReport:
    """What a load changed; all zero when the same district is loaded again.

    Attributes:
        spaces_added: new codes; ``spaces_redrawn``: spaces that got a new version, because their
            outline or parent is another; ``spaces_updated``: names or heights corrected in place.
        series_added: new device × quantity pairs.
        within: devices looked at that a space holds; ``snapped``: taken by the nearest space;
            ``unplaced``: device id -> reason.
        moved: devices whose placement is now another one than before.
    """

    spaces_added: int
    spaces_redrawn: int
    spaces_updated: int
    gateways_added: int
    gateways_updated: int
    devices_added: int
    devices_updated: int
    series_added: int
    within: int
    snapped: int
    unplaced: dict[str, str]
    moved: int


@dataclass(frozen=True, slots=True)
class _Upserted:
    """``new``: (node, id) of the rows that were not there; ``updated``: how many were changed."""

    new: frozenset[tuple[str, str]]
    updated: int


def load_district(
    conn: Conn,
    district: District,
    *,
    tolerance_m: float = TOLERANCE_M,
    by: str = "blocktwin",
    kinds: Kinds = BUILT_IN,
) -> LoadReport:
    """Upsert a district by codes and ids; what it does not name stays as it is.

    Devices are placed among all spaces in force. A load that changes a space places every device
    of the store anew and is a version of the map by ``by``; any other only those it names. Runs in
    one transaction, or in a savepoint when the caller is inside one.

    Raises:
        UsageError: the district contradicts itself or the store; nothing is changed.
    """
    with conn.transaction():
        at = versions.begin(conn)
        versions.sign(conn, by, "district load")
        check(district, _known(conn), kinds)
        _check_outlines(district.spaces)
        changed = versions.bring(conn, at, district.spaces)
        gateways = _upsert(conn, "upsert_gateways", builtins(district.gateways))
        devices = _upsert(conn, "upsert_devices", [_device_row(d) for d in district.devices])
        rows = as_json(_series_rows(district.devices))
        series = conn.execute(SQL["insert_series"], rows).rowcount
        placed = versions.place_standing(
            conn,
            devices=None if changed else [d.device_id for d in district.devices],
            gateways=None if changed else [g.gateway_id for g in district.gateways],
            tolerance_m=tolerance_m,
        )
        if changed:
            new = gateways.new | devices.new
            owners = [move for move in placed.moves if (move.node, move.node_id) not in new]
            versions.record(conn, at, changed, owners, Author(by=by, source="district load"))
        versions.announce(conn)
    places = placed.devices
    return LoadReport(
        spaces_added=len(changed.added),
        spaces_redrawn=len(changed.redrawn),
        spaces_updated=len(changed.corrected),
        gateways_added=len(gateways.new),
        gateways_updated=gateways.updated,
        devices_added=len(devices.new),
        devices_updated=devices.updated,
        series_added=series,
        within=sum(p.how == "within" for p in places.values()),
        snapped=sum(p.how == "snapped" for p in places.values()),
        unplaced={key: p.note for key, p in places.items() if p.how == "unplaced"},
        moved=placed.written,
    )


def summary(conn: Conn) -> dict[str, Any]:
    """Count what the store holds: spaces by level, devices by field and placement."""
    spaces = dict(conn.execute(SQL["list_spaces"]).fetchall())
    districts = conn.execute(SQL["list_districts"]).fetchall()
    gateways, series = conn.execute(SQL["list_counts"]).fetchall()[0]
    devices: dict[str, dict[str, int]] = {}
    for field, how, number in conn.execute(SQL["list_devices"]).fetchall():
        devices.setdefault(field, {})[how] = number
    return {
        "districts": [{"code": c, "name": n, "name_en": e} for c, n, e in districts],
        "spaces": {str(kind): spaces.get(str(kind), 0) for kind in SpaceKind},
        "gateways": gateways,
        "devices": devices,
        "series": series,
    }


def _known(conn: Conn) -> Known:
    spaces = conn.execute(SQL["known_spaces"]).fetchall()
    gateways = conn.execute(SQL["known_gateways"]).fetchall()
    return Known(
        spaces={code: SpaceKind(kind) for code, kind in spaces},
        gateways=frozenset(row[0] for row in gateways),
    )


def _check_outlines(spaces: Sequence[Space]) -> None:
    try:
        parse([space.code for space in spaces], [space.outline for space in spaces])
    except OutlineInvalid as error:
        raise UsageError(str(error), remedy="repair the outline; nothing was changed") from error


def _upsert(conn: Conn, name: str, rows: Rows) -> _Upserted:
    found = conn.execute(SQL[name], as_json(rows)).fetchall()
    new = frozenset((node, node_id) for node, node_id, added in found if added)
    return _Upserted(new=new, updated=len(found) - len(new))


def _device_row(device: Device) -> dict[str, Any]:
    row: dict[str, Any] = msgspec.to_builtins(device)
    return row | {"field": str(DEVICE_KINDS[device.kind].field)}


def _series_rows(devices: Sequence[Device]) -> Rows:
    return [
        {"device_id": device.device_id, "quantity": quantity}
        for device in devices
        for quantity in sorted(set(device.quantities or DEVICE_KINDS[device.kind].quantities))
    ]
