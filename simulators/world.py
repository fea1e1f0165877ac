"""The state of the simulated district at any moment: background, and the events laid over it.

Asked by the gateways' reporters; knows the truth of every event it has shown. No clock, no I/O.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from core.model import Device, District
from simulators.events import Event, Trace
from simulators.signals import Background

F8 = npt.NDArray[np.float64]
IX = npt.NDArray[np.intp]

Plot = Callable[[int], list[Event]]
"""Gives the events of a round, counted from 0; all of them end within it."""


@dataclass(frozen=True, slots=True)
class _Round:
    number: int
    events: tuple[Event, ...]
    traces: dict[int, list[tuple[float, Trace]]]
    devices: dict[str, list[tuple[float, float]]]


class World:
    """A district in motion.

    Args:
        district: its devices are simulated.
        seed: of the background's noise.
        plot: what happens in each round; None for nothing.
        round_s: how long a round is on the story's clock.
    """

    def __init__(self, district: District, seed: int, *, plot: Plot | None, round_s: float) -> None:
        self.district = district
        self._background = Background(district.devices, seed)
        self._plot = plot
        self._round_s = round_s
        self._now = _Round(-1, (), {}, {})
        self._told: list[Event] = []
        self._positions: dict[str, list[int]] = {}
        for position, (device, _) in enumerate(self._background.series):
            self._positions.setdefault(device, []).append(position)

    def devices_of(self, gateway_id: str) -> list[Device]:
        """Return the devices behind a gateway."""
        return [device for device in self.district.devices if device.gateway_id == gateway_id]

    def positions(self, devices: Iterable[str]) -> IX:
        """Return the positions of all series of these devices."""
        return np.array([p for device in devices for p in self._positions[device]], dtype=np.intp)

    def series(self, position: int) -> tuple[str, str]:
        """Return device id and quantity of a series."""
        return self._background.series[position]

    def moving(self, devices: Iterable[str], story_s: float) -> list[str]:
        """Return those of the devices that an event is acting on now."""
        self._enter(story_s)
        acted_on = self._now.devices
        return [
            device
            for device in devices
            if any(begin <= story_s < end for begin, end in acted_on.get(device, ()))
        ]

    def values(self, positions: IX, unix_s: float, story_s: float) -> F8:
        """Return what the instruments of these series show.

        Args:
            positions: of the series.
            unix_s: time of day and phase of the noise, seconds since the Unix epoch.
            story_s: time on the story's clock.
        """
        self._enter(story_s)
        values = self._background.raw(positions, unix_s)
        for place, position in enumerate(positions.tolist()):
            for begins_s, trace in self._now.traces.get(position, ()):
                values[place] = trace.apply(values[place], story_s - begins_s)
        return self._background.read(positions, values)

    def events(self, story_s: float) -> list[Event]:
        """Return every event that has begun by now, over all rounds so far."""
        self._enter(story_s)
        current = [event for event in self._now.events if event.begins_s <= story_s]
        return [*self._told, *current]

    def plan(self, number: int) -> tuple[Event, ...]:
        """Return the events of a round; asking does not move the story."""
        return tuple(self._plot(number)) if self._plot is not None else ()

    def _enter(self, story_s: float) -> None:
        """Make the round of this moment the current one. Rounds are entered in order."""
        number = max(int(story_s // self._round_s), self._now.number)
        while self._now.number < number:
            self._told.extend(self._now.events)
            self._now = self._lay_out(self._now.number + 1)

    def _lay_out(self, number: int) -> _Round:
        events = self.plan(number)
        traces: dict[int, list[tuple[float, Trace]]] = {}
        devices: dict[str, list[tuple[float, float]]] = {}
        for event in events:
            for (device, quantity), trace in event.traces.items():
                position = next(p for p in self._positions[device] if self.series(p)[1] == quantity)
                traces.setdefault(position, []).append((event.begins_s, trace))
            for device in {device for device, _ in event.traces}:
                devices.setdefault(device, []).append((event.begins_s, event.ends_s))
        return _Round(number, events, traces, devices)
