"""The load: publishers in processes of their own, as fast as they can or at a steady pace.

What is sent as fast as possible is made beforehand, so that its making costs nothing while the
clock runs. At a steady pace a reading's device time is the moment it is *due*: a generator that
falls behind makes the latencies longer, never shorter, and says how late it was.
"""

from __future__ import annotations

import json
import multiprocessing
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection as Pipe
from multiprocessing.sharedctypes import Synchronized
from multiprocessing.synchronize import Event
from typing import Any

import numpy as np

from bench.ground import GATEWAY, GATEWAY_WORD, PATIENCE_S
from bench.mqtt import PUBACK, Bare, length, publish, text

PACK = 100
WINDOW = 10_000
"""Messages under way. The broker gathers its acknowledgements (Nagle), so that a full window may
wait 40 ms for them: 2,000 would make that the ceiling of everything, at 50,000 a second."""
_CHUNK = 100
_TICK_S = 0.002
_LARGEST_TICK = 500
_SHARE_OF_A_STEP = 0.01  # seconds between two readings of a device in what goes as fast as it can

Packets = list[bytes]
"""Chunks of packets, each with the number of its messages known by position."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Burst:
    """As fast as the broker takes it.

    Attributes:
        messages: how many.
        readings: how many in each.
    """

    topic: str
    messages: int
    readings: int
    devices: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Paced:
    """So many single-reading messages a second.

    Attributes:
        seconds: how long at most; ``Sending.stop`` ends it before.
        alarms_per_s: how many of the readings a second cross a limit, each of another device.
        alarm_topic: where those are sent, and the ones that end it; "" means ``topic``.
        pool: number of the first device that does so; those below it never do.
    """

    topic: str
    per_s: int
    seconds: float
    devices: int
    alarms_per_s: int = 0
    alarm_topic: str = ""
    pool: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What a publisher has done.

    Attributes:
        messages: acknowledged by the broker, all of them.
        began_s: when it began, seconds since the Unix epoch; ``ended_s`` when all was acknowledged.
        sending_s: how long it sent; the acknowledgements of the last ones come a little later.
        cpu_s: what it spent in between.
        alarms: readings that crossed a limit.
        late_ms: p50, p99 and maximum of how late it sent what was due; empty for a burst.
    """

    messages: int
    readings: int
    began_s: float
    ended_s: float
    sending_s: float
    cpu_s: float
    alarms: int = 0
    late_ms: dict[str, float] | None = None


def singles(burst: Burst, start_s: float) -> Iterator[bytes]:
    """Yield messages of one reading; every device in turn."""
    for n in range(burst.messages):
        at = start_s + n // burst.devices * _SHARE_OF_A_STEP
        yield b'[{"n":"heat-%06d:temperature","t":%.3f,"v":%.1f}]' % (
            n % burst.devices, at, 20 + n % 7 / 10,
        )  # fmt: skip


