"""Which alarms belong together: one place and time, across fields; pure.

An alarm joins the newest incident of its block whatever its field (rain, rising water, a voltage
sag and smoke are one event), or one of its own field near by. Alarms of the runtime itself belong
to their gateway. What a cause explains belongs to the incident of the cause.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID, uuid5

from alerts.desk.nouns import Standing

FIELDS_ZH = {"fire": "消防", "water": "水务", "slope": "边坡", "traffic": "交通", "system": "系统"}

_ORDER = {field: place for place, field in enumerate(FIELDS_ZH)}
_NAMESPACE = UUID("0b0a6a9e-35f6-5c4b-9a4e-6e0f6b5f2d77")
_METRES_PER_DEGREE = 111_320.0

Names = Mapping[str, tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """Alarms joined.

    Attributes:
        severity: the worst of the alarms still open; when none is, the worst there was.
        field: of the worst alarm; ``fields`` of all, that one first.
        space: code of the smallest space that holds them all; None if they share none.
        block: by which others join it, as in ``Standing``.
        opened_at: our clock at its first alarm; ``last_at`` at the last beginning or worsening.
        alarms: how many belong to it.
    """

    incident_id: UUID
    state: str
    severity: int
    field: str
    fields: tuple[str, ...]
    space: str | None
    block: str | None
    lon: float | None
    lat: float | None
    title_zh: str
    title_en: str
    opened_at: datetime
    last_at: datetime
    closed_at: datetime | None
    alarms: int


class Board:
    """The incidents that alarms may join, found by block or by neighbourhood.

    Args:
        incidents: those of late.
        reach: how long after its last alarm an incident takes another.
        near_m: metres within which alarms of one field join.
        most: alarms of an incident at most.
    """

    def __init__(
        self, incidents: Iterable[Incident], *, reach: timedelta, near_m: float, most: int
    ) -> None:
        self._reach = reach
        self._near_m = near_m
        self._most = most
        self._known: dict[UUID, Incident] = {}
        self._by_block: dict[str, set[UUID]] = defaultdict(set)
        self._by_cell: dict[tuple[str, int, int], set[UUID]] = defaultdict(set)
        for incident in incidents:
            self._put(incident)

    def join(self, alarm: Standing, at: datetime) -> UUID:
        """Return the incident that an alarm joins, begun for it if there is none.

        Args:
            alarm: one that belongs to none yet.
            at: our clock when it began.
        """
        fitting = [one for one in self._candidates(alarm) if self._takes(one, at)]
        best = max(fitting, key=lambda one: _closeness(one, alarm), default=None)
        if best is None:
            best = begun(alarm, at)
        self._put(joined(best, alarm, at))
        return best.incident_id

    def get(self, incident_id: UUID) -> Incident | None:
        """Return an incident of the board."""
        return self._known.get(incident_id)

    def _put(self, incident: Incident) -> None:
        self._known[incident.incident_id] = incident
        if incident.block is not None:
            self._by_block[incident.block].add(incident.incident_id)
        for field in incident.fields:
            if incident.lon is not None and incident.lat is not None:
                cell = (field, *self._cell(incident.lon, incident.lat))
                self._by_cell[cell].add(incident.incident_id)

    def _takes(self, incident: Incident, at: datetime) -> bool:
        return incident.alarms < self._most and at - incident.last_at <= self._reach

    def _candidates(self, alarm: Standing) -> list[Incident]:
        found = set(self._by_block.get(alarm.block, ())) if alarm.block is not None else set()
        if alarm.field != "system" and alarm.lon is not None and alarm.lat is not None:
            x, y = self._cell(alarm.lon, alarm.lat)
            for cell in ((alarm.field, x + i, y + j) for i in (-1, 0, 1) for j in (-1, 0, 1)):
                found |= {one for one in self._by_cell.get(cell, ()) if self._near(one, alarm)}
        return [self._known[one] for one in found]

    def _near(self, incident_id: UUID, alarm: Standing) -> bool:
        return _distance_m(self._known[incident_id], alarm) <= self._near_m

    def _cell(self, lon: float, lat: float) -> tuple[int, int]:
        # Cells are as wide as the reach at 60 degrees of latitude, so further south nine suffice.
        side = max(self._near_m, 1.0) / _METRES_PER_DEGREE * 2
        return math.floor(lon / side), math.floor(lat / side)


def begun(alarm: Standing, at: datetime) -> Incident:
    """Return the incident that an alarm begins: of the same alarm always the same id."""
    return Incident(
        incident_id=uuid5(_NAMESPACE, str(alarm.alarm_id)),
        state="open",
        severity=alarm.severity,
        field=alarm.field,
        fields=(alarm.field,),
        space=alarm.spaces[-1] if alarm.spaces else None,
        block=alarm.block,
        lon=alarm.lon,
        lat=alarm.lat,
        title_zh="",
        title_en="",
        opened_at=at,
        last_at=at,
        closed_at=None,
        alarms=0,
    )


def joined(incident: Incident, alarm: Standing, at: datetime) -> Incident:
    """Return an incident with one alarm more, as far as joining others goes."""
    return replace(
        incident,
        fields=tuple(dict.fromkeys((*incident.fields, alarm.field))),
        lon=incident.lon if incident.lon is not None else alarm.lon,
        lat=incident.lat if incident.lat is not None else alarm.lat,
        last_at=max(incident.last_at, at),
        alarms=incident.alarms + 1,
    )


def sum_up(
    was: Incident, members: Sequence[Standing], names: Names, *, last_at: datetime, now: datetime
) -> Incident:
    """Return an incident as its alarms make it.

    Args:
        was: what was known of it.
        members: all its alarms, at least one.
        names: space code -> Chinese and English name.
        last_at: our clock at the newest beginning or worsening.
        now: our clock, for the moment at which the last alarm was seen closed.
    """
    still = [one for one in members if one.open]
    main = max(members, key=lambda one: (one.peak, -_ORDER.get(one.field, 9)))
    counts = Counter(one.field for one in members)
    others = sorted(counts.keys() - {main.field}, key=lambda field: _ORDER.get(field, 9))
    fields = (main.field, *others)
    space = _shared(members)
    lon, lat = _middle(members)
    zh, en = _title(main, len(members), fields, names.get(space or "", ("", "")))
    return replace(
        was,
        state="open" if still else "closed",
        severity=max(one.severity for one in still) if still else main.peak,
        field=main.field,
        fields=fields,
        space=space,
        lon=lon,
        lat=lat,
        title_zh=zh,
        title_en=en,
        last_at=max(was.last_at, last_at),
        closed_at=None if still else (was.closed_at or now),
        alarms=len(members),
    )


def _closeness(incident: Incident, alarm: Standing) -> tuple[bool, bool, datetime, str]:
    same = alarm.block is not None and incident.block == alarm.block
    return same, alarm.field in incident.fields, incident.last_at, str(incident.incident_id)


def _shared(members: Sequence[Standing]) -> str | None:
    """Return the last code of the common beginning of the members' lineages."""
    lineages = [one.spaces for one in members if one.spaces]
    shared = None
    for level in zip(*lineages, strict=False):
        if len(set(level)) > 1:
            break
        shared = level[0]
    return shared


