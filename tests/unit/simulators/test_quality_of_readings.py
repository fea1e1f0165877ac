"""The limits that ship are wide enough for a quiet day, and cost the story none of its alarms.

Readings go straight from the world into the marker and the engine, without a broker or a database.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from alerts.engine import Engine
from alerts.rulebook import read_packaged
from alerts.rules import LoadedRule
from core import batch
from core.model import District, Field, Quality, TransitionKind
from core.registry import Registry, SeriesInfo
from core.units import DEVICE_KINDS
from ingest.check import tables_of
from ingest.quality import Delays, Marker
from simulators.reporting import Reporter
from simulators.story import ROUND_S, events_of
from simulators.world import World

MIDNIGHT_S = 1_782_835_200.0
"""2026-07-01 00:00 in the district."""
DELAYS = Delays(late_s=300.0, clock_skew_s=300.0)


def registry_of(district: District) -> Registry:
    names = [
        (device, quantity)
        for device in district.devices
        for quantity in DEVICE_KINDS[device.kind].quantities
    ]
    return Registry(
        SeriesInfo(
            series_id=number,
            device_id=device.device_id,
            quantity=quantity,
            kind=device.kind,
            field=DEVICE_KINDS[device.kind].field,
            gateway_id=device.gateway_id,
            interval_s=device.interval_s,
        )
        for number, (device, quantity) in enumerate(names, start=1)
    )


def test_a_quiet_day_marks_nothing(district: District) -> None:
    registry = registry_of(district)
    marker = Marker(tables_of(registry), DELAYS)
    world = World(district, 7, plot=None, round_s=ROUND_S)
    every = world.positions(device.device_id for device in district.devices)
    infos = [registry.by_id[registry.ids[":".join(world.series(at))]] for at in every.tolist()]
    ids = [info.series_id for info in infos]
    found: Counter[tuple[str, str]] = Counter()
    for step in range(30 * 60 // 5):
        now_s = MIDNIGHT_S + step * 300.0
        values = world.values(every, now_s, step * 300.0)
        times = np.full(len(ids), int(now_s * 1e6))
        marked = marker.mark(batch.of(ids, times, times, values, np.zeros(len(ids)))).quality
        for row in np.flatnonzero(marked).tolist():
            found[infos[row].quantity, Quality(int(marked[row])).name or ""] += 1
    assert found == {}


@pytest.mark.parametrize("number", [0, 1, 2, 3])
def test_every_field_raises_with_the_bits_set(district: District, number: int) -> None:
    begin_s = MIDNIGHT_S + 12 * 3600
    registry = registry_of(district)
    marker = Marker(tables_of(registry), DELAYS)
    rules = [LoadedRule(rule=rule, version=1) for rule in read_packaged()]
    engine = Engine(rules, registry, now_us=int(begin_s * 1e6))
    events = [
        replace(event, begins_s=event.begins_s - number * ROUND_S)
        for event in events_of(district, 7, number)
    ]
    world = World(district, 7, plot=lambda _: events, round_s=ROUND_S)
    reporters = [Reporter(world, gateway.gateway_id) for gateway in district.gateways]
    raised: set[Field] = set()
    for step in range(90):
        due = [reporter.due(begin_s + step / 2, step / 2) for reporter in reporters]
        readings = [reading for one in due for reading in (*one.urgent, *one.live)]
        times = [int(reading.observed_s * 1e6) for reading in readings]
        ids = [registry.ids[f"{r.device}:{r.quantity}"] for r in readings]
        quality = [int(reading.quality) for reading in readings]
        plain = batch.of(ids, times, times, [reading.value for reading in readings], quality)
        said = engine.process(marker.mark(plain))
        raised |= {each.field for each in said if each.kind is TransitionKind.RAISED}
    assert raised == {Field.FIRE, Field.WATER, Field.SLOPE, Field.TRAFFIC}
