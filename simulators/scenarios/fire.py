"""A fire in one room: smoke first, then heat, then the panel of the building.

The heat release grows with the square of time (NFPA 92 and NFPA 204 design fires: 1,055 kW after
600, 300, 150 or 75 s), up to what the room's openings let burn, and dies down once it is fought.
Gas under the ceiling follows Alpert's ceiling jet; smoke fills the layer that Zukoski's plume
feeds; detectors lag behind both. The layer's own slow heating and other storeys are left out, so
distant detectors warm up later here than in a real fire.
"""

from __future__ import annotations

import math
from random import Random

import numpy as np

from core.model import Device, District, Field
from simulators.events import (
    F8,
    STEP_S,
    Event,
    Trace,
    adding,
    clock,
    first_reaching,
    replacing,
    sites,
)
from simulators.layout import to_degrees, to_plane

GROWTH_KW_S2 = {"slow": 0.00293, "medium": 0.01172, "fast": 0.04689, "ultra-fast": 0.1876}
"""Coefficients of t² fires: 1,055 kW / (600, 300, 150, 75 s)²."""

SMOKE_ALARM_DB_M = 0.15
"""Response of a fixed photoelectric detector, GB 4715-2024; 0.15 dB/m is 3.39 %/m."""
SMOKE_RESET_DB_M = 0.10
HEAT_LEVEL_CEL = 57.0
"""Typical static response of class A1 and A2 heat detectors, EN 54-5: 54 to 65 (70)."""

_LASTS_S = 240.0
_FOUGHT_AFTER_S = 70.0
_DIES_S = 18.0
_MOST_KW = 1500.0
_CEILING_M = 3.0
_ROOM_M2 = 60.0
_LEAST_LAYER_M = 0.6
_CONVECTIVE = 0.7
_BURNT_KJ_G = 20.0
_OPTICAL_M2_G = 0.20
_VENTED_S = 25.0
_RTI = 20.0
_ENTRY_M = 3.0
_PANEL_STEPS = int(2.0 / STEP_S)
_COOLEST_CEL = 22.0


KINDS = ("smoke", "heat", "fire_panel")


def fire(
    district: District, site: str, rng: Random, begins_s: float, *, growth: str = "ultra-fast"
) -> Event:
    """Set fire to a room of a monitored building, near one of its heat detectors."""
    devices = sites(district, *KINDS)[site]
    first = rng.choice([device for device in devices if device.kind == "heat"])
    seat = _seat(devices, first, rng.uniform(0.5, 1.5))
    release = heat_release(clock(_LASTS_S), GROWTH_KW_S2[growth])
    traces, alarms = _detectors(devices, first, seat, release)
    lon, lat = to_degrees(*seat)
    return Event(
        kind="fire",
        field=Field.FIRE,
        site=site,
        space=str(first.attributes["space"]),
        lon=lon,
        lat=lat,
        begins_s=begins_s,
        lasts_s=_LASTS_S,
        traces=traces,
        must_alarm=alarms,
        facts={
            "growth": growth,
            "growth_kw_s2": GROWTH_KW_S2[growth],
            "floor": int(first.attributes["floor"]),
            "most_kw": round(float(release.max()), 1),
            "smoke_level_db_m": SMOKE_ALARM_DB_M,
            "heat_level_cel": HEAT_LEVEL_CEL,
            "time_scale": 1,
        },
    )


def heat_release(times: F8, growth_kw_s2: float) -> F8:
    """Return the heat release in kW: t² up to the room's limit, dying down once it is fought."""
    growing = np.minimum(growth_kw_s2 * np.minimum(times, _FOUGHT_AFTER_S) ** 2, _MOST_KW)
    fought = np.exp(-np.maximum(times - _FOUGHT_AFTER_S, 0.0) / _DIES_S)
    release: F8 = growing * fought
    return release


def jet_rise(release: F8, off_m: float) -> F8:
    """Return the gas temperature rise in K under the ceiling, after Alpert (1972)."""
    if off_m / _CEILING_M <= 0.18:
        rise = 16.9 * release ** (2 / 3) / _CEILING_M ** (5 / 3)
    else:
        rise = 5.38 * (release / off_m) ** (2 / 3) / _CEILING_M
    capped: F8 = np.minimum(rise, 850.0)
    return capped


def jet_speed(release: F8, off_m: float) -> F8:
    """Return the gas speed in m/s under the ceiling, after Alpert (1972); never quite still."""
    if off_m / _CEILING_M <= 0.15:
        speed = 0.96 * (release / _CEILING_M) ** (1 / 3)
    else:
        speed = 0.195 * release ** (1 / 3) * _CEILING_M**0.5 / off_m ** (5 / 6)
    moving: F8 = np.maximum(speed, 0.05)
    return moving


def detector_rise(release: F8, off_m: float) -> F8:
    """Return the rise that a heat detector shows: the gas's, behind its response time index."""
    lag = _RTI / np.sqrt(jet_speed(release, off_m))
    return _follow(jet_rise(release, off_m), lag)


