"""Ingest against its ceilings, all on this machine in one run of about a minute.

Ours is `blocktwin ingest` with the default rules, fed through the shipped broker settings. Its two
ceilings are the same broker with a subscriber that does nothing (single-reading messages), and one
binary COPY after the other into the same hypertable (messages of 100 readings). The last line of
the output is one JSON object; ratios hold from machine to machine, rates do not.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import socket
import struct
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from typing import Any

# Run as a script, this folder would stand first and hide the package `ingest` behind this file.
ROOT = Path(__file__).resolve().parent.parent
sys.path[0] = str(ROOT)

import numpy as np  # noqa: E402
import psutil  # noqa: E402
import psycopg  # noqa: E402

from core import batch as batches  # noqa: E402
from core.db.migrate import upgrade  # noqa: E402
from core.model import Channel  # noqa: E402
from core.topics import topic  # noqa: E402
from dev.places import free_port  # noqa: E402
from dev.servers import PrivateMosquitto, PrivatePostgres  # noqa: E402
from ingest.metrics import quantile_from_text  # noqa: E402
from ingest.writer import pack_rows  # noqa: E402

GATEWAY = "gw-a"
LIVE = topic(GATEWAY, Channel.LIVE)
DEVICES = 20_000
SINGLES = 200_000
PACK = 100
PACKS = 10_000
COPY_ROWS = 5_000
PACED_PER_S = 5_000
PACED_S = 8
WINDOW = 2_000
PATIENCE_S = 120.0


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory(prefix="blocktwin-bench-", dir="/var/tmp") as name:
        folder = Path(name)
        folder.chmod(0o755)
        postgres = PrivatePostgres(folder / "postgres")
        broker = PrivateMosquitto(folder / "broker", {"ingest": "ingest-word", GATEWAY: "gw-word"})
        say("starting a private PostgreSQL and mosquitto")
        postgres.start()
        broker.start()
        try:
            result = measure(postgres, broker, folder)
        finally:
            broker.stop()
            postgres.stop()
    print(json.dumps(result))


def measure(postgres: PrivatePostgres, broker: PrivateMosquitto, folder: Path) -> dict[str, Any]:
    """Run all parts and put their figures together."""
    say(f"broker ceiling: {SINGLES} single-reading messages to a subscriber that does nothing")
    ceiling = broker_ceiling(broker)
    say(f"COPY ceiling: {PACK * PACKS} rows, {COPY_ROWS} at a time")
    copy = copy_ceiling(fresh_database(postgres, "copy_ceiling"))
    dsn = fresh_database(postgres, "ours")
    with worker(dsn, broker, folder) as (process, port):
        cost = Cost([process.pid, broker.pid, postgres.pid])
        say(f"ours: {SINGLES} single-reading messages")
        single = ours(dsn, broker, singles, SINGLES, SINGLES)
        single_cpu = cost.take(SINGLES)
        say(f"ours: {PACKS} messages of {PACK} readings")
        packed = ours(dsn, broker, packs, PACKS, PACK * PACKS)
        packed_cpu = cost.take(PACK * PACKS)
        say(f"ours: {PACED_PER_S} single-reading messages/s for {PACED_S} s")
        before = metrics(port)
        ours(dsn, broker, paced, PACED_PER_S * PACED_S, PACED_PER_S * PACED_S)
        text = since(before, metrics(port))
        paced_cpu = cost.take(PACED_PER_S * PACED_S)
        memory_mb = psutil.Process(process.pid).memory_info().rss / 2**20
    return {
        "broker_ceiling_per_s": round(ceiling),
        "single_per_s": round(single),
        "single_of_ceiling": round(single / ceiling, 3),
        "single_cpu_s_per_100k": single_cpu,
        "copy_ceiling_per_s": round(copy),
        "packed_per_s": round(packed),
        "packed_of_copy": round(packed / copy, 3),
        "packed_cpu_s_per_100k": packed_cpu,
        "paced_per_s": PACED_PER_S,
        "paced_commit_ms": {
            f"p{q * 100:.0f}": round(1000 * (quantile_from_text(text, COMMIT, q) or 0), 1)
            for q in (0.5, 0.99)
        },
        "paced_cpu_s_per_100k": paced_cpu,
        "worker_mb": round(memory_mb),
        "lost": lost(dsn),
        "cores": os.cpu_count(),
    }


COMMIT = "blocktwin_ingest_commit_seconds"


def say(text: str) -> None:
    print(text, flush=True)


# What is sent ----------------------------------------------------------------------------------


def device(number: int) -> str:
    return f"heat-{number % DEVICES:05d}"


def singles() -> Iterator[bytes]:
    start = time.time() - 3600
    for n in range(SINGLES):
        at = start + n // DEVICES + 0.001
        yield b'[{"n":"%s:temperature","t":%.3f,"v":%.1f}]' % (device(n).encode(), at, 20 + n % 7)


def packs() -> Iterator[bytes]:
    start = time.time() - 1800
    for pack in range(PACKS):
        records = []
        for row in range(PACK):
            n = pack * PACK + row
            record = {"n": "temperature", "t": n // DEVICES, "v": 20 + n % 7, "bn": device(n) + ":"}
            records.append(record | ({"bt": round(start, 3)} if row == 0 else {}))
        yield json.dumps(records, separators=(",", ":")).encode()


def paced() -> Iterator[bytes]:
    begun = time.monotonic()
    for n in range(PACED_PER_S * PACED_S):
        ahead = n / PACED_PER_S - (time.monotonic() - begun)
        if ahead > 0.005:
            time.sleep(ahead)
        yield b'[{"n":"%s:temperature","t":%.6f,"v":21}]' % (device(n).encode(), time.time())


# A bare MQTT 5 client: enough to send and to take in as fast as the broker can ------------------


class Bare:
    def __init__(self, port: int, user: str, password: str, *, receive_maximum: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)
        properties = b"\x21" + struct.pack(">H", receive_maximum)
        body = b"\x00\x04MQTT\x05\xc2" + struct.pack(">H", 600) + bytes([len(properties)])
        body += properties + text(f"bench-{user}") + text(user) + text(password)
        self.socket.sendall(b"\x10" + length(len(body)) + body)
        self.buffer = b""
        kind, packet = next(self.packets())
        assert kind == 0x20, packet
        assert packet[1] == 0, packet

    def packets(self) -> Iterator[tuple[int, bytes]]:
        """Yield what is complete; read more when nothing is."""
        while True:
            whole = parse(self.buffer)
            if whole is None:
                more = self.socket.recv(1 << 18)
                assert more, "the broker closed the connection"
                self.buffer += more
                continue
            kind, start, end = whole
            packet, self.buffer = self.buffer[start:end], self.buffer[end:]
            yield kind, packet

    def counted(self, wanted: int) -> list[bytes]:
        """Read once and return the bodies of the complete packets of one kind."""
        self.buffer += self.socket.recv(1 << 18)
        bodies, at = [], 0
        while (whole := parse(self.buffer, at)) is not None:
            kind, start, at = whole
            if kind & 0xF0 == wanted:
                bodies.append(self.buffer[start:at])
        self.buffer = self.buffer[at:]
        return bodies


def parse(data: bytes, at: int = 0) -> tuple[int, int, int] | None:
    size, shift, here = 0, 0, at + 1
    while True:
        if here >= len(data):
            return None
        size |= (data[here] & 0x7F) << shift
        shift += 7
        here += 1
        if data[here - 1] < 128:
            break
    return (data[at], here, here + size) if here + size <= len(data) else None


def length(number: int) -> bytes:
    digits = []
    while True:
        number, digit = divmod(number, 128)
        digits.append(digit | (128 if number else 0))
        if not number:
            return bytes(digits)


def text(word: str) -> bytes:
    return struct.pack(">H", len(word)) + word.encode()


def send(port: int, make: Callable[[], Iterator[bytes]], done: Pipe) -> None:
    """Publish at QoS 1 with a window; the body of the sending process."""
    client = Bare(port, GATEWAY, "gw-word", receive_maximum=WINDOW)
    payloads = make() if make is paced else iter(list(make()))
    done.send(time.time())
    flying, number, chunk = 0, 0, []
    for payload in payloads:
        number = number % 65_535 + 1
        body = text(LIVE) + struct.pack(">H", number) + b"\x00" + payload
        chunk.append(b"\x32" + length(len(body)) + body)
        if len(chunk) >= 100 or make is paced:
            client.socket.sendall(b"".join(chunk))
            flying, chunk = flying + len(chunk), []
            while flying > WINDOW - 100:
                flying -= len(client.counted(0x40))
    client.socket.sendall(b"".join(chunk))
    flying += len(chunk)
    while flying:
        flying -= len(client.counted(0x40))
    done.close()


@contextmanager
def sender(broker: PrivateMosquitto, make: Callable[[], Iterator[bytes]]) -> Iterator[float]:
    """Run a sending process; yields the time of its first message."""
    here, there = multiprocessing.Pipe()
    process = multiprocessing.Process(target=send, args=(broker.port, make, there), daemon=True)
    process.start()
    assert here.poll(PATIENCE_S)
    yield here.recv()
    process.join(PATIENCE_S)
    assert process.exitcode == 0


# The parts ----------------------------------------------------------------------------------------


def broker_ceiling(broker: PrivateMosquitto) -> float:
    client = Bare(broker.port, "ingest", "ingest-word", receive_maximum=20_000)
    body = b"\x00\x01\x00" + text("bt/v1/+/+/live") + b"\x01"
    client.socket.sendall(b"\x82" + length(len(body)) + body)
    assert next(client.packets())[0] == 0x90
    with sender(broker, singles) as began:
        got = 0
        while got < SINGLES:
            ids = [b[2 + len(LIVE) : 4 + len(LIVE)] for b in client.counted(0x30)]
            client.socket.sendall(b"".join([b"\x40\x02" + number for number in ids]))
            got += len(ids)
        took = time.time() - began
    client.socket.sendall(b"\xe0\x00")
    client.socket.close()
    return SINGLES / took


def copy_ceiling(dsn: str) -> float:
    rows = PACK * PACKS
    start_us = (int(time.time()) - 1800) * 1_000_000
    streams = []
    for first in range(0, rows, COPY_ROWS):
        n = np.arange(first, first + COPY_ROWS)
        batch = batches.of(
            n % DEVICES + 1, start_us + n // DEVICES * 1_000_000, [start_us] * COPY_ROWS,
            20.0 + n % 7, [0] * COPY_ROWS,
        )  # fmt: skip
        streams.append(pack_rows(batch.sorted()))
    with psycopg.connect(dsn) as conn:
        began = time.monotonic()
        for stream in streams:
            with conn.cursor().copy("COPY reading FROM STDIN (FORMAT binary)") as copy:
                copy.write(stream)
            conn.commit()
        return rows / (time.monotonic() - began)


def ours(
    dsn: str,
    broker: PrivateMosquitto,
    make: Callable[[], Iterator[bytes]],
    messages: int,
    rows: int,
) -> float:
    with psycopg.connect(dsn, autocommit=True) as conn:
        goal = received(conn) + rows
        with sender(broker, make) as began:
            wait(lambda: received(conn) >= goal, f"{messages} messages to be stored")
            return rows / (time.time() - began)


def received(conn: psycopg.Connection[Any]) -> int:
    row = conn.execute("SELECT coalesce(sum(received), 0) FROM tally").fetchone()
    assert row is not None
    return int(row[0])


def lost(dsn: str) -> int:
    """Return how many of the readings sent are not among the rows."""
    sent = SINGLES + PACK * PACKS + PACED_PER_S * PACED_S
    with psycopg.connect(dsn) as conn:
        row = conn.execute("SELECT count(*) FROM reading").fetchone()
    assert row is not None
    return sent - int(row[0])


# Ground ----------------------------------------------------------------------------------------


def fresh_database(postgres: PrivatePostgres, name: str) -> str:
    # TimescaleDB's launcher now and then looks into template1, which then cannot be copied.
    dsn = postgres.create_database(name, "template0")
    with psycopg.connect(dsn, autocommit=True) as conn:
        upgrade(conn)
        conn.execute("INSERT INTO gateway VALUES (%s, 'bench', 114.1, 22.5)", (GATEWAY,))
        conn.execute(
            "INSERT INTO device (device_id, kind, field, name, lon, lat, gateway_id, interval_s,"
            " placed_how) SELECT 'heat-' || to_char(n, 'FM00000'), 'heat', 'fire', '', 114.1, 22.5,"
            " %s, 10, 'unplaced' FROM generate_series(0, %s - 1) AS n",
            (GATEWAY, DEVICES),
        )
        conn.execute(
            "INSERT INTO series (device_id, quantity)"
            " SELECT device_id, 'temperature' FROM device ORDER BY 1"
        )
    return dsn


@contextmanager
def worker(
    dsn: str, broker: PrivateMosquitto, folder: Path
) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    port = free_port()
    env = {key: value for key, value in os.environ.items() if not key.startswith("BLOCKTWIN_")} | {
        "BLOCKTWIN_DATABASE__DSN": dsn,
        "BLOCKTWIN_MQTT__PORT": str(broker.port),
        "BLOCKTWIN_MQTT__USERNAME": "ingest",
        "BLOCKTWIN_MQTT__PASSWORD": "ingest-word",
        "BLOCKTWIN_INGEST__HTTP_PORT": str(port),
    }
    with (folder / "worker.log").open("wb") as log:
        argv = [sys.executable, "-m", "blocktwin", "ingest"]
        process = subprocess.Popen(argv, cwd=ROOT, env=env, stdout=log, stderr=log)
        try:
            wait(lambda: ready(port), "the worker to be ready")
            yield process, port
        finally:
            process.terminate()
            process.wait(PATIENCE_S)


def ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def metrics(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        return str(answer.read().decode())


def since(before: str, after: str) -> str:
    """Return the commit histogram's growth between two texts, as such a text."""
    old = dict(line.rsplit(" ", 1) for line in before.splitlines() if line.startswith(COMMIT))
    lines = [line.rsplit(" ", 1) for line in after.splitlines() if line.startswith(COMMIT)]
    return "\n".join(f"{key} {float(value) - float(old[key])}" for key, value in lines)


def wait(done: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not done():
        if time.monotonic() > deadline:
            raise SystemExit(f"waited {PATIENCE_S:.0f} s for {what}")
        time.sleep(0.02)


@dataclass(slots=True)
class Cost:
    """CPU seconds of some processes and their children, per 100,000 readings."""

    roots: list[int]
    last: float = 0.0

    def __post_init__(self) -> None:
        self.last = self.total()

    def total(self) -> float:
        """Return what the processes, their living children and their ended children spent."""
        spent = 0.0
        for root in self.roots:
            process = psutil.Process(root)
            for child in process.children(recursive=True):
                # One that ends meanwhile counts among its parent's ended children below.
                with suppress(psutil.NoSuchProcess):
                    spent += sum(child.cpu_times()[:2])
            spent += sum(process.cpu_times()[:4])
        return spent

    def take(self, readings: int) -> float:
        now = self.total()
        spent, self.last = now - self.last, now
        return round(spent / readings * 100_000, 2)


if __name__ == "__main__":
    main()
