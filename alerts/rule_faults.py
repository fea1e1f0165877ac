"""What is wrong with a rule whose keys and types are right, in one sentence that names the key.

``fault`` looks at one rule; ``set_fault`` at rules that name each other. A rule that is refused
here would be blind, late or unable to end; a rule that is merely unwise is not refused.
"""

from __future__ import annotations

import difflib
import itertools
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from alerts.detectors import DETECTORS
from alerts.forecasts import FORECASTS
from alerts.judges import Judge
from alerts.rules import Confirm, Level, Part, Rule, StuckOptions
from core.model import Field, Quality, Severity, is_id
from core.units import DEVICE_KINDS, QUANTITIES

LADDER = frozenset({"high", "low", "rise", "fall", "stuck", "anomaly", "forecast"})
"""Types whose levels carry numbers."""

TIMED = LADDER | {"all", "any"}
"""Types that follow event time, so that they may wait."""

_COUNTED = frozenset({"high", "low", "rise", "fall", "anomaly", "forecast"})
_NEVER_SHUN_IN_FIRE = frozenset({"out_of_range", "jump", "stuck", "late", "clock_skew"})
_WAITS = ("dwell_s", "of_last", "hours", "inhibit")

_ONLY_FOR: dict[str, frozenset[str]] = {
    "window_s": frozenset({"rise", "fall"}),
    "dwell_s": TIMED,
    "clear_dwell_s": TIMED,
    "of_last": _COUNTED,
    "hours": TIMED,
    "inhibit": TIMED,
    "confirm": TIMED,
    "life_safety": TIMED - {"stuck", "anomaly"},
    "detector": frozenset({"anomaly"}),
    "forecast": frozenset({"forecast"}),
    "options": frozenset({"anomaly", "forecast", "stuck"}),
    "parts": frozenset({"all", "any"}),
    "learn_interval": frozenset({"missing"}),
    "intervals": frozenset({"missing"}),
}
"""Keys that say nothing for other types of rule, and so are refused there."""

_REQUIRED = {"window_s", "detector", "forecast", "parts"}


def fault(rule: Rule) -> str:
    """Return what is wrong with a rule, "" if nothing is."""
    for look in _LOOKS:
        found = look(rule)
        if found:
            return found
    return ""


def set_fault(rules: Sequence[Rule], known: Collection[str] = ()) -> str:
    """Return what is wrong between rules that name each other, "" if nothing is.

    Args:
        rules: the rules looked at.
        known: ids of further rules that may be named.
    """
    ids = {rule.id for rule in rules} | set(known)
    for rule in rules:
        for key, name in _named(rule):
            if name not in ids:
                return f"rule {rule.id!r}: {key}: there is no rule {name!r}{near(name, ids)}"
    return ""


def direction(rule: Rule) -> float:
    """Return +1 where larger judged values are worse, -1 where smaller ones are.

    Raises:
        KeyError: if the rule names no known detector or forecast.
    """
    if rule.type in {"anomaly", "forecast"}:
        return float(_judges(rule)[rule.detector or rule.forecast].worse)
    return -1.0 if rule.type == "low" else 1.0


def level_fault(levels: Sequence[Level], sign: float) -> str:
    """Return what is wrong with a ladder of numbers, "" if nothing is."""
    ranks = [level.rank for level in levels]
    if any(after <= before for before, after in itertools.pairwise(ranks)):
        return "levels: severities must ascend, mildest first"
    previous = (-math.inf, -math.inf)
    for number, level in enumerate(levels):
        if level.raise_at is None or level.clear_at is None:
            return f"levels[{number}]: raise and clear are required"
        step = (sign * level.raise_at, sign * level.clear_at)
        if not all(map(math.isfinite, step)):
            return f"levels[{number}]: raise and clear must be finite numbers"
        if step[1] > step[0]:
            side = "above" if sign < 0 else "below"
            return f"levels[{number}].clear: must be at or {side} raise"
        if step[0] <= previous[0] or step[1] < previous[1]:
            way = "fall" if sign < 0 else "rise"
            return f"levels[{number}]: raise must {way} from level to level, and clear with it"
        previous = step
    return ""


