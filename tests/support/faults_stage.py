"""The stage of fault runs: servers, worker and proxies, how each is disturbed and mended again."""

from __future__ import annotations

import os
import signal
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo

from dev.places import free_port
from dev.processes import children_of
from dev.servers import PrivateMosquitto, PrivatePostgres
from tests.support import servers
from tests.support.faults_stream import REFUSED, devices_of
from tests.support.ingesting import RULES, register
from tests.support.proxy import Proxy, proxy_to
from tests.support.waiting import wait_until

AGENTS = ("gw-a", "gw-b")
STRANGER = "gw-01"
_WINDOW_MS = 60_000
"""Device time that one run may use; far more than it has readings."""

Mend = Callable[[], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """What the database says has happened so far."""

    received: int
    stored: int
    rejected: int
    duplicates: int
    redelivered: int
    last_reject: int


@dataclass(slots=True, kw_only=True)
class Stage:
    """One broker, one database, one worker, and proxies on the three ways between them.

    The worker reaches broker and database, and the senders reach the broker, through a proxy each.
    """

    postgres: PrivatePostgres
    broker: PrivateMosquitto
    dsn: str
    run: servers.Runner
    to_broker: Proxy
    to_database: Proxy
    from_senders: Proxy
    worker: servers.Program = field(init=False)
    second: servers.Program | None = None
    played: int = 0
    _begin_ms: int = field(default_factory=lambda: int(time.time() * 1000) - 7_200_000)
    _port: int = 0
    _seconds: int = 0

    def open(self) -> None:
        """Register the devices and start the worker."""
        with psycopg.connect(self.dsn, autocommit=True) as conn:
            for gateway in (*AGENTS, STRANGER):
                register(conn, gateway, devices_of(gateway))
            conn.execute(f"ALTER TABLE reading ADD CONSTRAINT refused CHECK (value <> {REFUSED})")
        self.start_worker()
        wait_until(lambda: ready(self._port), 30.0, what="the worker to be ready")

    def start_worker(self) -> None:
        """Start the worker, or start it again."""
        self._port = free_port()
        self.worker = self._start("worker-0", self._port)

    def require_workers(self) -> None:
        """Nobody but the stage ends a worker."""
        for worker in (self.worker, self.second):
            ended = worker is not None and not worker.running
            assert not ended, f"a worker ended by itself:\n{worker and worker.output()}"

    def next_begin_ms(self) -> int:
        """Return where the device times of the next run begin; runs never share one."""
        self.played += 1
        return self._begin_ms + self.played * _WINDOW_MS

    def sums(self) -> Sums:
        """Ask for the sums over all workers."""
        with psycopg.connect(self.dsn) as conn:
            tally = conn.execute(
                "SELECT coalesce(sum(received), 0)::int, coalesce(sum(stored), 0)::int,"
                " coalesce(sum(rejected), 0)::int, coalesce(sum(duplicates), 0)::int,"
                " coalesce(sum(redelivered), 0)::int FROM tally"
            ).fetchone()
            last = conn.execute("SELECT coalesce(max(rejected_id), 0) FROM rejected").fetchone()
        assert tally is not None
        assert last is not None
        received, stored, rejected, duplicates, redelivered = tally
        return Sums(
            received=received,
            stored=stored,
            rejected=rejected,
            duplicates=duplicates,
            redelivered=redelivered,
            last_reject=last[0],
        )

    def disturb(self, fault: str, chance: Random) -> Mend:
        """Do one harm; the returned call mends it."""
        self.require_workers()
        return _HARMS[fault](self, chance)

    def _start(self, name: str, port: int) -> servers.Program:
        env = servers.settings(
            make_conninfo(self.dsn, host=self.to_database.host, port=self.to_database.port),
            self.broker,
            mqtt__port=self.to_broker.port,
            database__connect_timeout_s=2,
            ingest__worker_id=name,
            ingest__http_port=port,
            ingest__batch_s=0.02,
            ingest__receipt_every_s=0.05,
            ingest__retry_max_s=0.3,
            ingest__connect_timeout_s=2,
            alerts__rules_dir=str(RULES),
        )
        return self.run("ingest", env=env)

    def _kill_worker(self, _chance: Random) -> Mend:
        self.worker.kill()
        return self.start_worker

    def _stop_worker(self, _chance: Random) -> Mend:
        assert self.worker.stop(), self.worker.output()
        assert self.worker.exit_code == 0
        return self.start_worker

    def _kill_database(self, _chance: Random) -> Mend:
        self.postgres.kill()
        return self.postgres.start

    def _stop_database(self, _chance: Random) -> Mend:
        self.postgres.stop()
        return self.postgres.start

    def _freeze_database(self, _chance: Random) -> Mend:
        family = [self.postgres.pid, *children_of(self.postgres.pid)]
        _signal(family, signal.SIGSTOP)
        return lambda: _signal(family, signal.SIGCONT)

    def _kill_broker(self, _chance: Random) -> Mend:
        self.broker.kill()
        return self.broker.start

    def _restart_broker(self, _chance: Random) -> Mend:
        self.broker.stop()
        return self.broker.start

    def _cut(self, proxy: Proxy, chance: Random) -> Mend:
        if chance.random() < 0.5:
            proxy.cut()
        else:
            proxy.freeze()
        return proxy.heal

    def _cut_worker_from_broker(self, chance: Random) -> Mend:
        return self._cut(self.to_broker, chance)

    def _cut_worker_from_database(self, chance: Random) -> Mend:
        return self._cut(self.to_database, chance)

    def _cut_senders(self, chance: Random) -> Mend:
        return self._cut(self.from_senders, chance)

    def _overlap(self, chance: Random) -> Mend:
        """Let a second worker read all shards too; one of the two is gone afterwards."""
        self._seconds += 1
        port = free_port()
        second = self.second = self._start(f"second-{self._seconds}", port)
        wait_until(lambda: ready(port), 30.0, what="the second worker to be ready")
        first_goes, by_force = chance.random() < 0.5, chance.random() < 0.5

        def end(worker: servers.Program) -> None:
            self.require_workers()
            if by_force:
                worker.kill()
            else:
                assert worker.stop(), worker.output()

        def mend() -> None:
            if not first_goes:
                end(second)
                self.second = None
                return
            end(self.worker)
            self.start_worker()
            wait_until(lambda: ready(self._port), 30.0, what="the first worker to be back")
            self.require_workers()
            assert second.stop(), second.output()
            self.second = None

        return mend


_HARMS: dict[str, Callable[[Stage, Random], Mend]] = {
    "kill worker": Stage._kill_worker,
    "stop worker": Stage._stop_worker,
    "kill database": Stage._kill_database,
    "stop database": Stage._stop_database,
    "freeze database": Stage._freeze_database,
    "kill broker": Stage._kill_broker,
    "restart broker": Stage._restart_broker,
    "cut worker-broker": Stage._cut_worker_from_broker,
    "cut worker-database": Stage._cut_worker_from_database,
    "cut sender-broker": Stage._cut_senders,
    "two workers": Stage._overlap,
}
HARMS = tuple(_HARMS)
WITHOUT_WORKER = frozenset({"kill worker", "stop worker"})
AT_THE_BROKER = frozenset({"kill broker", "restart broker", "cut sender-broker"})
"""Harms in which senders notice that something is wrong; in the others the broker takes all."""


def _signal(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:  # a server process whose client has gone
            continue


def ready(port: int) -> bool:
    """Whether a worker says that it has its broker and its database."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


@contextmanager
def raised(postgres: PrivatePostgres) -> Iterator[Stage]:
    """Raise a stage on a PostgreSQL that has the migrated template database."""
    with ExitStack() as stack:
        if not postgres.running:
            postgres.start()
        folder: Path = stack.enter_context(servers.open_folder())
        dsn = stack.enter_context(servers.own_database(postgres, servers.TEMPLATE))
        broker = stack.enter_context(servers.running_broker())
        run = servers.Runner(folder)
        stack.callback(run.close)
        stage = Stage(
            postgres=postgres,
            broker=broker,
            dsn=dsn,
            run=run,
            to_broker=stack.enter_context(proxy_to(broker.host, broker.port)),
            to_database=stack.enter_context(proxy_to(postgres.host, postgres.port)),
            from_senders=stack.enter_context(proxy_to(broker.host, broker.port)),
        )
        stage.open()
        yield stage


def rows(conn: psycopg.Connection[Any], begin_ms: int) -> list[tuple[str, int]]:
    """Return the keys of the rows whose device time belongs to one run, at whatever day."""
    found = conn.execute(
        "SELECT device_id, (extract(epoch FROM observed_at) * 1000000)::bigint AS at_us"
        " FROM reading JOIN series USING (series_id)"
    ).fetchall()
    day_us = 86_400_000_000
    return [
        (device, at_us)
        for device, at_us in found
        if 0 <= (at_us - begin_ms * 1000) % day_us < _WINDOW_MS * 1000
    ]
