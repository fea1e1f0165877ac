"""A jam that grows back along a road from a bottleneck, and a charging area that pulls mains down.

Vehicles obey the triangular fundamental diagram of ``simulators.signals``. The queue's tail moves
upstream as a shock wave, here four times as fast as in the street. Those who gave up plug in at the
nearest charging area: current rises, the feeder's resistance takes the voltage below its limit.
"""

from __future__ import annotations

import math
from random import Random

import numpy as np

from core.model import Device, District, Field
from simulators.events import F8, Event, Trace, adding, clock, first_reaching, replacing, sites
from simulators.layout import to_plane
from simulators.signals import CAPACITY_PER_H, JAM_PER_KM, traffic_state

TIME_SCALE = 4.0
"""Seconds of the real course that one second of the story stands for."""

JAMMED_PER_KM = 105.0
"""Density in the queue, vehicles per km and lane."""

JAMMED_OCCUPANCY = 50.0
"""Time occupancy in % from which a road counts as jammed (the district's own: editable seed)."""

LOWEST_V = 198.0
"""220 V less 10 %: the lower limit of supply voltage, GB/T 12325 (value not verified)."""

_LASTS_S = 120.0
_ENDS_S = 95.0
_RAMP_S = 3.0
_STOP_AND_GO_PER_KM = 9.0
_STOP_AND_GO_S = 13.0
_ARRIVING_PER_KM = 30.0
_PLUGGED_A = (140.0, 165.0)
_PLUGGING_S = 4.0
_HIGHEST_MAINS_V = 231.0


KINDS = ("geomagnetic",)


def traffic(district: District, site: str, rng: Random, begins_s: float) -> Event:
    """Jam one of the roads, and load the charging area nearest to it."""
    detectors = sites(district, *KINDS)[site]
    head = detectors[-1]
    charging = _nearest(sites(district, "charging_voltage"), head)
    traces: dict[tuple[str, str], Trace] = {}
    alarms: dict[str, float] = {}
    for device in detectors:
        _jam(device, head, traces, alarms)
    plugged_a = rng.uniform(*_PLUGGED_A)
    for device in charging:
        _load(device, plugged_a, traces, alarms)
    return Event(
        kind="traffic",
        field=Field.TRAFFIC,
        site=site,
        space=str(head.attributes["space"]),
        lon=head.lon,
        lat=head.lat,
        begins_s=begins_s,
        lasts_s=_LASTS_S,
        traces=traces,
        must_alarm=alarms,
        facts={
            "charging_site": str(charging[0].attributes["site"]),
            "jammed_per_km": JAMMED_PER_KM,
            "jammed_occupancy": JAMMED_OCCUPANCY,
            "plugged_a": round(plugged_a, 1),
            "lowest_v": LOWEST_V,
            "shock_wave_m_s": round(shock_wave_m_s(float(head.attributes["free_kmh"])), 2),
            "time_scale": TIME_SCALE,
        },
    )


def shock_wave_m_s(free_kmh: float) -> float:
    """Return how fast the tail of the queue moves upstream, in m/s of the real course.

    The jump in flow over the jump in density between arriving traffic and the queue.

    Example:
        >>> round(shock_wave_m_s(50.0), 2)
        3.31
    """
    critical = CAPACITY_PER_H / free_kmh
    queued = CAPACITY_PER_H * (JAM_PER_KM - JAMMED_PER_KM) / (JAM_PER_KM - critical)
    arriving = min(_ARRIVING_PER_KM, critical) * free_kmh
    return max((arriving - queued) / (JAMMED_PER_KM - _ARRIVING_PER_KM) / 3.6, 0.5)


def queue_share(times: F8, reached_s: float) -> F8:
    """Return how far a place is inside the queue: 0 before the tail arrives, 1 soon after."""
    coming = np.clip((times - reached_s) / _RAMP_S, 0.0, 1.0)
    going = np.clip((_ENDS_S - times) / _RAMP_S + 1.0, 0.0, 1.0)
    share: F8 = coming * going
    return share


def _jam(
    device: Device,
    head: Device,
    traces: dict[tuple[str, str], Trace],
    alarms: dict[str, float],
) -> None:
    free = float(device.attributes["free_kmh"])
    behind = float(head.attributes["along_m"]) - float(device.attributes["along_m"])
    times = clock(_LASTS_S)
    share = queue_share(times, behind / (shock_wave_m_s(free) * TIME_SCALE))
    waves = _STOP_AND_GO_PER_KM * np.sin(2 * np.pi * (times / _STOP_AND_GO_S + behind / 97.0))
    states = traffic_state(JAMMED_PER_KM + waves, free)
    for quantity, values in zip(("occupancy", "vehicle_flow", "speed"), states, strict=True):
        traces[device.device_id, quantity] = replacing(values, share)
    when = first_reaching(share * states[0], JAMMED_OCCUPANCY)
    if when is not None:
        alarms[device.device_id] = when


def _load(
    device: Device,
    plugged_a: float,
    traces: dict[tuple[str, str], Trace],
    alarms: dict[str, float],
) -> None:
    times = clock(_LASTS_S)
    plugged = plugged_a * (1.0 - np.exp(-times / _PLUGGING_S)) * queue_share(times, 0.0)
    drop = -plugged * float(device.attributes["feeder_ohm"])
    traces[device.device_id, "current"] = adding(plugged)
    traces[device.device_id, "voltage"] = adding(drop)
    when = first_reaching(_HIGHEST_MAINS_V + drop, LOWEST_V - 1.0, from_above=True)
    if when is not None:
        alarms[device.device_id] = when


def _nearest(areas: dict[str, list[Device]], to: Device) -> list[Device]:
    here = to_plane(to.lon, to.lat)
    return min(
        areas.values(),
        key=lambda devices: math.dist(here, to_plane(devices[0].lon, devices[0].lat)),
    )
