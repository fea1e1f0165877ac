"""What becomes of each alarm event: told, told together with others, or held back; pure.

Life safety is always told. Hidden alarms are held, with what happens to them. What may turn out to
be a consequence waits for what explains it. A condition that flaps is damped, and one more alarm of
an incident, no worse than what was told of it already, goes into the next digest.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeAlias
from uuid import UUID

from alerts.desk import flaps
from alerts.desk.flaps import WORDS, Damping
from alerts.desk.nouns import RAISING, Standing, Told, Verdict
from alerts.desk.suppress import may_be_explained

Subject = tuple[str, str]
"""Rule id and subject."""

Sayings: TypeAlias = "dict[tuple[UUID, str, str | None], dict[UUID, int]]"
"""(incident, field, block) -> the worst severity told of each of its alarms."""

_HIDDEN = {
    "shelved": "已搁置 / shelved",
    "suppressed": "由其他告警引起 / hidden as a consequence of another alarm",
    "out_of_service": "已停用 / out of service",
}
_UNTOLD = "开始时未告知 / its beginning was not told"
_SAME = "同一事件，已告知 / the same incident was told"
_OVER = "隐藏期间已恢复 / over while it was hidden"
_SHOWN_BY_HAND = frozenset({"unshelved", "in_service"})
_HIDING_BY_HAND = frozenset({"shelved", "out_of_service"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What events are judged by.

    Attributes:
        alarms: the alarms of the events as they stand now.
        history: the later events of each (rule, subject), oldest first, those to be judged as well.
        sayings: what has been told in their incidents; what is told now is added.
        settle: how long an event that something may explain waits.
        consequences: ids of rules whose alarms water upstream explains.
        explained: visible alarms that have just been found to be consequences.
    """

    alarms: Mapping[UUID, Standing]
    history: Mapping[Subject, Sequence[Told]]
    sayings: Sayings
    damping: Damping
    settle: timedelta
    consequences: frozenset[str] = frozenset()
    explained: Collection[UUID] = ()

    def hidden(self, alarm: Standing) -> str | None:
        """Return how an alarm is hidden, or is about to be."""
        return alarm.hidden or ("suppressed" if alarm.alarm_id in self.explained else None)


def judge(events: Iterable[Told], bench: Bench, now: datetime) -> tuple[list[Verdict], list[Told]]:
    """Return verdicts on events in order, and the events that wait.

    An event waits as well when an earlier one of the same rule and subject does.
    """
    verdicts: dict[int, Verdict] = {}
    waiting: list[Told] = []
    stuck: set[Subject] = set()
    for event in events:
        subject = (event.rule_id, event.subject)
        alarm = bench.alarms[event.alarm_id]
        if not alarm.life_safety and (subject in stuck or _waits(event, alarm, bench, now)):
            stuck.add(subject)
            waiting.append(event)
        else:
            verdicts[event.event_id] = _verdict(event, alarm, bench, verdicts, now)
    return list(verdicts.values()), waiting


def mend(events: Iterable[Told], bench: Bench) -> list[Verdict]:
    """Return final verdicts on held events whose time has come: told if they still hold."""
    mended = []
    for event in events:
        alarm = bench.alarms[event.alarm_id]
        subject = (event.rule_id, event.subject)
        later = [one for one in bench.history.get(subject, ()) if one.event_id > event.event_id]
        lasts = bench.hidden(alarm) is None and flaps.still_holds(event, later)
        mended.append(_say(event, "tell" if lasts else "hold"))
    return mended


def _waits(event: Told, alarm: Standing, bench: Bench, now: datetime) -> bool:
    return (
        event.kind in RAISING
        and bench.hidden(alarm) is None
        and may_be_explained(alarm, bench.consequences)
        and abs(now - event.at) < bench.settle  # our clock may have been set back meanwhile
    )


def _verdict(
    event: Told, alarm: Standing, bench: Bench, made: Mapping[int, Verdict], now: datetime
) -> Verdict:
    if alarm.life_safety:
        return _say(event, "tell")
    if event.kind in WORDS:
        return _of_condition(event, alarm, bench, made, now)
    asks = event.kind in ("overdue", "re_alarmed")
    hidden = event.hidden or (bench.hidden(alarm) if asks else None)
    if event.kind == "suppressed" or (hidden and event.kind not in _HIDING_BY_HAND):
        return _say(event, "hold", _HIDDEN.get(hidden or "suppressed", ""))
    if not any(one.verdict != "hold" for one in _before(event, bench, made) if one.kind in WORDS):
        return _say(event, "hold", _UNTOLD)
    return _say(event, "tell")


def _of_condition(
    event: Told, alarm: Standing, bench: Bench, made: Mapping[int, Verdict], now: datetime
) -> Verdict:
    hidden = event.hidden or bench.hidden(alarm)
    if hidden:
        held = _say(event, "hold", _HIDDEN[hidden])
        if event.hidden or alarm.hidden:
            return held
        # It is hidden after this verdict is written: whoever is killed between, and finds the cause
        # gone when he is back, must tell it after all.
        return replace(held, recheck_at=now + bench.settle)
    if event.kind in RAISING - {"raised", "escalated"} and not alarm.active:
        return _say(event, "hold", _OVER)
    if event.kind in _SHOWN_BY_HAND:
        return _told(event, alarm, bench)
    said = flaps.judge(event, _before(event, bench, made), bench.damping)
    if said.tell:
        return _told(event, alarm, bench)
    return Verdict(
        event_id=event.event_id, verdict="hold", reason=said.reason, recheck_at=said.recheck_at
    )


def _told(event: Told, alarm: Standing, bench: Bench) -> Verdict:
    """Tell it, unless others of its incident, field and place were told and no milder."""
    if event.kind not in RAISING or alarm.incident_id is None:
        return _say(event, "tell")
    sayings = bench.sayings.setdefault((alarm.incident_id, alarm.field, alarm.block), {})
    others = max((worst for one, worst in sayings.items() if one != alarm.alarm_id), default=0)
    if others >= event.severity:
        return _say(event, "digest", _SAME)
    sayings[alarm.alarm_id] = max(event.severity, sayings.get(alarm.alarm_id, 0))
    return _say(event, "tell")


def _before(event: Told, bench: Bench, made: Mapping[int, Verdict]) -> list[Told]:
    """Return the earlier events of the same condition, with the verdicts of this round."""
    return [
        replace(one, verdict=made[one.event_id].verdict) if one.event_id in made else one
        for one in bench.history.get((event.rule_id, event.subject), ())
        if one.event_id < event.event_id
    ]


def _say(event: Told, verdict: str, reason: str = "") -> Verdict:
    return Verdict(event_id=event.event_id, verdict=verdict, reason=reason)
