"""Load a district into the database in one transaction, and place everything that stands in it.

What the API reads is ``twin.api.reads``; where a point belongs is ``geodata.placement``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import psycopg

from core.db.queries import load
from core.errors import UsageError
from core.model import Device, District, Space, SpaceKind
from core.units import DEVICE_KINDS
from geodata.placement import TOLERANCE_M, Grid, OutlineInvalid, Placement, build, parse, place
from twin.district import Known, check

SQL = load("twin", "store.sql")

Conn = psycopg.Connection[Any]
Rows = list[dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadReport:
    """What a load changed; all zero when the same district is loaded again.

    Attributes:
        spaces_added: new codes; ``spaces_redrawn``: outlines that got a new version;
            ``spaces_updated``: names, parents or heights corrected in place.
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


def load_district(
    conn: Conn, district: District, *, tolerance_m: float = TOLERANCE_M
) -> LoadReport:
    """Upsert a district by codes and ids; what it does not name stays as it is.

    Devices are placed among all spaces in force. A load that changes a space places every device
    of the store anew; any other only those it names. Runs in one transaction, or in a savepoint
    when the caller is inside one.

    Raises:
        UsageError: the district contradicts itself or the store; nothing is changed.
    """
    with conn.transaction():
        conn.execute(SQL["lock"])
        check(district, _known(conn))
        _check_outlines(district.spaces)
        added, redrawn, updated = _put_spaces(conn, district.spaces)
        gateways = _upsert(conn, "upsert_gateways", _rows(district.gateways))
        devices = _upsert(conn, "upsert_devices", [_device_row(d) for d in district.devices])
        series = conn.execute(SQL["insert_series"], _json(_series_rows(district.devices))).rowcount
        everything = bool(added or redrawn or updated)
        placements, moved = _place(conn, district, everything, tolerance_m)
        conn.execute(SQL["announce"])
    return LoadReport(
        spaces_added=added,
        spaces_redrawn=redrawn,
        spaces_updated=updated,
        gateways_added=gateways[0],
        gateways_updated=gateways[1],
        devices_added=devices[0],
        devices_updated=devices[1],
        series_added=series,
        within=sum(p.how == "within" for p in placements.values()),
        snapped=sum(p.how == "snapped" for p in placements.values()),
        unplaced={key: p.note for key, p in placements.items() if p.how == "unplaced"},
        moved=moved,
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


def _put_spaces(conn: Conn, spaces: Sequence[Space]) -> tuple[int, int, int]:
    """Bring the spaces in; return how many were added, redrawn and updated in place."""
    changed = conn.execute(SQL["changed_outlines"], _json(_rows(spaces))).fetchall()
    redrawn = {code for _, code in changed}
    conn.execute(SQL["end_spaces"], {"ids": [space_id for space_id, _ in changed]})
    added = updated = 0
    for kind in SpaceKind:
        level = _json(_rows(space for space in spaces if space.kind is kind))
        updated += conn.execute(SQL["update_spaces"], level).rowcount
        added += conn.execute(SQL["insert_spaces"], level).rowcount
        conn.execute(SQL["adopt_children"])
    return added - len(redrawn), len(redrawn), updated


def _upsert(conn: Conn, name: str, rows: Rows) -> tuple[int, int]:
    """Run an upsert; return how many rows were added and how many were changed."""
    added = [row[0] for row in conn.execute(SQL[name], _json(rows)).fetchall()]
    return sum(added), len(added) - sum(added)


def _place(
    conn: Conn, district: District, everything: bool, tolerance_m: float
) -> tuple[dict[str, Placement], int]:
    """Place devices and gateways; return the devices' placements and how many are new ones."""
    grid = _grid(conn)
    gateways = None if everything else [g.gateway_id for g in district.gateways]
    found = _places(conn, "positions_of_gateways", gateways, grid, tolerance_m)
    conn.execute(SQL["place_gateways"], _json(_placement_rows(found)))
    devices = None if everything else [d.device_id for d in district.devices]
    found = _places(conn, "positions_of_devices", devices, grid, tolerance_m)
    moved = conn.execute(SQL["place_devices"], _json(_placement_rows(found))).rowcount
    return found, moved


def _grid(conn: Conn) -> Grid:
    return build(
        [
            Space(code=c, kind=SpaceKind(kind), name="", name_en="", parent=None, outline=outline)
            for c, kind, outline in conn.execute(SQL["spaces_in_force"]).fetchall()
        ]
    )


def _places(
    conn: Conn, name: str, ids: list[str] | None, grid: Grid, tolerance_m: float
) -> dict[str, Placement]:
    rows = conn.execute(SQL[name], {"ids": ids}).fetchall()
    lon, lat = [row[1] for row in rows], [row[2] for row in rows]
    places = place(grid, lon, lat, tolerance_m=tolerance_m)
    return {row[0]: placement for row, placement in zip(rows, places, strict=True)}


def _placement_rows(placements: dict[str, Placement]) -> Rows:
    return [
        {"id": key, "code": p.code, "how": p.how, "note": p.note} for key, p in placements.items()
    ]


def _device_row(device: Device) -> dict[str, Any]:
    row: dict[str, Any] = msgspec.to_builtins(device)
    return row | {"field": str(DEVICE_KINDS[device.kind].field)}


def _series_rows(devices: Sequence[Device]) -> Rows:
    return [
        {"device_id": device.device_id, "quantity": quantity}
        for device in devices
        for quantity in sorted(set(device.quantities or DEVICE_KINDS[device.kind].quantities))
    ]


def _rows(things: Iterable[Any]) -> Rows:
    return [msgspec.to_builtins(thing) for thing in things]


def _json(rows: Rows) -> dict[str, str]:
    """One JSON parameter for any number of rows: one plan and one round trip."""
    return {"rows": msgspec.json.encode(rows).decode()}
