"""Missing data and gateways that are away, judged by our own clock.

A device is missing when nothing of it has come for its limit. A gateway that says it is offline, or
behind which all is silent, is one alarm of its own and holds back those of its devices: they are
counted afresh when it is back.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from alerts.rules import LoadedRule, Rule
from core.batch import I8
from core.model import Transition, TransitionKind
from core.registry import Registry, SeriesInfo

MIN_LIMIT_US = 3_000_000
"""Shortest silence that counts: below it, batching on the way would look like silence."""

_NEVER_US = 1 << 61
_COMPARED = 64  # watches of a gateway looked at for a second device; rules per device are fewer

Bool = npt.NDArray[np.bool_]


class Silence:
    """Who has been heard when, and who is missing.

    Attributes:
        heard_us: of each series id, when its newest reading was received; 0 for never.
    """

    def __init__(self, rules: Sequence[LoadedRule], registry: Registry, now_us: int) -> None:
        """Start every clock at ``now_us``: nobody is missing before a limit after that."""
        self._rules = rules
        self._registry = registry
        self.heard_us: I8 = np.zeros(registry.size, dtype=np.int64)
        self._now_us = now_us
        self._lay_watches(now_us)
        self._lay_gateways(now_us)

    def _lay_watches(self, now_us: int) -> None:
        """Lay out one watch per missing rule and device: a run of series from ``_starts``."""
        self._gateways = {gateway: n for n, gateway in enumerate(sorted(self._registry.gateways))}
        found = [
            (number, entry.rule.intervals, infos)
            for number, entry in enumerate(self._rules)
            if entry.rule.type == "missing"
            for infos in _by_device(entry.rule, self._registry)
        ]
        count = np.array([len(infos) for _, _, infos in found], dtype=np.intp)
        series = [info.series_id for _, _, infos in found for info in infos]
        limit_us = [
            max(MIN_LIMIT_US, round(intervals * min(info.interval_s for info in infos) * 1e6))
            for _, intervals, infos in found
        ]
        gateway = [self._gateways[infos[0].gateway_id] for _, _, infos in found]
        self._members = np.array(series, dtype=np.int32)
        self._starts = np.cumsum(count) - count
        self._rule_of = np.array([number for number, _, _ in found], dtype=np.int16)
        self._limit_us = np.array(limit_us, dtype=np.int64)
        self._gateway_of = np.array(gateway, dtype=np.int32)
        self._armed_us = np.full(len(found), now_us, dtype=np.int64)
        self._missing = np.zeros(len(found), dtype=np.bool_)

    def _lay_gateways(self, now_us: int) -> None:
        """Find each gateway's series, and after how long of silence it counts as silent itself.

        That is the median limit of its devices, so that half of them must be silent beyond their
        own; with fewer than two devices to compare, the device itself is what is missing.
        """
        count = len(self._gateways)
        places = sorted(
            (self._gateways[info.gateway_id], info.series_id)
            for info in self._registry.by_id.values()
        )
        self._gateway_series = np.array([series for _, series in places], dtype=np.int32)
        owners = np.array([gateway for gateway, _ in places], dtype=np.int32)
        self._gateway_ids, self._gateway_starts = np.unique(owners, return_index=True)
        self._silent_after_us = np.full(count, _NEVER_US, dtype=np.int64)
        order = np.argsort(self._gateway_of, kind="stable")
        for run in np.split(order, np.flatnonzero(np.diff(self._gateway_of[order])) + 1):
            if len({self._device(number) for number in run[:_COMPARED].tolist()}) >= 2:
                middle = int(np.median(self._limit_us[run]))
                self._silent_after_us[self._gateway_of[run[0]]] = middle
        self._offline = np.zeros(count, dtype=np.bool_)  # it says so
        self._silent = np.zeros(count, dtype=np.bool_)  # we notice
        self._reported = np.zeros(count, dtype=np.bool_)  # its alarm is raised
        self._gateway_armed_us = np.full(count, now_us, dtype=np.int64)

    def _device(self, watch: int) -> str:
        return self._registry.by_id[int(self._members[self._starts[watch]])].device_id

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays."""
        return sum(value.nbytes for value in vars(self).values() if isinstance(value, np.ndarray))

    def hear(self, series: npt.NDArray[np.int32], received_us: I8) -> list[Transition]:
        """Note that readings of known series came; return what that ends."""
        np.maximum.at(self.heard_us, series, received_us)
        self._now_us = max(self._now_us, int(received_us.max()))
        if not (self._missing.any() or self._silent.any()):
            return []
        return self._review(raising=False)

    def tick(self, now_us: int) -> list[Transition]:
        """Look at every clock."""
        self._now_us = max(self._now_us, now_us)
        return self._review(raising=True)

    def gateway_status(self, gateway_id: str, *, online: bool, at_us: int) -> list[Transition]:
        """Take what a gateway, or the broker in its name, says of itself."""
        gateway = self._gateways.get(gateway_id)
        if gateway is None:
            return []
        if online and self._offline[gateway]:
            self._silent[gateway] = False
            self._arm(gateway)
        self._offline[gateway] = not online
        return self._report(gateway, at_us)

    def _arm(self, gateway: int) -> None:
        """Give a gateway that is back, and all behind it, a full limit of time."""
        self._gateway_armed_us[gateway] = self._now_us
        self._armed_us[self._gateway_of == gateway] = self._now_us

    def _review(self, *, raising: bool) -> list[Transition]:
        transitions, held = self._review_gateways(raising=raising)
        if not len(self._starts):
            return transitions
        heard_us = np.maximum.reduceat(self.heard_us[self._members], self._starts)
        back = self._missing & (self._now_us < heard_us + self._limit_us)
        self._missing[back] = False
        transitions += self._device_moves(back, TransitionKind.RETURNED, heard_us)
        if raising:
            base_us = np.maximum(heard_us, self._armed_us)
            late = (self._now_us >= base_us + self._limit_us) & ~self._missing
            late &= ~held[self._gateway_of]
            self._missing[late] = True
            transitions += self._device_moves(late, TransitionKind.RAISED, base_us)
        return transitions

    def _review_gateways(self, *, raising: bool) -> tuple[list[Transition], Bool]:
        """Judge the gateways; return also which of them hold their devices' alarms back.

        A gateway holds them back from half its own limit on: its devices' limits end one after
        the other, and by then its own may be about to.
        """
        heard_us = np.zeros(len(self._gateways), dtype=np.int64)
        if len(self._gateway_series):
            heard_us[self._gateway_ids] = np.maximum.reduceat(
                self.heard_us[self._gateway_series], self._gateway_starts
            )
        base_us = np.maximum(heard_us, self._gateway_armed_us)
        quiet_us = self._now_us - base_us
        # Only a reading ends a silence; a fresh start of the clocks does not.
        silent = np.where(self._silent, self._now_us - heard_us, quiet_us) >= self._silent_after_us
        held = self._offline | silent | (quiet_us * 2 >= self._silent_after_us)
        if not raising:
            silent &= self._silent
        changed = np.flatnonzero(silent != self._silent).tolist()
        self._silent = silent
        transitions: list[Transition] = []
        for gateway in changed:
            if silent[gateway]:
                at_us = int(base_us[gateway] + self._silent_after_us[gateway])
            else:
                at_us = self._now_us
                self._arm(gateway)
            transitions += self._report(gateway, at_us)
        return transitions, held

    def _report(self, gateway: int, at_us: int) -> list[Transition]:
        """Return what the alarm of a gateway has to say that it has not said."""
        away = bool(self._offline[gateway] or self._silent[gateway])
        if away == self._reported[gateway]:
            return []
        self._reported[gateway] = away
        kind = TransitionKind.RAISED if away else TransitionKind.RETURNED
        limit_s = float(self._silent_after_us[gateway]) / 1e6 if self._silent[gateway] else 0.0
        subject = f"gateway:{list(self._gateways)[gateway]}"
        return [
            _said(entry, subject, kind, at_us, limit_s, limit_s)
            for entry in self._rules
            if entry.rule.type == "gateway_offline"
        ]

    def _device_moves(self, moved: Bool, kind: TransitionKind, base_us: I8) -> Iterator[Transition]:
        for number in np.flatnonzero(moved).tolist():
            limit_us, since_us = int(self._limit_us[number]), int(base_us[number])
            raised = kind is TransitionKind.RAISED
            yield _said(
                self._rules[int(self._rule_of[number])],
                f"device:{self._device(number)}",
                kind,
                since_us + limit_us if raised else self._now_us,
                (self._now_us - since_us) / 1e6,
                limit_us / 1e6,
            )

    def put_missing(self, wanted: Mapping[tuple[int, str], bool]) -> None:
        """Set whether devices count as missing; the keys are rule position and device id."""
        if not wanted:
            return
        for number, rule in enumerate(self._rule_of.tolist()):
            missing = wanted.get((rule, self._device(number)))
            if missing is not None:
                self._missing[number] = missing

    def put_gateway(self, gateway_id: str, *, away: bool) -> None:
        """Set whether a gateway's alarm is raised.

        It stays so until the gateway says otherwise or, where silence counts, is heard.
        """
        gateway = self._gateways.get(gateway_id)
        if gateway is None:
            return
        noticed = self._silent_after_us[gateway] < _NEVER_US
        self._reported[gateway] = away
        self._silent[gateway] = away and noticed
        self._offline[gateway] = away and not noticed

    def adopt(self, old: Silence, same_rule: Mapping[int, int]) -> None:
        """Take over clocks and conditions; ``same_rule`` leads from our rules to the old ones."""
        size = min(len(self.heard_us), len(old.heard_us))
        self.heard_us[:size] = old.heard_us[:size]
        self._now_us = max(self._now_us, old._now_us)
        for rule, before in same_rule.items():
            mine = np.flatnonzero(self._rule_of == rule)
            theirs = np.flatnonzero(old._rule_of == before)
            _, a, b = np.intersect1d(
                self._members[self._starts[mine]],
                old._members[old._starts[theirs]],
                assume_unique=True,
                return_indices=True,
            )
            self._armed_us[mine[a]] = old._armed_us[theirs[b]]
            self._missing[mine[a]] = old._missing[theirs[b]]
        pairs = [
            (n, old._gateways[name]) for name, n in self._gateways.items() if name in old._gateways
        ]
        new = np.array([n for n, _ in pairs], dtype=np.intp)
        was = np.array([n for _, n in pairs], dtype=np.intp)
        for field in ("_offline", "_silent", "_reported", "_gateway_armed_us"):
            getattr(self, field)[new] = getattr(old, field)[was]


def _by_device(rule: Rule, registry: Registry) -> list[list[SeriesInfo]]:
    """Return the series that a missing rule watches, device by device."""
    devices: dict[str, list[SeriesInfo]] = {}
    for _, info in sorted(registry.by_id.items()):
        if rule.selects(kind=info.kind, field=info.field, quantity=info.quantity):
            devices.setdefault(info.device_id, []).append(info)
    return list(devices.values())


def _said(
    entry: LoadedRule,
    subject: str,
    kind: TransitionKind,
    at_us: int,
    value: float,
    threshold: float,
) -> Transition:
    rule = entry.rule
    return Transition(
        rule_id=rule.id,
        rule_version=entry.version,
        subject=subject,
        field=rule.field,
        kind=kind,
        severity=rule.levels[0].rank,
        at_us=at_us,
        value=value,
        threshold=threshold,
        quantity=rule.select.quantity,
        latch=rule.latch,
    )
