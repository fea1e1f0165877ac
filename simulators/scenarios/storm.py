"""A rain cell over a low spot: gauges first, then pipes and outfalls, then water on the road.

A hyetograph with one peak, fading with distance from the cell's centre; each catchment answers as a
linear reservoir behind the rational formula; a low spot fills with what the drains cannot take. One
second stands for one minute, or nobody would watch it to its end. Rain that falls elsewhere and the
way of water between catchments are left out.
"""

from __future__ import annotations

import math
from random import Random

import numpy as np

from core.model import Device, District, Field
from simulators.events import F8, STEP_S, Event, Trace, adding, clock, first_reaching, sites
from simulators.layout import to_plane

TIME_SCALE = 60.0
"""Seconds of the real course that one second of the story stands for."""

FLOODED_M = 0.15
"""Depth from which a low spot counts as waterlogged (the district's own ladder: editable seed)."""

_LASTS_S = 150.0
_PEAK_S = 9.0
_RADIUS_M = 900.0
_RUNOFF = 0.75
_DRAINS_MM_H = 36.0
_POND_M_PER_MM = 0.032
_LAG_S = {"pipe_flow": 2.0, "outfall_flow": 3.5, "river_level": 9.0}
_CATCHMENT_HA = {"pipe_flow": (3.0, 8.0), "outfall_flow": (14.0, 40.0)}
_RIVER_M_PER_MM_H = 0.012
_WORTH_MM_H = 1.0


KINDS = ("waterlogging",)


def storm(district: District, site: str, rng: Random, begins_s: float) -> Event:
    """Let a rain cell stand over one of the low spots."""
    centre = sites(district, *KINDS)[site][0]
    peak = rng.uniform(125.0, 150.0)
    rain = hyetograph(clock(_LASTS_S), peak)
    traces: dict[tuple[str, str], Trace] = {}
    alarms: dict[str, float] = {}
    for device in district.devices:
        local = rain * nearness(device, centre)
        if float(local.max()) < _WORTH_MM_H:
            continue
        if device.kind == "rain_gauge":
            traces[device.device_id, "rain_intensity"] = adding(local)
        elif device.kind == "waterlogging":
            depth = ponding(local, float(device.attributes["storage"])) + _lower(device, local)
            traces[device.device_id, "depth"] = adding(depth)
            when = first_reaching(depth, FLOODED_M + 0.01)
            alarms |= {device.device_id: when} if when is not None else {}
        elif device.kind in _CATCHMENT_HA:
            hectares = Random(f"catchment:{device.device_id}").uniform(*_CATCHMENT_HA[device.kind])
            flow = runoff(local, hectares, _LAG_S[device.kind])
            traces[device.device_id, "flow"] = adding(flow)
        elif device.kind == "river_level":
            stage = _RIVER_M_PER_MM_H * reservoir(local, _LAG_S["river_level"])
            traces[device.device_id, "level"] = adding(stage)
    return Event(
        kind="storm",
        field=Field.WATER,
        site=site,
        space=str(centre.attributes["space"]),
        lon=centre.lon,
        lat=centre.lat,
        begins_s=begins_s,
        lasts_s=_LASTS_S,
        traces=traces,
        must_alarm=alarms,
        facts={
            "peak_mm_h": round(peak, 1),
            "radius_m": _RADIUS_M,
            "runoff_coefficient": _RUNOFF,
            "drains_mm_h": _DRAINS_MM_H,
            "flooded_m": FLOODED_M,
            "time_scale": TIME_SCALE,
        },
    )


def hyetograph(times: F8, peak_mm_h: float) -> F8:
    """Return the rain intensity in mm/h: a steep rise to one peak and a longer tail."""
    x = times / _PEAK_S
    rain: F8 = peak_mm_h * (x * np.exp(1.0 - x)) ** 1.6
    return np.where(rain < 0.2, 0.0, rain)


def nearness(device: Device, centre: Device) -> float:
    """Return the share of the cell's rain that falls here: 1 in its centre."""
    away = math.dist(to_plane(device.lon, device.lat), to_plane(centre.lon, centre.lat))
    return math.exp(-((away / _RADIUS_M) ** 2))


def reservoir(inflow: F8, lag_s: float) -> F8:
    """Return the outflow of a linear reservoir, dq/dt = (inflow - q) / lag, exact in each step."""
    out, q = np.zeros_like(inflow), 0.0
    share = 1.0 - math.exp(-STEP_S / lag_s)
    for step, value in enumerate(inflow.tolist()):
        q += (value - q) * share
        out[step] = q
    return out


def runoff(rain_mm_h: F8, hectares: float, lag_s: float) -> F8:
    """Return the flow in m³/s from a catchment: C·i·A/360 (rational formula), behind its lag."""
    return reservoir(_RUNOFF * rain_mm_h * hectares / 360.0, lag_s)


def ponding(rain_mm_h: F8, storage: float) -> F8:
    """Return the depth in m at a low spot: what arrives beyond what the drains take away."""
    arriving = reservoir(rain_mm_h, 2.0)
    depth, excess_mm = np.zeros_like(rain_mm_h), 0.0
    for step, value in enumerate(arriving.tolist()):
        hours = STEP_S * TIME_SCALE / 3600.0
        excess_mm = max(0.0, excess_mm + (value - _DRAINS_MM_H) * hours)
        depth[step] = min(excess_mm * _POND_M_PER_MM * storage, 0.9)
    return depth


def _lower(device: Device, rain_mm_h: F8) -> F8:
    """Return the extra depth at a gauge that sits lower than its neighbour, once there is water."""
    wet = ponding(rain_mm_h, float(device.attributes["storage"])) > 0.02
    extra: F8 = np.where(wet, float(device.attributes["lower_m"]), 0.0)
    return extra
