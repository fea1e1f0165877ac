"""Messages to one piece of work for the store: decode, ledger, check, quality, alarm engine.

Does no input or output. Its state (registry, marker, engine, ledger) belongs to one worker. Marker
and engine take each message in once, when it is first prepared; the ledger only changes when the
work is known to be committed.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from alerts.engine import Engine
from alerts.rules import LoadedRule, Rule
from core.batch import I4, Batch
from core.model import Quality, Rejected, RejectReason, Transition
from ingest.accounts import GatewayWord
from ingest.check import Checked, Limits, Tables, check
from ingest.decode import Decoded, decode
from ingest.ledger import Key, Ledger
from ingest.message import Message
from ingest.quality import Marker
from ingest.status import is_status, word_of
from ingest.store import Work


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """Work for the store, and what is to be done when it is committed.

    Attributes:
        messages: all that it came from, to be acknowledged.
        prompt: of each row of the batch: its way here can be timed (see ``ingest.check.Checked``).
        again: spools that sent what was committed already.
        strangers: whether an unknown device or quantity was among the readings.
        earlier: transitions that were judged before it, of others, and are to be committed first;
            with our clock at that moment, microseconds.
    """

    work: Work
    messages: Sequence[Message]
    prompt: npt.NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, dtype=np.bool_))
    again: frozenset[Key] = frozenset()
    strangers: bool = False
    earlier: Sequence[tuple[int, Sequence[Transition]]] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """Messages as columns: the part of the work that waits for no earlier batch.

    Attributes:
        messages: all of them, in order of arrival.
        data: those that carry readings.
        words: what gateways said of themselves in the others.
        decoded: the columns of ``data``.
        tables: what they were decoded with; other tables make the columns worthless.
    """

    messages: Sequence[Message]
    data: Sequence[Message]
    words: Sequence[GatewayWord]
    decoded: Decoded
    tables: Tables

    @property
    def strangers(self) -> bool:
        """Whether there are names among the readings that the tables do not know."""
        return bool(self.decoded.names)


@dataclass(frozen=True, slots=True, kw_only=True)
class Marked:
    """What was found of the rows of some messages, for when they must be prepared again.

    Attributes:
        messages: those that carried readings; held, so that they can be known again by identity.
        message: of each row: position of its message; ascending.
        quality: of each row: its bits.
    """

    messages: Sequence[Message] = ()
    message: npt.NDArray[np.intp] = field(default_factory=lambda: np.zeros(0, dtype=np.intp))
    quality: I4 = field(default_factory=lambda: np.zeros(0, dtype=np.int32))

    def again(self, checked: Checked, messages: Sequence[Message]) -> tuple[I4, list[int]]:
        """Return the bits of rows that are prepared again, and the rows of other messages."""
        places = {id(message): place for place, message in enumerate(self.messages)}
        quality = checked.batch.quality.copy()
        others: list[int] = []
        for position, rows in _runs(checked.message):
            place = places.get(id(messages[position]), -1)
            begin, end = np.searchsorted(self.message, [place, place + 1]).tolist()
            if place >= 0 and end - begin == len(rows):
                quality[rows.start : rows.stop] = self.quality[begin:end]
            else:
                others += rows
        return quality, others


def _runs(message: npt.NDArray[np.intp]) -> Iterator[tuple[int, range]]:
    """Yield each message's position and rows."""
    begins = np.flatnonzero(np.diff(message, prepend=-1)).tolist()
    for begin, end in itertools.pairwise([*begins, len(message)]):
        yield int(message[begin]), range(begin, end)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fresh:
    """A registry and rules that were read anew, laid out; engine and marker know nothing yet."""

    rules: Sequence[LoadedRule]
    tables: Tables
    marker: Marker
    engine: Engine


