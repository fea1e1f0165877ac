"""Which alarm is only the consequence of another one; pure.

A dead gateway explains the silence of its devices; a dead supply explains the silence of what it
feeds and its low voltage; water upstream explains water downstream where the configuration says so.
What concerns life safety is never explained away.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal
from uuid import UUID

from alerts.desk.nouns import Standing

Relation = Literal["gateway", "power", "drainage"]

BEHIND_GATEWAY = frozenset({"missing", "stuck"})
"""Types of rules that judge by what does not come: behind a dead gateway they say nothing new."""

WITHOUT_POWER = BEHIND_GATEWAY | {"gateway_offline"}
"""The same behind a dead supply; low voltage there is a consequence as well."""

HIDER = "alarm:"
"""What ``hidden_by`` begins with where an alarm hides another; its id follows."""

_RANKS: Mapping[Relation, int] = {"gateway": 0, "power": 1, "drainage": 2}
_MAX_CHAIN = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Above:
    """Something that a subject depends on, ``steps`` away along one kind of relation."""

    ref: str
    relation: Relation
    steps: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """Why an alarm is a consequence: of which alarm, along which relation."""

    parent: Standing
    relation: Relation
    steps: int

    @property
    def by(self) -> str:
        """What is written down as hiding the alarm."""
        return f"{HIDER}{self.parent.alarm_id}"

    @property
    def why(self) -> str:
        """One sentence for people, Chinese and English."""
        subject = self.parent.subject.partition(":")[2]
        zh = {"gateway": "所属网关", "power": "上级供电", "drainage": "上游"}[self.relation]
        en = {"gateway": "its gateway", "power": "its supply", "drainage": "upstream of it"}
        return (
            f"{zh} {subject}：{self.parent.name_zh} / "
            f"{en[self.relation]} {subject}: {self.parent.name_en}"
        )


def hider(alarm: Standing) -> UUID | None:
    """Return the alarm that hides another one; None if none does."""
    if alarm.hidden != "suppressed" or not (alarm.hidden_by or "").startswith(HIDER):
        return None
    try:
        return UUID((alarm.hidden_by or "").removeprefix(HIDER))
    except ValueError:
        return None  # a person's word that only looks like it


def may_be_explained(alarm: Standing, consequences: frozenset[str]) -> bool:
    """Tell whether something else could explain an alarm, so that it is worth a short wait."""
    return alarm.open and not alarm.life_safety and _explainable(alarm, consequences)


def may_explain(alarm: Standing, *, drainage: bool) -> bool:
    """Tell whether an alarm could be the cause of others; ``drainage``: water may be."""
    return _lifeless(alarm) or (drainage and alarm.field != "system")


def explain(
    suspects: Iterable[Standing],
    above: Mapping[str, Sequence[Above]],
    standing: Mapping[str, Sequence[Standing]],
    *,
    hiders: Mapping[UUID, UUID],
    window: timedelta,
    consequences: frozenset[str] = frozenset(),
) -> dict[UUID, Cause]:
    """Return the cause of each suspect that has one.

    The nearest cause wins: the gateway before the supply before the water upstream. Nothing is
    explained by what it explains itself, so of two that depend on each other one stays visible.

    Args:
        suspects: alarms that may be consequences.
        above: reference -> what it depends on, its own gateway not counted.
        standing: reference -> open alarms on it.
        hiders: alarm -> what hides it already, for causes and for what hides those.
        window: how much older than its cause a consequence may be, in event time.
        consequences: ids of rules whose alarms water upstream explains.
    """
    causes: dict[UUID, Cause] = {}
    choices = [
        (_RANKS[cause.relation], cause.steps, str(alarm.alarm_id), alarm, cause)
        for alarm in suspects
        if may_be_explained(alarm, consequences) and alarm.active
        for cause in _choices(alarm, above, standing, consequences)
        if alarm.raised_at >= cause.parent.raised_at - window
    ]
    for *_, alarm, cause in sorted(choices, key=lambda choice: choice[:3]):
        if alarm.alarm_id not in causes and not _leads_to(
            cause.parent.alarm_id, alarm.alarm_id, causes, hiders
        ):
            causes[alarm.alarm_id] = cause
    return causes


def _explainable(alarm: Standing, consequences: frozenset[str]) -> bool:
    return alarm.rule_type in WITHOUT_POWER or _low_voltage(alarm) or alarm.rule_id in consequences


def _choices(
    alarm: Standing,
    above: Mapping[str, Sequence[Above]],
    standing: Mapping[str, Sequence[Standing]],
    consequences: frozenset[str],
) -> Iterable[Cause]:
    gateway = f"gateway:{alarm.gateway_id}"
    if alarm.subject != gateway and alarm.gateway_id is not None:
        links = [Above(ref=gateway, relation="gateway", steps=1)]
        links += [
            Above(ref=one.ref, relation=one.relation, steps=one.steps + 1)
            for one in above.get(gateway, ())
            if one.relation == "power" and alarm.rule_type in BEHIND_GATEWAY
        ]
    else:
        links = []
    for link in [*links, *above.get(alarm.subject, ())]:
        for parent in standing.get(link.ref, ()):
            usable = parent.active and not parent.advisory and parent.alarm_id != alarm.alarm_id
            if (
                usable
                and not _worse(alarm, parent)
                and _explains(link.relation, parent, alarm, consequences)
            ):
                yield Cause(parent=parent, relation=link.relation, steps=link.steps)


def _explains(
    relation: Relation, parent: Standing, alarm: Standing, consequences: frozenset[str]
) -> bool:
    if relation == "gateway":
        return parent.rule_type == "gateway_offline" and alarm.rule_type in BEHIND_GATEWAY
    if relation == "power":
        return _lifeless(parent) and (alarm.rule_type in WITHOUT_POWER or _low_voltage(alarm))
    return alarm.rule_id in consequences and parent.field == alarm.field


def _worse(alarm: Standing, parent: Standing) -> bool:
    """Tell whether an alarm is worse than a possible cause of its own field.

    What the desk shows again because of this (``orphans``) must not be hidden again by the same.
    """
    return alarm.field == parent.field != "system" and alarm.severity > parent.severity


def _lifeless(alarm: Standing) -> bool:
    """Tell whether an alarm says that its subject is without power or without a voice."""
    return alarm.rule_type in {"missing", "gateway_offline"} or _low_voltage(alarm)


def _low_voltage(alarm: Standing) -> bool:
    return alarm.quantity == "voltage" and alarm.rule_type == "low"


def _leads_to(
    start: UUID, goal: UUID, causes: Mapping[UUID, Cause], hiders: Mapping[UUID, UUID]
) -> bool:
    """Follow causes, found now or before, from one alarm; tell whether they reach another."""
    at: UUID | None = start
    for _ in range(_MAX_CHAIN):
        if at is None or at == goal:
            return at == goal
        at = causes[at].parent.alarm_id if at in causes else hiders.get(at)
    return True
