"""The alarm engine: readings in, changes of conditions out. Pure: takes the time, keeps no clock.

Conditions on values follow event time (``alerts.conditions`` and its neighbours, laid out by
``alerts.layout``), silence follows our own clock (``alerts.silence``). What they say goes through
inhibition (``alerts.gates``) and confirmation (``alerts.confirm``) and becomes alarms in
``alerts.store``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from alerts import taking
from alerts.conditions import Conditions
from alerts.judged import Judged
from alerts.knowing import Knowledge
from alerts.ladder import Bool
from alerts.limits import Moves
from alerts.overriding import Overrides
from alerts.rounds import cut
from alerts.rules import LoadedRule, Override
from alerts.snapshot import Kept, pack, unpack
from alerts.taking import OpenCondition
from core.batch import I8, Batch
from core.model import (
    NEVER_ALARMS,
    NEVER_JUDGED,
    NO_MEASURE,
    Severity,
    Transition,
    TransitionKind,
)
from core.registry import Registry

__all__ = ["CLOCK_TOLERANCE_US", "Engine", "OpenCondition"]

CLOCK_TOLERANCE_US = 300_000_000
"""A series' last event time this far ahead of our clock is no measure of what is late.

One reading with a wrong year would otherwise silence its series for that year.
"""

_WIDE = 16  # a part of at least this share of all series is looked through as a whole


class Engine:
    """All conditions of all series under a set of rules.

    Attributes:
        rules: what it judges by.
        registry: whom it judges.
    """

    def __init__(
        self,
        rules: Sequence[LoadedRule],
        registry: Registry,
        *,
        now_us: int,
        overrides: Iterable[Override] = (),
    ) -> None:
        """Lay out the conditions, all normal; silence is counted from ``now_us``.

        Args:
            overrides: what holds for single devices instead of what the rules say.
        """
        self.rules = tuple(rules)
        self.registry = registry
        self._overrides = Overrides(overrides)
        self._start_us = now_us
        self._mine = Knowledge.new(self.rules, registry, self._overrides, now_us)
        self._outline: taking.Outline | None = None

    @property
    def nbytes(self) -> int:
        """Bytes of all state that grows with the number of series."""
        return self._mine.nbytes

    def process(self, batch: Batch) -> list[Transition]:
        """Judge a batch; its rows may be in any order.

        Backfilled readings and repeats (``core.model.NEVER_JUDGED``), those of unknown series, and
        those not newer than the last one of their series change no condition. How old a reading is
        by our clock does not matter: a recording gives the alarms of its day.

        Returns:
            The changes, in order of event time.
        """
        series = batch.series
        known = (series >= 0) & (series < len(self._mine.known))
        known[known] = self._mine.known[series[known]]
        known &= (batch.quality & int(NEVER_JUDGED)) == 0
        if not known.all():
            batch = batch.take(known)
        if not len(batch):
            return []
        said = self._mine.silence.hear(batch.series, batch.received_us)
        batch = self._fresh(batch)
        if len(batch):
            said += self._judge(batch)
        return self._mine.links.follow(said)

    def tick(self, now_us: int) -> list[Transition]:
        """Look for missing data at ``now_us``, our clock; call it about once a second.

        Dwell timers do not run out here: they follow event time, which only readings carry.
        """
        return self._mine.links.follow(self._mine.silence.tick(now_us))

    def gateway_status(self, gateway_id: str, online: bool, at_us: int) -> list[Transition]:
        """Take a gateway's word (or its Last Will) that it is online or not."""
        said = self._mine.silence.gateway_status(gateway_id, online=online, at_us=at_us)
        return self._mine.links.follow(said)

    def restore(self, open_conditions: Sequence[OpenCondition]) -> list[Transition]:
        """Set the conditions of open alarms as the database knows them; call it after a warm-up.

        The database was written in the same transaction as the readings, so it outranks what a
        warm-up with a part of the past, or an older snapshot, has found.

        Returns:
            The ends of open conditions that nothing judges any longer (their rule, or the device
            under it, is gone), and what was held back and is no longer.
        """
        return taking.restore(self._mine, open_conditions)

    def adopt(self, old: Engine) -> list[Transition]:
        """Take over the state of an engine with other rules, another registry or other overrides.

        A rule is the same if its id is; a changed ladder keeps active conditions at the level of
        their severity, and the next reading judges them anew.

        Returns:
            The ends of active conditions that nothing judges any longer, and what was held back
            and is no longer.
        """
        return taking.take(self._mine, old.picture(), exact=True, common=self.outline())

    def snapshot(self) -> bytes:
        """Return all that is known, for ``resume`` of another process.

        Timers under way, slopes, counts, what judges have learned, clocks of silence, and what
        waits for a second signal: nothing that is judged later depends on anything else.
        """
        return pack(self.picture())

    def picture(self) -> Kept:
        """Return the same as copies, quickly: what is judged later does not change them.

        ``alerts.snapshot.pack`` makes the bytes of it, which takes longer and may be done beside.
        """
        return taking.keep(self._mine, self.outline())

    def outline(self) -> taking.Outline:
        """Lay out what all snapshots have in common, once; may be done beside, before the first."""
        if self._outline is None:
            self._outline = taking.outline(self._mine)
        return self._outline

    def resume(self, blob: bytes) -> int:
        """Take over a snapshot; call it on a new engine, before anything else.

        Rules are known by id and digest, series by name. If the engine was made later than the
        snapshot was taken, silence is counted afresh, since nobody listened meanwhile.

        Returns:
            Our clock at the snapshot, microseconds since the Unix epoch: readings received since
            then are to be given to ``process``.

        Raises:
            ValueError: if it is no snapshot of this version of the program, or damaged; the engine
                is then as new.
        """
        kept = unpack(blob)
        try:
            taking.take(self._mine, kept, exact=False, common=self.outline())
        except (ValueError, KeyError, IndexError) as error:
            self._mine = Knowledge.new(self.rules, self.registry, self._overrides, self._start_us)
            raise ValueError(f"the engine snapshot does not fit: {error}") from error
        return kept.clock_us

    def _fresh(self, batch: Batch) -> Batch:
        """Return the readings that are newer than what was judged before, by series and time.

        A series whose clock was far ahead and is set right begins anew.
        """
        series = batch.series
        if len(batch) > 1 and not bool((series[1:] > series[:-1]).all()):
            batch = batch.sorted()
            series = batch.series
        last = self._mine.last_us[series]
        newer = batch.observed_us > last
        set_back = ~newer & (last > batch.received_us + CLOCK_TOLERANCE_US)
        set_back &= batch.observed_us < last
        if len(batch) > 1:
            first = np.r_[True, series[1:] != series[:-1]]
            if not first.all():
                newer, set_back = _in_turn(first, batch.observed_us, newer, set_back)
        if set_back.any():
            for conditions in self._mine.layout.all:
                conditions.forget(series[set_back])
        fresh = newer | set_back
        if not fresh.all():
            batch = batch.take(fresh)
        # Of equal indices the last is written, and a series' last reading is its newest.
        self._mine.last_us[batch.series] = batch.observed_us
        return batch

    def _judge(self, batch: Batch) -> list[Transition]:
        """Judge readings that are sorted by series and time."""
        said: list[Transition] = []
        layout = self._mine.layout
        rounds, rest = cut(batch)
        for part in rounds:
            said += self._told(layout.quick, layout.quick.step(part))
            said += self._judge_more(part, layout.judged)
        if rest is not None:
            said += self._told(layout.quick, layout.quick.run(rest))
            said += self._judge_rest(rest)
        if len(layout.combined.limits):
            for moves in layout.combined.judge_batch(batch):
                said += self._told(layout.combined, moves)
        return said

    def _judge_rest(self, rest: Batch) -> list[Transition]:
        """Judge many readings of a few series by what cannot take a stretch of them at once."""
        layout = self._mine.layout
        judged = [one for one in layout.judged if one.concerns(np.unique(rest.series))]
        if layout.judged and not judged:
            self._note(rest)
        if judged or layout.plain.concerns(rest.series):
            parts = cut(rest, all_of_it=True)[0]
            return [told for part in parts for told in self._judge_more(part, judged)]
        return []

    def _judge_more(self, part: Batch, judges: Sequence[Judged]) -> list[Transition]:
        said: list[Transition] = []
        mine = self._mine
        if len(mine.layout.plain.limits):
            said += self._told(mine.layout.plain, mine.layout.plain.step(part))
        if not mine.layout.judged:
            return said
        self._note(part)
        wide = len(part) * _WIDE > len(mine.place)
        if wide:
            mine.place[part.series] = np.arange(len(part), dtype=np.int32)
        for judged in judges:
            moves = judged.judge_part(part, mine.board, mine.busy, mine.place if wide else None)
            said += self._told(judged, moves)
        if wide:
            mine.place[part.series] = -1
        return said

    def _note(self, part: Batch) -> None:
        """Put readings that measure something on the board."""
        good = (part.quality & int(NO_MEASURE | NEVER_ALARMS)) == 0
        good &= np.isfinite(part.value)
        self._mine.board.at_us[part.series[good]] = part.observed_us[good]
        self._mine.board.value[part.series[good]] = part.value[good]

    def _told(self, conditions: Conditions, moves: Moves) -> Iterator[Transition]:
        limits = conditions.limits
        for n, condition in enumerate(moves.condition.tolist()):
            entry = self.rules[int(limits.rule[condition])]
            info = conditions.info(condition)
            before, after = int(moves.before[n]), int(moves.after[n])
            if len(self._mine.busy) and conditions in (
                self._mine.layout.quick,
                self._mine.layout.plain,
            ):
                self._mine.busy[info.series_id] += (after > 0) - (before > 0)
            up = after > before
            value = float(moves.value[n])
            yield Transition(
                rule_id=entry.rule.id,
                rule_version=entry.version,
                subject=f"device:{info.device_id}",
                field=entry.rule.field,
                kind=_kind(before, after),
                severity=Severity(limits.ranks(condition)[(after or before) - 1]),
                at_us=int(moves.at_us[n]),
                value=value,
                threshold=limits.limit(condition, after - 1 if up else after, clear=not up),
                quantity=conditions.quantity(condition),
                latch=entry.rule.latch,
                life_safety=entry.rule.life_safety,
                said=conditions.said(condition, value),
            )


def _in_turn(first: Bool, observed_us: I8, newer: Bool, set_back: Bool) -> tuple[Bool, Bool]:
    """Judge what is newer where a series has several readings, sorted by time.

    Once one is taken, the later ones are newer than it; of several with one time the first counts.
    """
    place = np.arange(len(first))
    begin = np.maximum.accumulate(np.where(first, place, 0))
    taken = np.maximum.accumulate(np.where(newer | set_back, place, -1))
    before = np.r_[-1, taken[:-1]]
    some_before = before >= begin
    earlier = observed_us[np.maximum(before, 0)]
    after_one = some_before & (observed_us > earlier)
    same_as_one = some_before & (observed_us == earlier)
    return (newer | after_one) & ~same_as_one, set_back & ~some_before


def _kind(before: int, after: int) -> TransitionKind:
    if after > before:
        return TransitionKind.ESCALATED if before else TransitionKind.RAISED
    return TransitionKind.EASED if after else TransitionKind.RETURNED
