"""Proposals: a map is checked, compared and kept; a person decides; then it is applied whole.

Everything but writing is done without the lock, so that a large file holds nobody up. What was
judged against another map than the one in force is not applied: ``again`` judges it anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
import psycopg
from psycopg.rows import dict_row

from core.errors import UsageError
from geodata.maps.model import Finding, MapContent, Source, Weight
from geodata.placement import TOLERANCE_M, place
from twin import versions
from twin.maps import columns, in_force, judge, plan
from twin.maps.in_force import SQL, Conn, InForce
from twin.maps.refusals import NoSuchProposal, NotPossible
from twin.versions import NODES, Author, Move

Tell = Callable[[str], None]
Row = dict[str, Any]

LISTED = 1000
"""Proposals or versions in one list."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """What an application or a rollback did, or in a dry run would do.

    Attributes:
        version: its number.
        added, redrawn, corrected, gone: codes.
        moves: who has another owner.
    """

    version: int
    added: tuple[str, ...]
    redrawn: tuple[str, ...]
    corrected: tuple[str, ...]
    gone: tuple[str, ...]
    moves: tuple[Move, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A map that was judged and is not kept yet; ``current`` is what it was compared with."""

    source: Source
    partial: bool
    within: str | None
    judged: judge.Judged
    current: InForce
    moves: tuple[Move, ...]


def silent(_text: str) -> None:
    """Tell nobody how far it is."""


def propose(
    conn: Conn,
    content: MapContent,
    *,
    partial: bool,
    by: str,
    within: str | None = None,
    note: str = "",
    tell: Tell = silent,
) -> int:
    """Judge a map against the one in force and keep it as an open proposal; return its number.

    Args:
        conn: an autocommit connection, outside a transaction.
        partial: the file is a part of the map; nothing that it lacks is gone.
        within: code of the space that the map is of; only what lies in it can go.
    """
    return keep(conn, draft(conn, content, partial=partial, within=within, tell=tell), by, note)


def draft(
    conn: Conn,
    content: MapContent,
    *,
    partial: bool,
    within: str | None = None,
    tell: Tell = silent,
) -> Draft:
    """Judge a map as ``propose`` does, and keep nothing."""
    with conn.transaction():
        conn.execute(SQL["one_snapshot"])
        current = in_force.read(conn)
        standing = [versions.standing_of(conn, node) for node in NODES]
    tell(f"checking {len(content.cells):,} cells against {len(current.cells):,} in force")
    judged = judge.judge(content, current, partial=partial, within=within)
    tell(f"placing {sum(len(each.ids) for each in standing):,} devices and gateways")
    grid = plan.would_be(judged.plan, current)
    moves: list[Move] = []
    for each in standing:
        places = place(grid, each.lon, each.lat, tolerance_m=TOLERANCE_M)
        moves += versions.moves_of(each, places)
    return Draft(
        source=content.source,
        partial=partial,
        within=within,
        judged=judged,
        current=current,
        moves=tuple(moves),
    )


def keep(conn: Conn, made: Draft, by: str, note: str = "") -> int:
    """Keep a draft as an open proposal, and return its number."""
    judged = made.judged
    row = {
        "made_by": by,
        "note": note,
        "file": _json(made.source),
        "partial": made.partial,
        "within": made.within,
        "against": made.current.version,
        "cells": columns.pack(judged.given, judged.cells.parents),
        "findings": _json(judged.report),
        "diff": _json(judged.facts),
        "moves": _json(made.moves),
        **_weights(judged.findings),
    }
    return int(_one(conn.execute(SQL["insert_proposal"], row))[0])


