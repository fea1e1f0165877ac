"""Random loads, proposals, rollbacks and moves end where a slow model says; so does their past."""

from __future__ import annotations

import dataclasses
import random
from datetime import datetime
from typing import Any

import psycopg
import pytest

from core.errors import UsageError
from core.model import District, Space, SpaceKind
from geodata.placement import TOLERANCE_M, build, place
from tests.support.maps import content
from tests.support.small_district import BLOCK, SOUTH, STEP, WEST, small_district, square
from twin.devices import places
from twin.devices.places import Target
from twin.history import moment
from twin.maps import history, in_force, proposals
from twin.maps.refusals import NotPossible
from twin.store import load_district

Conn = psycopg.Connection[Any]
Map = dict[str, Space]
Owners = dict[str, str | None]

STEPS = 30
LEVEL = {kind: level for level, kind in enumerate(SpaceKind)}


def in_store(conn: Conn) -> Map:
    current = in_force.read(conn)
    return {code: current.space(i) for code, i in current.index().items()}


def owners(conn: Conn, node: str) -> Owners:
    rows = conn.execute(f"SELECT {node}_id, s.code FROM {node} LEFT JOIN space s USING (space_id)")
    return dict(rows.fetchall())


def owners_by_model(conn: Conn, node: str, spaces: Map) -> Owners:
    rows = conn.execute(f"SELECT {node}_id, lon, lat FROM {node} ORDER BY 1").fetchall()
    ids, lon, lat = zip(*rows, strict=True)
    found = place(build(list(spaces.values())), lon, lat, tolerance_m=TOLERANCE_M)
    return {key: one.code for key, one in zip(ids, found, strict=True)}


def is_a_tree(spaces: Map) -> bool:
    return all(
        space.parent is None
        or (space.parent in spaces and LEVEL[spaces[space.parent].kind] < LEVEL[space.kind])
        for space in spaces.values()
    )


