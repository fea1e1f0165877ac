"""Proposals, applications and versions as text for the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

Row = dict[str, Any]

SHOWN = 20
"""Lines of one list; the rest are counted, ``--json`` has all."""

COUNTED = ("added", "redrawn", "changed", "gone", "same")


def proposal(row: Row) -> Iterator[str]:
    """Yield a proposal: where it came from, the report, the diff, who moves, what to do next."""
    yield from head(row)
    yield from findings(row["findings"])
    yield from diff(row["diff"])
    yield from moves(row["moves"])
    yield from following(row)


def head(row: Row) -> Iterator[str]:
    """Yield who made a proposal of what."""
    file = row["file"]
    origin = f", {file['origin']}" if file["origin"] else ""
    title = f"proposal {row['proposal_id']} ({row['state']})"
    yield (
        f"{title if row['proposal_id'] else 'dry run, nothing is kept,'} by {row['made_by']},"
        f" {row['made_at']:%Y-%m-%d %H:%M} UTC"
    )
    yield (
        f"  {file['name']}: {file['driver']}, {file['encoding']}, {file['frame']},"
        f" {file['size']:,} bytes, SHA-256 {file['sha256'][:16]}…{origin}"
    )
    whole = "a part of the map: nothing ends" if row["partial"] else "a whole map"
    within = f" of {row['within']}" if row["within"] else ""
    yield f"  {whole}{within}; compared with map version {row['against'] or 'none'}"


def findings(rows: Sequence[Row]) -> Iterator[str]:
    """Yield a report: each finding with its place and what would mend it."""
    weights = [row["weight"] for row in rows]
    yield (
        f"report: {weights.count('error')} errors, {weights.count('warning')} warnings,"
        f" {weights.count('note')} notes"
    )
    for row in rows[:SHOWN]:
        where = f" ({row['where']})" if row["where"] else ""
        yield f"  {row['weight']}: {row['kind']}: {row['detail']}{where}"
        if row["mend"]:
            yield f"      {row['mend']}"
    yield from _rest(rows)


def diff(facts: Row) -> Iterator[str]:
    """Yield what a map changes."""
    counts = facts["counts"]
    yield "diff: " + ", ".join(f"{counts[word]:,} {word}" for word in COUNTED)
    lines = [f"  + {code}" for code in facts["added"]]
    lines += [
        f"  ~ {one['code']}  {one['area_before_m2']:,.0f} -> {one['area_after_m2']:,.0f} m2,"
        f" border moved up to {one['shift_m']:.2f} m"
        for one in facts["redrawn"]
    ]
    lines += [
        f"  ~ {one['code']}  {one['field']}: {one['before']!r} -> {one['after']!r}"
        for one in facts["changed"]
    ]
    lines += [f"  - {code}" for code in facts["gone"]]
    yield from lines[:SHOWN]
    yield from _rest(lines)


def moves(rows: Sequence[Row]) -> Iterator[str]:
    """Yield who gets another owner."""
    nodes = [row["node"] for row in rows]
    yield (
        f"moves: {nodes.count('device')} devices and {nodes.count('gateway')} gateways"
        " get another owner"
    )
    for row in rows[:SHOWN]:
        note = f" ({row['note']})" if row["note"] else ""
        yield (
            f"  {row['node_id']}  {row['from_code'] or 'nowhere'} -> "
            f"{row['to_code'] or 'nowhere'}, {row['how']}{note}"
        )
    yield from _rest(rows)


def following(row: Row) -> Iterator[str]:
    """Yield what can be done with a proposal."""
    number = row["proposal_id"]
    if number is None:
        return
    if row["state"] != "open":
        by = f" by {row['settled_by']}" if row["settled_by"] else ""
        more = f", as version {row['version_id']}" if row["version_id"] else ""
        more += f", by proposal {row['replaced_by']}" if row["replaced_by"] else ""
        yield f"{row['state']}{by}{more}"
    elif row["errors"]:
        yield "it cannot be applied: repair the file and import it again"
    elif not row["current"]:
        yield f"the map changed since; compare anew: blocktwin map diff {number} --again"
    elif row["warnings"]:
        yield f"when the warnings are right: blocktwin map apply {number} --accept-warnings"
    else:
        yield f"next: blocktwin map apply {number}"


def applied(row: Row) -> Iterator[str]:
    """Yield what an application or a rollback did."""
    verb = "would be" if row["dry_run"] else "is"
    yield (
        f"map version {row['version']} {verb} in force: {len(row['added'])} added,"
        f" {len(row['redrawn'])} redrawn, {len(row['corrected'])} corrected,"
        f" {len(row['gone'])} gone; {len(row['moves'])} devices and"
        f" {len(row['gateway_moves'])} gateways have another owner"
    )
    if row["dry_run"]:
        yield "dry run: nothing was changed"


def proposals(rows: Iterable[Row]) -> Iterator[str]:
    """Yield one line for each proposal."""
    for row in rows:
        counts = " ".join(f"{word} {row['counts'][word]}" for word in COUNTED)
        old = "" if row["current"] or row["state"] != "open" else "  outdated"
        yield (
            f"{row['proposal_id']:5}  {row['state']:10} {row['made_at']:%Y-%m-%d %H:%M}"
            f"  {row['made_by']:12} {row['file']['name']}  {counts}  moves {row['moves']}"
            f"  errors {row['errors']} warnings {row['warnings']}{old}"
        )


def versions(rows: Iterable[Row]) -> Iterator[str]:
    """Yield one line for each version."""
    for row in rows:
        of = {
            "proposal": f"proposal {row['proposal_id']}, {row['file']}",
            "rollback": f"rollback of {row['undoes']}",
        }.get(row["source"], row["source"])
        note = f"  {row['note']}" if row["note"] else ""
        yield (
            f"{row['version_id']:5}  {row['applied_at']:%Y-%m-%d %H:%M}  {row['applied_by']:12}"
            f" {of}: +{row['added']} ~{row['redrawn']} corrected {row['corrected']} -{row['gone']},"
            f" {row['moves']} moves{note}"
        )


def _rest(rows: Sequence[object]) -> Iterator[str]:
    if len(rows) > SHOWN:
        yield f"  … and {len(rows) - SHOWN} more; --json has all"