def smoke_layer(release: F8) -> F8:
    """Return the optical density (1/m, decadic) of the smoke layer under the room's ceiling."""
    density = np.zeros_like(release)
    smoke_m2, layer_m = 0.0, _LEAST_LAYER_M
    for step, kw in enumerate(release.tolist()):
        smoke_m2 += (kw / _BURNT_KJ_G * _OPTICAL_M2_G - smoke_m2 / _VENTED_S) * STEP_S
        clear_m = max(_CEILING_M - layer_m, 0.5)
        plume_kg_s = 0.071 * (_CONVECTIVE * kw) ** (1 / 3) * clear_m ** (5 / 3)
        layer_m = min(layer_m + plume_kg_s / 1.1 / _ROOM_M2 * STEP_S, _CEILING_M - 0.8)
        density[step] = smoke_m2 / (_ROOM_M2 * layer_m)
    return density


def smoke_at(layer: F8, release: F8, off_m: float) -> F8:
    """Return the optical density inside a smoke detector: thinner, later and slower with distance.

    Before the fire can carry it there, nothing arrives; outside the room the smoke spreads over the
    circle that it has reached.
    """
    spread = _ROOM_M2 / max(_ROOM_M2, math.pi * off_m**2)
    speed = jet_speed(release, off_m)
    travelled = np.cumsum(speed) * STEP_S
    arrived = np.where(travelled >= off_m, layer * spread, 0.0)
    return _follow(arrived, _ENTRY_M / np.maximum(speed, 0.15))


def latched(values: F8, on: float, off: float) -> F8:
    """Return 1 from where a value reaches ``on`` to where it falls below ``off``, else 0."""
    state, bits = 0.0, np.zeros_like(values)
    for step, value in enumerate(values.tolist()):
        state = 1.0 if value >= on else 0.0 if value < off else state
        bits[step] = state
    return bits


def _seat(devices: list[Device], first: Device, away_m: float) -> tuple[float, float]:
    """Return a place so far from a heat detector, on the side of its room's nearest smoke one."""
    here = to_plane(first.lon, first.lat)
    same = [
        d
        for d in devices
        if d.kind == "smoke" and d.attributes["floor"] == first.attributes["floor"]
    ]
    smoke = min((to_plane(d.lon, d.lat) for d in same), key=lambda at: math.dist(at, here))
    share = away_m / max(math.dist(smoke, here), away_m)
    return here[0] + (smoke[0] - here[0]) * share, here[1] + (smoke[1] - here[1]) * share


def _detectors(
    devices: list[Device], first: Device, seat: tuple[float, float], release: F8
) -> tuple[dict[tuple[str, str], Trace], dict[str, float]]:
    """Return what the burning storey's detectors and the panel show, and when they must alarm."""
    layer, fade = smoke_layer(release), _fade(release)
    traces: dict[tuple[str, str], Trace] = {}
    due: dict[str, float | None] = {}
    smoky = np.zeros_like(release)
    for device in devices:
        if device.attributes.get("floor") != first.attributes["floor"]:
            continue
        off = max(math.dist(seat, to_plane(device.lon, device.lat)), 0.3)
        if device.kind == "heat":
            rise = detector_rise(release, off) * fade
            traces[device.device_id, "temperature"] = adding(rise)
            due[device.device_id] = first_reaching(rise, HEAT_LEVEL_CEL - _COOLEST_CEL)
        else:
            density = smoke_at(layer, release, off) * fade
            bit = latched(density * 10.0, SMOKE_ALARM_DB_M, SMOKE_RESET_DB_M)
            traces[device.device_id, "smoke_obscuration"] = adding(100 * (1 - 10**-density))
            traces[device.device_id, "smoke_alarm"] = replacing(bit, np.ones_like(bit))
            due[device.device_id] = first_reaching(bit, 1.0)
            smoky = np.maximum(smoky, bit)
    panel = next(device.device_id for device in devices if device.kind == "fire_panel")
    bit = np.concatenate([np.zeros(_PANEL_STEPS), smoky[:-_PANEL_STEPS]])
    traces[panel, "panel_fire"] = replacing(bit, np.ones_like(bit))
    due[panel] = first_reaching(bit, 1.0)
    return traces, {device: when for device, when in due.items() if when is not None}


def _follow(target: F8, lag_s: F8) -> F8:
    """Return a first-order lag behind a target, with a time constant for every point."""
    shown, value = np.zeros_like(target), 0.0
    shares = 1.0 - np.exp(-STEP_S / lag_s)
    for step, (goal, share) in enumerate(zip(target.tolist(), shares.tolist(), strict=True)):
        value += (goal - value) * share
        shown[step] = value
    return shown


def _fade(like: F8) -> F8:
    """Return 1, falling to 0 over the last 20 s, so that the end is no jump."""
    fade: F8 = np.clip(np.arange(len(like))[::-1] * STEP_S / 20.0, 0.0, 1.0)
    return fade
