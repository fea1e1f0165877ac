"""Missing data and gateways that are away, judged by our own clock.

A device is missing when nothing of it has come for its limit. A gateway that says it is offline, or
behind which all is silent, is one alarm of its own and holds back those of its devices: they are
counted afresh when it is back.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from alerts.learn import Gaps
from alerts.overriding import Overrides
from alerts.rules import LoadedRule, Rule
from alerts.spread import Index, spread
from core.batch import I4, I8
from core.model import Severity, Transition, TransitionKind
from core.registry import Registry, SeriesInfo

MIN_LIMIT_US = 3_000_000
"""Shortest silence that counts: below it, batching on the way would look like silence."""

NOT_LISTENING_US = 120_000_000
"""A jump of our clock from which on nobody listened meanwhile, or the clock was set (a guess)."""

SET_BACK_US = 5_000_000
"""How far behind what was heard our clock must be to have been set back: threads differ a little.
"""

_NEVER_US = 1 << 61
_LOOK_AGAIN_US = 60_000_000  # how often learned intervals change when a gateway counts as silent
_COMPARED = 64  # watches of a gateway looked at for a second device; rules per device are fewer

Bool = npt.NDArray[np.bool_]


class Silence:
    """Who has been heard when, and who is missing.

    Attributes:
        heard_us: of each series id, when its newest reading was received; 0 for never.
    """

    def __init__(
        self, rules: Sequence[LoadedRule], registry: Registry, overrides: Overrides, now_us: int
    ) -> None:
        """Start every clock at ``now_us``: nobody is missing before a limit after that."""
        self._rules = rules
        self._overrides = overrides
        self._registry = registry
        self.heard_us: I8 = np.zeros(registry.size, dtype=np.int64)
        self._now_us = now_us
        self._lay_watches(now_us)
        self._lay_gateways(now_us)

    def _lay_watches(self, now_us: int) -> None:
        """Lay out one watch per missing rule and device: a run of series from ``_starts``."""
        self._gateways = {gateway: n for n, gateway in enumerate(sorted(self._registry.gateways))}
        found = [
            (number, entry.rule, infos)
            for number, entry in enumerate(self._rules)
            if entry.rule.type == "missing"
            for infos in _by_device(entry.rule, self._registry)
            if self._overrides.judges(entry.rule.id, infos[0].device_id)
        ]
        count = np.array([len(infos) for _, _, infos in found], dtype=np.intp)
        series = [info.series_id for _, _, infos in found for info in infos]
        interval_s = np.array([min(info.interval_s for info in infos) for _, _, infos in found])
        self._intervals = np.array([rule.intervals for _, rule, _ in found], dtype=np.float32)
        rank = [
            self._overrides.levels(rule, infos[0].device_id)[0].rank for _, rule, infos in found
        ]
        gateway = [self._gateways[infos[0].gateway_id] for _, _, infos in found]
        self._members = np.array(series, dtype=np.int32)
        self._starts = np.cumsum(count) - count
        self._rule_of = np.array([number for number, _, _ in found], dtype=np.int16)
        self._rank = np.array(rank, dtype=np.uint8)
        self._limit_us = _limits_us(self._intervals, interval_s)
        self._gateway_of = np.array(gateway, dtype=np.int32)
        self._armed_us = np.full(len(found), now_us, dtype=np.int64)
        self._missing = np.zeros(len(found), dtype=np.bool_)
        self._lay_gaps([rule.learn_interval for _, rule, _ in found], interval_s)

    def _lay_gaps(self, learns: Sequence[bool], interval_s: npt.NDArray[np.float64]) -> None:
        """Lay out what watches learn; ``_learning`` is of each gap its watch."""
        self._learning = np.flatnonzero(np.array(learns, dtype=np.bool_))
        self.gaps = Gaps(interval_s[self._learning])
        ends = np.r_[self._starts[1:], len(self._members)]
        many = (ends - self._starts)[self._learning]
        gap = np.repeat(np.arange(len(self._learning)), many)
        entry, _ = spread(self._starts[self._learning], many, np.arange(len(self._learning)))
        series = self._members[entry]
        order = np.argsort(series, kind="stable")
        self._gap = gap[order].astype(np.int32)
        count = np.bincount(series, minlength=self._registry.size if len(series) else 0)
        self._gap_count = count.astype(np.uint8)
        self._gap_start = (np.cumsum(count) - count).astype(np.int32)
        self._look_us = 0

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
        self._compared = [
            run
            for run in np.split(order, np.flatnonzero(np.diff(self._gateway_of[order])) + 1)
            if len({self._device(number) for number in run[:_COMPARED].tolist()}) >= 2
        ]
        self._set_silent_after()
        self._offline = np.zeros(count, dtype=np.bool_)  # it says so
        self._silent = np.zeros(count, dtype=np.bool_)  # we notice
        self._reported = np.zeros(count, dtype=np.bool_)  # its alarm is raised
        self._gateway_armed_us = np.full(count, now_us, dtype=np.int64)

    def _set_silent_after(self) -> None:
        for run in self._compared:
            self._silent_after_us[self._gateway_of[run[0]]] = int(np.median(self._limit_us[run]))

    def _device(self, watch: int) -> str:
        return self._registry.by_id[int(self._members[self._starts[watch]])].device_id

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays."""
        own = sum(value.nbytes for value in vars(self).values() if isinstance(value, np.ndarray))
        return own + self.gaps.nbytes + sum(run.nbytes for run in self._compared)

    @property
    def now_us(self) -> int:
        """Our clock, as far as it was heard of."""
        return self._now_us

    def hear(self, series: npt.NDArray[np.int32], received_us: I8) -> list[Transition]:
        """Note that readings of known series came; return what that ends."""
        if len(self.gaps):
            self._learn(series, received_us)
        np.maximum.at(self.heard_us, series, received_us)
        self._go_on(int(received_us.max()))
        if not (self._missing.any() or self._silent.any()):
            return []
        return self._review(raising=False)

    def _learn(self, series: npt.NDArray[np.int32], received_us: I8) -> None:
        entry, of = spread(self._gap_start, self._gap_count, series)
        if not len(entry):
            return
        gap = self._gap[entry].astype(np.intp)
        watch = self._learning[gap]
        self.gaps.hear(gap, received_us[of], ~self._missing[watch])
        self._limit_us[self._learning] = _limits_us(
            self._intervals[self._learning], self.gaps.interval_s()
        )

    def tick(self, now_us: int) -> list[Transition]:
        """Look at every clock."""
        if now_us < self._now_us - SET_BACK_US:
            self._set_back(now_us)
        self._go_on(now_us)
        if len(self.gaps) and self._now_us >= self._look_us + _LOOK_AGAIN_US:
            self._look_us = self._now_us
            self._set_silent_after()
        return self._review(raising=True)

    def _go_on(self, now_us: int) -> None:
        """Set our clock; after a jump silence is counted afresh, or all would be missing at once.

        The worker was suspended, cut off from the broker, or its clock was wrong.
        """
        if now_us >= self._now_us + NOT_LISTENING_US:
            self.put_armed(now_us)
        self._now_us = max(self._now_us, now_us)

    def _set_back(self, now_us: int) -> None:
        """Move what was heard as our clock was set back: nobody would be missing until then."""
        step_us = self._now_us - now_us
        heard = self.heard_us > 0
        self.heard_us[heard] = np.maximum(self.heard_us[heard] - step_us, 1)
        self._armed_us[:] = now_us
        self._gateway_armed_us[:] = now_us
        self.gaps.forget()
        self._look_us = 0
        self._now_us = now_us

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
            _said(entry, subject, kind, entry.rule.levels[0].rank, at_us, limit_s, limit_s)
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
                Severity(int(self._rank[number])),
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

    def put_armed(self, now_us: int) -> None:
        """Count silence afresh: while nobody listened, nobody was silent."""
        self._armed_us[:] = np.maximum(self._armed_us, now_us)
        self._gateway_armed_us[:] = np.maximum(self._gateway_armed_us, now_us)
        self._now_us = max(self._now_us, now_us)

    def rows(self, number: int) -> tuple[Index, I4]:
        """Return the watches of a rule and the first series of each one's device."""
        watch = np.flatnonzero(self._rule_of == number)
        return watch, self._members[self._starts[watch]]

    def missing(self, watch: Index) -> npt.NDArray[np.bool_]:
        """Tell which watches are missing."""
        return self._missing[watch]

    def state(self, watch: Index) -> dict[str, npt.NDArray[Any]]:
        """Return what a snapshot keeps of one rule's watches."""
        kept: dict[str, npt.NDArray[Any]] = {
            "armed_us": self._armed_us[watch],
            "missing": self._missing[watch],
            "rank": self._rank[watch],
        }
        gap = np.searchsorted(self._learning, watch)
        if (
            len(watch)
            and len(self._learning)
            and self._learning[gap[0] % len(self.gaps)] == watch[0]
        ):
            kept |= self.gaps.state(gap)
        return kept

    def take(self, mine: Index, state: Mapping[str, npt.NDArray[Any]], theirs: Index) -> None:
        """Take over rows ``theirs`` of a ``state`` as watches ``mine``."""
        self._armed_us[mine] = state["armed_us"][theirs]
        self._missing[mine] = state["missing"][theirs]
        learns = np.isin(mine, self._learning)
        if "gap_s" in state and learns.any():
            gap = np.searchsorted(self._learning, mine[learns])
            self.gaps.take(gap, state, theirs[learns])
            watch = self._learning
            self._limit_us[watch] = _limits_us(self._intervals[watch], self.gaps.interval_s())

    def gateways(self) -> tuple[list[str], dict[str, npt.NDArray[Any]]]:
        """Return what a snapshot keeps of the gateways: their ids, and columns."""
        return list(self._gateways), {
            "offline": self._offline,
            "silent": self._silent,
            "reported": self._reported,
            "armed_us": self._gateway_armed_us,
            "after_us": self._silent_after_us,
        }

    def take_gateways(
        self, names: Sequence[str], state: Mapping[str, npt.NDArray[Any]], *, now_us: int
    ) -> list[str]:
        """Take over gateways; return those whose alarm was raised and that are gone."""
        pairs = [
            (self._gateways[name], n) for n, name in enumerate(names) if name in self._gateways
        ]
        mine = np.array([n for n, _ in pairs], dtype=np.intp)
        theirs = np.array([n for _, n in pairs], dtype=np.intp)
        for field in ("offline", "silent", "reported"):
            getattr(self, f"_{field}")[mine] = state[field][theirs]
        self._gateway_armed_us[mine] = state["armed_us"][theirs]
        if len(self.gaps):
            known = self._silent_after_us[mine] < _NEVER_US
            some, was = mine[known], theirs[known]
            self._silent_after_us[some] = state["after_us"][was]
        self._now_us = max(self._now_us, now_us)
        told = np.flatnonzero(state["reported"]).tolist()
        return [names[n] for n in told if names[n] not in self._gateways]


def _by_device(rule: Rule, registry: Registry) -> list[list[SeriesInfo]]:
    """Return the series that a missing rule watches, device by device."""
    devices: dict[str, list[SeriesInfo]] = {}
    for _, info in sorted(registry.by_id.items()):
        if rule.selects(kind=info.kind, field=info.field, quantity=info.quantity) and rule.narrows(
            info
        ):
            devices.setdefault(info.device_id, []).append(info)
    return list(devices.values())


def _said(
    entry: LoadedRule,
    subject: str,
    kind: TransitionKind,
    severity: Severity,
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
        severity=severity,
        at_us=at_us,
        value=value,
        threshold=threshold,
        quantity=rule.select.quantity,
        latch=rule.latch,
        life_safety=rule.life_safety,
    )


def _limits_us(intervals: npt.NDArray[np.float32], interval_s: npt.NDArray[np.float64]) -> I8:
    limit_us = np.round(intervals * np.asarray(interval_s, dtype=np.float64) * 1e6)
    return np.maximum(MIN_LIMIT_US, limit_us.astype(np.int64))
