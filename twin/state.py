"""The live state of the district: freshness and worst alarm of each device, folded up the tree.

Pure: it is given rows, readings' times and ``now``, and asked what changed. ``twin.api.live`` feeds
it from the database; nothing here waits.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from core.model import AlarmState, Field, Severity, SpaceKind

I4 = npt.NDArray[np.int32]
I8 = npt.NDArray[np.int64]

FIELDS = tuple(Field)
_FIELD = {field: index for index, field in enumerate(FIELDS)}
_UNSEEN = frozenset({AlarmState.UNACKNOWLEDGED, AlarmState.RETURNED_UNACKNOWLEDGED})


class Freshness(IntEnum):
    """Whether a device reports; the numbers are the API's."""

    NEVER = 0
    FRESH = 1
    STALE = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class SpaceRow:
    """A space as stored; ``in_force`` is false for an outline that was replaced."""

    space_id: int
    code: str
    kind: SpaceKind
    name: str
    name_en: str
    parent_id: int | None
    in_force: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceRow:
    """A device as the state needs it; ``space_id`` is None when unplaced."""

    device_id: str
    interval_s: float
    space_id: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAlarm:
    """An alarm that is not closed; ``device_id`` and ``space_id`` are None where it has none.

    One that is ``hidden`` (shelved, suppressed, out of service) colours nothing and counts as
    neither open nor unacknowledged; there is only a number of those. One that is a ``trial``, the
    runtime's test of itself, is nobody's alarm and counts nowhere.
    """

    alarm_id: str
    field: Field
    severity: Severity
    state: AlarmState
    device_id: str | None
    space_id: int | None
    hidden: bool = False
    trial: bool = False


