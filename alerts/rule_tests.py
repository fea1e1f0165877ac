"""The ``[[test]]`` of a rule file: its shape, what is wrong with it, and its readings laid out.

``docs/rules.md`` describes every key. Playing a test is ``alerts.rule_trials``' work.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Annotated, Any, Literal, get_args

import msgspec
from msgspec import Meta

from alerts.rules import Level, Rule
from core.model import Quality, Severity, TransitionKind, is_id, parse_time
from core.registry import Registry, SeriesInfo
from core.units import DEVICE_KINDS, ON_ANY_DEVICE

MAX_READINGS = 50_000
MAX_SILENCE_S = 100_000
"""How long a test may last in which our clock looks for silence every second."""

LINEAGE = ("district", "street", "community", "grid", "block", "building")
"""Where a device of a test stands that does not say: all in one building."""

Said = Literal["raised", "escalated", "eased", "returned"]
Row = list[float | str]


class Instrument(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A device of a test; ``interval_s`` in seconds, position in degrees, EPSG:4490."""

    kind: str
    interval_s: Annotated[float, Meta(gt=0, le=864_000)] = 60.0
    gateway: str = "g"
    spaces: tuple[str, ...] | None = None
    lon: float = 114.057
    lat: float = 22.543
    tags: tuple[str, ...] | None = None


