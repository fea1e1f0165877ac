"""Surveyed surfaces in the database: taken in, found, and made into terrain again.

Files are read by ``geodata.mesh.survey``; frames are ``geodata.frames``' business. Everything here
is synchronous: commands call it as it is, the API in a thread.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from core.db.queries import load
from core.errors import UsageError
from geodata.frames import Frame
from geodata.mesh import survey
from geodata.mesh.plane import FARTHEST_DEG, plane_at
from geodata.mesh.scene import Terrain
from geodata.mesh.survey import Survey
from geodata.mesh.volume import Change, change
from geodata.mesh.words import Finding, MeshRefused, Weight

SQL = load("twin.scenes", "store.sql")

Conn = psycopg.Connection[Any]
Row = dict[str, Any]

MAX_LISTED = 1000
HIDDEN = ("points", "points_format", "row_count", "column_count")
"""Columns that are no answer but its matter."""


class SurfaceUnknown(UsageError):
    """No survey has this id."""


class SpaceUnknown(UsageError):
    """No space in force has this code."""


class NoTerrain(UsageError):
    """The survey, or two of them, cannot give what was asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """What is declared of a survey; nothing of it can be told from the file.

    Attributes:
        space: code of the space it lies in.
        height_datum: what heights are counted from, in the surveyor's words.
        source: who measured, under which licence, or "synthetic".
    """

    name: str
    space: str
    surveyed_at: datetime
    height_datum: str
    source: str
    file_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What an import came to.

    Attributes:
        row: the survey as it is listed.
        known: the same file was there already, declared the same; nothing was changed.
    """

    row: Row
    findings: tuple[Finding, ...]
    known: bool


def take(
    conn: Conn, data: bytes, frame: Frame, deed: Deed, *, actor: str, dry_run: bool = False
) -> Taken:
    """Read a survey file and keep it, in one transaction; with ``dry_run`` only say what is in it.

    Raises:
        UsageError: nothing can be made of it; nothing is kept.
    """
    try:
        found = survey.read(data, deed.file_name)
        row, findings = _made(found, frame, deed, hashlib.sha256(data).hexdigest())
    except MeshRefused as error:
        said = str(error)
        named = said if deed.file_name in said else f"{deed.file_name}: {said}"
        raise UsageError(
            named, remedy="nothing was kept; mend the file or its declaration"
        ) from error
    row["imported_by"] = actor
    with conn.transaction():
        space = one(conn, "space", code=deed.space)
        if space is None:
            raise SpaceUnknown(
                f"there is no space {deed.space!r}", remedy="look at: blocktwin district list"
            )
        row["space_id"] = space["space_id"]
        known = one(conn, "surface", surface=row["surface_id"]) is not None
        if not known and not dry_run:
            conn.execute(SQL["insert_surface"], row)
    shown = {key: value for key, value in row.items() if key not in (*HIDDEN, "space_id", "report")}
    return Taken(row=shown | {"space": deed.space}, findings=findings, known=known)


def listed(conn: Conn, space: str | None = None) -> list[Row]:
    """Return the surveys, the newest first."""
    return rows(conn, "surfaces", code=space, limit=MAX_LISTED)


def surface(conn: Conn, surface_id: str) -> Row:
    """Return a survey with its points.

    Raises:
        SurfaceUnknown: there is none.
    """
    found = one(conn, "surface", surface=surface_id)
    if found is None:
        raise SurfaceUnknown(
            f"there is no surface {surface_id!r}", remedy="look at: blocktwin mesh surface list"
        )
    return found


def remove(conn: Conn, surface_id: str, *, dry_run: bool) -> Row:
    """Delete a survey; with ``dry_run`` only return which one it would be.

    Raises:
        SurfaceUnknown: there is none.
    """
    with conn.transaction():
        found = surface(conn, surface_id)
        if not dry_run:
            conn.execute(SQL["delete_surface"], {"surface": surface_id})
    return {key: value for key, value in found.items() if key not in HIDDEN}


def terrain(row: Row) -> Terrain:
    """Return a stored survey as terrain.

    Raises:
        MeshRefused: its points cannot be read.
    """
    points = survey.unpacked(bytes(row["points"]), row["point_count"])
    shape = (row["row_count"], row["column_count"]) if row["row_count"] is not None else None
    return Terrain(surface_id=row["surface_id"], points=points, shape=shape)


def volume(conn: Conn, before: str, after: str, *, least_m: float = 0.0) -> tuple[Row, Row, Change]:
    """Compare two surveys; return both and what changed.

    Raises:
        SurfaceUnknown: one is not there.
        NoTerrain: they have no ground in common, or heights of different datums.
    """
    one_, other = surface(conn, before), surface(conn, after)
    if one_["height_datum"] != other["height_datum"]:
        raise NoTerrain(
            f"{before} counts heights from {one_['height_datum']!r}, {after} from "
            f"{other['height_datum']!r}: their difference is no change of the ground",
            remedy="import one of them again in the other's datum",
        )
    first, second = terrain(one_), terrain(other)
    finite = first.points[np.isfinite(first.points[:, 2])]
    plane = plane_at(finite[:, :2])
    try:
        return one_, other, change(first.on(plane).mesh, second.on(plane).mesh, least_m=least_m)
    except MeshRefused as error:
        raise NoTerrain(f"{before} and {after}: {error}") from error


def rows(conn: Conn, name: str, **parameters: Any) -> list[Row]:
    """Run a statement of ``store.sql`` and return its rows."""
    with conn.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(SQL[name], parameters).fetchall()


def one(conn: Conn, name: str, **parameters: Any) -> Row | None:
    """Return the first row of a statement, None if there is none."""
    found = rows(conn, name, **parameters)
    return found[0] if found else None


def _made(found: Survey, frame: Frame, deed: Deed, sha256: str) -> tuple[Row, tuple[Finding, ...]]:
    """Make the surface once, to know that it can be, and return the row to keep."""
    points = found.points.copy()
    finite_xy = np.isfinite(points[:, :2]).all(axis=1)
    points[finite_xy, :2] = frame.to_degrees(points[finite_xy, :2])
    finite = points[np.isfinite(points).all(axis=1)]
    _require_on_earth(finite, frame)
    shape = found.shape
    held = Terrain(surface_id="", points=points, shape=shape)
    made = held.on(plane_at(finite[:, :2]))
    findings = (*found.findings, *_upside_down(finite), *made.findings)
    west, south, lowest = finite.min(axis=0).tolist()
    east, north, highest = finite.max(axis=0).tolist()
    row = {
        "surface_id": _surface_id(sha256, frame, deed),
        "name": deed.name,
        "surveyed_at": deed.surveyed_at,
        "kind": str(found.kind),
        "frame": frame.name,
        "height_datum": deed.height_datum,
        "source": deed.source,
        "file_name": deed.file_name,
        "file_sha256": sha256,
        "points_format": survey.POINTS_FORMAT,
        "points": survey.packed(points),
        "point_count": len(points),
        "row_count": shape[0] if shape else None,
        "column_count": shape[1] if shape else None,
        "facet_count": len(made.mesh.faces),
        "area_m2": made.area_m2,
        "west": west,
        "south": south,
        "east": east,
        "north": north,
        "lowest_m": lowest,
        "highest_m": highest,
        "report": Jsonb([finding.word() for finding in findings]),
    }
    return row, findings


def _surface_id(sha256: str, frame: Frame, deed: Deed) -> str:
    """The same file declared the same is the same survey."""
    said = (sha256, frame.name, deed.space, deed.surveyed_at.isoformat(), deed.height_datum)
    return f"survey-{hashlib.sha256(repr(said).encode()).hexdigest()[:12]}"


def _require_on_earth(points: Any, frame: Frame) -> None:
    if not len(points):
        raise MeshRefused("no point has three numbers")
    low, high = points.min(axis=0), points.max(axis=0)
    if (abs(low[:2]) > (180, 90)).any() or (abs(high[:2]) > (180, 90)).any():
        raise MeshRefused(
            f"read as {frame.name} it reaches from ({low[0]:.3f}, {low[1]:.3f}) to ({high[0]:.3f}, "
            f"{high[1]:.3f}) degrees, which is no place: is the frame declared right?"
        )
    if (high[:2] - low[:2] > FARTHEST_DEG).any():
        raise MeshRefused(
            f"it is {max(high[:2] - low[:2]):.2f} degrees wide: that is no slope; cut it"
        )


def _upside_down(points: Any) -> tuple[Finding, ...]:
    """Notice heights that no slope of this country has."""
    low, high = float(points[:, 2].min()), float(points[:, 2].max())
    if low >= -200 and high <= 9000:
        return ()
    detail = f"heights from {low:.0f} to {high:.0f} m: are they metres?"
    return (Finding(kind="heights", weight=Weight.WARNING, detail=detail, count=len(points)),)
