"""What all parts stand on: the sizes of a run, the private servers, a database, the worker."""

from __future__ import annotations

import os
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from core.db.migrate import upgrade
from core.model import Channel
from core.topics import topic
from dev.places import free_port
from dev.processes import Child, Command
from dev.servers import PrivateMosquitto, PrivatePostgres

ROOT = Path(__file__).resolve().parent.parent
GATEWAY = "gw-a"
GATEWAY_WORD, INGEST_WORD = "gw-word", "ingest-word"
LIVE = topic(GATEWAY, Channel.LIVE)
EVENT = topic(GATEWAY, Channel.EVENT)
ASIDE = topic(GATEWAY, Channel.REPLY)
"""A topic that gateways may write and no worker reads: the ceilings are measured on it."""
POOL = 5_000
"""Devices that report only to cross a limit, each once; registered after the usual ones."""
PATIENCE_S = 120.0
POSTGRES = {"track_commit_timestamp": "on"}
SHOWN = (
    "fsync", "synchronous_commit", "full_page_writes", "shared_buffers", "max_wal_size",
    "track_commit_timestamp",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How much of everything."""

    devices: int = 20_000
    rounds: int = 3
    singles: int = 200_000
    packs: int = 10_000
    naive: int = 5_000
    paced_s: tuple[tuple[int, float], ...] = ((2_000, 15.0), (10_000, 15.0), (24_000, 20.0))
    outage_per_s: int = 24_000
    outage_s: float = 60.0
    catch_up_s: float = 75.0
    key_rows: int = 1_000_000

    @classmethod
    def quick(cls, devices: int) -> Sizes:
        """Return sizes that only show that everything runs."""
        return cls(
            devices=devices,
            rounds=1,
            singles=20_000,
            packs=1_000,
            naive=500,
            paced_s=((2_000, 3.0), (10_000, 3.0), (24_000, 3.0)),
            outage_s=5.0,
            catch_up_s=20.0,
            key_rows=100_000,
        )


@dataclass(slots=True, kw_only=True)
class Ground:
    """The servers of a run."""

    postgres: PrivatePostgres
    broker: PrivateMosquitto
    folder: Path
    sizes: Sizes

    def database(self, name: str) -> str:
        """Make a migrated database with a gateway and its devices; return its DSN."""
        dsn = self.postgres.create_database(name)
        with psycopg.connect(dsn, autocommit=True) as conn:
            upgrade(conn)
            conn.execute("INSERT INTO gateway VALUES (%s, 'bench', 114.1, 22.5)", (GATEWAY,))
            # So long an interval that nobody is missing: the figures are those of readings.
            conn.execute(
                "INSERT INTO device (device_id, kind, field, name, lon, lat, gateway_id,"
                " interval_s, placed_how) SELECT 'heat-' || to_char(n, 'FM000000'), 'heat',"
                " 'fire', '', 114.1, 22.5, %s, 86400, 'unplaced'"
                " FROM generate_series(0, %s - 1) AS n",
                (GATEWAY, self.sizes.devices + POOL),
            )
            conn.execute(
                "INSERT INTO series (device_id, quantity)"
                " SELECT device_id, 'temperature' FROM device ORDER BY 1"
            )
            conn.execute("ANALYZE")
        return dsn

    def settings(self) -> dict[str, str]:
        """Return the server settings that bear on the figures."""
        with psycopg.connect(self.postgres.dsn("postgres")) as conn:
            rows = conn.execute(
                "SELECT name, current_setting(name) FROM pg_settings WHERE name = ANY(%s)",
                (list(SHOWN),),
            ).fetchall()
            version = conn.execute("SELECT current_setting('server_version')").fetchone()
        assert version is not None
        return {"server_version": str(version[0])} | {name: str(value) for name, value in rows}


@contextmanager
def ground(sizes: Sizes) -> Iterator[Ground]:
    """Run a private PostgreSQL and mosquitto with the shipped settings."""
    with tempfile.TemporaryDirectory(prefix="blocktwin-bench-", dir="/var/tmp") as name:
        folder = Path(name)
        folder.chmod(0o755)
        postgres = PrivatePostgres(folder / "postgres", settings=POSTGRES)
        users = {"ingest": INGEST_WORD, GATEWAY: GATEWAY_WORD}
        broker = PrivateMosquitto(folder / "broker", users)
        try:
            postgres.start()
            broker.start()
            yield Ground(postgres=postgres, broker=broker, folder=folder, sizes=sizes)
        finally:
            broker.stop()
            postgres.stop()


@dataclass(slots=True, kw_only=True)
class Worker:
    """``blocktwin ingest`` with its defaults: rules on, 50 ms batches, all shards."""

    ground: Ground
    dsn: str
    port: int = field(default_factory=free_port)
    _child: Child | None = None

    @property
    def pid(self) -> int:
        """The process id of the running or last worker."""
        assert self._child is not None
        return self._child.pid

    @property
    def running(self) -> bool:
        """Whether the process is there."""
        return self._child is not None and self._child.running

    def start(self, *, wait_s: float = PATIENCE_S) -> None:
        """Start it; with ``wait_s`` above zero wait until it is ready."""
        env = {key: value for key, value in os.environ.items() if not key.startswith("BLOCKTWIN_")}
        env |= {
            "BLOCKTWIN_DATABASE__DSN": self.dsn,
            "BLOCKTWIN_MQTT__PORT": str(self.ground.broker.port),
            "BLOCKTWIN_MQTT__USERNAME": "ingest",
            "BLOCKTWIN_MQTT__PASSWORD": INGEST_WORD,
            "BLOCKTWIN_INGEST__HTTP_PORT": str(self.port),
        }
        self._child = Child(
            Command(
                name="ingest",
                argv=[sys.executable, "-m", "blocktwin", "ingest"],
                log=self.ground.folder / "worker.log",
                env=env,
                cwd=ROOT,
            )
        )
        self._child.start()
        if wait_s > 0:
            wait(self.ready, "the worker to be ready", wait_s)

    def ready(self) -> bool:
        """Whether it says so; ends the run when it is gone."""
        if not self.running:
            tail = "" if self._child is None else self._child.tail(8)
            raise SystemExit(f"the worker ended:\n{tail}")
        try:
            return bool(self._get("readyz"))
        except OSError:
            return False

    def metrics(self) -> str:
        """Return its metrics."""
        return self._get("metrics")

    def kill(self) -> None:
        """kill -9."""
        assert self._child is not None
        self._child.kill()

    def stop(self) -> None:
        """Ask it to end."""
        if self._child is not None:
            self._child.stop(15.0)

    def _get(self, path: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/{path}", timeout=5) as answer:
            return str(answer.read().decode())


@contextmanager
def working(ground_: Ground, dsn: str) -> Iterator[Worker]:
    """Run a worker on a database."""
    worker = Worker(ground=ground_, dsn=dsn)
    worker.start()
    try:
        yield worker
    finally:
        worker.stop()


def tally(conn: psycopg.Connection[Any]) -> dict[str, int]:
    """Return the workers' sums."""
    names = ("received", "stored", "rejected", "duplicates")
    row = conn.execute(
        "SELECT coalesce(sum(received), 0), coalesce(sum(stored), 0),"
        " coalesce(sum(rejected), 0), coalesce(sum(duplicates), 0) FROM tally"
    ).fetchone()
    assert row is not None
    return dict(zip(names, map(int, row), strict=True))


def rows(dsn: str) -> int:
    """Return how many readings are stored."""
    with psycopg.connect(dsn) as conn:
        row = conn.execute("SELECT count(*) FROM reading").fetchone()
    assert row is not None
    return int(row[0])


def wait(done: Callable[[], bool], what: str, patience_s: float = PATIENCE_S) -> None:
    """Look until it is so; ends the run when it is not in time."""
    deadline = time.monotonic() + patience_s
    while not done():
        if time.monotonic() > deadline:
            raise SystemExit(f"waited {patience_s:.0f} s for {what}")
        time.sleep(0.03)


def say(words: str) -> None:
    """Tell the person who waits."""
    print(words, flush=True)
