"""The rule: its shape, and what it selects.

A rule is reviewed text: ``alerts.rule_texts`` reads it, ``alerts.rule_faults`` says what is wrong
with it. ``body`` is the same rule as plain data, the form kept in the database and served.
"""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any, Literal

import msgspec

from core.errors import UsageError
from core.model import NEVER_ALARMS, Field, Quality, Severity
from core.registry import SeriesInfo

RuleType = Literal[
    "high",
    "low",
    "rise",
    "fall",
    "missing",
    "stuck",
    "anomaly",
    "forecast",
    "all",
    "any",
    "gateway_offline",
]
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
Inside = Literal[
    "device", "gateway", "building", "block", "grid", "community", "street", "district"
]
SeverityName = Literal["blue", "yellow", "orange", "red"]

MAX_DELAY_S = 7 * 86_400
"""Longest window, dwell or clear dwell of a rule, in seconds."""

REJECTED_IN_FIRE = ("calibrating", "device_fault")
REJECTED_ELSEWHERE = ("out_of_range", "jump", "calibrating", "device_fault")
REJECTED_IN_SLOPE = ("out_of_range", "calibrating", "device_fault")
"""What a rule rejects that does not say; a fire leaps out of range, and a slope falls at once."""

_ID = r"^[a-z0-9][a-z0-9._-]{0,63}$"


class RuleInvalid(UsageError):
    """A rule file cannot be used; the message names file, rule and key."""