def preview(made: Draft, by: str, note: str, at: datetime) -> Row:
    """Return what ``show`` would of a draft, had it been kept."""
    version = made.current.version
    empty = ("settled_at", "settled_by", "version_id", "replaced_by", "proposal_id")
    return dict.fromkeys(empty) | {
        "state": "open",
        "made_at": at,
        "made_by": by,
        "note": note,
        "settled_note": "",
        "file": msgspec.to_builtins(made.source),
        "partial": made.partial,
        "within": made.within,
        "against": version,
        "in_force": version,
        "current": True,
        "findings": list(made.judged.report),
        "diff": made.judged.facts,
        "moves": msgspec.to_builtins(made.moves),
        **_weights(made.judged.findings),
    }


def show(conn: Conn, proposal_id: int) -> Row:
    """Return a proposal with its report, diff and moves.

    Raises:
        NoSuchProposal: there is none of that number.
    """
    with conn.cursor(row_factory=dict_row) as cursor:
        found = cursor.execute(SQL["proposal"], {"id": proposal_id}).fetchone()
    if found is None:
        raise _unknown(proposal_id)
    return _with_currency(found)


def listed(conn: Conn, *, state: str | None = None, limit: int = 100) -> list[Row]:
    """Return proposals, the newest first, without their reports."""
    with conn.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(SQL["proposals"], {"state": state, "limit": limit}).fetchall()
    return [_with_currency(row) for row in rows]


def content_of(conn: Conn, proposal_id: int) -> MapContent:
    """Return the map of a proposal as it was delivered.

    Raises:
        NoSuchProposal: there is none of that number.
    """
    found = show(conn, proposal_id)
    packed = _one(conn.execute(SQL["proposal_cells"], {"id": proposal_id}))[0]
    return MapContent(
        cells=columns.unpack(packed, as_given=True),
        source=judge.source_of(found["file"]),
        findings=judge.of_reading(found["findings"]),
    )


def judged_of(conn: Conn, proposal_id: int) -> tuple[judge.Judged, InForce]:
    """Return the judgement of a proposal against the map in force now, and that map.

    Raises:
        NoSuchProposal: there is none of that number.
    """
    found = show(conn, proposal_id)
    current = in_force.read(conn)
    judged = judge.judge(
        content_of(conn, proposal_id), current, partial=found["partial"], within=found["within"]
    )
    return judged, current


def again(conn: Conn, proposal_id: int, *, by: str, tell: Tell = silent) -> int:
    """Judge an open proposal against the map in force now; the new one takes its place.

    Raises:
        NoSuchProposal: there is none of that number.
        NotPossible: it is not open any more.
    """
    found = show(conn, proposal_id)
    _refuse_settled(proposal_id, found["state"])
    content = content_of(conn, proposal_id)
    made = draft(conn, content, partial=found["partial"], within=found["within"], tell=tell)
    with conn.transaction():
        _refuse_settled(proposal_id, _locked(conn, proposal_id)["state"])
        new = keep(conn, made, by, found["note"])
        _settle(conn, proposal_id, "superseded", by, replaced_by=new)
    return new


def withdraw(conn: Conn, proposal_id: int, *, by: str, note: str = "") -> None:
    """Take an open proposal back.

    Raises:
        NoSuchProposal: there is none of that number.
        NotPossible: it is not open any more.
    """
    with conn.transaction():
        _refuse_settled(proposal_id, _locked(conn, proposal_id)["state"])
        _settle(conn, proposal_id, "withdrawn", by, note=note)


def apply(
    conn: Conn,
    proposal_id: int,
    *,
    by: str,
    note: str = "",
    accept_warnings: bool = False,
    dry_run: bool = False,
) -> Applied:
    """Bring an open proposal into force in one transaction; in a dry run, take all of it back.

    Raises:
        NoSuchProposal: there is none of that number.
        NotPossible: it is settled, has errors, has warnings that nobody accepted, or was judged
            against another map than the one in force.
    """
    with conn.transaction(force_rollback=dry_run):
        at = versions.begin(conn)
        found = _locked(conn, proposal_id)
        _refuse_settled(proposal_id, found["state"])
        _refuse_faulty(proposal_id, found, accept_warnings=accept_warnings)
        _refuse_outdated(proposal_id, found["against"], versions.newest(conn))
        proposal, current = show(conn, proposal_id), in_force.read(conn)
        packed = _one(conn.execute(SQL["proposal_cells"], {"id": proposal_id}))[0]
        planned = plan.make(
            judge.completed(columns.unpack(packed), current),
            judge.touched_of(proposal["diff"]),
            judge.source_of(proposal["file"]),
            current,
        )
        _refuse_impossible(planned.findings)
        versions.sign(conn, by, f"map proposal {proposal_id}")
        changed = versions.bring(conn, at, planned.spaces, planned.gone)
        moves = versions.place_standing(conn).moves
        author = Author(by=by, source="proposal", note=note)
        version = versions.record(conn, at, changed, moves, author)
        _settle(conn, proposal_id, "applied", by, note=note, version=version)
        versions.announce(conn)
    return applied(version, changed, moves)


