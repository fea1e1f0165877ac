"""One look of the desk at what has happened: explain, join, judge, then hide and show.

What is joined and judged is written with the desk's mark in one transaction, and at once, because
the notifier does not wait for ever. Alarms are hidden and shown afterwards in transactions of their
own; the first look of the next desk makes good what a kill left out.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from alerts.desk import causes, hiding, joining, store, verdicts
from alerts.desk.config import DeskConfig
from alerts.desk.flaps import Damping
from alerts.desk.nouns import Told, Verdict
from alerts.desk.store import Conn, Mark, Places
from alerts.desk.verdicts import Bench


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What one look came to.

    Attributes:
        events: how many were new; ``told``, ``digested``, ``held`` verdicts by kind.
        hidden: alarms hidden as consequences; ``shown`` ones whose cause is over.
        more: whether there are more events waiting to be looked at.
        next_at: when time alone asks for another look; None: never.
    """

    events: int = 0
    told: int = 0
    digested: int = 0
    held: int = 0
    hidden: int = 0
    shown: int = 0
    more: bool = False
    next_at: datetime | None = None


def look(conn: Conn, cfg: DeskConfig, places: Places, now: datetime, *, scan: bool = False) -> Look:
    """Work off the next events and what is due by now.

    Args:
        conn: an autocommit connection that has claimed the desk.
        cfg: how alarms are joined, damped and hidden.
        places: lineages known so far.
        now: our clock, aware.
        scan: look for causes of every open alarm, not only where something is new; the first look
            after a start does, because the desk before it may have been killed before it hid them.
    """
    mark = store.mark(conn)
    fresh = store.fresh(conn, mark.looked, cfg.batch)
    explained = causes.found(conn, cfg, places, fresh, scan=scan)
    with conn.transaction():
        joining.join(conn, cfg, places, fresh, explained, now)
        looked = fresh[-1].event_id if fresh else mark.looked
        bounds = Mark(looked=looked, judged=mark.judged)
        said, waiting = _judge(conn, cfg, places, bounds, explained, now)
        store.put_verdicts(conn, said, now)
        judged = waiting[0].event_id - 1 if waiting else looked
        if (looked, judged) != (mark.looked, mark.judged):
            store.move(conn, Mark(looked=looked, judged=judged))
    hidden = hiding.hide(conn, explained, now)
    shown = _show(conn, cfg, places, now)
    counts = [sum(one.verdict == word for one in said) for word in ("tell", "digest", "hold")]
    return Look(
        events=len(fresh),
        told=counts[0],
        digested=counts[1],
        held=counts[2],
        hidden=hidden,
        shown=shown,
        more=len(fresh) == cfg.batch,
        next_at=_next(conn, cfg, waiting),
    )


def _show(conn: Conn, cfg: DeskConfig, places: Places, now: datetime) -> int:
    """Show what is hidden by what is over, unless something else explains it by now."""
    orphans = store.orphans(conn, now - timedelta(seconds=cfg.release_s), cfg.batch)
    if not orphans:
        return 0
    known = store.standing(conn, orphans, places)
    otherwise = causes.of(conn, cfg, places, list(known.values()))
    shown = hiding.show(conn, orphans, now)
    return shown - hiding.hide(conn, otherwise, now)


def _judge(
    conn: Conn,
    cfg: DeskConfig,
    places: Places,
    mark: Mark,
    explained: Collection[UUID],
    now: datetime,
) -> tuple[list[Verdict], list[Told]]:
    """Return the verdicts of this look, new and mended, and the events that wait."""
    pending = store.unjudged(conn, mark.judged, mark.looked)
    due = store.due(conn, now, cfg.batch)
    if not pending and not due:
        return [], []
    bench = replace(_bench(conn, cfg, places, [*pending, *due], now), explained=explained)
    pending = [one for one in pending if one.alarm_id in bench.alarms]  # a canary's may be deleted
    due = [one for one in due if one.alarm_id in bench.alarms]
    said, waiting = verdicts.judge(pending, bench, now)
    return [*said, *verdicts.mend(due, bench)], waiting


def _bench(
    conn: Conn, cfg: DeskConfig, places: Places, events: Sequence[Told], now: datetime
) -> Bench:
    known = store.standing(conn, (one.alarm_id for one in events), places)
    window = timedelta(seconds=cfg.flap_window_s)
    since = min(one.at for one in events) - window
    houses = {one.incident_id for one in known.values() if one.incident_id is not None}
    return Bench(
        alarms=known,
        history=store.history(conn, {(one.rule_id, one.subject) for one in events}, since),
        sayings=store.said(conn, houses, now - timedelta(seconds=cfg.join_s), places),
        damping=Damping(calm=timedelta(seconds=cfg.calm_s), window=window),
        settle=timedelta(seconds=cfg.settle_s),
        consequences=frozenset(cfg.consequences),
    )


def _next(conn: Conn, cfg: DeskConfig, waiting: Sequence[Told]) -> datetime | None:
    times = [one.at + timedelta(seconds=cfg.settle_s) for one in waiting]
    recheck = store.next_recheck(conn)
    if recheck is not None:
        times.append(recheck)
    return min(times, default=None)
