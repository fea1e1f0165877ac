"""Change the map: bring spaces into force, place what stands in them, and keep who changed what.

The one way a space begins, changes or ends, whoever asks for it (a district that is loaded, a
proposal that is applied, a version that is rolled back), so that the versions are one line. What is
asked has been checked by the caller; everything here runs inside the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import psycopg

from core.db.queries import load
from core.errors import Transient, UsageError
from core.model import Space, SpaceKind
from geodata.placement import TOLERANCE_M, Grid, Placement, arrange, parse_texts, place

SQL = load("twin", "versions.sql")

Conn = psycopg.Connection[Any]
Rows = list[dict[str, Any]]

NODES = ("device", "gateway")
FEW = 200
"""Up to so many rows are joined with a table one by one; for more it is read whole."""

MAX_NAMED = 5
"""How many codes a refusal names; the rest are counted."""


class MapBusy(Transient):
    """Somebody else is changing the map, for longer than a statement may take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """Something that gets another owner.

    Attributes:
        node: ``device`` | ``gateway``; ``node_id`` its id.
        from_code: the space that held it, None if it was unplaced; ``to_code`` likewise.
        how: ``within`` | ``snapped`` | ``unplaced``, as it is placed then; ``note`` says why.
    """

    node: str
    node_id: str
    from_code: str | None
    to_code: str | None
    how: str
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Author:
    """Who changes the map, and on what ground.

    Attributes:
        source: one of the words of ``map_version.source``.
        undoes: the version that is rolled back, None otherwise.
    """

    by: str
    source: str
    undoes: int | None = None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """What was in force of a code; ``space_id`` and ``facts`` are None if nothing was."""

    code: str
    space_id: int | None = None
    facts: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """The codes that a change really touched, with what was in force before."""

    added: tuple[str, ...]
    redrawn: tuple[str, ...]
    corrected: tuple[str, ...]
    gone: tuple[str, ...]
    before: tuple[Before, ...]

    def __bool__(self) -> bool:
        return bool(self.before)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Devices or gateways as columns: where they stand and what they are known to belong to."""

    node: str
    ids: tuple[str, ...]
    lon: npt.NDArray[np.float64]
    lat: npt.NDArray[np.float64]
    codes: tuple[str | None, ...]
    hows: tuple[str, ...]
    notes: tuple[str, ...]
    ended: tuple[bool, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """What placing did: where each device belongs, the rows written, and who has another owner."""

    devices: dict[str, Placement] = field(default_factory=dict)
    written: int = 0
    moves: tuple[Move, ...] = ()


def begin(conn: Conn) -> datetime:
    """Wait until nobody else changes the map, and return when this change counts from.

    The lock is held until the caller's transaction ends.

    Raises:
        MapBusy: the other one takes longer than a statement may.
    """
    try:
        conn.execute(SQL["lock"])
    except (psycopg.errors.QueryCanceled, psycopg.errors.LockNotAvailable) as error:
        raise MapBusy(
            "somebody else is changing the map or its devices; nothing was changed",
            remedy="try again in a moment",
        ) from error
    row = conn.execute(SQL["moment"]).fetchone()
    assert row is not None
    at: datetime = row[0]
    return at


def sign(conn: Conn, by: str, reason: str) -> None:
    """Say for the histories of the places who writes until the end of the transaction, and why."""
    conn.execute(SQL["sign"], {"by": by, "reason": reason})


def newest(conn: Conn) -> int | None:
    """Return the number of the map in force, None if there never was one."""
    row = conn.execute(SQL["newest_version"]).fetchone()
    return None if row is None or row[0] is None else int(row[0])


def bring(conn: Conn, at: datetime, spaces: Sequence[Space], gone: Collection[str] = ()) -> Changed:
    """Bring spaces into force and end those that are gone; what is the same is not touched.

    A new outline, parent or kind is a new version of the space, the old one ends; other words are
    corrected in place. Children follow their parent to its new version.

    Raises:
        UsageError: a space would lie in one that has ended, or in one of no higher level.
    """
    _refuse_parentless(conn, spaces, gone)
    found = conn.execute(SQL["compare"], as_json(builtins(spaces))).fetchall()
    known = {row[0] for row in found}
    redrawn = tuple(code for code, _, anew, _, _ in found if anew)
    corrected = tuple(code for code, _, anew, other, _ in found if other and not anew)
    added = tuple(space.code for space in spaces if space.code not in known)
    lost = conn.execute(SQL["in_force"], {"codes": list(gone)}).fetchall()
    before = [Before(code=code) for code in added]
    before += [Before(code=c, space_id=i, facts=f) for c, i, anew, o, f in found if anew or o]
    before += [Before(code=code, space_id=i, facts=facts) for code, i, facts in lost]
    ended = [i for _, i, anew, _, _ in found if anew] + [i for _, i, _ in lost]
    conn.execute(SQL["end_spaces"], {"ids": ended, "at": at})
    begun, reworded = {*added, *redrawn}, set(corrected)
    _insert(conn, at, [space for space in spaces if space.code in begun])
    _correct(conn, [space for space in spaces if space.code in reworded])
    conn.execute(SQL["adopt_children"])
    _refuse_orphans(conn)
    _refuse_misplaced(conn)
    return Changed(
        added=added,
        redrawn=redrawn,
        corrected=corrected,
        gone=tuple(code for code, _, _ in lost),
        before=tuple(before),
    )


def place_standing(
    conn: Conn,
    *,
    devices: list[str] | None = None,
    gateways: list[str] | None = None,
    tolerance_m: float = TOLERANCE_M,
) -> Placed:
    """Place devices and gateways (None: all) in the map in force, and write what is new."""
    grid = grid_in_force(conn)
    everything: list[Move] = []
    here: dict[str, Placement] = {}
    written = 0
    for node, ids in (("gateway", gateways), ("device", devices)):
        if ids == []:
            continue
        standing = standing_of(conn, node, ids)
        places = place(grid, standing.lon, standing.lat, tolerance_m=tolerance_m)
        rows = _differing(standing, places)
        _write(conn, f"place_{node}s", rows)
        everything += moves_of(standing, places)
        if node == "device":
            here, written = dict(zip(standing.ids, places, strict=True)), len(rows)
    return Placed(devices=here, written=written, moves=tuple(everything))


def grid_in_force(conn: Conn) -> Grid:
    """Return the map in force as a grid to place in."""
    rows = conn.execute(SQL["spaces_in_force"]).fetchall()
    codes = [row[0] for row in rows]
    outlines = parse_texts(codes, [row[2] for row in rows])
    return arrange(codes, [SpaceKind(row[1]) for row in rows], outlines)


def standing_of(conn: Conn, node: str, ids: list[str] | None = None) -> Standing:
    """Return where the devices or gateways (None: all) stand and belong."""
    rows = conn.execute(SQL[f"standing_{node}s"], {"ids": ids}).fetchall()
    columns: list[tuple[Any, ...]] = list(zip(*rows, strict=True)) or [()] * 7
    found, lon, lat, codes, hows, notes, ended = columns
    return Standing(
        node=node,
        ids=found,
        lon=np.array(lon, dtype=np.float64),
        lat=np.array(lat, dtype=np.float64),
        codes=codes,
        hows=hows,
        notes=notes,
        ended=ended,
    )


def moves_of(standing: Standing, places: Sequence[Placement]) -> list[Move]:
    """Return who would have another owner; one that was never placed yet has none to lose."""
    return [
        Move(
            node=standing.node,
            node_id=standing.ids[i],
            from_code=standing.codes[i],
            to_code=placement.code,
            how=placement.how,
            note=placement.note,
        )
        for i, placement in enumerate(places)
        if placement.code != standing.codes[i]
    ]


def record(
    conn: Conn, at: datetime, changed: Changed, moves: Iterable[Move], author: Author
) -> int:
    """Keep a change as a version of the map, and return its number."""
    row = conn.execute(SQL["insert_version"], {"at": at, **msgspec.to_builtins(author)}).fetchone()
    assert row is not None
    version = int(row[0])
    rows = [{"code": b.code, "before_id": b.space_id, "before": b.facts} for b in changed.before]
    conn.execute(SQL["insert_changes"], as_json(rows) | {"version": version})
    conn.execute(SQL["insert_moves"], as_json(builtins(moves)) | {"version": version})
    return version


def announce(conn: Conn) -> None:
    """Tell the workers and the API, with the commit, that the registry is another."""
    conn.execute(SQL["announce"])


def builtins(things: Iterable[Any]) -> Rows:
    """Return frozen words as plain rows."""
    return [msgspec.to_builtins(thing) for thing in things]


def as_json(rows: Rows) -> dict[str, Any]:
    """One JSON parameter for any number of rows: one plan and one round trip."""
    return {"rows": msgspec.json.encode(rows).decode()}


def named(codes: Sequence[str]) -> str:
    """Name the first codes and count the rest."""
    more = f" and {len(codes) - MAX_NAMED} more" if len(codes) > MAX_NAMED else ""
    return ", ".join(codes[:MAX_NAMED]) + more


def _insert(conn: Conn, at: datetime, spaces: Sequence[Space]) -> None:
    for kind in SpaceKind:
        level = [space for space in spaces if space.kind is kind]
        if level:
            conn.execute(SQL["insert_spaces"], as_json(builtins(level)) | {"at": at})


def _correct(conn: Conn, spaces: Sequence[Space]) -> None:
    words = ("code", "name", "name_en", "height_m", "source", "frame")
    rows = [{word: getattr(space, word) for word in words} for space in spaces]
    conn.execute(SQL["correct_spaces"], as_json(rows))


def _refuse_parentless(conn: Conn, spaces: Sequence[Space], gone: Collection[str]) -> None:
    parents = {space.parent for space in spaces if space.parent is not None}
    rows = conn.execute(SQL["in_force"], {"codes": list(parents)}).fetchall()
    there = {row[0] for row in rows} - set(gone) | {space.code for space in spaces}
    lost = [f"{s.code} in {s.parent}" for s in spaces if s.parent and s.parent not in there]
    if lost:
        raise UsageError(
            f"spaces would lie in spaces that are not in force: {named(lost)}",
            remedy="bring their parents into force first; nothing was changed",
        )


def _refuse_orphans(conn: Conn) -> None:
    found = conn.execute(SQL["orphans"]).fetchall()
    if found:
        places = named([f"{child} lies in {parent}" for child, parent in found])
        raise UsageError(
            f"spaces would lie in spaces that have ended: {places}",
            remedy="name another parent for them, or let them go too; nothing was changed",
        )


def _refuse_misplaced(conn: Conn) -> None:
    """Also what is not changed may be wrong now: the level of its parent can be another one."""
    found = conn.execute(SQL["misplaced"], {"levels": [str(k) for k in SpaceKind]}).fetchall()
    if found:
        places = named(
            [f"{kind} {code} in {above} {parent}" for code, kind, parent, above in found]
        )
        raise UsageError(
            f"spaces would lie in spaces of no higher level: {places}",
            remedy="name another parent for them, or keep the level; nothing was changed",
        )


def _write(conn: Conn, name: str, rows: Rows) -> None:
    """Run a statement that joins rows with a table, and with the histories behind it."""
    if len(rows) <= FEW:
        conn.execute(SQL[name], as_json(rows))
        return
    conn.execute(SQL["join_in_bulk"])
    conn.execute(SQL[name], as_json(rows))
    conn.execute(SQL["join_as_usual"])


def _differing(standing: Standing, places: Sequence[Placement]) -> Rows:
    """Rows whose placement is another one, or whose space has a new version."""
    with_words = standing.node == "device"
    return [
        {"id": standing.ids[i], "code": p.code, "how": p.how, "note": p.note}
        for i, p in enumerate(places)
        if standing.ended[i]
        or p.code != standing.codes[i]
        or (with_words and (p.how, p.note) != (standing.hows[i], standing.notes[i]))
    ]
