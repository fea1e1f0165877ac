"""Find what explains alarms, as it stands in the database; deciding is ``suppress``."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from uuid import UUID

from alerts.desk import store, suppress
from alerts.desk.config import DeskConfig
from alerts.desk.nouns import RAISING, Standing
from alerts.desk.store import Conn, Fresh, Places
from alerts.desk.suppress import Cause

_MAX_CHAIN = 16


def found(
    conn: Conn, cfg: DeskConfig, places: Places, fresh: Sequence[Fresh], *, scan: bool
) -> dict[UUID, Cause]:
    """Return what explains visible alarms: new ones, and open ones that a new one explains.

    Args:
        fresh: new events.
        scan: look at every open alarm, whatever is new.
    """
    begun = {one.alarm_id for one in fresh if one.kind in RAISING}
    if not begun and not scan:
        return {}
    consequences = frozenset(cfg.consequences)
    known = store.standing(conn, begun, places)
    if scan or _explains_others(conn, known.values(), drainage=bool(consequences)):
        known |= store.standing(conn, store.suspects(conn, consequences), places)
    return of(conn, cfg, places, [one for one in known.values() if one.hidden is None])


def of(
    conn: Conn, cfg: DeskConfig, places: Places, suspects: Sequence[Standing]
) -> dict[UUID, Cause]:
    """Return what explains some alarms, as it stands in the database."""
    consequences = frozenset(cfg.consequences)
    suspects = [one for one in suspects if suppress.may_be_explained(one, consequences)]
    if not suspects:
        return {}
    wanted = store.shown_by_hand(conn, (one.alarm_id for one in suspects))
    suspects = [one for one in suspects if one.alarm_id not in wanted]
    gateways = {f"gateway:{one.gateway_id}" for one in suspects if one.gateway_id is not None}
    kinds = _networks(drainage=bool(consequences))
    above = store.above(conn, {one.subject for one in suspects} | gateways, kinds)
    refs = gateways | {link.ref for links in above.values() for link in links}
    parents = store.standing(conn, store.open_on(conn, refs), places)
    by_ref: dict[str, list[Standing]] = defaultdict(list)
    for parent in parents.values():
        by_ref[parent.subject].append(parent)
    return suppress.explain(
        suspects,
        above,
        by_ref,
        hiders=_hiders(conn, places, parents),
        window=timedelta(seconds=cfg.cause_window_s),
        consequences=consequences,
    )


def _hiders(conn: Conn, places: Places, parents: Mapping[UUID, Standing]) -> dict[UUID, UUID]:
    """Return what hides the possible causes, what hides that, and so on."""
    found: dict[UUID, UUID] = {}
    level = dict(parents)
    for _ in range(_MAX_CHAIN):
        above = {name: suppress.hider(one) for name, one in level.items()}
        found |= {name: hider for name, hider in above.items() if hider is not None}
        unknown = set(found.values()) - found.keys() - level.keys()
        if not unknown:
            break
        level = store.standing(conn, unknown, places)
        if not level:
            break
    return found


def _explains_others(conn: Conn, begun: Iterable[Standing], *, drainage: bool) -> bool:
    """Tell whether one of these alarms may be the cause of alarms that were there before."""
    causes = [one for one in begun if one.active and suppress.may_explain(one, drainage=drainage)]
    if any(one.rule_type == "gateway_offline" for one in causes):
        return True
    kinds = _networks(drainage=drainage)
    return bool(causes) and store.feeds(conn, {one.subject for one in causes}, kinds)


def _networks(*, drainage: bool) -> list[str]:
    return ["power", "drainage"] if drainage else ["power"]
