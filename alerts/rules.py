"""The rule: its shape, its reading from TOML with helpful errors, and what it selects.

A rule is reviewed text. ``parse`` turns a file into ``Rule`` objects and names file, rule and key
of a mistake; ``body`` is the same rule as plain data, the form kept in the database and served.
"""

from __future__ import annotations

import difflib
import hashlib
import itertools
import json
import math
import tomllib
from typing import Annotated, Any, Literal

import msgspec

from core.errors import UsageError
from core.model import NEVER_ALARMS, Field, Quality, Severity
from core.units import DEVICE_KINDS, QUANTITIES

RuleType = Literal["high", "low", "rise", "missing", "gateway_offline"]
SeverityName = Literal["blue", "yellow", "orange", "red"]

MAX_DELAY_S = 7 * 86_400
"""Longest window, dwell or clear dwell of a rule, in seconds."""

REJECTED_IN_FIRE = ("calibrating", "device_fault")
REJECTED_ELSEWHERE = ("out_of_range", "jump", "calibrating", "device_fault")
REJECTED_IN_SLOPE = ("out_of_range", "calibrating", "device_fault")
"""What a rule rejects that does not say; a fire leaps out of range, and a slope falls at once."""

_LIKE_FIRE = frozenset({"out_of_range", "jump", "stuck", "late", "clock_skew"})
_ID = r"^[a-z0-9][a-z0-9._-]{0,63}$"
_LIMIT_TYPES = ("high", "low", "rise")


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
    """

    kind: tuple[str, ...] = ()
    quantity: str = ""


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


class Rule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A rule as its author wrote it; see ``docs/alarms.md`` for every key.

    Attributes:
        window_s: seconds the slope is taken over (``rise``).
        dwell_s: seconds of event time a value must stay beyond a level before it is raised.
        clear_dwell_s: the same, before it ends.
        latch: the alarm stays open until somebody closes it, even after the condition has ended.
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
    dwell_s: Annotated[float, msgspec.Meta(ge=0, le=MAX_DELAY_S)] = 0.0
    clear_dwell_s: Annotated[float, msgspec.Meta(ge=0, le=MAX_DELAY_S)] = 0.0
    latch: bool = False
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
        if self.select.kind:
            return kind in self.select.kind
        return self.field in (field, Field.SYSTEM)


class LoadedRule(msgspec.Struct, frozen=True, kw_only=True):
    """A rule and the version under which the database knows it."""

    rule: Rule
    version: int


def parse(text: str, source: str) -> list[Rule]:
    """Read the rules of one TOML file.

    Args:
        text: the file's content.
        source: its name, for the errors.

    Raises:
        RuleInvalid: naming file, rule and key of the first mistake.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RuleInvalid(f"{source}: no valid TOML: {error}") from error
    unknown = sorted(document.keys() - {"rule"})
    if unknown:
        raise RuleInvalid(
            f"{source}: unknown key {unknown[0]!r}", remedy="rules stand in [[rule]] tables"
        )
    entries = document.get("rule", [])
    if not isinstance(entries, list) or not entries:
        raise RuleInvalid(f"{source}: no rules", remedy="each rule stands in its own [[rule]]")
    return unique((_rule(entry, number, source) for number, entry in enumerate(entries, 1)), source)


def unique(rules: Any, source: str) -> list[Rule]:
    """Return the rules as a list.

    Raises:
        RuleInvalid: if an id stands twice.
    """
    found: dict[str, Rule] = {}
    for rule in rules:
        if rule.id in found:
            raise RuleInvalid(
                f"{source}: rule {rule.id!r} stands twice", remedy="give one another id"
            )
        found[rule.id] = rule
    return list(found.values())


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


def _rule(entry: object, number: int, source: str) -> Rule:
    named = entry.get("id") if isinstance(entry, dict) else None
    place = f"{source}: rule {named!r}" if named else f"{source}: rule number {number}"
    try:
        # Numbers may be written as integers, so TOML's 57 and 57.0 are the same rule.
        rule = msgspec.convert(entry, Rule)
    except msgspec.ValidationError as error:
        raise RuleInvalid(f"{place}: {_plain(error)}", remedy=_hint(error)) from error
    fault = _fault(rule)
    if fault:
        raise RuleInvalid(f"{place}: {fault}")
    return rule


