"""Readings that are wrong on purpose, in known number: what must be rejected, and duplicates.

A visitor that nobody registered, a meter set to a unit that cannot be its own, and a logger that
says everything twice. They come beside the right readings, so no series falls silent by them.
"""

from __future__ import annotations

from dataclasses import dataclass

from core.model import Device, Quality, Reading, RejectReason
from core.units import DEVICE_KINDS

VISITOR = "visitor-0001"
PERIOD_S = 10.0
WRONG_UNIT = "V"
_REPEAT_AFTER_S = 3.0

DUPLICATE = "duplicate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A wrong reading and what must become of it: a reject reason, or ``DUPLICATE``."""

    reading: Reading
    expected: str


class Faults:
    """The faults of one gateway.

    Args:
        devices: those behind the gateway; the first two that fit are the logger and the meter.

    Attributes:
        expected: how many of each outcome were handed to the gateway.
    """

    def __init__(self, devices: list[Device]) -> None:
        self._meter = next(d.device_id for d in devices if d.kind == "heat")
        self._logger = next(
            d.device_id
            for d in devices
            if len(DEVICE_KINDS[d.kind].quantities) == 1 and d.device_id != self._meter
        )
        self._due_s = 0.0
        self._repeat: tuple[float, Reading] | None = None
        self.expected = {
            str(RejectReason.UNKNOWN_DEVICE): 0,
            str(RejectReason.BAD_UNIT): 0,
            DUPLICATE: 0,
        }

    def due(self, unix_s: float, sent: list[Reading]) -> list[Fault]:
        """Return the wrong readings of this moment.

        Args:
            unix_s: now.
            sent: the right readings that have just been sent.
        """
        found = []
        if self._repeat is not None and unix_s >= self._repeat[0]:
            found.append(Fault(reading=self._repeat[1], expected=DUPLICATE))
            self._repeat = None
        if unix_s >= self._due_s:
            self._due_s = unix_s + PERIOD_S
            found += [self._stranger(unix_s), self._wrong_unit(unix_s)]
        if self._repeat is None:
            mine = [reading for reading in sent if reading.device == self._logger]
            self._repeat = (unix_s + _REPEAT_AFTER_S, mine[0]) if mine else None
        return found

    def count(self, faults: list[Fault]) -> None:
        """Note that these are safely with the gateway."""
        for fault in faults:
            self.expected[fault.expected] += 1

    def _stranger(self, unix_s: float) -> Fault:
        reading = Reading(
            device=VISITOR,
            quantity="temperature",
            observed_s=round(unix_s, 3),
            value=26.5,
            quality=Quality.SIMULATED,
        )
        return Fault(reading=reading, expected=str(RejectReason.UNKNOWN_DEVICE))

    def _wrong_unit(self, unix_s: float) -> Fault:
        reading = Reading(
            device=self._meter,
            quantity="temperature",
            observed_s=round(unix_s, 3),
            value=26.5,
            unit=WRONG_UNIT,
            quality=Quality.SIMULATED,
        )
        return Fault(reading=reading, expected=str(RejectReason.BAD_UNIT))