class Topology:
    """Which spaces and devices there are, and how they contain each other; never changes.

    Index 0 of the spaces is the whole store: unplaced devices and alarms without a space count
    only there.

    Attributes:
        rows: space id -> its row, replaced versions included.
        spaces: rows in force; their index is one less than in the arrays.
        parent: for each index the index of the containing space; 0's is -1.
        devices: device ids in the order of the arrays.
    """

    def __init__(
        self,
        spaces: Iterable[SpaceRow],
        devices: Sequence[DeviceRow],
        series: Iterable[tuple[int, str]],
    ) -> None:
        self.rows: Mapping[int, SpaceRow] = {row.space_id: row for row in spaces}
        self.spaces = tuple(row for row in self.rows.values() if row.in_force)
        self._index = {row.code: i for i, row in enumerate(self.spaces, start=1)}
        parents = [self.place(row.parent_id) for row in self.spaces]
        self.parent: I4 = np.array([-1, *parents], dtype=np.int32)
        self._levels = self._by_depth()
        self.devices = tuple(row.device_id for row in devices)
        self.device_index = {device: i for i, device in enumerate(self.devices)}
        self.interval_us: I8 = np.array([row.interval_s * 1e6 for row in devices], dtype=np.int64)
        places = [self.place(row.space_id) for row in devices]
        self.device_space: I4 = np.array(places, dtype=np.int32)
        self._series = self._series_devices(series)

    def index(self, code: str) -> int | None:
        """Return the index of a code in force, None if there is none."""
        return self._index.get(code)

    def place(self, space_id: int | None) -> int:
        """Index of a space by id; a replaced version counts as the one now in force."""
        row = self.rows.get(space_id) if space_id is not None else None
        return self._index.get(row.code, 0) if row is not None else 0

    def children(self, index: int) -> list[int]:
        """Return the indexes of the spaces right inside one."""
        found: list[int] = np.flatnonzero(self.parent == index).tolist()
        return found

    def path(self, space_id: int | None) -> list[SpaceRow]:
        """Return the space and what contains it as it was then, the district first."""
        found: list[SpaceRow] = []
        while space_id is not None and (row := self.rows.get(space_id)) is not None:
            found.append(row)
            space_id = row.parent_id
        return found[::-1]

    def ancestors(self, space_id: int | None) -> Iterator[int]:
        """Yield the index of the space, of what contains it, and at last 0."""
        index = self.place(space_id)
        while index >= 0:
            yield index
            index = int(self.parent[index])

    def inside(self, index: int) -> npt.NDArray[np.bool_]:
        """Tell for each space whether it is this one or lies in it."""
        mask = np.zeros(len(self.parent), dtype=np.bool_)
        mask[index] = True
        for level in reversed(self._levels):
            mask[level] |= mask[self.parent[level]]
        return mask

    def with_places(self, places: Mapping[str, int | None]) -> Topology:
        """Return the same with some devices in other spaces, given by id; None is unplaced."""
        other = copy(self)
        other.device_space = self.device_space.copy()
        for device_id, space_id in places.items():
            index = self.device_index.get(device_id)
            if index is not None:
                other.device_space[index] = self.place(space_id)
        return other

    def fold(self, own: I8) -> I8:
        """Sum per-space numbers up the tree."""
        total = own.copy()
        for level in self._levels:
            np.add.at(total, self.parent[level], total[level])
        return total

    def by_device(self, series: I4, times: I8) -> I8:
        """Return the newest of the series' times for each device, 0 where there is none."""
        newest = np.zeros(len(self.devices), dtype=np.int64)
        known = (series >= 0) & (series < len(self._series))
        device = self._series[series[known]]
        np.maximum.at(newest, device[device >= 0], times[known][device >= 0])
        return newest

    def _by_depth(self) -> list[npt.NDArray[np.intp]]:
        """Indexes of the spaces, the deepest level first; 0 is in none."""
        depth = np.zeros(len(self.parent), dtype=np.int32)
        for _ in SpaceKind:
            depth[1:] = depth[self.parent[1:]] + 1
        return [np.flatnonzero(depth == d) for d in range(int(depth.max()), 0, -1)]

    def _series_devices(self, series: Iterable[tuple[int, str]]) -> I4:
        pairs = [(number, self.device_index.get(device, -1)) for number, device in series]
        devices = np.full(max((n for n, _ in pairs), default=-1) + 1, -1, dtype=np.int32)
        for number, device in pairs:
            devices[number] = device
        return devices


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What differs from the last time it was asked.

    Attributes:
        devices: device id -> (freshness, severity).
        spaces: code -> (severity, open, unacknowledged).
        totals: whether any sum over the whole store changed.
    """

    devices: dict[str, tuple[int, int]]
    spaces: dict[str, tuple[int, int, int]]
    totals: bool

    def __bool__(self) -> bool:
        return bool(self.devices or self.spaces or self.totals)


class State:
    """Freshness and alarms over one topology, kept by small steps.

    Open alarms are kept as counts per space, field and severity, so that the worst one is known
    again at once when another closes.
    """

    def __init__(self, topology: Topology, *, stale_intervals: float) -> None:
        spaces, devices = len(topology.parent), len(topology.devices)
        self.topology = topology
        self.stale_after_us = (topology.interval_us * stale_intervals).astype(np.int64)
        self.seen_us: I8 = np.zeros(devices, dtype=np.int64)
        self.freshness: I4 = np.zeros(devices, dtype=np.int32)
        self._alarms: dict[str, OpenAlarm] = {}
        self._counts: I4 = np.zeros((spaces, len(FIELDS), len(Severity) + 1), dtype=np.int32)
        self._unseen: I4 = np.zeros((spaces, len(FIELDS)), dtype=np.int32)
        self._hidden: I4 = np.zeros(spaces, dtype=np.int32)
        self._on_device: I4 = np.zeros((devices, len(Severity) + 1), dtype=np.int32)
        self.device_count = self._fold(np.ones(devices, dtype=np.bool_))
        self.fresh_count = self.stale_count = np.zeros(spaces, dtype=np.int64)
        self._said_devices = self._device_view()
        self._said_spaces = self._space_view()
        self._said_totals = self._totals_view()

    def see(self, series: I4, received_us: I8, now_us: int) -> None:
        """Take in when each series was last received, and judge the freshness of every device."""
        self.seen_us = np.maximum(self.seen_us, self.topology.by_device(series, received_us))
        late = now_us - self.seen_us > self.stale_after_us
        alive = np.where(late, Freshness.STALE, Freshness.FRESH)
        self.freshness = np.where(self.seen_us == 0, Freshness.NEVER, alive).astype(np.int32)
        self.fresh_count = self._fold(self.freshness == Freshness.FRESH)
        self.stale_count = self._fold(self.freshness == Freshness.STALE)

    def put(self, alarm: OpenAlarm) -> None:
        """Take in an alarm that is open, or has another severity or state than before."""
        self.drop(alarm.alarm_id)
        if alarm.trial:
            return
        self._alarms[alarm.alarm_id] = alarm
        self._add(alarm, 1)

    def drop(self, alarm_id: str) -> None:
        """Forget an alarm that was closed; one that is not known is no error."""
        if (known := self._alarms.pop(alarm_id, None)) is not None:
            self._add(known, -1)

    def changes(self) -> Changes:
        """Return what changed since the last call, and remember it as said."""
        devices, spaces, totals = self._device_view(), self._space_view(), self._totals_view()
        changed = Changes(
            devices=self._devices(np.any(devices != self._said_devices, axis=1)),
            spaces=self._spaces(np.any(spaces != self._said_spaces, axis=1)),
            totals=not np.array_equal(totals, self._said_totals),
        )
        self._said_devices, self._said_spaces, self._said_totals = devices, spaces, totals
        return changed

    def everything(self) -> Changes:
        """Return the same of all devices and spaces, without remembering it as said."""
        return Changes(
            devices=self._devices(np.ones(len(self.topology.devices), dtype=np.bool_)),
            spaces=self._spaces(np.ones(len(self.topology.parent), dtype=np.bool_)),
            totals=True,
        )

    def devices_inside(self, index: int) -> dict[str, tuple[int, int]]:
        """Return (freshness, severity) of the devices in a space; 0 is all of them."""
        return self._devices(self.topology.inside(index)[self.topology.device_space])

    def device(self, device_id: str) -> tuple[int, int]:
        """Return (freshness, severity) of one device; one that is not known yet never reported."""
        index = self.topology.device_index.get(device_id)
        if index is None:
            return int(Freshness.NEVER), 0
        return int(self.freshness[index]), int(_worst(self._on_device[index : index + 1])[0])

    def space(self, index: int) -> tuple[int, int, int]:
        """Return (severity, open, unacknowledged) of a space."""
        severity, opened, unseen = self._space_view()[index].tolist()
        return severity, opened, unseen

    def devices_of(self, ids: Iterable[str]) -> dict[str, tuple[int, int]]:
        """Return id -> (freshness, severity); one that is not known yet never reported."""
        view = self._device_view()
        known = self.topology.device_index
        return {
            device: (int(view[i, 0]), int(view[i, 1])) if (i := known.get(device, -1)) >= 0
            else (int(Freshness.NEVER), 0)
            for device in ids
        }  # fmt: skip

    def spaces_of(self, codes: Iterable[str]) -> dict[str, tuple[int, int, int]]:
        """Return code -> (severity, open, unacknowledged) of the codes that are in force."""
        view = self._space_view()
        found = {code: self.topology.index(code) for code in codes}
        return {
            code: (int(view[i, 0]), int(view[i, 1]), int(view[i, 2]))
            for code, i in found.items()
            if i is not None
        }

    def space_rows(self) -> list[list[int]]:
        """Return [severity, open, unacknowledged, devices, fresh, stale] for every index."""
        counts = np.column_stack([self.device_count, self.fresh_count, self.stale_count])
        rows: list[list[int]] = np.column_stack([self._space_view(), counts]).tolist()
        return rows

    def hidden(self, index: int) -> int:
        """Return how many alarms of a space are hidden from the desk."""
        return int(self._hidden[index])

    def by_field(self, index: int) -> dict[str, dict[str, int]]:
        """Return open and unacknowledged alarms and the worst severity of each field in a space."""
        counts, worst = self._counts[index], _worst(self._counts[index])
        return {
            str(field): {
                "open": int(counts[i].sum()),
                "unacknowledged": int(self._unseen[index, i]),
                "severity": int(worst[i]),
            }
            for i, field in enumerate(FIELDS)
        }

    def alarms_inside(self, index: int) -> list[OpenAlarm]:
        """Return the alarms of a space and all that lies in it that are shown, the worst first.

        Of one severity those that nobody has seen yet come first, then by their id.
        """
        inside = self.topology.inside(index)
        found = [
            alarm
            for alarm in self._alarms.values()
            if not alarm.hidden and inside[self.topology.place(alarm.space_id)]
        ]
        return sorted(found, key=lambda a: (-a.severity, a.state not in _UNSEEN, a.alarm_id))

    def silent_inside(self, index: int) -> list[tuple[str, int]]:
        """Return (device id, when last received in microseconds) of the stale devices in a space.

        Those longest silent come first. A device that never reported is not among them.
        """
        inside = self.topology.inside(index)[self.topology.device_space]
        stale = np.flatnonzero(inside & (self.freshness == Freshness.STALE))
        order = stale[np.argsort(self.seen_us[stale], kind="stable")]
        ids = self.topology.devices
        seen = self.seen_us[order].tolist()
        return [(ids[i], us) for i, us in zip(order.tolist(), seen, strict=True)]

    def _add(self, alarm: OpenAlarm, sign: int) -> None:
        if alarm.hidden:
            for index in self.topology.ancestors(alarm.space_id):
                self._hidden[index] += sign
            return
        field, unseen = _FIELD[alarm.field], sign * (alarm.state in _UNSEEN)
        for index in self.topology.ancestors(alarm.space_id):
            self._counts[index, field, alarm.severity] += sign
            self._unseen[index, field] += unseen
        device = self.topology.device_index.get(alarm.device_id or "")
        if device is not None:
            self._on_device[device, alarm.severity] += sign

    def _fold(self, mask: npt.NDArray[np.bool_]) -> I8:
        places = self.topology.device_space[mask]
        return self.topology.fold(np.bincount(places, minlength=len(self.topology.parent)))

    def _device_view(self) -> I4:
        return np.column_stack([self.freshness, _worst(self._on_device)])

    def _space_view(self) -> I4:
        counts = self._counts.sum(axis=1)
        return np.column_stack([_worst(counts), counts.sum(axis=1), self._unseen.sum(axis=1)])

    def _totals_view(self) -> I8:
        sums = [self.device_count[0], self.fresh_count[0], self.stale_count[0], self._hidden[0]]
        counts = [self._unseen[0], self._counts[0].ravel()]
        return np.concatenate([np.array(sums, dtype=np.int64), *counts])

    def _devices(self, mask: npt.NDArray[np.bool_]) -> dict[str, tuple[int, int]]:
        index = np.flatnonzero(mask)
        view = self._device_view()[index].tolist()
        ids = self.topology.devices
        return {ids[i]: (f, s) for i, (f, s) in zip(index.tolist(), view, strict=True)}

    def _spaces(self, mask: npt.NDArray[np.bool_]) -> dict[str, tuple[int, int, int]]:
        index = np.flatnonzero(mask[1:])
        view = self._space_view()[1:][index].tolist()
        spaces = self.topology.spaces
        return {
            spaces[i].code: (s, o, u) for i, (s, o, u) in zip(index.tolist(), view, strict=True)
        }


def totals(state: State, index: int = 0) -> dict[str, Any]:
    """Return the sums over a space, or over the whole store."""
    _, opened, unseen = state.space(index)
    devices = int(state.device_count[index])
    fresh, stale = int(state.fresh_count[index]), int(state.stale_count[index])
    return {
        "devices": devices,
        "fresh": fresh,
        "stale": stale,
        "never": devices - fresh - stale,
        "unplaced": 0 if index else int((state.topology.device_space == 0).sum()),
        "open": opened,
        "unacknowledged": unseen,
        "hidden": state.hidden(index),
        "by_field": state.by_field(index),
    }


def space_words(state: State, index: int, kinds: Collection[str] | None) -> list[dict[str, Any]]:
    """Return what the state says of each space in one (0: all), of some kinds (None: any)."""
    keys = ("severity", "open", "unacknowledged", "devices", "fresh", "stale")
    rows, spaces = state.space_rows(), state.topology.spaces
    chosen = [i for i in np.flatnonzero(state.topology.inside(index)).tolist() if i]
    return [
        {"code": spaces[i - 1].code, "kind": spaces[i - 1].kind}
        | dict(zip(keys, rows[i], strict=True))
        for i in chosen
        if kinds is None or spaces[i - 1].kind in kinds
    ]


def _worst(counts: I4) -> I4:
    """Highest severity with a count above 0, for each row; 0 where there is none."""
    levels = np.arange(counts.shape[1], dtype=np.int32)
    worst: I4 = np.where(counts > 0, levels, 0).max(axis=1, initial=0).astype(np.int32)
    return worst
