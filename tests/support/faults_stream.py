"""What the senders of a fault run say, message by message, and what must become of each reading.

A stream is drawn from a seed alone, before anything runs. It keeps the books: how many readings it
has made, the key of each that must be a row, and how many must end as rejects or duplicates.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

from core import senml
from core.model import Channel
from core.topics import topic

DEVICES = 4
ROWS = 8
REFUSED = 666.0
"""A value that the database itself refuses (the stage gives it a constraint that says so)."""
CBOR = "application/senml+cbor"
DAY_MS = 86_400_000

Key = tuple[str, int]
"""Device, and device time in microseconds."""
Records = list[dict[str, Any]]


@dataclass(slots=True)
class Books:
    """What has been sent and what must be found."""

    sent: int = 0
    rejected: int = 0
    duplicates: int = 0
    keys: set[Key] = field(default_factory=set)

    def stored(self, key: Key) -> None:
        """Note a reading; one whose key is there already is a duplicate."""
        self.sent += 1
        if key in self.keys:
            self.duplicates += 1
        else:
            self.keys.add(key)

    def reject(self, readings: int) -> None:
        """Note readings that must end as rejects."""
        self.sent += readings
        self.rejected += readings


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One message of an agent; its sequence is given when it is offered."""

    records: Records
    channel: Channel = Channel.LIVE

    def payload(self, seq: int, epoch: int, low: int) -> bytes:
        """Return the pack as the agent's spool numbers it."""
        head = {"seq": seq, "ep": epoch, "lo": low}
        return json.dumps([self.records[0] | head, *self.records[1:]]).encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Thrown:
    """One message of a foreign sender: no sequence, whatever bytes."""

    topic: str
    payload: bytes
    content_type: str = ""


class _Times:
    """Device times that no other message of any run has: a stretch for each run, told once each."""

    def __init__(self, begin_ms: int) -> None:
        self._next_ms = begin_ms

    def take(self) -> int:
        """Return the next time, in milliseconds."""
        self._next_ms += 1
        return self._next_ms


def devices_of(gateway: str) -> list[str]:
    """Return the devices that are registered at a gateway."""
    return [f"{gateway}-heat-{n}" for n in range(DEVICES)]


def _record(device: str, at_ms: int, value: float) -> dict[str, Any]:
    return {"n": f"{device}:temperature", "t": at_ms / 1000, "v": value}


class AgentStream:
    """The messages of one agent.

    Attributes:
        odd: which kinds of unusual messages are among the good ones; see ``_ODD``.
        said: what was made, for sending the same again.
    """

    def __init__(self, gateway: str, chance: Random, begin_ms: int, odd: tuple[str, ...]) -> None:
        self.gateway = gateway
        self.books = Books()
        self.said: list[Said] = []
        self._chance = chance
        self._times = _Times(begin_ms)
        self._odd = odd
        self._last: Records = []

    def next(self) -> Said:
        """Make a message and note what must become of its readings."""
        kind = "good"
        if self._odd and self._chance.random() < 0.3:
            kind = self._chance.choice(self._odd)
        said = _ODD[kind](self)
        self.said.append(said)
        return said

    def again(self) -> list[Said]:
        """Return all that was said, to be sent under new sequences: no new row, rejects anew."""
        sent, rejected = self.books.sent, self.books.rejected
        self.books.sent += sent
        self.books.rejected += rejected
        self.books.duplicates += sent - rejected
        return list(self.said)

    def _good(self) -> Said:
        self._last = self._fresh(ROWS)
        return Said(records=self._last)

    def _repeated(self) -> Said:
        """The last good message over again, under a sequence of its own."""
        if not self._last:
            return self._good()
        self.books.sent += len(self._last)
        self.books.duplicates += len(self._last)
        return Said(records=self._last)

    def _fresh(self, count: int, *, ago_ms: int = 0) -> Records:
        device = self._chance.choice(devices_of(self.gateway))
        records = []
        for _ in range(count):
            at_ms = self._times.take() - ago_ms
            records.append(_record(device, at_ms, round(20 + self._chance.random(), 2)))
            self.books.stored((device, at_ms * 1000))
        return records

    def _doubled(self) -> Said:
        """Two readings of one key in one message; the first one counts."""
        records = self._fresh(ROWS)
        twin = records[self._chance.randrange(ROWS)]
        self.books.sent += 1
        self.books.duplicates += 1
        return Said(records=[*records, twin | {"v": 1.5}])

    def _stranger(self) -> Said:
        """A device that nobody has registered, among good readings."""
        self.books.reject(2)
        at_ms = self._times.take()
        return self._among([_record("nobody", at_ms + n, 20.0) for n in range(2)])

    def _elsewhere(self) -> Said:
        """A device that is registered at another gateway, among good readings."""
        other = "gw-b" if self.gateway == "gw-a" else "gw-a"
        self.books.reject(1)
        return self._among([_record(devices_of(other)[0], self._times.take(), 20.0)])

    def _misfit(self) -> Said:
        """A unit that does not measure the quantity; one that no text column can hold."""
        self.books.reject(2)
        device = devices_of(self.gateway)[0]
        units = ("V", "\0")
        return self._among([_record(device, self._times.take(), 1.0) | {"u": u} for u in units])

    def _text(self) -> Said:
        """A text with a NUL in it where a number belongs, among good readings."""
        self.books.reject(1)
        record = _record(devices_of(self.gateway)[0], self._times.take(), 0.0)
        del record["v"]
        return self._among([record | {"vs": "a\0b"}])

    def _untimely(self) -> Said:
        """A clock that was never set, among good readings."""
        self.books.reject(1)
        return self._among([_record(devices_of(self.gateway)[0], 500_000_000_000, 20.0)])

    def _refused(self) -> Said:
        """A value that the database refuses: the message is set aside as a whole."""
        device = devices_of(self.gateway)[0]
        self.books.reject(3)
        values = (20.0, REFUSED, 21.0)
        return Said(records=[_record(device, self._times.take(), value) for value in values])

    def _misnamed(self) -> Said:
        """A name that RFC 8428 bars: the pack is refused as a whole."""
        self.books.reject(2)
        device = devices_of(self.gateway)[0]
        good, bad = (_record(device, self._times.take(), 20.0) for _ in range(2))
        return Said(records=[good, bad | {"n": "no name"}])

    def _late(self) -> Said:
        """Readings of days ago, on the live channel."""
        return Said(records=self._fresh(ROWS, ago_ms=self._chance.randint(1, 5) * DAY_MS))

    def _backwards(self) -> Said:
        """Newest first."""
        return Said(records=self._fresh(ROWS)[::-1])

    def _backfill(self) -> Said:
        """Readings of days ago, on the channel that is for them."""
        records = self._fresh(ROWS, ago_ms=self._chance.randint(1, 5) * DAY_MS)
        return Said(records=records, channel=Channel.BACKFILL)

    def _among(self, bad: Records) -> Said:
        good = self._fresh(4)
        return Said(records=[*good[:2], *bad, *good[2:]])


