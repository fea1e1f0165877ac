"""What the instruments of a quiet district say: daily profiles with noise, one value per series.

The noise has the spectrum of a first-order autoregressive process and is a sum of sines, so that a
value is a function of seed, series and time alone: whoever asks, however often, gets the same.
Scenarios are laid over it by ``simulators.world``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

import numpy as np
import numpy.typing as npt

from core.model import Device
from core.units import DEVICE_KINDS, QUANTITIES

F8 = npt.NDArray[np.float64]
IX = npt.NDArray[np.intp]

LOCAL_S = 8 * 3600
"""The district keeps UTC+8."""

_PANEL = DEVICE_KINDS["fire_panel"].quantities
_RUNS = "panel_running"

RESOLUTION = {
    "smoke_obscuration": 0.01, "smoke_alarm": 1, "temperature": 0.1,
    "flow": 0.001, "depth": 0.001, "level": 0.001, "rain_intensity": 0.2,
    "water_temperature": 0.1, "ph": 0.01, "dissolved_oxygen": 0.01, "conductivity": 1,
    "turbidity": 0.1, "ammonia_nitrogen": 0.001, "tilt": 0.001, "displacement": 0.01,
    "crack_width": 0.01, "pore_pressure": 0.1, "occupancy": 0.1, "vehicle_flow": 10, "speed": 0.1,
    "voltage": 0.1, "current": 0.1,
} | dict.fromkeys(_PANEL, 1)  # fmt: skip
"""The smallest step of the instrument, in the quantity's own unit."""

JAM_PER_KM = 140.0
CAPACITY_PER_H = 1800.0
_ON_LOOP_M = 6.5
_MAINS_V = 231.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How a quantity behaves when nothing happens.

    Attributes:
        base: mean over devices; ``spread``: how far a device's own mean may lie from it.
        daily: half the difference between day and night; ``peak_h``: local hour of the peak.
        noise: standard deviation; ``memory_s``: its correlation time.
    """

    base: float
    spread: float = 0.0
    daily: float = 0.0
    peak_h: float = 15.0
    noise: float = 0.0
    memory_s: float = 120.0


SHAPES: dict[tuple[str, str], Shape] = {
    ("smoke", "smoke_obscuration"): Shape(base=0.15, spread=0.08, noise=0.03),
    ("smoke", "smoke_alarm"): Shape(base=0.0),
    ("heat", "temperature"): Shape(base=27.0, spread=2.0, daily=2.5, noise=0.12, memory_s=600),
    **{("fire_panel", quantity): Shape(base=0.0) for quantity in _PANEL if quantity != _RUNS},
    ("fire_panel", _RUNS): Shape(base=1.0),
    ("outfall_flow", "flow"): Shape(base=0.030, spread=0.015, daily=0.010, peak_h=20, noise=0.003),
    ("pipe_flow", "flow"): Shape(base=0.020, spread=0.010, daily=0.006, peak_h=20, noise=0.002),
    ("waterlogging", "depth"): Shape(base=0.0, noise=0.001, memory_s=60),
    ("river_level", "level"): Shape(base=1.20, spread=0.15, daily=0.03, peak_h=2, noise=0.006),
    ("rain_gauge", "rain_intensity"): Shape(base=0.0),
    ("water_quality", "water_temperature"): Shape(
        base=25.0, spread=1.0, daily=0.8, noise=0.05, memory_s=1800
    ),
    ("water_quality", "ph"): Shape(base=7.3, spread=0.15, daily=0.1, noise=0.02, memory_s=900),
    ("water_quality", "dissolved_oxygen"): Shape(
        base=6.6, spread=0.4, daily=0.5, noise=0.05, memory_s=900
    ),
    ("water_quality", "conductivity"): Shape(base=420, spread=60, daily=15, noise=4, memory_s=900),
    ("water_quality", "turbidity"): Shape(base=14, spread=4, noise=0.8, memory_s=300),
    ("water_quality", "ammonia_nitrogen"): Shape(
        base=0.45, spread=0.12, daily=0.06, peak_h=21, noise=0.02, memory_s=900
    ),
    ("tilt", "tilt"): Shape(base=0.0, spread=0.02, daily=0.004, noise=0.0015, memory_s=300),
    ("displacement", "displacement"): Shape(
        base=0.0, spread=0.4, daily=0.15, noise=0.03, memory_s=300
    ),
    ("crack", "crack_width"): Shape(base=2.5, spread=1.2, daily=0.06, noise=0.01, memory_s=300),
    ("pore_pressure", "pore_pressure"): Shape(
        base=18, spread=6, daily=0.3, noise=0.12, memory_s=1800
    ),
    # Vehicles per km and lane; occupancy, flow and speed follow from it.
    ("geomagnetic", ""): Shape(base=9.0, spread=2.0, daily=5.0, peak_h=14, noise=1.6, memory_s=90),
    # Amperes; the voltage follows from it.
    ("charging_voltage", ""): Shape(base=16, spread=5, daily=7, peak_h=22, noise=1.5, memory_s=240),
}
"""(device kind, quantity) -> shape; an empty quantity is one cause behind all of the device's."""

_SINES = 6
# Shortest and longest period of the sines, in correlation times; nine tenths of the power lie here.
_PERIODS = (0.1, 40.0)


