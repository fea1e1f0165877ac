"""The district, its story and the rules that ship: quiet when nothing happens, loud when it does.

Readings go straight from the reporters into the engine, without a broker or a database.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from alerts.engine import Engine
from alerts.rulebook import read_packaged
from alerts.rules import LoadedRule
from core import batch
from core.batch import Batch
from core.model import District, Field, Reading, Severity, Transition, TransitionKind
from core.registry import Registry, SeriesInfo
from core.units import DEVICE_KINDS
from simulators.events import Event
from simulators.reporting import Reporter
from simulators.signals import measured
from simulators.story import ROUND_S, events_of
from simulators.world import World

MIDNIGHT_S = 1_782_835_200.0
"""2026-07-01 00:00 in the district."""
NOON_S = MIDNIGHT_S + 12 * 3600

SLACK_S = 22.0
"""A report interval and the longest dwell of a rule, and a little."""


def registry_of(district: District) -> Registry:
    parents = {space.code: space.parent for space in district.spaces}
    names = [(device, quantity) for device in district.devices for quantity in measured(device)]
    return Registry(
        SeriesInfo(
            series_id=number,
            device_id=device.device_id,
            quantity=quantity,
            kind=device.kind,
            field=DEVICE_KINDS[device.kind].field,
            gateway_id=device.gateway_id,
            interval_s=device.interval_s,
            spaces=lineage(str(device.attributes["space"]), parents),
            lon=device.lon,
            lat=device.lat,
        )
        for number, (device, quantity) in enumerate(names, start=1)
    )


def lineage(code: str, parents: Mapping[str, str | None]) -> tuple[str, ...]:
    """Return a space and those it lies in, the largest first."""
    above = parents[code]
    return (*(lineage(above, parents) if above else ()), code)


class Judge:
    """The engine with the packaged rules over the district's series."""

    def __init__(self, district: District, now_s: float) -> None:
        self._registry = registry_of(district)
        rules = [LoadedRule(rule=rule, version=1) for rule in read_packaged()]
        self._engine = Engine(rules, self._registry, now_us=int(now_s * 1e6))
        self.transitions: list[Transition] = []

    def hear(self, readings: list[Reading], now_s: float) -> None:
        times = [int(reading.observed_s * 1e6) for reading in readings]
        ids = [self._registry.ids[f"{r.device}:{r.quantity}"] for r in readings]
        values = [reading.value for reading in readings]
        quality = [int(reading.quality) for reading in readings]
        self.judge(batch.of(ids, times, times, values, quality), now_s)

    def judge(self, readings: Batch, now_s: float) -> None:
        self.transitions += self._engine.process(readings)
        self.transitions += self._engine.tick(int(now_s * 1e6))


def tell(district: District, number: int, lasts_s: float) -> tuple[list[Event], list[Transition]]:
    """Run a round of the story, as if it were the first; its clock begins at ``NOON_S``."""
    events = [
        replace(event, begins_s=event.begins_s - number * ROUND_S)
        for event in events_of(district, 7, number)
    ]
    judge = Judge(district, NOON_S)
    world = World(district, 7, plot=lambda _: events, round_s=ROUND_S)
    reporters = [Reporter(world, gateway.gateway_id) for gateway in district.gateways]
    for step in range(int(lasts_s * 2)):
        due = [reporter.due(NOON_S + step / 2, step / 2) for reporter in reporters]
        judge.hear([r for one in due for r in (*one.urgent, *one.live)], NOON_S + step / 2)
    return events, judge.transitions


@pytest.mark.parametrize("hour", [3, 14, 21])
def test_a_quiet_hour_tells_nobody_anything(district: District, hour: int) -> None:
    begin_s = MIDNIGHT_S + hour * 3600
    judge = Judge(district, begin_s)
    world = World(district, 7, plot=None, round_s=ROUND_S)
    every = world.positions(device.device_id for device in district.devices)
    names = registry_of(district).ids
    ids = [names[":".join(world.series(position))] for position in every.tolist()]
    for step in range(360):
        now_s = begin_s + step * 10.0
        values = world.values(every, now_s, step * 10.0)
        times = np.full(len(ids), int(now_s * 1e6))
        judge.judge(batch.of(ids, times, times, values, np.zeros(len(ids))), now_s)
    advisory = {rule.id for rule in read_packaged() if rule.advisory}
    told = [(t.rule_id, t.subject, t.value) for t in judge.transitions]
    assert [one for one in told if one[0] not in advisory] == []
    # A score of 4 comes once in ten thousand readings, and 180,000 are scored in this hour.
    assert len(told) <= 2 * 18


@pytest.mark.parametrize("number", [0, 1, 2, 3])
def test_every_field_raises_within_45_seconds(district: District, number: int) -> None:
    _, transitions = tell(district, number, 45.0)
    raised = {t.field for t in transitions if t.kind is TransitionKind.RAISED}
    assert raised == {Field.FIRE, Field.WATER, Field.SLOPE, Field.TRAFFIC}


def test_who_must_alarm_does_and_nobody_else_in_the_quiet_part(district: District) -> None:
    events, transitions = tell(district, 0, 110.0)
    raised: dict[tuple[Field, str], float] = {}
    for transition in transitions:
        if transition.kind is TransitionKind.RAISED:
            device = transition.subject.removeprefix("device:")
            raised.setdefault((transition.field, device), transition.at_us / 1e6 - NOON_S)
    late = {
        device: (raised.get((event.field, device)), event.begins_s + since_s)
        for event in events
        if event.kind != "outage"
        for device, since_s in event.must_alarm.items()
        if raised.get((event.field, device), 1e9) > event.begins_s + since_s + SLACK_S
    }
    assert late == {}
    acted_on = {(event.field, device) for event in events for device, _ in event.traces}
    assert set(raised) - acted_on == set()


def test_a_second_detector_of_the_same_building_makes_a_fire_red(district: District) -> None:
    events, transitions = tell(district, 0, 90.0)
    (fire,) = [event for event in events if event.kind == "fire"]
    of_building = {
        device.device_id for device in district.devices if device.attributes["space"] == fire.space
    }
    first: dict[str, float] = {}
    red: dict[str, float] = {}
    for transition in transitions:
        device = transition.subject.removeprefix("device:")
        if transition.field is Field.FIRE and not device.startswith("fire_panel"):
            assert device in of_building
            at_s = transition.at_us / 1e6 - NOON_S - fire.begins_s
            first.setdefault(device, at_s)
            if transition.severity is Severity.RED:
                red.setdefault(device, at_s)
    second = sorted(first.values())[1]
    assert min(red.values()) <= second + 1.0
    assert all(
        t.life_safety for t in transitions if t.rule_id in {"fire-smoke-alarm", "fire-heat-rise"}
    )