class Text(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A text for people in both languages."""

    zh: Annotated[str, msgspec.Meta(min_length=1)]
    en: Annotated[str, msgspec.Meta(min_length=1)]


class Select(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which series a rule judges.

    Attributes:
        kind: device kinds; empty means every kind of the rule's field (``system``: every kind).
        quantity: quantity id; empty only for silence, where it means any reading of the device.
        space: codes; the device must be placed in one of these spaces or inside it.
        tags: the device's attribute ``tags`` must have all of these.
        device: device ids; none means all.
    """

    kind: tuple[str, ...] = ()
    quantity: str = ""
    space: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    device: tuple[str, ...] = ()


class Level(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One step of a rule's ladder.

    Attributes:
        severity: colour of the step.
        raise_at: the value that raises it: at or above for ``high`` and ``rise``, at or below for
            ``low``; in the quantity's own unit, per minute for ``rise``.
        clear_at: the step ends when the value is strictly below (``low``: above) this.
    """

    severity: SeverityName
    raise_at: float | None = msgspec.field(default=None, name="raise")
    clear_at: float | None = msgspec.field(default=None, name="clear")

    @property
    def rank(self) -> Severity:
        """The severity as a number."""
        return Severity[self.severity.upper()]


class OfLast(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A level is raised when ``n`` of the last ``m`` judged values are at or beyond it."""

    n: Annotated[int, msgspec.Meta(ge=1, le=32)]
    m: Annotated[int, msgspec.Meta(ge=1, le=32)]


class Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One comparison of an ``all`` or ``any`` rule: true from ``raise`` until beyond ``clear``."""

    quantity: str
    type: Literal["high", "low"]
    raise_at: float = msgspec.field(name="raise")
    clear_at: float = msgspec.field(name="clear")


class Confirm(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A second, independent signal: it may only make an alarm worse, never delay it.

    Attributes:
        by: ids of rules whose active condition on another subject, or another rule's on the same
            one, confirms.
        needed: how many other signals.
        within_s: seconds between the onsets, either first.
        inside: smallest kind of space that both subjects must share; None: see ``radius_m``.
        radius_m: metres that the subjects may be apart; None: any.
        severity: what a confirmed alarm has at least.
    """

    by: Annotated[tuple[str, ...], msgspec.Meta(min_length=1, max_length=32)]
    needed: Annotated[int, msgspec.Meta(ge=1, le=10)] = 1
    within_s: Annotated[float, msgspec.Meta(gt=0, le=86_400)]
    inside: Inside | None = None
    radius_m: Annotated[float, msgspec.Meta(gt=0, le=10_000)] | None = None
    severity: SeverityName


class Hours(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When a rule may raise, in China Standard Time (UTC+8) of the event; over midnight is allowed.

    Attributes:
        days: on which the stretch begins; none means every day.
        begin: ``HH:MM``, inclusive; ``end`` exclusive, ``24:00`` allowed.
    """

    days: tuple[Weekday, ...] = ()
    begin: Annotated[str, msgspec.Meta(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")] = "00:00"
    end: Annotated[str, msgspec.Meta(pattern=r"^(([01]\d|2[0-3]):[0-5]\d|24:00)$")] = "24:00"


class Inhibit(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """While a condition of one of the rules ``by`` is active on the same thing, none is raised."""

    by: Annotated[tuple[str, ...], msgspec.Meta(min_length=1, max_length=32)]
    same: Inside = "device"


class StuckOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What ``options`` of a ``stuck`` rule may say; the judged value is seconds unchanged.

    Attributes:
        tolerance: a change of at most this, in the quantity's unit, is none.
        learn: count in units of the longest run that was usual for the series, not in seconds.
    """

    tolerance: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    learn: bool = False


class Rule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A rule as its author wrote it; see ``docs/rules.md`` for every key.

    Attributes:
        window_s: seconds the slope is taken over (``rise``).
        dwell_s: seconds of event time a value must stay beyond a level before it is raised.
        clear_dwell_s: the same, before it ends.
        of_last: n of the last m judged values instead of the first one (before any dwell).
        latch: the alarm stays open until somebody closes it, even after the condition has ended.
        life_safety: told at once, before anything is stored, grouped or damped.
        advisory: shown and counted, never told to anybody who would be woken.
        detector: which detector scores (``anomaly``); levels are -log10 of a probability.
        forecast: which forecast is made (``forecast``); levels are in its own unit.
        options: settings of the detector or forecast, or of ``stuck``.
        parts: what an ``all`` or ``any`` rule compares.
        confirm: what makes an alarm of this rule worse; hours: when it may raise, none: always.
        inhibit: what keeps it from raising.
        ack_within_s: seconds after which nobody's acknowledgement escalates; re_alarm_s: seconds
            after an acknowledgement from which on a condition that goes on asks for another one.
        learn_interval: silence is counted in the learned interval, not in the registered one.
        intervals: expected intervals of silence before data count as missing.
        reject_quality: readings with one of these bits do not speak for or against a condition;
            if not given, as ``REJECTED_…`` says for the field. Of the others, the doubtful ones
            speak only for a condition, not for its end (``core.model.ONLY_RAISES``).
        source: standard and clause of the numbers, or "editable seed".
    """

    id: Annotated[str, msgspec.Meta(pattern=_ID)]
    name: Text
    field: Field
    select: Select = Select()
    type: RuleType
    levels: Annotated[tuple[Level, ...], msgspec.Meta(min_length=1, max_length=4)]
    window_s: Annotated[float, msgspec.Meta(gt=0, le=MAX_DELAY_S)] | None = None
    of_last: OfLast | None = None
    dwell_s: Annotated[float, msgspec.Meta(ge=0, le=MAX_DELAY_S)] = 0.0
    clear_dwell_s: Annotated[float, msgspec.Meta(ge=0, le=MAX_DELAY_S)] = 0.0
    latch: bool = False
    life_safety: bool = False
    advisory: bool = False
    detector: str = ""
    forecast: str = ""
    options: dict[str, float | str | bool] = {}
    parts: tuple[Part, ...] = ()
    confirm: Confirm | None = None
    hours: tuple[Hours, ...] = ()
    inhibit: tuple[Inhibit, ...] = ()
    ack_within_s: Annotated[float, msgspec.Meta(ge=10, le=MAX_DELAY_S)] | None = None
    re_alarm_s: Annotated[float, msgspec.Meta(ge=60, le=MAX_DELAY_S)] | None = None
    learn_interval: bool = False
    intervals: Annotated[float, msgspec.Meta(ge=1, le=1000)] = 3.0
    reject_quality: tuple[str, ...] | None = None
    advice: Text
    source: Annotated[str, msgspec.Meta(min_length=1)]

    def __post_init__(self) -> None:
        """Write out what is rejected, so that the stored rule says it."""
        if self.reject_quality is None:
            words = {Field.FIRE: REJECTED_IN_FIRE, Field.SLOPE: REJECTED_IN_SLOPE}
            rejected = words.get(self.field, REJECTED_ELSEWHERE)
            msgspec.structs.force_setattr(self, "reject_quality", rejected)

    @property
    def reject_mask(self) -> int:
        """The bits of ``reject_quality``, and those that no rule accepts."""
        mask = int(NEVER_ALARMS)
        for word in self.reject_quality or ():
            mask |= Quality[word.upper()]
        return mask

    def selects(self, *, kind: str, field: Field, quantity: str) -> bool:
        """Tell whether the rule judges a series of this kind, field and quantity."""
        if self.type == "gateway_offline":
            return False
        if self.select.quantity and self.select.quantity != quantity:
            return False
        if self.parts and quantity not in {part.quantity for part in self.parts}:
            return False
        if self.select.kind:
            return kind in self.select.kind
        return self.field in (field, Field.SYSTEM)

    def narrows(self, info: SeriesInfo) -> bool:
        """Tell whether the rest of ``select`` (space, tags, device) lets a series through."""
        select = self.select
        if select.device and info.device_id not in select.device:
            return False
        if select.space and not set(select.space).intersection(info.spaces):
            return False
        return set(select.tags) <= set(info.tags)


class Override(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What holds for one device instead of what its rule says; see ``alerts.overrides``.

    Attributes:
        levels: another ladder with the same severities or fewer; empty: the rule's own.
        enabled: false: the rule does not judge the device at all.
    """

    rule_id: str
    device_id: str
    levels: tuple[Level, ...] = ()
    enabled: bool = True


class LoadedRule(msgspec.Struct, frozen=True, kw_only=True):
    """A rule and the version under which the database knows it."""

    rule: Rule
    version: int


def body(rule: Rule) -> dict[str, Any]:
    """Return the rule as plain data, every default written out; the inverse of ``from_body``."""
    plain: dict[str, Any] = msgspec.to_builtins(rule)
    return plain


def from_body(plain: dict[str, Any]) -> Rule:
    """Make a rule from its stored form.

    Raises:
        msgspec.ValidationError: if it is no rule of this version of the program.
    """
    return msgspec.convert(plain, Rule)


def digest(rule: Rule) -> str:
    """Return the SHA-256 of the rule's content: equal rules have equal digests."""
    text = json.dumps(body(rule), ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
