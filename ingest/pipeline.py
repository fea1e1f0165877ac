"""Messages to one piece of work for the store: decode, ledger, check, alarm engine, in that order.

Does no input or output. Its state (registry, engine, ledger) belongs to one worker; the ledger only
changes when the work is known to be committed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from alerts.engine import Engine
from alerts.rules import LoadedRule
from core.model import Rejected, RejectReason, Transition
from ingest.accounts import GatewayWord
from ingest.check import Limits, Tables, check
from ingest.decode import decode
from ingest.ledger import Key, Ledger
from ingest.message import Message
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
    """

    work: Work
    messages: Sequence[Message]
    prompt: npt.NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, dtype=np.bool_))
    again: frozenset[Key] = frozenset()
    strangers: bool = False


@dataclass(slots=True, kw_only=True)
class Pipeline:
    """What the worker knows between two batches."""

    rules: Sequence[LoadedRule]
    tables: Tables
    engine: Engine
    ledger: Ledger
    limits: Limits

    def prepare(self, messages: Sequence[Message], *, judge: bool = True) -> Prepared:
        """Turn messages into work; with ``judge`` false the engine is not shown them (again)."""
        words = [word for message in messages if is_status(message) if (word := word_of(message))]
        data = [message for message in messages if not is_status(message)]
        decoded = decode(data, self.tables.series, self.tables.units)
        draft = self.ledger.draft(decoded.marks)
        again: set[Key] = set()
        if draft.repeated:
            marks = [decoded.marks[position] for position in draft.repeated]
            again = {(mark.gateway, mark.epoch) for mark in marks if mark is not None}
            data = [m for position, m in enumerate(data) if position not in draft.repeated]
            decoded = decode(data, self.tables.series, self.tables.units)
        checked = check(decoded, data, self.tables, self.limits)
        transitions = self._judge_words(words) if judge else []
        if judge and len(checked.batch):
            transitions += self.engine.process(checked.batch)
        work = Work(
            batch=checked.batch,
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

    def _judge_words(self, words: Sequence[GatewayWord]) -> list[Transition]:
        transitions: list[Transition] = []
        for word in words:
            if word.gateway in self.tables.gateways:
                transitions += self.engine.gateway_status(word.gateway, word.online, word.at_us)
        return transitions

    def reject(self, message: Message, why: str) -> Prepared:
        """Turn a message that the store refuses into a reject of the whole."""
        prepared = self.prepare([message], judge=False)
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
