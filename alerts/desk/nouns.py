"""What the desk knows of alarms and their events when it decides; pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

RAISING = frozenset({"raised", "escalated", "unsuppressed", "unshelved", "in_service"})
"""Kinds of events that put an alarm before people's eyes, or make it worse."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """An alarm as it stands.

    Attributes:
        rule_type: the type of its rule, as ``alerts.rules.RuleType``.
        name_zh: the rule's name; ``name_en`` in English.
        spaces: codes of the containing spaces, district first; empty if unplaced.
        block: code of its block, of the smallest space around it where it is in none, or the
            gateway's reference for alarms of the runtime; None: nothing is known.
        lon: degrees east; lat: degrees north, EPSG:4490; None if not known.
        severity: now; ``peak`` the worst it has been; 1 blue to 4 red.
        seen_at: our clock when it was first detected; ``raised_at`` is event time.
        active: whether its condition goes on (neither returned nor closed).
        hidden: ``shelved``, ``suppressed``, ``out_of_service`` or None.
        hidden_by: who or what hides it; ``alarm:ID`` where this desk does.
        incident_id: the incident it belongs to, if any.
    """

    alarm_id: UUID
    rule_id: str
    rule_type: str
    name_zh: str
    name_en: str
    subject: str
    field: str
    quantity: str
    device_id: str | None
    gateway_id: str | None
    spaces: tuple[str, ...]
    block: str | None
    lon: float | None
    lat: float | None
    severity: int
    peak: int
    state: str
    life_safety: bool
    advisory: bool
    raised_at: datetime
    seen_at: datetime
    active: bool
    open: bool
    hidden: str | None
    hidden_by: str | None
    incident_id: UUID | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """An alarm event, and what has been said of it.

    Attributes:
        at: our clock; flapping is measured in it, because people are.
        severity: the level in force after it.
        state: of the alarm after it; ``hidden`` likewise.
        verdict: None where the desk has said nothing, and so it was told.
    """

    event_id: int
    alarm_id: UUID
    rule_id: str
    subject: str
    kind: str
    actor: str
    at: datetime
    severity: int
    state: str
    hidden: str | None
    verdict: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What becomes of an event.

    Attributes:
        verdict: ``tell``, ``digest`` or ``hold``.
        reason: one sentence, Chinese and English; empty where there is nothing to explain.
        recheck_at: when a held event is looked at again; None: it stays held.
    """

    event_id: int
    verdict: str
    reason: str = ""
    recheck_at: datetime | None = None
