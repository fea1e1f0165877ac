"""Rules, series and batches in few words, for tests of the alarm engine and its neighbours."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from alerts.engine import Engine
from alerts.rule_texts import parse
from alerts.rules import LoadedRule
from core.batch import Batch, of
from core.model import Field, Severity, Transition, TransitionKind
from core.registry import Registry, SeriesInfo
from core.units import DEVICE_KINDS
from tests.oracle.rules import Row

T0_US = 1_790_000_000_000_000
S = 1_000_000

_TEXT = """
name = { zh = "名", en = "name" }
advice = { zh = "做", en = "do" }
source = "editable seed"
"""

HIGH = """
type = "high"
field = "fire"
select = { kind = ["heat"], quantity = "temperature" }
levels = [{ severity = "orange", raise = 57.0, clear = 50.0 }]
"""
LADDER = """
type = "high"
field = "water"
select = { kind = ["waterlogging"], quantity = "depth" }
levels = [
    { severity = "blue", raise = 0.15, clear = 0.13 },
    { severity = "yellow", raise = 0.27, clear = 0.25 },
    { severity = "orange", raise = 0.40, clear = 0.38 },
    { severity = "red", raise = 0.60, clear = 0.58 },
]
"""
LOW = """
type = "low"
field = "traffic"
select = { kind = ["charging_voltage"], quantity = "voltage" }
levels = [
    { severity = "yellow", raise = 198.0, clear = 200.0 },
    { severity = "orange", raise = 187.0, clear = 189.0 },
]
"""
RISE = """
type = "rise"
window_s = 30
field = "fire"
select = { kind = ["heat"], quantity = "temperature" }
levels = [{ severity = "orange", raise = 8.3, clear = 4.0 }]
"""
FALL = RISE.replace('"rise"', '"fall"')
STUCK = """
type = "stuck"
field = "water"
select = { kind = ["waterlogging"], quantity = "depth" }
levels = [
    { severity = "blue", raise = 30, clear = 30 },
    { severity = "yellow", raise = 90, clear = 60 },
]
reject_quality = ["device_fault"]
"""
ALL = """
type = "all"
field = "fire"
select = { kind = ["smoke"] }
levels = [{ severity = "orange" }]
parts = [
    { quantity = "smoke_obscuration", type = "high", raise = 4, clear = 2 },
    { quantity = "smoke_alarm", type = "high", raise = 1, clear = 0.5 },
]
"""
ANY = ALL.replace('"all"', '"any"')
SMOKE = """
type = "high"
field = "fire"
select = { kind = ["smoke"], quantity = "smoke_alarm" }
levels = [{ severity = "orange", raise = 1, clear = 0.5 }]
"""
MISSING = """
type = "missing"
field = "system"
levels = [{ severity = "blue" }]
"""
OFFLINE = """
type = "gateway_offline"
field = "system"
levels = [{ severity = "yellow" }]
"""


def loaded(*texts: str, version: int = 1) -> list[LoadedRule]:
    """Make rules of TOML bodies, ids ``rule-0``, ``rule-1``, …; a text may bring its own id."""
    bodies = [
        "[[rule]]\n" + ("" if "\nid =" in text else f'id = "rule-{n}"') + _TEXT + text
        for n, text in enumerate(texts)
    ]
    return [LoadedRule(rule=rule, version=version) for rule in parse("\n".join(bodies), "test")]


def registry(
    *devices: tuple[str, str] | tuple[str, str, str], interval_s: float = 10.0
) -> Registry:
    """Register devices of (id, kind) or (id, kind, gateway); series ids count from 1."""
    infos: list[SeriesInfo] = []
    for device, kind, *gateway in devices:
        for quantity in DEVICE_KINDS[kind].quantities:
            info = SeriesInfo(
                series_id=len(infos) + 1,
                device_id=device,
                quantity=quantity,
                kind=kind,
                field=Field(DEVICE_KINDS[kind].field),
                gateway_id=gateway[0] if gateway else "gw-a",
                interval_s=interval_s,
            )
            infos.append(info)
    return Registry(infos)


def placed(
    *devices: tuple[str, str, tuple[str, ...]], at: dict[str, tuple[float, float]] | None = None
) -> Registry:
    """Register devices of (id, kind, spaces), all behind one gateway; ``at`` is (lon, lat)."""
    where = at or {}
    plain = registry(*((device, kind) for device, kind, _ in devices))
    spaces = {device: codes for device, _, codes in devices}
    infos = []
    for info in plain.by_id.values():
        lon, lat = where.get(info.device_id, (math.nan, math.nan))
        infos.append(replace(info, spaces=spaces[info.device_id], lon=lon, lat=lat))
    return Registry(infos)


def batch(rows: Sequence[Row]) -> Batch:
    """Make a batch of rows, in their order."""
    return of(
        [row.series for row in rows],
        [row.observed_us for row in rows],
        [row.received_us for row in rows],
        [row.value for row in rows],
        [row.quality for row in rows],
    )


def row(
    series: int, at_s: float, value: float, quality: int = 0, received_s: float | None = None
) -> Row:
    """Make a reading at a time after T0."""
    received = at_s if received_s is None else received_s
    return Row(
        series=series,
        observed_us=T0_US + round(at_s * S),
        received_us=T0_US + round(received * S),
        value=value,
        quality=quality,
    )


def feed(
    engine: Engine, series: int, values: Iterable[tuple[float, float]]
) -> list[tuple[str, ...]]:
    """Feed (seconds, value) pairs one by one; return what was said, in words."""
    said: list[tuple[str, ...]] = []
    for at_s, value in values:
        said += words(engine.process(batch([row(series, at_s, value)])))
    return said


def words(transitions: Iterable[Transition]) -> list[tuple[str, ...]]:
    """Return kind, severity and seconds after T0 of transitions."""
    return [
        (str(t.kind), t.severity.name.lower(), f"{(t.at_us - T0_US) / S:g}") for t in transitions
    ]


def transition(**change: Any) -> Transition:
    """Make a transition; what is not given is a hot detector's raise at T0."""
    plain: dict[str, Any] = {
        "rule_id": "rule-0",
        "rule_version": 1,
        "subject": "device:heat-1",
        "field": Field.FIRE,
        "kind": TransitionKind.RAISED,
        "severity": Severity.ORANGE,
        "at_us": T0_US,
        "value": 61.0,
        "threshold": 57.0,
        "quantity": "temperature",
        "latch": False,
    }
    return Transition(**(plain | change))
