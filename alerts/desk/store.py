"""What the desk reads of alarms and events, and writes of verdicts and incidents."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import Connection
from psycopg.rows import class_row, dict_row

from alerts.desk.flaps import DESK
from alerts.desk.incidents import Incident, Names
from alerts.desk.nouns import Standing, Told, Verdict
from alerts.desk.suppress import WITHOUT_POWER, Above
from alerts.desk.verdicts import Sayings, Subject
from core.db.queries import load

SQL = load("alerts.desk", "store.sql")

Conn = Connection[Any]

MOST_SUSPECTS = 20_000
"""Open alarms looked at when a cause comes after its consequences; more stay visible."""

MOST_RECENT = 5_000
"""Incidents of late that an alarm may join."""

_STEPS = 32
"""How far a network is followed upwards."""

_PLACES_KEPT = 50_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Fresh:
    """An event that was not looked at yet."""

    event_id: int
    alarm_id: UUID
    kind: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """How far the desk has come: events looked at, and events all judged up to."""

    looked: int
    judged: int


@dataclass(frozen=True, slots=True)
class Places:
    """Lineages of spaces, kept because a version of a space never changes."""

    lineages: dict[int, tuple[tuple[str, ...], tuple[str, ...]]] = field(default_factory=dict)

    def learn(self, conn: Conn, spaces: Iterable[int | None]) -> None:
        """Read the lineages that are not known yet."""
        wanted = [one for one in set(spaces) if one is not None and one not in self.lineages]
        if not wanted:
            return
        if len(self.lineages) > _PLACES_KEPT:
            self.lineages.clear()
        for start, codes, kinds in conn.execute(SQL["lineages"], {"spaces": wanted}):
            self.lineages[start] = (tuple(codes), tuple(kinds))

    def codes(self, space: int | None) -> tuple[str, ...]:
        """Return the codes from the district down to a space; empty if there is none."""
        return self.lineages.get(space, ((), ()))[0] if space is not None else ()

    def block(self, space: int | None, duty: str, gateway: str | None) -> str | None:
        """Return by what alarms of this place and field are joined, see ``Standing.block``."""
        if duty == "system" and gateway is not None:
            return f"gateway:{gateway}"
        codes, kinds = self.lineages.get(space, ((), ())) if space is not None else ((), ())
        blocks = [code for code, kind in zip(codes, kinds, strict=True) if kind == "block"]
        return blocks[-1] if blocks else (codes[-1] if codes else None)


def claim(conn: Conn) -> bool:
    """Become the one desk, on this connection; False if another one is at work."""
    row = conn.execute(SQL["lock"]).fetchone()
    return bool(row and row[0])


def mark(conn: Conn) -> Mark:
    """Return how far the desk has come; the first time it begins with what comes next."""
    conn.execute(SQL["begin"])
    with conn.cursor(row_factory=class_row(Mark)) as cursor:
        found = cursor.execute(SQL["mark"]).fetchone()
    assert found is not None  # begun above
    return found


def fresh(conn: Conn, after: int, batch: int) -> list[Fresh]:
    """Return the next events after a number."""
    with conn.cursor(row_factory=class_row(Fresh)) as cursor:
        return cursor.execute(SQL["fresh"], {"after": after, "batch": batch}).fetchall()


def unjudged(conn: Conn, after: int, upto: int) -> list[Told]:
    """Return the events up to a number that have no verdict."""
    with conn.cursor(row_factory=class_row(Told)) as cursor:
        return cursor.execute(SQL["unjudged"], {"after": after, "upto": upto}).fetchall()


def due(conn: Conn, now: datetime, batch: int) -> list[Told]:
    """Return held events that are to be looked at again by now."""
    with conn.cursor(row_factory=class_row(Told)) as cursor:
        return cursor.execute(SQL["due"], {"now": now, "batch": batch}).fetchall()


def next_recheck(conn: Conn) -> datetime | None:
    """Return when the next held event is to be looked at again."""
    row = conn.execute(SQL["next_recheck"]).fetchone()
    return row[0] if row else None


def history(
    conn: Conn, subjects: Collection[Subject], since: datetime
) -> dict[Subject, list[Told]]:
    """Return the later events of some (rule, subject), oldest first."""
    parameters = {
        "rules": [rule for rule, _ in subjects],
        "subjects": [subject for _, subject in subjects],
        "since": since,
    }
    found: dict[Subject, list[Told]] = defaultdict(list)
    with conn.cursor(row_factory=class_row(Told)) as cursor:
        for event in cursor.execute(SQL["history"], parameters):
            found[event.rule_id, event.subject].append(event)
    return found


def standing(conn: Conn, alarms: Iterable[UUID], places: Places) -> dict[UUID, Standing]:
    """Return some alarms as they stand."""
    wanted = sorted(set(alarms))
    if not wanted:
        return {}
    with conn.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(SQL["standing"], {"alarms": wanted}).fetchall()
    places.learn(conn, (row["space_id"] for row in rows))
    return {row["alarm_id"]: _standing(row, places) for row in rows}


def open_on(conn: Conn, subjects: Collection[str]) -> list[UUID]:
    """Return the ids of the open alarms on some subjects."""
    found = conn.execute(SQL["open_on"], {"subjects": list(subjects)})
    return [row[0] for row in found]


def suspects(conn: Conn, consequences: Iterable[str]) -> list[UUID]:
    """Return the ids of visible alarms that something may explain."""
    parameters = {
        "types": sorted(WITHOUT_POWER),
        "consequences": list(consequences),
        "most": MOST_SUSPECTS,
    }
    return [row[0] for row in conn.execute(SQL["suspects"], parameters)]


def above(conn: Conn, refs: Collection[str], kinds: Sequence[str]) -> dict[str, list[Above]]:
    """Return what some subjects depend on, as far as an open alarm stands on it."""
    found: dict[str, list[Above]] = defaultdict(list)
    parameters = {"refs": list(refs), "kinds": list(kinds), "steps": _STEPS}
    for child, ref, kind, steps in conn.execute(SQL["above"], parameters):
        found[child].append(Above(ref=ref, relation=kind, steps=steps))
    return found


def shown_by_hand(conn: Conn, alarms: Iterable[UUID]) -> set[UUID]:
    """Return those of some alarms that a person wants to see though they are consequences."""
    found = conn.execute(SQL["shown_by_hand"], {"alarms": list(alarms), "desk": DESK})
    return {row[0] for row in found}


def orphans(conn: Conn, before: datetime, batch: int) -> list[UUID]:
    """Return the ids of alarms whose cause was over by a time."""
    found = conn.execute(SQL["orphans"], {"before": before, "batch": batch})
    return [row[0] for row in found]


def recent(conn: Conn, since: datetime) -> list[Incident]:
    """Return the incidents that an alarm may join."""
    return _incidents(conn, "recent_incidents", {"since": since, "most": MOST_RECENT})


def incidents(conn: Conn, ids: Iterable[UUID]) -> dict[UUID, Incident]:
    """Return some incidents."""
    found = _incidents(conn, "incidents", {"incidents": list(ids)})
    return {one.incident_id: one for one in found}


def members(conn: Conn, ids: Iterable[UUID]) -> dict[UUID, dict[UUID, datetime]]:
    """Return for some incidents their alarms, each with our clock when it last got worse."""
    found: dict[UUID, dict[UUID, datetime]] = defaultdict(dict)
    for incident, alarm, at in conn.execute(SQL["members"], {"incidents": list(ids)}):
        found[incident][alarm] = at
    return found


def put_members(conn: Conn, joined: Mapping[UUID, UUID], now: datetime) -> None:
    """Write which alarm belongs to which incident."""
    parameters = {"alarms": list(joined), "incidents": list(joined.values()), "now": now}
    conn.execute(SQL["put_members"], parameters)


def put_incidents(conn: Conn, changed: Iterable[Incident]) -> None:
    """Write incidents, new or changed."""
    rows = [asdict(one) | {"fields": list(one.fields)} for one in changed]
    if rows:
        with conn.cursor() as cursor:
            cursor.executemany(SQL["put_incident"], rows)


def drop_empty(conn: Conn, ids: Iterable[UUID]) -> None:
    """Take away those of some incidents that no alarm belongs to any more."""
    conn.execute(SQL["drop_empty"], {"incidents": list(ids)})


def names(conn: Conn, codes: Iterable[str]) -> Names:
    """Return the Chinese and English names of some spaces by code."""
    found = conn.execute(SQL["place_names"], {"codes": list(codes)})
    return {code: (name, name_en) for code, name, name_en in found}


def said(conn: Conn, ids: Iterable[UUID], since: datetime, places: Places) -> Sayings:
    """Return what has been told since in some incidents."""
    found: Sayings = defaultdict(dict)
    parameters = {"incidents": list(ids), "since": since}
    rows = conn.execute(SQL["said_in_incidents"], parameters).fetchall()
    places.learn(conn, (row[3] for row in rows))
    for incident, duty, gateway, space, alarm, severity in rows:
        found[incident, duty, places.block(space, duty, gateway)][alarm] = severity
    return found


def feeds(conn: Conn, subjects: Collection[str], kinds: Sequence[str]) -> bool:
    """Tell whether something depends on one of some subjects."""
    parameters = {"subjects": list(subjects), "kinds": list(kinds)}
    row = conn.execute(SQL["feeds"], parameters).fetchone()
    return bool(row and row[0])


def put_verdicts(conn: Conn, verdicts: Sequence[Verdict], now: datetime) -> None:
    """Write verdicts, first ones and mended ones, and announce them."""
    if not verdicts:
        return
    columns: dict[str, Any] = {
        name: [getattr(one, name) for one in verdicts]
        for name in ("event_id", "verdict", "reason", "recheck_at")
    }
    conn.execute(SQL["verdicts"], columns | {"now": now})
    conn.execute(SQL["announce"], {"event": verdicts[-1].event_id})


def move(conn: Conn, to: Mark) -> None:
    """Write how far the desk has come."""
    conn.execute(SQL["move"], asdict(to))


def _standing(row: dict[str, Any], places: Places) -> Standing:
    space = row.pop("space_id")
    return Standing(
        **row,
        spaces=places.codes(space),
        block=places.block(space, row["field"], row["gateway_id"]),
    )


def _incidents(conn: Conn, query: str, parameters: dict[str, Any]) -> list[Incident]:
    with conn.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(SQL[query], parameters).fetchall()
    return [Incident(**row | {"fields": tuple(row["fields"])}) for row in rows]
