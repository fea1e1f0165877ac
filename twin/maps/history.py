"""The line of map versions: look at it, and roll one back by bringing back what was before it."""

from __future__ import annotations

import json
from typing import Any

from psycopg.rows import dict_row

from core.model import Space, SpaceKind
from twin import versions
from twin.maps.in_force import SQL, Conn
from twin.maps.proposals import Applied, applied
from twin.maps.refusals import NoSuchVersion, NotPossible
from twin.versions import Author

Row = dict[str, Any]


def listed(conn: Conn, *, limit: int = 100) -> list[Row]:
    """Return the versions, the newest first, with how much each changed."""
    with conn.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(SQL["versions"], {"id": None, "limit": limit}).fetchall()


def show(conn: Conn, version: int) -> Row:
    """Return a version with what it did to each code and who got another owner.

    Raises:
        NoSuchVersion: there is none of that number.
    """
    with conn.cursor(row_factory=dict_row) as cursor:
        found = cursor.execute(SQL["versions"], {"id": version, "limit": 1}).fetchone()
        if found is None:
            raise _unknown(version)
        changes = cursor.execute(SQL["changes"], {"id": version}).fetchall()
        moves = cursor.execute(SQL["moves"], {"id": version}).fetchall()
    return found | {"changes": changes, "moves": moves}


def rollback(
    conn: Conn, version: int, *, by: str, note: str = "", dry_run: bool = False
) -> Applied:
    """Bring what was in force before a version into force again, as a new version.

    Older versions than the newest can be rolled back as long as no later one changed the same
    codes. In a dry run all of it is taken back.

    Raises:
        NoSuchVersion: there is none of that number.
        NotPossible: later versions changed the same codes, which are named; or it is the map as
            it was when versions began, and nobody knows what was before it.
        UsageError: a space would lie in one that is not in force.
    """
    with conn.transaction(force_rollback=dry_run):
        at = versions.begin(conn)
        _refuse_first(version, show(conn, version)["source"])
        _refuse_overtaken(conn, version)
        before = conn.execute(SQL["state_before"], {"id": version}).fetchall()
        spaces = [_space(*row) for row in before if row[1] is not None]
        gone = [code for code, facts, _ in before if facts is None]
        versions.sign(conn, by, f"rollback of map version {version}")
        changed = versions.bring(conn, at, spaces, gone)
        moves = versions.place_standing(conn).moves
        author = Author(by=by, source="rollback", undoes=version, note=note)
        number = versions.record(conn, at, changed, moves, author)
        versions.announce(conn)
    return applied(number, changed, moves)


def _space(code: str, facts: Row, outline: str) -> Space:
    kind = SpaceKind(facts["kind"])
    return Space(code=code, outline=json.loads(outline), **(facts | {"kind": kind}))


def _refuse_first(version: int, source: str) -> None:
    if source == "before versions":
        raise NotPossible(
            f"version {version} is the map as it was when versions began to be kept; what was in "
            "force before it is not known",
            remedy="import the map that should be in force, look at what it changes, and apply it",
        )


def _refuse_overtaken(conn: Conn, version: int) -> None:
    later = conn.execute(SQL["touched_later"], {"id": version}).fetchall()
    if later:
        codes = versions.named([f"{code} (version {number})" for code, number in later])
        raise NotPossible(
            f"version {version} cannot be rolled back: later versions changed {codes}",
            remedy="roll those back first, the newest first",
        )


def _unknown(version: int) -> NoSuchVersion:
    return NoSuchVersion(
        f"there is no map version {version}", remedy="see them: blocktwin map versions"
    )