class Walk:
    """One random walk: the store, and what the model knows of it.

    ``past``: for each version its changes, code -> (before, after). ``then``: pairs of a moment and
    the map and owners that held at it.
    """

    def __init__(self, conn: Conn, seed: int) -> None:
        self.conn, self.rng = conn, random.Random(seed)
        self.past: list[dict[str, tuple[Space | None, Space | None]]] = []
        self.then: list[tuple[datetime, Map, Owners]] = []
        plain = small_district(devices=30)
        load_district(conn, plain)
        self.spaces = {space.code: space for space in plain.spaces}
        self.past.append({code: (None, space) for code, space in self.spaces.items()})
        self.remember()

    def remember(self) -> None:
        row = self.conn.execute("SELECT clock_timestamp()").fetchone()
        assert row is not None
        self.then.append((row[0], dict(self.spaces), owners(self.conn, "device")))

    def step(self) -> None:
        act = self.rng.choice(
            [self.load, self.load, self.propose, self.propose, self.roll, self.roll, self.move]
        )
        act()
        assert in_store(self.conn) == self.spaces
        assert is_a_tree(self.spaces)
        for node in ("device", "gateway"):
            assert owners(self.conn, node) == owners_by_model(self.conn, node, self.spaces)
        versions = self.conn.execute("SELECT max(version_id) FROM map_version").fetchone()
        assert versions == (len(self.past),)
        self.remember()

    def changed(self) -> list[Space]:
        """Some spaces in force with other outlines, words or parents, and perhaps a new one."""
        rng = self.rng
        kinds = (SpaceKind.GRID, SpaceKind.BLOCK, SpaceKind.BUILDING)
        some = [space for space in self.spaces.values() if space.kind in kinds]
        chosen = rng.sample(some, min(len(some), rng.randint(1, 4)))
        found = [dataclasses.replace(space, **self.other(space)) for space in chosen]
        if rng.random() < 0.5:
            grids = self.codes(SpaceKind.GRID)
            code = f"new-{rng.randrange(6)}"
            if grids and code not in {space.code for space in found}:
                found.append(
                    Space(
                        code=code, kind=SpaceKind.BLOCK, name=code, name_en="",
                        parent=rng.choice(grids), outline=self.outline(),
                    )
                )  # fmt: skip
        return found

    def other(self, space: Space) -> dict[str, Any]:
        """What is another about a space."""
        rng = self.rng
        match rng.choice(["outline", "name", "height", "parent"]):
            case "outline" if space.kind is not SpaceKind.GRID:
                return {"outline": self.outline()}
            case "name":
                return {"name": f"名{rng.random():.5f}", "frame": "EPSG:4547"}
            case "parent" if space.kind is SpaceKind.BLOCK:
                return {"parent": rng.choice(self.codes(SpaceKind.GRID))}
        return {"height_m": float(rng.randint(1, 90))}

    def codes(self, kind: SpaceKind) -> list[str]:
        return [space.code for space in self.spaces.values() if space.kind is kind]

    def outline(self) -> dict[str, Any]:
        x = WEST + self.rng.randrange(4) * STEP + self.rng.random() * BLOCK / 2
        y = SOUTH + self.rng.randrange(3) * STEP + self.rng.random() * BLOCK / 2
        return square(x, y, x + BLOCK * self.rng.random() + 1e-5, y + BLOCK / 3)

    def count(self, after: Map) -> None:
        """Note a version that led to a map; one that changes nothing is a version of nothing."""
        codes = sorted(set(self.spaces) | set(after))
        self.past.append(
            {
                code: (self.spaces.get(code), after.get(code))
                for code in codes
                if self.spaces.get(code) != after.get(code)
            }
        )
        self.spaces = after

    def load(self) -> None:
        spaces = self.changed()
        after = self.spaces | {space.code: space for space in spaces}
        load_district(self.conn, District(spaces=tuple(spaces), gateways=(), devices=()))
        if after != self.spaces:
            self.count(after)

    def propose(self) -> None:
        partial = self.rng.random() < 0.7
        spaces = self.changed()
        if not partial:
            codes = {space.code for space in spaces}
            blocks = [s for s in self.spaces.values() if s.kind is SpaceKind.BLOCK]
            spaces += [s for s in blocks if s.code not in codes and self.rng.random() < 0.9]
        number = proposals.propose(self.conn, content(spaces), partial=partial, by="a")
        before = (in_store(self.conn), owners(self.conn, "device"))
        try:
            dry = proposals.apply(self.conn, number, by="a", accept_warnings=True, dry_run=True)
        except NotPossible:
            assert (in_store(self.conn), owners(self.conn, "device")) == before
            return
        assert (in_store(self.conn), owners(self.conn, "device")) == before
        done = proposals.apply(self.conn, number, by="a", accept_warnings=True)
        assert done == dry
        after = in_store(self.conn)
        told = {*done.added, *done.redrawn, *done.corrected, *done.gone}
        self.count(after)
        assert told == set(self.past[-1])

    def roll(self) -> None:
        version = self.rng.randint(2, len(self.past)) if len(self.past) > 1 else 1
        changes = self.past[version - 1]
        free = not any(set(changes) & set(later) for later in self.past[version:])
        after = {code: space for code, space in self.spaces.items() if code not in changes}
        after |= {code: old for code, (old, _) in changes.items() if old is not None}
        allowed = version > 1 and free and is_a_tree(after)
        if not allowed and version == 1:
            return
        if not allowed:
            with pytest.raises((NotPossible, UsageError)):
                history.rollback(self.conn, version, by="a")
            return
        history.rollback(self.conn, version, by="a")
        self.count(after)

    def move(self) -> None:
        rows = self.conn.execute("SELECT device_id FROM device ORDER BY 1").fetchall()
        target = Target(
            x=WEST + self.rng.uniform(-1, 5) * STEP, y=SOUTH + self.rng.uniform(-1, 4) * STEP
        )
        dry = self.rng.random() < 0.3
        device = self.rng.choice(rows)[0]
        places.move(self.conn, device, target, reason="r", by="a", dry_run=dry)


@pytest.mark.parametrize("seed", range(4))
async def test_a_random_walk_ends_where_the_model_says(conn: Conn, dsn: str, seed: int) -> None:
    walk = Walk(conn, seed)
    for _ in range(STEPS):
        walk.step()
    gaps = conn.execute(
        """SELECT count(*) FROM (
               SELECT from_at, lag(to_at) OVER one AS before, row_number() OVER one AS n
                 FROM device_place WINDOW one AS (PARTITION BY device_id ORDER BY place_id)) line
            WHERE (n = 1) <> (from_at IS NULL) OR (n > 1 AND from_at <> before)"""
    ).fetchone()
    assert gaps == (0,)
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as reader:
        for at, spaces, held in walk.then:
            then = (await moment.moment(reader, at, stale_intervals=3)).state.topology
            parents = {
                row.code: then.spaces[above - 1].code if above > 0 else None
                for row, above in zip(then.spaces, then.parent[1:].tolist(), strict=True)
            }
            for code, space in spaces.items():
                assert parents[code] == space.parent, (code, at)
            owner = {
                device: then.spaces[index - 1].code if index > 0 else None
                for device, index in zip(then.devices, then.device_space.tolist(), strict=True)
            }
            assert owner == held, at