def near(word: str, known: Iterable[str]) -> str:
    """Return the nearest known word as a question in brackets, "" if none is near."""
    close = difflib.get_close_matches(word, sorted(known), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def _named(rule: Rule) -> Iterable[tuple[str, str]]:
    for name in rule.confirm.by if rule.confirm else ():
        yield "confirm.by", name
    for number, inhibit in enumerate(rule.inhibit):
        for name in inhibit.by:
            yield f"inhibit[{number}].by", name


def _selection(rule: Rule) -> str:
    select = rule.select
    if rule.type == "gateway_offline":
        if any(msgspec.structs.astuple(select)):
            return "select: a gateway_offline rule selects every gateway, so it takes no select"
        return "" if rule.field is Field.SYSTEM else "field: a gateway_offline rule is of 'system'"
    for kind in select.kind:
        if kind not in DEVICE_KINDS:
            return f"select.kind: unknown device kind {kind!r}{near(kind, DEVICE_KINDS)}"
    for device in select.device:
        if not is_id(device):
            return f"select.device: {device!r} is no device id"
    if not all((*select.space, *select.tags)):
        return "select: a space code or a tag is empty"
    return _quantity(rule)


def _quantity(rule: Rule) -> str:
    quantity = rule.select.quantity
    if not quantity:
        if rule.type in {"missing", "all", "any"}:
            return ""
        return "select.quantity: required for this type of rule"
    if rule.type in {"all", "any"}:
        return f"select.quantity: an {rule.type!r} rule names its quantities in parts"
    return _measured("select", quantity, rule.select.kind)


def _measured(key: str, quantity: str, kinds: Iterable[str]) -> str:
    if quantity not in QUANTITIES:
        return f"{key}.quantity: unknown quantity {quantity!r}{near(quantity, QUANTITIES)}"
    for kind in kinds:
        if quantity not in DEVICE_KINDS[kind].quantities:
            return f"{key}: a {kind!r} device does not measure {quantity!r}"
    return ""


def _keys(rule: Rule) -> str:
    """Judge which keys go with the type of the rule."""
    for key, types in _ONLY_FOR.items():
        default = _DEFAULTS[key]
        given = getattr(rule, key) != default
        if given and rule.type not in types:
            return f"{key}: only for rules of type {_or(types)}"
        if not given and rule.type in types and key in _REQUIRED:
            return f"{key}: required for rules of type {_or(types)}"
    if rule.of_last is not None and rule.of_last.n > rule.of_last.m:
        return "of_last: n must be at most m"
    return ""


def _quality(rule: Rule) -> str:
    known = [name.lower() for name in Quality.__members__ if name != "GOOD"]
    for word in rule.reject_quality or ():
        if word not in known:
            return f"reject_quality: unknown quality {word!r}{near(word, known)}"
        if rule.field is Field.FIRE and word in _NEVER_SHUN_IN_FIRE:
            return (
                f"reject_quality: a fire rule must judge {word!r} readings, "
                "because a fire may look like one"
            )
    return ""


def _judge(rule: Rule) -> str:
    if rule.type == "anomaly":
        return _options("detector", rule.detector, _judges(rule), rule.options)
    if rule.type == "forecast":
        return _options("forecast", rule.forecast, _judges(rule), rule.options)
    return convert_fault(rule.options, StuckOptions) if rule.type == "stuck" else ""


def _judges(rule: Rule) -> Mapping[str, type[Judge]]:
    return DETECTORS if rule.type == "anomaly" else FORECASTS


def _options(key: str, name: str, known: Mapping[str, type[Judge]], options: dict[str, Any]) -> str:
    if name not in known:
        return f"{key}: unknown {key} {name!r}{near(name, known)}"
    return convert_fault(options, known[name].Options)


def convert_fault(options: dict[str, Any], shape: type[msgspec.Struct]) -> str:
    """Return what is wrong with the options of a detector, a forecast or a stuck rule."""
    keys = [info.encode_name for info in msgspec.structs.fields(shape)]
    for word in options:
        if word not in keys:
            return f"options: unknown option {word!r}{near(word, keys)}"
    try:
        msgspec.convert(options, shape)
    except msgspec.ValidationError as error:
        said, _, path = str(error).partition(" - at `$.")
        key = path.rstrip("`")
        return f"options{'.' if key else ''}{key}: {said[:1].lower()}{said[1:]}"
    return ""


def _ladder(rule: Rule) -> str:
    if rule.type in LADDER:
        return level_fault(rule.levels, direction(rule))
    levels = rule.levels
    if len(levels) > 1 or levels[0].raise_at is not None or levels[0].clear_at is not None:
        return "levels: this type of rule has one level with a severity and no numbers"
    return ""


def _parts(rule: Rule) -> str:
    if rule.type not in {"all", "any"}:
        return ""
    if not 2 <= len(rule.parts) <= 8:
        return f"parts: an {rule.type!r} rule compares two to eight quantities"
    for number, part in enumerate(rule.parts):
        found = _part(f"parts[{number}]", part, rule.select.kind)
        if found:
            return found
    return ""


def _part(key: str, part: Part, kinds: Iterable[str]) -> str:
    if not (math.isfinite(part.raise_at) and math.isfinite(part.clear_at)):
        return f"{key}: raise and clear must be finite numbers"
    sign = -1.0 if part.type == "low" else 1.0
    if sign * part.clear_at > sign * part.raise_at:
        return f"{key}.clear: must be at or {'above' if sign < 0 else 'below'} raise"
    return _measured(key, part.quantity, kinds)


def _told(rule: Rule) -> str:
    """Judge who is told, and when: what saves lives waits for nothing, a guess wakes nobody."""
    if rule.life_safety:
        if rule.advisory:
            return "life_safety: what is told at once is not advisory"
        if any(level.rank < Severity.ORANGE for level in rule.levels):
            return "life_safety: every level must be orange or red"
        for key in _WAITS:
            if getattr(rule, key) != _DEFAULTS[key]:
                return f"life_safety: such a rule waits for nothing, so it takes no {key}"
    if rule.advisory and rule.ack_within_s is not None:
        return "ack_within_s: nobody is called for an advisory rule"
    return _score(rule)


def _score(rule: Rule) -> str:
    """A score alone never pages: at 240,000 series its false alarms would be thousands a day."""
    if rule.type != "anomaly":
        return ""
    if any(level.rank > Severity.YELLOW for level in rule.levels):
        return "levels: an anomaly alone is blue or yellow; confirm may make it worse"
    if not rule.advisory and rule.confirm is None:
        return "advisory: required for an anomaly rule without confirm, since a score never pages"
    return ""


def _confirmation(rule: Rule) -> str:
    confirm: Confirm | None = rule.confirm
    if confirm is None:
        return ""
    if confirm.inside is None and confirm.radius_m is None:
        return "confirm: say inside or radius_m, or the whole city would confirm it"
    if Severity[confirm.severity.upper()] <= rule.levels[0].rank:
        return "confirm.severity: must be worse than the mildest level, or it changes nothing"
    return ""


def _times(rule: Rule) -> str:
    for number, hours in enumerate(rule.hours):
        if hours.begin == hours.end or len(set(hours.days)) < len(hours.days):
            return f"hours[{number}]: begin and end must differ, and a day stands once"
    for number, inhibit in enumerate(rule.inhibit):
        if rule.id in inhibit.by:
            return f"inhibit[{number}].by: a rule cannot keep itself from raising"
    return ""


def _or(types: Iterable[str]) -> str:
    *most, last = sorted(types)
    return f"{', '.join(most)} or {last}" if most else last


_LOOKS = (
    _selection, _keys, _quality, _judge, _parts, _ladder, _told, _confirmation, _times,
)  # fmt: skip

_DEFAULTS: dict[str, Any] = {
    info.encode_name: info.default_factory()
    if info.default_factory is not msgspec.NODEFAULT
    else info.default
    for info in msgspec.structs.fields(Rule)
}