class Run(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Readings by formula: a line, a wave, a creep that ends in failure, and noise, added up."""

    begin: float = msgspec.field(name="from")
    to: float
    every: Annotated[float, Meta(gt=0)]
    value: float
    end: float | None = None
    per_min: float = 0.0
    wave: float = 0.0
    period_s: Annotated[float, Meta(gt=0)] = 86_400.0
    creep: float = 0.0
    fails_at: float | None = None
    noise: Annotated[float, Meta(ge=0)] = 0.0
    series: str = ""
    quality: str = ""


class OwnLevels(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An override of the tested rule for one device of the test."""

    levels: tuple[Level, ...] = ()
    enabled: bool = True


class RuleTest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a rule must say of some readings; times are seconds after ``start``."""

    rule: str
    name: Annotated[str, Meta(min_length=1)]
    devices: dict[str, Instrument] = {}
    readings: list[Row] | dict[str, list[Row]] = []
    runs: tuple[Run, ...] = ()
    gateway: tuple[tuple[float, str, Literal["offline", "online"]], ...] = ()
    with_: tuple[str, ...] = msgspec.field(default=(), name="with")
    overrides: dict[str, OwnLevels] = {}
    drains: dict[str, tuple[str, ...]] = {}
    powers: dict[str, tuple[str, ...]] = {}
    start: str = "2026-01-05T00:00:00+08:00"
    until: Annotated[float, Meta(ge=0)] | None = None
    expect: list[Row]
    within_s: Annotated[float, Meta(ge=0)] = 0.001

    @staticmethod
    def parts() -> tuple[type[msgspec.Struct], ...]:
        """Return the structs that stand in a test."""
        return (Instrument, Run, OwnLevels, Level)


class Expected(msgspec.Struct, frozen=True, kw_only=True):
    """One change that must be said; None: any severity, "": any device."""

    at_s: float
    kind: TransitionKind
    severity: Severity | None
    device: str


class Told(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """One reading as it is given to the engine, ordered by time."""

    at_s: float
    series: str
    value: float
    quality: int


class TrialInvalid(ValueError):
    """A test cannot be played; the text names the key."""


def faults_of(test: RuleTest, rule: Rule) -> str:
    """Return what is wrong with a test whose keys and types are right, "" if nothing is."""
    try:
        expected(test)
        start(test)
        registry = stage(test, rule)
        readings(test, rule)
        _check_names(test, registry)
    except TrialInvalid as error:
        return str(error)
    judged = any(
        rule.selects(kind=info.kind, field=info.field, quantity=info.quantity)
        and rule.narrows(info)
        for info in registry.by_id.values()
    )
    if not judged and rule.type != "gateway_offline":
        return "devices: the rule judges none of them"
    return ""


def instruments(test: RuleTest, rule: Rule) -> dict[str, Instrument]:
    """Return the devices of a test by name; one of the rule's first kind if none is given."""
    if test.devices:
        return test.devices
    kinds = rule.select.kind or [
        kind for kind in DEVICE_KINDS if _measures(rule, kind, _quantities(kind, rule))
    ]
    name = rule.select.device[0] if rule.select.device else "a"
    return {name: Instrument(kind=kinds[0])} if kinds else {}


def stage(test: RuleTest, rule: Rule) -> Registry:
    """Register the devices of a test.

    Raises:
        TrialInvalid: if a kind or a name is none.
    """
    infos: list[SeriesInfo] = []
    for name, device in instruments(test, rule).items():
        if device.kind not in DEVICE_KINDS:
            raise TrialInvalid(f"devices.{name}.kind: unknown device kind {device.kind!r}")
        if not (is_id(name) and is_id(device.gateway)):
            raise TrialInvalid(f"devices.{name}: the device's and the gateway's name must be ids")
        for quantity in _quantities(device.kind, rule):
            infos.append(_series(len(infos) + 1, name, device, quantity, rule))
    return Registry(infos, drains=_refs(test.drains), powers=_refs(test.powers))


def readings(test: RuleTest, rule: Rule) -> list[Told]:
    """Return all readings of a test in order of time.

    Raises:
        TrialInvalid: if a row, a name or a formula cannot be used, or there are too many.
    """
    devices = instruments(test, rule)
    listed = test.readings if isinstance(test.readings, dict) else {"": test.readings}
    listed = {name: rows for name, rows in listed.items() if rows}
    told: list[Told] = []
    for name, rows in listed.items():
        series = _name(name, devices, rule)
        told += [_row(f"readings[{n}]", series, row) for n, row in enumerate(rows)]
    for number, run in enumerate(test.runs):
        series = _name(run.series, devices, rule)
        told += _played(f"runs[{number}]", series, run, random.Random(f"{test.name} {number}"))
        if len(told) > MAX_READINGS:
            raise TrialInvalid(f"runs: more than {MAX_READINGS} readings")
    return sorted(told)


def expected(test: RuleTest) -> list[Expected]:
    """Return what must be said, in order of time.

    Raises:
        TrialInvalid: if a row cannot be used.
    """
    rows = [_expected(f"expect[{number}]", row) for number, row in enumerate(test.expect)]
    return sorted(rows, key=lambda row: row.at_s)


def start(test: RuleTest) -> datetime:
    """Return the moment of second 0.

    Raises:
        TrialInvalid: if it is no time with an offset.
    """
    try:
        return parse_time(test.start)
    except ValueError as error:
        raise TrialInvalid(f"start: {error}") from error


def quality_of(key: str, words: str) -> int:
    """Return the bits of words like ``"jump|late"``; "" is a good reading.

    Raises:
        TrialInvalid: if a word is no quality bit.
    """
    bits = 0
    for word in words.split("|") if words else ():
        if word.upper() not in Quality.__members__ or word != word.lower():
            raise TrialInvalid(f"{key}: unknown quality {word!r}")
        bits |= Quality[word.upper()]
    return bits


def _quantities(kind: str, rule: Rule) -> tuple[str, ...]:
    """Return what a device of a kind measures, and what the rule judges that any device may."""
    own = DEVICE_KINDS[kind].quantities
    return own + tuple(ON_ANY_DEVICE.intersection({rule.select.quantity}))


def _measures(rule: Rule, kind: str, quantities: Iterable[str]) -> bool:
    field = DEVICE_KINDS[kind].field
    if rule.type == "gateway_offline":
        return True
    return any(rule.selects(kind=kind, field=field, quantity=one) for one in quantities)


def _series(number: int, name: str, device: Instrument, quantity: str, rule: Rule) -> SeriesInfo:
    own = (*LINEAGE[:-1], rule.select.space[0]) if rule.select.space else LINEAGE
    return SeriesInfo(
        series_id=number,
        device_id=name,
        quantity=quantity,
        kind=device.kind,
        field=DEVICE_KINDS[device.kind].field,
        gateway_id=device.gateway,
        interval_s=device.interval_s,
        spaces=own if device.spaces is None else device.spaces,
        lon=device.lon,
        lat=device.lat,
        tags=rule.select.tags if device.tags is None else device.tags,
    )


def _refs(steps: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    return {_ref(above): tuple(map(_ref, below)) for above, below in steps.items()}


def _ref(name: str) -> str:
    return name if ":" in name else f"device:{name}"


def _name(name: str, devices: dict[str, Instrument], rule: Rule) -> str:
    """Return ``device:quantity`` of a name that may leave out either."""
    device, _, quantity = name.partition(":")
    device = device or next(iter(devices), "")
    if device not in devices:
        raise TrialInvalid(f"readings: there is no device {device!r} in this test")
    kind = devices[device].kind
    has = _quantities(kind, rule) if kind in DEVICE_KINDS else ()
    if not quantity:
        asked = rule.select.quantity or (rule.parts[0].quantity if rule.parts else "")
        if asked in has or len(has) == 1 or (not asked and has):
            quantity = asked if asked in has else has[0]
    if quantity not in has:
        raise TrialInvalid(
            f"readings: {name or device!r}: say which of {', '.join(has)} as {device}:QUANTITY"
        )
    return f"{device}:{quantity}"


def _row(key: str, series: str, row: Row) -> Told:
    at, value = _number(row, 0), _number(row, 1)
    quality = row[2] if len(row) == 3 else ""
    if at is None or value is None or at < 0 or len(row) > 3 or not isinstance(quality, str):
        raise TrialInvalid(f'{key}: must be [seconds, value] or [seconds, value, "quality bits"]')
    return Told(at_s=at, series=series, value=value, quality=quality_of(key, quality))


def _number(row: Row, place: int) -> float | None:
    """Return a finite number of a row, None if there is none at that place."""
    said = row[place] if place < len(row) else ""
    return None if isinstance(said, str) or not math.isfinite(said) else float(said)


def _played(key: str, series: str, run: Run, chance: random.Random) -> Iterator[Told]:
    if not 0 <= run.begin < run.to or (run.to - run.begin) / run.every > MAX_READINGS:
        raise TrialInvalid(f"{key}: from must be before to, with at most {MAX_READINGS} readings")
    if (run.creep != 0) != (run.fails_at is not None):
        raise TrialInvalid(f"{key}: creep and fails_at belong together")
    if run.fails_at is not None and run.fails_at < run.to:
        raise TrialInvalid(f"{key}.fails_at: must not be before to")
    bits = quality_of(key, run.quality)
    for number in range(math.ceil((run.to - run.begin) / run.every)):
        at_s = run.begin + number * run.every
        value = _value(run, at_s) + (chance.gauss(0, run.noise) if run.noise else 0.0)
        yield Told(at_s=at_s, series=series, value=value, quality=bits)


def _value(run: Run, at_s: float) -> float:
    passed = at_s - run.begin
    value = run.value + run.per_min * passed / 60
    if run.end is not None:
        value += (run.end - run.value) * passed / (run.to - run.begin)
    if run.wave:
        value += run.wave * math.sin(math.tau * at_s / run.period_s)
    if run.fails_at is not None:
        value += run.creep * math.log((run.fails_at - run.begin) / (run.fails_at - at_s))
    return value


def _expected(key: str, row: Row) -> Expected:
    at, words = _number(row, 0), [str(word) for word in row[1:]]
    if at is None or not 1 <= len(words) <= 3 or words[0] not in get_args(Said):
        said = " or ".join(f'"{word}"' for word in get_args(Said))
        raise TrialInvalid(f"{key}: must be [seconds, {said}, severity, device]")
    kind, severity, device = (*words, "", "")[:3]
    if severity.upper() not in (*Severity.__members__, ""):
        raise TrialInvalid(f"{key}: unknown severity {severity!r}")
    if not severity and kind != "returned":
        raise TrialInvalid(f"{key}: say the severity")
    return Expected(
        at_s=at,
        kind=TransitionKind(kind),
        severity=Severity[severity.upper()] if severity else None,
        device=device,
    )


def _check_names(test: RuleTest, registry: Registry) -> None:
    named: list[tuple[str, Any, frozenset[str]]] = [
        ("overrides", test.overrides, registry.devices),
        ("gateway", [name for _, name, _ in test.gateway], registry.gateways),
    ]
    for key, names, known in named:
        for name in names:
            if name not in known:
                raise TrialInvalid(f"{key}: there is no {name!r} in this test")