def traffic_state(density: F8, free_kmh: F8 | float) -> tuple[F8, F8, F8]:
    """Return occupancy in %, flow in 1/h and speed in km/h for vehicles per km and lane.

    A triangular fundamental diagram: free speed up to the capacity, then a congested branch that
    falls to zero flow at the jam density. Occupancy is density times the length on the loop
    (standards: vehicle 4.5 m + zone 2 m).

    Example:
        >>> [float(x[0].round(1)) for x in traffic_state(np.array([10.0]), 50.0)]
        [6.5, 500.0, 50.0]
        >>> [float(x[0].round(1)) for x in traffic_state(np.array([100.0]), 50.0)]
        [65.0, 692.3, 6.9]
    """
    k = np.clip(density, 0.1, JAM_PER_KM)
    critical = CAPACITY_PER_H / np.asarray(free_kmh)
    congested = CAPACITY_PER_H * (JAM_PER_KM - k) / (JAM_PER_KM - critical)
    flow = np.where(k <= critical, k * free_kmh, congested)
    return k * _ON_LOOP_M / 10.0, flow, flow / k


def measured(device: Device) -> tuple[str, ...]:
    """Return what a device measures: what it says itself, or else what its kind does."""
    return device.quantities or DEVICE_KINDS[device.kind].quantities


class Background:
    """The quiet values of all series of some devices.

    Attributes:
        series: (device id, quantity), in the order of the devices and of what they measure.
    """

    def __init__(self, devices: Sequence[Device], seed: int) -> None:
        self.series = [
            (device.device_id, quantity) for device in devices for quantity in measured(device)
        ]
        causes = [_causes(device, seed) for device in devices]
        quantities = [quantity for _, quantity in self.series]
        rows = [cause for group in causes for cause in group]
        self._base = np.array([row.base for row in rows])
        self._daily = np.array([row.daily for row in rows])
        self._peak_s = np.array([row.peak_s for row in rows])
        self._amplitude = np.array([row.amplitude for row in rows])
        self._omega = np.array([row.omega for row in rows])
        self._phase = np.array([row.phase for row in rows])
        self._fact = np.array([row.fact for row in rows])
        self._response = np.array([_RESPONSES.get(quantity, 0) for quantity in quantities])
        self._resolution = np.array([RESOLUTION[quantity] for quantity in quantities])
        self._low = np.array([QUANTITIES[quantity].low for quantity in quantities])
        self._high = np.array([QUANTITIES[quantity].high for quantity in quantities])

    def raw(self, index: IX, unix_s: float) -> F8:
        """Return the values of the series at these positions, before the instrument rounds."""
        day = 2 * np.pi * (unix_s + LOCAL_S - self._peak_s[index]) / 86400.0
        sines = np.sin(self._omega[index] * unix_s + self._phase[index])
        cause = (
            self._base[index]
            + self._daily[index] * np.cos(day)
            + (self._amplitude[index] * sines).sum(axis=1)
        )
        value: F8 = cause
        for response in np.unique(self._response[index]):
            if response:
                mine = self._response[index] == response
                value = np.where(mine, _FUNCTIONS[response - 1](cause, self._fact[index]), value)
        return value

    def read(self, index: IX, values: F8) -> F8:
        """Return what the instruments show of true values: in range, in steps of the resolution."""
        inside = np.clip(values, self._low[index], self._high[index])
        step = self._resolution[index]
        shown: F8 = np.round(np.round(inside / step) * step, 6)
        return shown


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cause:
    base: float
    daily: float
    peak_s: float
    amplitude: list[float]
    omega: list[float]
    phase: list[float]
    fact: float


def _causes(device: Device, seed: int) -> list[_Cause]:
    """Return a cause for each quantity of a device: its own, or the one behind all of them."""
    quantities = measured(device)
    fact = float(device.attributes.get("free_kmh", device.attributes.get("feeder_ohm", 0.0)))
    if (device.kind, "") in SHAPES:
        rng = Random(f"{seed}:signal:{device.device_id}")
        return [_cause(SHAPES[device.kind, ""], rng, fact)] * len(quantities)
    return [
        _cause(
            SHAPES[device.kind, quantity],
            Random(f"{seed}:signal:{device.device_id}:{quantity}"),
            fact,
        )
        for quantity in quantities
    ]


def _cause(shape: Shape, rng: Random, fact: float) -> _Cause:
    short, long = (part * shape.memory_s for part in _PERIODS)
    omega = [2 * np.pi / (short * (long / short) ** rng.random()) for _ in range(_SINES)]
    # Drawn evenly over the logarithm of the period, so each weighs by its frequency once more.
    power = [w / (1 + (w * shape.memory_s) ** 2) for w in omega]
    scale = shape.noise * (2 / sum(power)) ** 0.5
    return _Cause(
        base=shape.base + rng.uniform(-shape.spread, shape.spread),
        daily=shape.daily,
        peak_s=shape.peak_h * 3600,
        amplitude=[scale * p**0.5 for p in power],
        omega=omega,
        phase=[rng.uniform(0, 2 * np.pi) for _ in omega],
        fact=fact,
    )


def _occupancy(density: F8, free_kmh: F8) -> F8:
    return traffic_state(density, np.maximum(free_kmh, 1.0))[0]


def _vehicle_flow(density: F8, free_kmh: F8) -> F8:
    return traffic_state(density, np.maximum(free_kmh, 1.0))[1]


def _speed(density: F8, free_kmh: F8) -> F8:
    # Nobody drives at one speed: a little slower the denser it is, also below the capacity.
    return traffic_state(density, np.maximum(free_kmh, 1.0))[2] - 0.25 * np.clip(density, 0, 36)


def _voltage(current: F8, feeder_ohm: F8) -> F8:
    return _MAINS_V - current * feeder_ohm


_FUNCTIONS: tuple[Callable[[F8, F8], F8], ...] = (_occupancy, _vehicle_flow, _speed, _voltage)
_RESPONSES = {"occupancy": 1, "vehicle_flow": 2, "speed": 3, "voltage": 4}
