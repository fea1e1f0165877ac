"""Put alarms into incidents and sum those up, in the database; deciding is ``incidents``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from alerts.desk import incidents, store, suppress
from alerts.desk.config import DeskConfig
from alerts.desk.nouns import RAISING, Standing
from alerts.desk.store import Conn, Fresh, Places
from alerts.desk.suppress import Cause

_QUIET = frozenset({"suppressed", "shelved", "out_of_service", "commented", "assigned", "overdue"})
"""Kinds of events that change nothing about an incident."""


def join(
    conn: Conn,
    cfg: DeskConfig,
    places: Places,
    fresh: Sequence[Fresh],
    explained: Mapping[UUID, Cause],
    now: datetime,
) -> None:
    """Put new alarms into incidents, consequences into those of their causes; sum those up.

    Args:
        conn: in the transaction of the desk's mark.
        cfg: how near in time and place alarms must be.
        places: lineages known so far.
        fresh: new events.
        explained: alarms about to be hidden, and by what.
        now: our clock.
    """
    if not fresh:
        return
    known = store.standing(conn, (one.alarm_id for one in fresh), places)
    parents = {name: one for name, alarm in known.items() if (one := suppress.hider(alarm))}
    parents |= {name: cause.parent.alarm_id for name, cause in explained.items()}
    known = store.standing(conn, parents.values(), places) | known
    reach = timedelta(seconds=cfg.join_s)
    board = incidents.Board(
        store.recent(conn, min(one.at for one in fresh) - reach),
        reach=reach,
        near_m=cfg.join_m,
        most=cfg.incident_most,
    )
    joined = _members(fresh, known, parents, board)
    moved = {*joined, *(one.alarm_id for one in fresh if one.kind not in _QUIET)}
    left = {known[name].incident_id for name in moved if name in known}
    touched = {name for name in (*joined.values(), *left) if name is not None}
    news = [it for name in set(joined.values()) if (it := board.get(name)) is not None]
    stored = store.incidents(conn, touched)
    store.put_incidents(conn, [one for one in news if one.incident_id not in stored])
    if joined:
        store.put_members(conn, joined, now)
    was = {one.incident_id: one for one in news} | stored
    _sum_up(conn, places, {name: was[name] for name in touched if name in was}, now)


def _members(
    fresh: Sequence[Fresh],
    known: Mapping[UUID, Standing],
    parents: Mapping[UUID, UUID],
    board: incidents.Board,
) -> dict[UUID, UUID]:
    """Return which alarms join which incidents, as far as that is new."""
    joined: dict[UUID, UUID] = {}

    def home(alarm: Standing, at: datetime) -> UUID:
        found = alarm.incident_id or joined.get(alarm.alarm_id)
        if found is None:
            found = joined[alarm.alarm_id] = board.join(alarm, at)
        return found

    for one in fresh:
        alarm = known.get(one.alarm_id)
        if alarm is None or alarm.advisory:  # a canary's alarm may have been deleted since
            continue
        parent = known.get(parents[one.alarm_id]) if one.alarm_id in parents else None
        if parent is not None:
            house = home(parent, one.at)
            if alarm.incident_id != house:
                joined[alarm.alarm_id] = house
        elif one.kind in RAISING and alarm.hidden is None:
            home(alarm, one.at)
    return joined


def _sum_up(
    conn: Conn, places: Places, was: Mapping[UUID, incidents.Incident], now: datetime
) -> None:
    """Write incidents as their alarms make them; those without any are gone."""
    members = store.members(conn, was)
    known = store.standing(conn, (alarm for group in members.values() for alarm in group), places)
    names = store.names(conn, {code for one in known.values() for code in one.spaces})
    changed = []
    for incident, group in members.items():
        alarms_of = [known[alarm] for alarm in group]
        last_at = max(group.values())
        one = incidents.sum_up(was[incident], alarms_of, names, last_at=last_at, now=now)
        if one != was[incident]:
            changed.append(one)
    store.put_incidents(conn, changed)
    store.drop_empty(conn, was.keys() - members.keys())
