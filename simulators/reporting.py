"""When which device of a gateway reports what: on its interval, and at once when something moves.

A device reports all its quantities every ``interval_s``, each device at its own phase. While an
event acts on it, it looks every second and reports when a value has moved by more than its dead
band, as instruments that send on delta do. Alarm bits that change go on the event channel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from core.model import Quality, Reading
from simulators.signals import RESOLUTION
from simulators.world import World

LOOK_S = 1.0
"""Seconds between two looks of a device whose value moves."""

DEAD_BAND = {
    quantity: 5 * step for quantity, step in RESOLUTION.items()
} | {
    "smoke_alarm": 0.5, "panel_fire": 0.5, "panel_fault": 0.5, "smoke_obscuration": 0.3,
    "flow": 0.05, "displacement": 0.3, "crack_width": 0.3, "occupancy": 2.0, "vehicle_flow": 60.0,
    "speed": 3.0, "current": 2.0,
}  # fmt: skip
"""By how much a value must move to be reported before its interval is over."""

ALARM_BITS = frozenset({"smoke_alarm", "panel_fire"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """What is to be sent now; ``urgent`` goes on the event channel."""

    live: list[Reading]
    urgent: list[Reading]


class Reporter:
    """The devices behind one gateway. No clock: the caller says what time it is.

    Args:
        world: where the values come from.
        gateway_id: whose devices these are.
        speed: how many times as often as usual they report.
    """

    def __init__(self, world: World, gateway_id: str, *, speed: float = 1.0) -> None:
        self._world = world
        devices = world.devices_of(gateway_id)
        self._devices = [device.device_id for device in devices]
        self._interval = {device.device_id: device.interval_s / speed for device in devices}
        self._look_s = LOOK_S / speed
        self._due: dict[str, float] = {}
        self._looked: dict[str, float] = {}
        self._sent: dict[int, float] = {}

    def due(self, unix_s: float, story_s: float) -> Due:
        """Return what is to be sent at this moment.

        After a pause, a device reports once and goes on from there: what it did not say meanwhile
        is not made up.
        """
        regular = [device for device in self._devices if self._is_due(device, unix_s)]
        moving = self._world.moving(self._devices, story_s)
        looking = [
            device
            for device in moving
            if device not in regular and unix_s - self._looked.get(device, 0.0) >= self._look_s
        ]
        for device in moving:
            if device in looking or device in regular:
                self._looked[device] = unix_s
        return self._readings(regular, set(looking), unix_s, story_s)

    def _is_due(self, device: str, unix_s: float) -> bool:
        interval = self._interval[device]
        phase = Random(f"phase:{device}").random() * interval if device not in self._due else 0.0
        first = unix_s // interval * interval + phase
        due = self._due.setdefault(device, first if first > unix_s else first + interval)
        if unix_s < due:
            return False
        self._due[device] = due + ((unix_s - due) // interval + 1) * interval
        return True

    def _readings(
        self, regular: Sequence[str], looking: set[str], unix_s: float, story_s: float
    ) -> Due:
        positions = self._world.positions([*regular, *looking])
        if not len(positions):
            return Due(live=[], urgent=[])
        values = self._world.values(positions, unix_s, story_s)
        found = list(zip(positions.tolist(), values.tolist(), strict=True))
        moved = {
            self._world.series(position)[0]
            for position, value in found
            if self._has_moved(position, value)
        }
        ready = set(regular) | (looking & moved)
        live: list[Reading] = []
        urgent: list[Reading] = []
        observed_s = round(unix_s, 3)
        for position, value in found:
            device, quantity = self._world.series(position)
            if device not in ready:
                continue
            changed = quantity in ALARM_BITS and self._has_moved(position, value)
            self._sent[position] = value
            reading = Reading(
                device=device,
                quantity=quantity,
                observed_s=observed_s,
                value=value,
                quality=Quality.SIMULATED,
            )
            (urgent if changed else live).append(reading)
        return Due(live=live, urgent=urgent)

    def _has_moved(self, position: int, value: float) -> bool:
        before = self._sent.get(position)
        if before is None:
            return False
        return abs(value - before) > DEAD_BAND[self._world.series(position)[1]]