def applied(version: int, changed: versions.Changed, moves: Iterable[Move]) -> Applied:
    """Return what a version did."""
    return Applied(
        version=version,
        added=changed.added,
        redrawn=changed.redrawn,
        corrected=changed.corrected,
        gone=changed.gone,
        moves=tuple(moves),
    )


def _weights(findings: Iterable[Finding]) -> dict[str, int]:
    weights = [finding.weight for finding in findings]
    return {"errors": weights.count(Weight.ERROR), "warnings": weights.count(Weight.WARNING)}


def _with_currency(row: Row) -> Row:
    return row | {"current": row["against"] == row["in_force"]}


def _locked(conn: Conn, proposal_id: int) -> Row:
    with conn.cursor(row_factory=dict_row) as cursor:
        found = cursor.execute(SQL["lock_proposal"], {"id": proposal_id}).fetchone()
    if found is None:
        raise _unknown(proposal_id)
    return found


def _settle(
    conn: Conn,
    proposal_id: int,
    state: str,
    by: str,
    *,
    note: str = "",
    version: int | None = None,
    replaced_by: int | None = None,
) -> None:
    words = {"state": state, "by": by, "note": note, "version": version}
    conn.execute(SQL["settle"], words | {"id": proposal_id, "replaced_by": replaced_by})


def _unknown(proposal_id: int) -> NoSuchProposal:
    return NoSuchProposal(
        f"there is no map proposal {proposal_id}", remedy="see them: blocktwin map list"
    )


def _refuse_settled(proposal_id: int, state: str) -> None:
    if state != "open":
        raise NotPossible(
            f"proposal {proposal_id} is {state} already", remedy="import the file again"
        )


def _refuse_faulty(proposal_id: int, found: Row, *, accept_warnings: bool) -> None:
    if found["errors"]:
        raise NotPossible(
            f"the report of proposal {proposal_id} has {found['errors']} errors",
            remedy="repair the file as the report says, and import it again",
        )
    if found["warnings"] and not accept_warnings:
        raise NotPossible(
            f"the report of proposal {proposal_id} has {found['warnings']} warnings that nobody "
            "has accepted",
            remedy="look at them; if they are right, apply it with --accept-warnings "
            '({"accept_warnings": true})',
        )


def _refuse_outdated(proposal_id: int, against: int | None, newest: int | None) -> None:
    if against != newest:
        raise NotPossible(
            f"proposal {proposal_id} was compared with map version {against or 'none'}, and "
            f"version {newest} is in force now",
            remedy=f"compare it anew: blocktwin map diff {proposal_id} --again "
            f"(POST /api/v1/maps/proposals/{proposal_id}/again), look, and apply the new one",
        )


def _refuse_impossible(findings: Iterable[Finding]) -> None:
    for finding in findings:
        if finding.weight is Weight.ERROR:
            raise NotPossible(finding.detail, remedy=finding.mend)


def _json(content: Any) -> str:
    return msgspec.json.encode(content).decode()


def _one(cursor: psycopg.Cursor[Any]) -> Any:
    row = cursor.fetchone()
    if row is None:
        raise UsageError("the row is gone", remedy="ask again")
    return row