@dataclass(slots=True, kw_only=True)
class Pipeline:
    """What the worker knows between two batches.

    Attributes:
        owed: ends of open alarms that nothing judges any longer, found at start; to be committed.
        onsets: when the conditions of the open alarms began, by rule and subject (event time, us).
        by_id: the rules that judge, by id.
    """

    rules: Sequence[LoadedRule]
    tables: Tables
    marker: Marker
    engine: Engine
    ledger: Ledger
    limits: Limits
    marked: Marked = field(default_factory=Marked)
    owed: Sequence[Transition] = ()
    onsets: Mapping[tuple[str, str], int] = field(default_factory=dict)
    by_id: Mapping[str, Rule] = field(init=False)

    def __post_init__(self) -> None:
        """Make what depends on the rules."""
        self.by_id = {entry.rule.id: entry.rule for entry in self.rules}

    def renew(self, fresh: Fresh) -> list[Transition]:
        """Go on with another registry and other rules; conditions under way go on.

        Returns:
            The ends of those that nothing judges any longer.
        """
        ended = fresh.engine.adopt(self.engine)
        fresh.marker.adopt(self.marker)
        self.rules, self.tables = fresh.rules, fresh.tables
        self.engine, self.marker = fresh.engine, fresh.marker
        self.by_id = {entry.rule.id: entry.rule for entry in self.rules}
        return ended

    def open(self, messages: Sequence[Message]) -> Opened:
        """Decode messages; may be done while the batch before them is being stored."""
        data = [message for message in messages if not is_status(message)]
        return Opened(
            messages=messages,
            data=data,
            words=[word for m in messages if is_status(m) and (word := word_of(m))],
            decoded=decode(data, self.tables.series, self.tables.units),
            tables=self.tables,
        )

    def prepare(self, opened: Opened, *, judge: bool = True) -> Prepared:
        """Turn messages into work; with ``judge`` false marker and engine have seen them before.

        What the marker found of them then is found again, also when only some of them come again
        (the store has refused the others, or another worker has stored them).
        """
        if opened.tables is not self.tables:
            opened = self.open(opened.messages)
        messages, data, words, decoded = (
            opened.messages,
            opened.data,
            opened.words,
            opened.decoded,
        )
        draft = self.ledger.draft(decoded.marks)
        again: set[Key] = set()
        if draft.repeated:
            marks = [decoded.marks[position] for position in draft.repeated]
            again = {(mark.gateway, mark.epoch) for mark in marks if mark is not None}
            data = [m for position, m in enumerate(data) if position not in draft.repeated]
            decoded = decode(data, self.tables.series, self.tables.units)
        checked = check(decoded, data, self.tables, self.limits)
        batch = self._mark(checked, data) if judge else self._marked_again(checked, data)
        transitions = self._judge_words(words) if judge else []
        if judge and len(batch):
            transitions += self.engine.process(batch)
        work = Work(
            batch=batch,
            rejected=checked.rejected,
            received=checked.received,
            redelivered=len(draft.repeated),
            draft=draft,
            words=words,
            transitions=transitions,
        )
        return Prepared(
            work=work,
            messages=messages,
            prompt=checked.prompt,
            again=frozenset(again),
            strangers=checked.strangers,
        )

    def _mark(self, checked: Checked, messages: Sequence[Message]) -> Batch:
        batch = self.marker.mark(checked.batch)
        self.marked = Marked(messages=messages, message=checked.message, quality=batch.quality)
        return batch

    def _marked_again(self, checked: Checked, messages: Sequence[Message]) -> Batch:
        quality, others = self.marked.again(checked, messages)
        if others:
            rows = np.array(others, dtype=np.intp)
            quality[rows] = self.marker.mark(checked.batch.take(rows), advance=False).quality
        return replace(checked.batch, quality=quality)

    def _judge_words(self, words: Sequence[GatewayWord]) -> list[Transition]:
        transitions: list[Transition] = []
        for word in words:
            if word.gateway in self.tables.gateways:
                transitions += self.engine.gateway_status(word.gateway, word.online, word.at_us)
        return transitions

    def reject(self, message: Message, why: str) -> Prepared:
        """Turn a message that the store refuses into a reject of the whole."""
        prepared = self.prepare(self.open([message]), judge=False)
        reject = Rejected(
            reason=RejectReason.UNPARSABLE,
            detail=f"the store refuses it: {why}",
            topic=message.topic,
            payload=message.payload,
            received_us=message.received_us,
            readings=prepared.work.received,
        )
        work = Work(rejected=[reject], received=reject.readings, draft=prepared.work.draft)
        return Prepared(work=work, messages=[message], again=prepared.again)


@dataclass(slots=True, kw_only=True)
class Glance:
    """Judges messages that somebody else will store: the engine goes on, nothing else does.

    Attributes:
        pipeline: whose engine judges.
        marker: a copy of its marker; the own one sees the messages when they are stored.
        tables: what the copy was made for.
        age_us: see ``age_us``, of what was judged last.
    """

    pipeline: Pipeline
    marker: Marker
    tables: Tables
    age_us: float | None = None

    @classmethod
    def of(cls, pipeline: Pipeline) -> Glance:
        """Begin where the pipeline is now."""
        marker = Marker(pipeline.tables, pipeline.marker.delays)
        marker.adopt(pipeline.marker)
        return cls(pipeline=pipeline, marker=marker, tables=pipeline.tables)

    def judge(self, messages: Sequence[Message]) -> list[Transition]:
        """Return what the engine makes of messages; what cannot be judged is passed over."""
        tables = self.pipeline.tables
        if tables is not self.tables:
            marker = Marker(tables, self.marker.delays)
            marker.adopt(self.marker)
            self.marker, self.tables = marker, tables
        data = [message for message in messages if not is_status(message)]
        checked = check(
            decode(data, tables.series, tables.units), data, tables, self.pipeline.limits
        )
        batch = self.marker.mark(checked.batch)
        self.age_us = age_us(batch, self.age_us)
        return self.pipeline.engine.process(batch) if len(batch) else []


def age_us(batch: Batch, before: float | None = None) -> float | None:
    """Return how old the readings of a batch were when they came, the middle one, in microseconds.

    Backfilled ones do not count; of none, what was known ``before`` stays.
    """
    live = (batch.quality & int(Quality.BACKFILLED)) == 0
    if not live.any():
        return before
    return float(np.median((batch.received_us - batch.observed_us)[live]))