def _plain(error: msgspec.ValidationError) -> str:
    """Return the sentence of a validation error with the key as the file spells it."""
    said, _, path = str(error).partition(" - at `$")
    sentence = f"{said[:1].lower()}{said[1:]}"
    key = path.rstrip("`").lstrip(".")
    return f"{key}: {sentence}" if key else sentence


def _hint(error: msgspec.ValidationError) -> str:
    """Return the nearest known key for an unknown one."""
    said = str(error)
    if "unknown field" not in said:
        return "docs/alarms.md describes every key"
    word = said.split("`")[1]
    known = {
        info.encode_name
        for kind in (Rule, Select, Level, Text)
        for info in msgspec.structs.fields(kind)
    }
    close = difflib.get_close_matches(word, sorted(known), n=1)
    return f"did you mean {close[0]!r}?" if close else "docs/alarms.md describes every key"


def _fault(rule: Rule) -> str:
    """Return what is wrong with a rule whose keys and types are right, "" if nothing is."""
    return _selection_fault(rule) or _option_fault(rule) or _ladder_fault(rule)


def _selection_fault(rule: Rule) -> str:
    select = rule.select
    if rule.type == "gateway_offline":
        if select.kind or select.quantity:
            return "select: a gateway_offline rule selects every gateway, so it takes no select"
        return "" if rule.field is Field.SYSTEM else "field: a gateway_offline rule is of 'system'"
    for kind in select.kind:
        if kind not in DEVICE_KINDS:
            return f"select.kind: unknown device kind {kind!r}{_near(kind, DEVICE_KINDS)}"
    if not select.quantity:
        return "" if rule.type == "missing" else "select.quantity: required for this type of rule"
    if select.quantity not in QUANTITIES:
        return (
            f"select.quantity: unknown quantity {select.quantity!r}"
            f"{_near(select.quantity, QUANTITIES)}"
        )
    for kind in select.kind:
        if select.quantity not in DEVICE_KINDS[kind].quantities:
            return f"select: a {kind!r} device does not measure {select.quantity!r}"
    return ""


def _option_fault(rule: Rule) -> str:
    if (rule.window_s is not None) != (rule.type == "rise"):
        return "window_s: required for a rise rule, and only there"
    if rule.type not in _LIMIT_TYPES and (rule.dwell_s or rule.clear_dwell_s):
        return "dwell_s: only high, low and rise rules wait"
    return _quality_fault(rule)


def _quality_fault(rule: Rule) -> str:
    known = [name.lower() for name in Quality.__members__ if name != "GOOD"]
    for word in rule.reject_quality or ():
        if word not in known:
            return f"reject_quality: unknown quality {word!r}{_near(word, known)}"
        if rule.field is Field.FIRE and word in _LIKE_FIRE:
            return (
                f"reject_quality: a fire rule must judge {word!r} readings, "
                "because a fire may look like one"
            )
    return ""


def _ladder_fault(rule: Rule) -> str:
    levels = rule.levels
    ranks = [level.rank for level in levels]
    if any(after <= before for before, after in itertools.pairwise(ranks)):
        return "levels: severities must ascend, mildest first"
    if rule.type not in _LIMIT_TYPES:
        if len(levels) > 1 or levels[0].raise_at is not None or levels[0].clear_at is not None:
            return "levels: this type of rule has one level with a severity and no numbers"
        return ""
    sign = -1.0 if rule.type == "low" else 1.0
    previous = (-math.inf, -math.inf)
    for number, level in enumerate(levels):
        if level.raise_at is None or level.clear_at is None:
            return f"levels[{number}]: raise and clear are required"
        step = (sign * level.raise_at, sign * level.clear_at)
        if not all(map(math.isfinite, step)):
            return f"levels[{number}]: raise and clear must be finite numbers"
        if step[1] > step[0]:
            side = "above" if rule.type == "low" else "below"
            return f"levels[{number}].clear: must be at or {side} raise"
        if step[0] <= previous[0] or step[1] < previous[1]:
            way = "fall" if rule.type == "low" else "rise"
            return f"levels[{number}]: raise must {way} from level to level, and clear with it"
        previous = step
    return ""


def _near(word: str, known: Any) -> str:
    close = difflib.get_close_matches(word, sorted(known), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""