def _middle(members: Sequence[Standing]) -> tuple[float | None, float | None]:
    known = [(one.lon, one.lat) for one in members if one.lon is not None and one.lat is not None]
    if not known:
        return None, None
    lons, lats = zip(*known, strict=True)
    return round(sum(lons) / len(known), 7), round(sum(lats) / len(known), 7)


def _title(
    main: Standing, count: int, fields: Sequence[str], place: tuple[str, str]
) -> tuple[str, str]:
    """Return what happens where, in Chinese and English."""
    where = main.subject.partition(":")[2]
    zh = f"{place[0] or where}：{main.name_zh}"
    en = f"{place[1] or place[0] or where}: {main.name_en}"
    if count > 1:
        zh += f"等 {count} 个告警"
        en += f" and {count - 1} more"
    if len(fields) > 1:
        zh += f"（{'、'.join(FIELDS_ZH.get(field, field) for field in fields)}）"
        en += f" ({', '.join(fields)})"
    return zh, en


def _distance_m(incident: Incident, alarm: Standing) -> float:
    """Return metres between two places of one district (equirectangular), inf if unknown."""
    if None in (incident.lon, incident.lat, alarm.lon, alarm.lat):
        return math.inf
    assert incident.lon is not None  # these four are what the line above asks, for mypy
    assert incident.lat is not None
    assert alarm.lon is not None
    assert alarm.lat is not None
    east = (incident.lon - alarm.lon) * math.cos(math.radians(alarm.lat))
    return math.hypot(east, incident.lat - alarm.lat) * _METRES_PER_DEGREE
