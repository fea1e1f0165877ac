"""A slope that creeps faster and faster, until the mass comes to rest at its foot.

Before failure the inverse velocity falls linearly to zero (Fukuzono, Voight with exponent 2):
1/v = A·(t_f - t), so displacement is (1/A)·ln(t_f / (t_f - t)). Pore pressure rises first; tilt and
cracks follow the displacement. One second stands for one hour. After the event the instruments are
set to zero again, as a survey crew would.
"""

from __future__ import annotations

import math
from random import Random

import numpy as np

from core.model import District, Field
from simulators.events import F8, Event, Trace, adding, clock, first_reaching, sites

TIME_SCALE = 3600.0
"""Seconds of the real course that one second of the story stands for."""

MOVED_MM = 20.0
"""Displacement that nobody may overlook here (site-specific by nature: editable seed)."""

_LASTS_S = 150.0
_FAILS_S = 45.0
_RESTS_BEFORE_FAILURE_S = 1.5
_RESET_S = 10.0
_SLIDING_RADIUS_M = 45.0
_TILT_ARM_MM = 3500.0
_CRACK_SHARE = 0.7
_PORE_KPA = 22.0
_PORE_LAG_S = 8.0


KINDS = ("tilt", "displacement", "crack", "pore_pressure")


def slope(district: District, site: str, rng: Random, begins_s: float) -> Event:
    """Let one of the monitored slopes creep to failure."""
    devices = sites(district, *KINDS)[site]
    final_mm = rng.uniform(140.0, 200.0)
    times = clock(_LASTS_S)
    course = creep(times, final_mm)
    back = np.clip((_LASTS_S - times) / _RESET_S, 0.0, 1.0)
    traces: dict[tuple[str, str], Trace] = {}
    alarms: dict[str, float] = {}
    for device in devices:
        share = math.exp(-((float(device.attributes["centre_m"]) / _SLIDING_RADIUS_M) ** 2))
        moved = course * share * back
        match device.kind:
            case "displacement":
                traces[device.device_id, "displacement"] = adding(moved)
                when = first_reaching(moved, MOVED_MM + 1.0)
                alarms |= {device.device_id: when} if when is not None else {}
            case "tilt":
                tilted = np.degrees(np.arctan(moved / _TILT_ARM_MM))
                traces[device.device_id, "tilt"] = adding(tilted)
            case "crack":
                traces[device.device_id, "crack_width"] = adding(moved * _CRACK_SHARE)
            case _:
                soaked = _PORE_KPA * share * (1 - np.exp(-times / _PORE_LAG_S)) * back
                traces[device.device_id, "pore_pressure"] = adding(soaked)
    return Event(
        kind="slope",
        field=Field.SLOPE,
        site=site,
        space=str(devices[0].attributes["space"]),
        lon=devices[0].lon,
        lat=devices[0].lat,
        begins_s=begins_s,
        lasts_s=_LASTS_S,
        traces=traces,
        must_alarm=alarms,
        facts={
            "fails_after_s": _FAILS_S,
            "final_mm": round(final_mm, 1),
            "moved_mm": MOVED_MM,
            "time_scale": TIME_SCALE,
        },
    )


def creep(times: F8, final_mm: float) -> F8:
    """Return the displacement in mm: accelerating creep, then rest shortly before the pole."""
    left = np.maximum(_FAILS_S - times, _RESTS_BEFORE_FAILURE_S)
    scale = final_mm / math.log(_FAILS_S / _RESTS_BEFORE_FAILURE_S)
    moved: F8 = scale * np.log(_FAILS_S / left)
    return moved
