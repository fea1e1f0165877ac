"""Placement and maps at scale: 20,000 devices in 5,000 cells, and a border that moves.

The district is plain squares (``tests.support.small_district``), 50 by 50 blocks with a building in
each; the devices stand anywhere in it. Everything goes through the code that serves: ``propose``
reads the store, checks, compares and places every device in the would-be map; ``apply`` writes it.
"""

from __future__ import annotations

import dataclasses
import random
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

import psycopg
import shapely

from bench.ground import say
from bench.table import grid
from core.model import Space, SpaceKind
from geodata.maps.check import check
from geodata.maps.diff import diff
from geodata.maps.model import MapContent, Source, cells_of
from geodata.placement import TOLERANCE_M, parse, place
from tests.support.small_district import (
    BLOCK,
    SOUTH,
    STEP,
    WEST,
    block_code,
    small_district,
    square,
)
from twin import versions
from twin.maps import history, in_force, proposals
from twin.store import load_district

SIDE = 50
DEVICES = 20_000
SAMPLE = 200
"""Points of the naive loop; it is measured on these and scaled."""
ROUNDS = 5
PLACE_BUDGET_S, REOWN_BUDGET_S = 2.0, 5.0

_SOURCE = Source(
    name="bench", sha256="", size=0, driver="gpkg", layers=(), encoding="UTF-8", frame="EPSG:4490"
)


class Ground(Protocol):
    """What a part needs of the ground: a migrated database of its own."""

    def fresh(self, name: str) -> str:
        """Return the connection string of a new database of that name."""


def measure(ground: Ground) -> dict[str, Any]:
    """Load the district, and measure placing, judging, re-owning."""
    chance = random.Random(11)
    plain = small_district(columns=SIDE, rows=SIDE, devices=DEVICES)
    far = SIDE * STEP
    devices = tuple(
        dataclasses.replace(
            device, lon=WEST + chance.uniform(0, far), lat=SOUTH + chance.uniform(0, far)
        )
        for device in plain.devices
    )
    with psycopg.connect(ground.fresh("placing"), autocommit=True) as conn:
        say(f"loading {len(plain.spaces):,} cells and {len(devices):,} devices")
        begun = time.perf_counter()
        load_district(conn, dataclasses.replace(plain, devices=devices))
        loaded_s = time.perf_counter() - begun
        conn.execute("ANALYZE")
        return {
            "cells": len(plain.spaces),
            "devices": len(devices),
            "load_s": round(loaded_s, 2),
            "place": _placing(conn),
            "judge": _judging(conn, plain.spaces),
            "reown": _reowning(conn, {space.code: space for space in plain.spaces}),
        }


def _placing(conn: psycopg.Connection[Any]) -> dict[str, Any]:
    say("placing")
    standing = versions.standing_of(conn, "device")
    built_s = _median(lambda: versions.grid_in_force(conn))
    made = versions.grid_in_force(conn)
    placed_s = _median(lambda: place(made, standing.lon, standing.lat, tolerance_m=TOLERANCE_M))
    places = place(made, standing.lon, standing.lat, tolerance_m=TOLERANCE_M)
    begun = time.perf_counter()
    naive = [
        next(
            (
                code
                for code, outline in zip(made.codes, made.outlines, strict=True)
                if outline.intersects(point)
            ),
            None,
        )
        for point in shapely.points(standing.lon[:SAMPLE], standing.lat[:SAMPLE])
    ]
    naive_s = (time.perf_counter() - begun) / SAMPLE * len(places)
    agree = all(
        code == found.code
        for code, found in zip(naive, places[:SAMPLE], strict=True)
        if found.how == "within"
    )
    return {
        "grid_s": round(built_s, 3),
        "place_s": round(placed_s, 3),
        "sum_s": round(built_s + placed_s, 3),
        "naive_s": round(naive_s, 1),
        "naive_times": round(naive_s / placed_s),
        "naive_agrees": agree,
    }


