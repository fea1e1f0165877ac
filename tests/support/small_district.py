"""A district of plain squares for tests of the twin: every level, every field, any size.

One district of two streets with a community and a grid each; the blocks stand in ``columns`` by
``rows`` squares of 100 m with roads of 10 m between them, a building in the middle of each.
"""

from __future__ import annotations

from typing import Any

from core.model import Device, District, Gateway, Space, SpaceKind
from core.units import DEVICE_KINDS

WEST, SOUTH = 114.10, 22.50
STEP = 0.0010
BLOCK = 0.0009

KINDS = tuple(DEVICE_KINDS)


def square(west: float, south: float, east: float, north: float) -> dict[str, Any]:
    """Return a GeoJSON rectangle."""
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {"type": "Polygon", "coordinates": [[[round(x, 7), round(y, 7)] for x, y in ring]]}


def small_district(*, columns: int = 4, rows: int = 3, devices: int = 20) -> District:
    """Make the district; ``columns`` must be even (half of them to each street)."""
    return District(
        spaces=tuple(_spaces(columns, rows)),
        gateways=tuple(
            Gateway(gateway_id=f"gw-{side}", name=f"网关 {side}", lon=x, lat=SOUTH + BLOCK / 2)
            for side, x in (("a", WEST + BLOCK / 2), ("b", WEST + (columns - 0.5) * STEP))
        ),
        devices=tuple(_device(number, columns, rows) for number in range(devices)),
    )


def block_code(column: int, row: int, columns: int = 4) -> str:
    """Return the code of a block by its place."""
    return f"{_side(column, columns)}-b{column:03d}{row:03d}"


def _side(column: int, columns: int) -> str:
    return "a" if column < columns // 2 else "b"


def _spaces(columns: int, rows: int) -> list[Space]:
    north = SOUTH + rows * STEP
    middle = WEST + columns // 2 * STEP
    east = WEST + columns * STEP
    spaces = [_space("440303", SpaceKind.DISTRICT, None, square(WEST, SOUTH, east, north))]
    for side, left, right in (("a", WEST, middle), ("b", middle, east)):
        outline = square(left, SOUTH, right, north)
        spaces.append(_space(f"street-{side}", SpaceKind.STREET, "440303", outline))
        spaces.append(_space(f"community-{side}", SpaceKind.COMMUNITY, f"street-{side}", outline))
        spaces.append(_space(f"grid-{side}", SpaceKind.GRID, f"community-{side}", outline))
    for column in range(columns):
        for row in range(rows):
            spaces.extend(_block(column, row, columns))
    return spaces


def _block(column: int, row: int, columns: int) -> list[Space]:
    x, y = WEST + column * STEP, SOUTH + row * STEP
    code = block_code(column, row, columns)
    third = BLOCK / 3
    inner = square(x + third, y + third, x + 2 * third, y + 2 * third)
    outer = square(x, y, x + BLOCK, y + BLOCK)
    return [
        _space(code, SpaceKind.BLOCK, f"grid-{_side(column, columns)}", outer),
        _space(f"{code}-1", SpaceKind.BUILDING, code, inner, height_m=24.0),
    ]


def _space(
    code: str,
    kind: SpaceKind,
    parent: str | None,
    outline: dict[str, Any],
    height_m: float | None = None,
) -> Space:
    return Space(
        code=code,
        kind=kind,
        name=f"名 {code}",
        name_en=f"Name {code}",
        parent=parent,
        outline=outline,
        height_m=height_m,
    )


def _device(number: int, columns: int, rows: int) -> Device:
    """Device 0, 15, 30, … are smoke detectors; each stands inside a block's building."""
    column, row = number % columns, number // columns % rows
    kind = KINDS[number % len(KINDS)]
    return Device(
        device_id=f"{kind}.{number:05d}",
        kind=kind,
        name=f"设备 {number}",
        lon=WEST + column * STEP + BLOCK / 2,
        lat=SOUTH + row * STEP + BLOCK / 2,
        gateway_id=f"gw-{_side(column, columns)}",
        interval_s=10.0,
        height_m=3.0,
        attributes={"floor": 1},
    )
