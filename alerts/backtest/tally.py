"""Count what a rule said: alarms, where, when, and how many times somebody would have been woken.

An alarm is an onset of the condition; what began before the window is not counted. Somebody is
woken by each onset or worsening of a rule that is not advisory, if it is orange or red or of a rule
that saves lives. Damping, grouping and acknowledgement, which make it fewer, are not played. Days
are those of China Standard Time (UTC+8).
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone

import msgspec

from alerts.backtest.plan import TooMuch, Window
from alerts.rules import Rule
from core.model import Severity, Transition, TransitionKind

CST = timezone(timedelta(hours=8))
LIST_LIMIT = 1000
DEVICE_LIMIT = 5000
MOST_ALARMS = 500_000
"""Alarms of one rule that are kept to be counted; about 150 MB."""

_BURST_US = 600_000_000


class Onset(msgspec.Struct, kw_only=True):
    """One alarm; ``severity`` as it began, ``peak`` the worst it became."""

    device_id: str
    raised_us: int
    returned_us: int | None = None
    severity: Severity
    peak: Severity
    value: float
    threshold: float


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where a device is: name, degrees in EPSG:4490, smallest space; empty or None if unknown."""

    name: str = ""
    lon: float | None = None
    lat: float | None = None
    space: str = ""


class Day(msgspec.Struct, frozen=True, kw_only=True):
    """Alarms of one day."""

    day: str
    alarms: int


class DeviceCount(msgspec.Struct, frozen=True, kw_only=True):
    """Alarms of one device, and the worst severity among them."""

    device_id: str
    name: str
    lon: float | None
    lat: float | None
    space: str
    alarms: int
    worst: str


class SpaceCount(msgspec.Struct, frozen=True, kw_only=True):
    """Alarms in one smallest space."""

    space: str
    alarms: int


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """One alarm in the list."""

    device_id: str
    raised_at: datetime
    returned_at: datetime | None
    severity: str
    peak: str
    value: float
    threshold: float


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What a rule would have done.

    Attributes:
        by_severity: alarms by the worst severity that each became.
        peak_10min: most alarms that began within any ten minutes.
        devices: those with most alarms first, cut at ``DEVICE_LIMIT``.
        list: in order of time, cut at ``LIST_LIMIT``; ``list_cut`` says whether it is.
    """

    alarms: int
    woken: int
    by_severity: dict[str, int]
    per_day: tuple[Day, ...]
    peak_10min: int
    by_space: tuple[SpaceCount, ...]
    devices: tuple[DeviceCount, ...]
    list: tuple[Listed, ...]
    list_cut: bool


class Tally:
    """What one rule said so far."""

    def __init__(self, rule: Rule, window: Window) -> None:
        self._rule = rule
        self._window = window
        self._since_us = round(window.since.timestamp() * 1e6)
        self._open: dict[str, Onset] = {}
        self.onsets: list[Onset] = []
        self.woken = 0

    def take(self, transition: Transition) -> None:
        """Count one transition; they come in order of event time for each subject.

        Raises:
            TooMuch: if it is one alarm too many.
        """
        self._woken(transition)
        self._follow(transition)

    def _woken(self, transition: Transition) -> None:
        if transition.at_us < self._since_us or self._rule.advisory:
            return
        begins = transition.kind in (TransitionKind.RAISED, TransitionKind.ESCALATED)
        loud = transition.severity >= Severity.ORANGE or self._rule.life_safety
        self.woken += begins and loud

    def _follow(self, transition: Transition) -> None:
        if transition.kind is TransitionKind.RAISED:
            begun = Onset(
                device_id=transition.subject.partition(":")[2],
                raised_us=transition.at_us,
                severity=transition.severity,
                peak=transition.severity,
                value=transition.value,
                threshold=transition.threshold,
            )
            self._open[transition.subject] = begun
            if transition.at_us >= self._since_us:
                self._add(begun)
            return
        onset = self._open.get(transition.subject)
        if onset is None:
            return
        onset.peak = max(onset.peak, transition.severity)
        if transition.kind is TransitionKind.RETURNED:
            onset.returned_us = transition.at_us
            del self._open[transition.subject]

    def _add(self, onset: Onset) -> None:
        if len(self.onsets) == MOST_ALARMS:
            reached = _moment(onset.raised_us).astimezone(CST).isoformat(timespec="minutes")
            raise TooMuch(
                f"rule {self._rule.id!r} has raised {MOST_ALARMS:,} alarms by {reached}",
                remedy="choose a shorter time or a space, or a rule that raises less",
            )
        self.onsets.append(onset)

    def devices(self) -> list[str]:
        """Return the devices with alarms, those with most first, cut at ``DEVICE_LIMIT``."""
        counts = Counter(onset.device_id for onset in self.onsets)
        ordered = sorted(counts, key=lambda device: (-counts[device], device))
        return ordered[:DEVICE_LIMIT]

    def result(self, places: dict[str, Place]) -> Result:
        """Return the counts; ``places`` say where the devices are."""
        onsets = sorted(self.onsets, key=lambda onset: (onset.raised_us, onset.device_id))
        severities = Counter(onset.peak.name.lower() for onset in onsets)
        spaces = Counter(places.get(onset.device_id, Place()).space for onset in onsets)
        return Result(
            alarms=len(onsets),
            woken=self.woken,
            by_severity={rank.name.lower(): severities[rank.name.lower()] for rank in Severity},
            per_day=tuple(_days(onsets, self._window)),
            peak_10min=peak([onset.raised_us for onset in onsets]),
            by_space=tuple(
                SpaceCount(space=code, alarms=count) for code, count in spaces.most_common(50)
            ),
            devices=tuple(self._device_counts(places)),
            list=tuple(map(_listed, onsets[:LIST_LIMIT])),
            list_cut=len(onsets) > LIST_LIMIT,
        )

    def _device_counts(self, places: dict[str, Place]) -> Iterator[DeviceCount]:
        counts = Counter(onset.device_id for onset in self.onsets)
        worst: dict[str, Severity] = {}
        for onset in self.onsets:
            worst[onset.device_id] = max(worst.get(onset.device_id, Severity.BLUE), onset.peak)
        for device in self.devices():
            place = places.get(device, Place())
            yield DeviceCount(
                device_id=device,
                name=place.name,
                lon=place.lon,
                lat=place.lat,
                space=place.space,
                alarms=counts[device],
                worst=worst[device].name.lower(),
            )


def peak(raised_us: list[int]) -> int:
    """Return the most of some ascending times that lie within any ten minutes.

    Example:
        >>> peak([]), peak([0, 1, 599_999_999, 600_000_000, 1_200_000_000])
        (0, 3)
    """
    ends = (bisect_right(raised_us, at + _BURST_US - 1) for at in raised_us)
    return max((end - begin for begin, end in enumerate(ends)), default=0)


def _days(onsets: list[Onset], window: Window) -> Iterator[Day]:
    counts = Counter(_moment(onset.raised_us).astimezone(CST).date() for onset in onsets)
    day = window.since.astimezone(CST).date()
    last = (window.until - timedelta(microseconds=1)).astimezone(CST).date()
    while day <= last:
        yield Day(day=day.isoformat(), alarms=counts[day])
        day += timedelta(days=1)


def _listed(onset: Onset) -> Listed:
    return Listed(
        device_id=onset.device_id,
        raised_at=_moment(onset.raised_us),
        returned_at=_moment(onset.returned_us) if onset.returned_us is not None else None,
        severity=onset.severity.name.lower(),
        peak=onset.peak.name.lower(),
        value=onset.value,
        threshold=onset.threshold,
    )


def _moment(at_us: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at_us)
