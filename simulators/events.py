"""What happens in the district, as data: how it changes each series, and who must notice.

A scenario works its physics out beforehand and returns an ``Event``; running the story is then
looking values up, and the truth is known before the first reading. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from core.model import Device, District, Field

F8 = npt.NDArray[np.float64]

STEP_S = 0.25
"""Seconds between two points of a trace; shorter than any report interval of a device."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """How one series departs from its background: value = background × gain + offset.

    Before the first and after the last point the background stands alone.

    Attributes:
        step_s: seconds between two points; the first is at the event's begin.
        offset: in the unit of the quantity.
        gain: 1 adds to the background, 0 replaces it.
    """

    offset: F8
    gain: F8
    step_s: float = STEP_S

    def apply(self, background: float, since_s: float) -> float:
        """Return the value so many seconds after the event's begin."""
        place = since_s / self.step_s
        index = int(place)
        if place < 0 or index >= len(self.offset) - 1:
            return background
        part = place - index
        gain = self.gain[index] + part * (self.gain[index + 1] - self.gain[index])
        offset = self.offset[index] + part * (self.offset[index + 1] - self.offset[index])
        return float(background * gain + offset)


def adding(offset: F8) -> Trace:
    """Return a trace that adds to the background."""
    return Trace(offset=offset, gain=np.ones_like(offset))


def replacing(value: F8, share: F8) -> Trace:
    """Return a trace that takes the background's place where ``share`` is 1, and none where 0."""
    return Trace(offset=value * share, gain=1.0 - share)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that happens.

    Attributes:
        kind: the scenario, such as ``fire``.
        field: whose duty it is.
        site: the site of the district (see ``simulators.installations``), or the gateway.
        space: code of the smallest space that holds the place; empty if there is none.
        lon: of the place, degrees; ``lat`` likewise.
        begins_s: on the story's clock, seconds.
        lasts_s: until every series is back at its background.
        traces: (device id, quantity) -> departure.
        must_alarm: device or gateway id -> seconds after the begin at which its true value has
            reached a level that nobody may overlook (the level is named in ``facts``).
        facts: what was drawn and assumed, for the truth report.
    """

    kind: str
    field: Field
    site: str
    space: str
    lon: float
    lat: float
    begins_s: float
    lasts_s: float
    traces: Mapping[tuple[str, str], Trace]
    must_alarm: Mapping[str, float]
    facts: Mapping[str, float | str]

    @property
    def ends_s(self) -> float:
        """End on the story's clock."""
        return self.begins_s + self.lasts_s


def clock(lasts_s: float) -> F8:
    """Return the times of a trace's points, from 0 to its end."""
    points: F8 = np.arange(0.0, lasts_s + STEP_S / 2, STEP_S)
    return points


def first_reaching(values: F8, level: float, *, from_above: bool = False) -> float | None:
    """Return the seconds until a trace reaches a level; None if it never does."""
    reached = values <= level if from_above else values >= level
    return float(np.argmax(reached)) * STEP_S if reached.any() else None


def sites(district: District, *kinds: str) -> dict[str, list[Device]]:
    """Return the devices of these kinds by their site, in the order of the site's name."""
    found: dict[str, list[Device]] = {}
    for device in district.devices:
        if device.kind in kinds:
            found.setdefault(str(device.attributes["site"]), []).append(device)
    return dict(sorted(found.items()))