_ODD: Mapping[str, Callable[[AgentStream], Said]] = {
    "good": AgentStream._good,
    "repeated": AgentStream._repeated,
    "doubled": AgentStream._doubled,
    "stranger": AgentStream._stranger,
    "elsewhere": AgentStream._elsewhere,
    "misfit": AgentStream._misfit,
    "text": AgentStream._text,
    "untimely": AgentStream._untimely,
    "refused": AgentStream._refused,
    "misnamed": AgentStream._misnamed,
    "late": AgentStream._late,
    "backwards": AgentStream._backwards,
    "backfill": AgentStream._backfill,
}
USUAL = ("repeated", "doubled", "stranger")
POISON = (
    "doubled", "stranger", "elsewhere", "misfit", "text", "untimely", "refused", "misnamed",
)  # fmt: skip
LATE = ("late", "backwards", "backfill")


class ForeignStream:
    """The messages of a sender that knows nothing of sequences, every third one poisoned."""

    def __init__(self, gateway: str, chance: Random, begin_ms: int, *, poisoned: bool) -> None:
        self.gateway = gateway
        self.books = Books()
        self._chance = chance
        self._times = _Times(begin_ms)
        self._poisoned = poisoned
        self._turn = 0

    def next(self) -> Thrown:
        """Make a message and note what must become of its readings."""
        self._turn += 1
        if not self._poisoned or self._turn % 3:
            return self.good()
        # Each kind in turn, so that a short stream has them all.
        return _POISONS[self._turn // 3 % len(_POISONS)](self)

    def good(self, rows: int = 1) -> Thrown:
        """Make a message of good readings."""
        return self._thrown(json.dumps(self._fresh(rows)).encode())

    def _fresh(self, rows: int) -> Records:
        device = self._chance.choice(devices_of(self.gateway))
        records = []
        for _ in range(rows):
            at_ms = self._times.take()
            records.append(_record(device, at_ms, 20.0))
            self.books.stored((device, at_ms * 1000))
        return records

    def _lost(self, rows: int) -> Records:
        device = self._chance.choice(devices_of(self.gateway))
        self.books.reject(rows)
        return [_record(device, self._times.take(), 20.0) for _ in range(rows)]

    def _thrown(self, payload: bytes, content_type: str = "") -> Thrown:
        where = topic(self.gateway, Channel.LIVE)
        return Thrown(topic=where, payload=payload, content_type=content_type)

    def _bytes(self, payload: bytes, content_type: str = "") -> Thrown:
        self.books.reject(1)
        return self._thrown(payload, content_type)

    def _torn(self) -> Thrown:
        whole = json.dumps([_record("nobody", self._times.take(), 1.0)]).encode()
        return self._bytes(whole[:-1])

    def _nested(self) -> Thrown:
        return self._bytes(b"[" * 200_000)

    def _no_text(self) -> Thrown:
        return self._bytes(b"\xff\xfe\x00 no JSON")

    def _empty(self) -> Thrown:
        return self._bytes(b"")

    def _too_long(self) -> Thrown:
        padded = [_record("x" * senml.MAX_BYTES, self._times.take(), 1.0)]
        return self._bytes(json.dumps(padded).encode())

    def _no_cbor(self) -> Thrown:
        return self._bytes(b"\x9f\x00", CBOR)

    def _not_finite(self) -> Thrown:
        """A NaN, which only CBOR can say, between two good readings."""
        good = self._fresh(2)
        bad = self._lost(1)[0] | {"v": float("nan")}
        records = [senml.Record(**record) for record in (good[0], bad, good[1])]
        return self._thrown(senml.encode_cbor(records), CBOR)

    def _wrong_topic(self) -> Thrown:
        """Somebody else's shard, on which a worker of that shard would hear it."""
        payload = json.dumps(self._lost(2)).encode()
        return Thrown(topic=f"bt/v1/zz/{self.gateway}/live", payload=payload)

    def _refused(self) -> Thrown:
        records = self._lost(2)
        records[1]["v"] = REFUSED
        return self._thrown(json.dumps(records).encode())


_POISONS: list[Callable[[ForeignStream], Thrown]] = [
    ForeignStream._torn,
    ForeignStream._nested,
    ForeignStream._no_text,
    ForeignStream._empty,
    ForeignStream._too_long,
    ForeignStream._no_cbor,
    ForeignStream._not_finite,
    ForeignStream._wrong_topic,
    ForeignStream._refused,
]