def packs(burst: Burst, start_s: float) -> Iterator[bytes]:
    """Yield messages of many readings, numbered as an agent's spool numbers them."""
    epoch = round(start_s * 1000)
    for seq in range(1, burst.messages + 1):
        records = []
        for row in range(burst.readings):
            n = (seq - 1) * burst.readings + row
            at = round(n // burst.devices * _SHARE_OF_A_STEP, 3)
            records.append(
                {"bn": f"heat-{n % burst.devices:06d}:", "n": "temperature", "t": at}
                | {"v": round(20 + n % 7 / 10, 1)}
            )
        head = {"bt": round(start_s, 3), "seq": seq, "ep": epoch, "lo": max(1, seq - 1_000)}
        yield json.dumps([records[0] | head, *records[1:]], separators=(",", ":")).encode()


def _chunks(burst: Burst) -> Packets:
    make = singles if burst.readings == 1 else packs
    chunks, chunk = [], []
    for number, payload in enumerate(make(burst, time.time())):
        chunk.append(publish(burst.topic, number % 65_535 + 1, payload))
        if len(chunk) == _CHUNK:
            chunks.append(b"".join(chunk))
            chunk = []
    return [*chunks, b"".join(chunk)]


def _send_burst(client: Bare, chunks: Packets, messages: int) -> None:
    flying = 0
    for number, chunk in enumerate(chunks):
        client.socket.sendall(chunk)
        flying += min(_CHUNK, messages - number * _CHUNK)
        while flying > WINDOW - _CHUNK:
            flying -= len(client.counted(PUBACK))
    while flying:
        flying -= len(client.counted(PUBACK))


class _Pace:
    """The making of paced messages; all have one length, so that the packet's head is constant."""

    def __init__(self, paced: Paced, begun_s: float) -> None:
        self.paced = paced
        self.begun_s = begun_s
        self.alarms = 0
        self._every = paced.per_s // paced.alarms_per_s if paced.alarms_per_s else 0
        self._devices = [b'[{"n":"heat-%06d:temperature","t":' % n for n in range(paced.devices)]
        size = len(self._body(0, 20.0, begun_s))
        self._usual = self._head(paced.topic, size)
        self._urgent = self._head(paced.alarm_topic or paced.topic, size)

    def packet(self, n: int) -> bytes:
        """Return the packet of reading ``n``."""
        head, body = self._reading(n, self.begun_s + n / self.paced.per_s)
        return b"%s%s\x00%s" % (head, (n % 65_535 + 1).to_bytes(2, "big"), body)

    @staticmethod
    def _head(topic: str, size: int) -> bytes:
        return b"\x32" + length(size + len(text(topic)) + 3) + text(topic)

    def _reading(self, n: int, due_s: float) -> tuple[bytes, bytes]:
        if self._every and n % self._every == 0:
            self.alarms += 1
            return self._urgent, self._body(self.paced.pool + self.alarms - 1, 60.0, due_s)
        if self._every and n % self._every == 1 and self.alarms > self.paced.alarms_per_s:
            # A second later it is over.
            over = self.paced.pool + self.alarms - 1 - self.paced.alarms_per_s
            return self._urgent, self._body(over, 20, due_s)
        device = self._devices[n % self.paced.devices]
        return self._usual, b'%s%.6f,"v":%.1f}]' % (device, due_s, 20 + n % 7 / 10)

    def _body(self, device: int, value: float, due_s: float) -> bytes:
        return b'[{"n":"heat-%06d:temperature","t":%.6f,"v":%.1f}]' % (device, due_s, value)


def _send_paced(
    client: Bare, pace: _Pace, counter: Synchronized[int], stop: Event
) -> tuple[int, float, list[float]]:
    """Send what is due every 2 ms; return how many, when the last, and how late each turn was."""
    paced, sent, flying = pace.paced, 0, 0
    total = round(paced.per_s * paced.seconds)
    late: list[float] = []
    while sent < total and not stop.is_set():
        now_s = time.time()
        due = min(total, int((now_s - pace.begun_s) * paced.per_s), sent + _LARGEST_TICK)
        if due > sent:
            late.append(now_s - pace.begun_s - sent / paced.per_s)
            client.socket.sendall(b"".join([pace.packet(n) for n in range(sent, due)]))
            flying += due - sent
            sent = counter.value = due
        behind = time.time() - pace.begun_s - sent / paced.per_s > _TICK_S
        flying -= len(client.counted(PUBACK, 0.0 if behind else _TICK_S))
        while flying > WINDOW:
            flying -= len(client.counted(PUBACK))
        rest_s = pace.begun_s + sent / paced.per_s + _TICK_S - time.time()
        if rest_s > 0:
            time.sleep(min(rest_s, _TICK_S))
    last_s = time.time()
    while flying:
        flying -= len(client.counted(PUBACK))
    return sent, last_s, late


def _publish(
    port: int, plan: Burst | Paced, pipe: Pipe, counter: Synchronized[int], stop: Event
) -> None:
    """The body of the publishing process: make, say so, wait for the word, send, report."""
    client = Bare(port, GATEWAY, GATEWAY_WORD, receive_maximum=WINDOW)
    chunks = _chunks(plan) if isinstance(plan, Burst) else []
    pipe.send("ready")
    pipe.recv()
    began_s, before = time.time(), _own_cpu_s()
    if isinstance(plan, Burst):
        _send_burst(client, chunks, plan.messages)
        done = Sent(
            messages=plan.messages,
            readings=plan.messages * plan.readings,
            began_s=began_s,
            ended_s=(ended_s := time.time()),
            sending_s=ended_s - began_s,
            cpu_s=_own_cpu_s() - before,
        )
    else:
        pace = _Pace(plan, began_s)
        sent, last_s, late = _send_paced(client, pace, counter, stop)
        done = Sent(
            messages=sent,
            readings=sent,
            began_s=began_s,
            ended_s=time.time(),
            sending_s=last_s - began_s,
            cpu_s=_own_cpu_s() - before,
            alarms=pace.alarms,
            late_ms=quantiles_ms(late),
        )
    pipe.send(done)
    client.close()


def _own_cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def quantiles_ms(seconds: list[float]) -> dict[str, float]:
    """Return p50, p99 and the maximum in milliseconds; empty when there is nothing."""
    if not seconds:
        return {}
    p50, p99, most = np.quantile(np.array(seconds) * 1000, [0.5, 0.99, 1.0]).tolist()
    return {"p50": round(p50, 1), "p99": round(p99, 1), "max": round(most, 1)}


class Sending:
    """A publisher under way."""

    def __init__(self, port: int, plan: Burst | Paced) -> None:
        self._counter: Synchronized[int] = multiprocessing.Value("q", 0)
        self._stop = multiprocessing.Event()
        self._pipe, there = multiprocessing.Pipe()
        self._process = multiprocessing.Process(
            target=_publish, args=(port, plan, there, self._counter, self._stop), daemon=True
        )
        self._process.start()
        self._hear("the load to be made")

    def go(self) -> None:
        """Let it send."""
        self._pipe.send("go")

    @property
    def sent(self) -> int:
        """How many messages it has sent so far (paced only)."""
        return self._counter.value

    def stop(self) -> None:
        """Let it end before its time."""
        self._stop.set()

    def report(self, patience_s: float = PATIENCE_S) -> Sent:
        """Wait for its end and return what it did."""
        done = self._hear("the publisher to end", patience_s)
        assert isinstance(done, Sent)
        self._process.join(patience_s)
        return done

    def end(self) -> None:
        """End it whatever it does."""
        self._process.kill()
        self._process.join()

    def _hear(self, what: str, patience_s: float = PATIENCE_S) -> Any:
        if not self._pipe.poll(patience_s):
            raise SystemExit(f"waited {patience_s:.0f} s for {what}")
        return self._pipe.recv()


@contextmanager
def sending(port: int, plan: Burst | Paced) -> Iterator[Sending]:
    """Run a publisher that waits for ``go``."""
    publisher = Sending(port, plan)
    try:
        yield publisher
    finally:
        publisher.end()


def generator_ceiling(port: int, plan: Burst) -> Sent:
    """Return what the publisher does when nobody listens."""
    with sending(port, plan) as publisher:
        publisher.go()
        return publisher.report()