def _judging(conn: psycopg.Connection[Any], spaces: tuple[Space, ...]) -> dict[str, Any]:
    say("checking and comparing")
    current = in_force.read(conn)
    cells = _content(spaces).cells
    read_s = _median(lambda: in_force.read(conn))
    check_s = _median(lambda: check(cells, current.cells))
    diff_s = _median(lambda: diff(cells, current.cells, kinds_replaced=set(SpaceKind)))
    return {"read_s": round(read_s, 3), "check_s": round(check_s, 2), "diff_s": round(diff_s, 3)}


def _reowning(conn: psycopg.Connection[Any], spaces: Mapping[str, Space]) -> dict[str, Any]:
    """A border moves: once as a file of the two blocks, once as a file of all blocks."""
    say("moving a border")
    result = {}
    for name, whole in (("two blocks", False), ("all blocks", True)):
        changed = _moved(spaces)
        blocks = [space for space in spaces.values() if space.kind is SpaceKind.BLOCK]
        file = [changed.get(space.code, space) for space in blocks] if whole else changed.values()
        content = _content(tuple(file))
        begun = time.perf_counter()
        number = proposals.propose(conn, content, partial=not whole, by="bench")
        proposed = time.perf_counter()
        done = proposals.apply(conn, number, by="bench", accept_warnings=True)
        applied = time.perf_counter()
        listed = proposals.show(conn, number)["moves"]
        history.rollback(conn, done.version, by="bench")
        result[name] = {
            "propose_s": round(proposed - begun, 2),
            "apply_s": round(applied - proposed, 2),
            "sum_s": round(applied - begun, 2),
            "rollback_s": round(time.perf_counter() - applied, 2),
            "moves": len(done.moves),
            "moves_as_proposed": sorted(m["node_id"] for m in listed)
            == sorted(m.node_id for m in done.moves),
        }
    return result


def _moved(spaces: Mapping[str, Space]) -> dict[str, Space]:
    """Two neighbours of the middle: the left one grows over the road into the right one."""
    column, row = SIDE // 2 - 3, SIDE // 2
    left, right = block_code(column, row, SIDE), block_code(column + 1, row, SIDE)
    south = SOUTH + row * STEP
    border, west = WEST + (column + 1.3) * STEP, WEST + column * STEP
    east = WEST + (column + 1) * STEP + BLOCK
    return {
        left: _drawn(spaces[left], west, south, border),
        right: _drawn(spaces[right], border, south, east),
    }


def _drawn(space: Space, west: float, south: float, east: float) -> Space:
    return dataclasses.replace(space, outline=square(west, south, east, south + BLOCK))


def _content(spaces: tuple[Space, ...]) -> MapContent:
    shapes = parse([space.code for space in spaces], [space.outline for space in spaces])
    return MapContent(cells=cells_of(spaces, shapes), source=_SOURCE)


def _median(work: Callable[[], object]) -> float:
    took = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        work()
        took.append(time.perf_counter() - begun)
    return statistics.median(took)


def table(result: Mapping[str, Any]) -> Iterator[str]:
    """Yield the figures as a table for people."""
    place_, judge, reown = result["place"], result["judge"], result["reown"]
    yield f"{result['devices']:,} devices in {result['cells']:,} cells (seconds)"
    yield from grid(
        ["", "measured", "budget"],
        [
            ["loading all of it into an empty store", result["load_s"], ""],
            ["placing: grid from the store", place_["grid_s"], ""],
            ["placing: all devices", place_["place_s"], ""],
            ["placing, both", place_["sum_s"], f"< {PLACE_BUDGET_S:g}"],
            [f"naive loop, scaled from {SAMPLE} points", place_["naive_s"], ""],
            ["naive loop / placing", place_["naive_times"], ""],
            ["reading the map in force", judge["read_s"], ""],
            ["checking a file of all cells", judge["check_s"], ""],
            ["comparing it", judge["diff_s"], ""],
        ],
    )
    yield ""
    yield "A border moves between two blocks (seconds)"
    yield from grid(
        ["file", "propose", "apply", "both", "budget", "roll back", "moves", "as proposed"],
        [
            [
                name, one["propose_s"], one["apply_s"], one["sum_s"], f"< {REOWN_BUDGET_S:g}",
                one["rollback_s"], one["moves"], one["moves_as_proposed"],
            ]
            for name, one in reown.items()
        ],
    )  # fmt: skip
