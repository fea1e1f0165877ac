"""Real servers and real processes of ours for the tests."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from core.db.migrate import upgrade
from dev.processes import Child, Command
from dev.servers import PrivateMosquitto, PrivatePostgres
from tests.support.waiting import wait_until

ROOT = Path(__file__).resolve().parent.parent.parent
BROKER_USERS = ("ingest", "sta-http", "gw-a", "gw-b", *(f"gw-{n:02}" for n in range(1, 13)))
TEMPLATE = "migrated"
_STOP_S = 15.0


@contextmanager
def open_folder() -> Iterator[Path]:
    """Make a temporary folder that the servers' accounts can walk to (pytest's own are private)."""
    folder = Path(tempfile.mkdtemp(prefix="blocktwin-test-", dir="/var/tmp"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def running_postgres() -> Iterator[PrivatePostgres]:
    """Run a PostgreSQL for a test session.

    No background workers: TimescaleDB's scheduler would sit in the template and forbid cloning it.
    No fsync: the tests kill processes, not machines.
    """
    with open_folder() as folder:
        settings = {"timescaledb.max_background_workers": "0", "fsync": "off"}
        server = PrivatePostgres(folder, settings=settings)
        server.start()
        try:
            yield server
        finally:
            server.stop()


@contextmanager
def running_broker(users: Sequence[str] = BROKER_USERS) -> Iterator[PrivateMosquitto]:
    """Run a mosquitto with the shipped settings and a password for each user."""
    with open_folder() as folder:
        broker = PrivateMosquitto(folder / "mosquitto", {user: f"{user}-word" for user in users})
        broker.start()
        try:
            yield broker
        finally:
            broker.stop()


@contextmanager
def own_database(server: PrivatePostgres, template: str) -> Iterator[str]:
    """Clone a database for one test, and drop it after."""
    name = f"t_{secrets.token_hex(6)}"
    dsn = server.create_database(name, template)
    try:
        yield dsn
    finally:
        if not server.running:
            server.start()
        server.drop_database(name)


def migrate(dsn: str) -> None:
    """Bring a database to the newest schema, as ``blocktwin db upgrade`` does."""
    with psycopg.connect(dsn, autocommit=True) as conn:
        upgrade(conn)


def plain_environment() -> dict[str, str]:
    """Return this process's environment without settings of blocktwin."""
    return {key: value for key, value in os.environ.items() if not key.startswith("BLOCKTWIN_")}


def settings(
    dsn: str = "", broker: PrivateMosquitto | None = None, user: str = "ingest", **more: object
) -> dict[str, str]:
    """Return environment variables that point a process of ours at the test's servers.

    ``more`` are further settings: ``ingest__batch_s=0.02`` becomes ``BLOCKTWIN_INGEST__BATCH_S``;
    what is no text is written as JSON.
    """
    found: dict[str, object] = {}
    if dsn:
        found["database__dsn"] = dsn
    if broker is not None:
        found["mqtt__host"] = broker.host
        found["mqtt__port"] = broker.port
        found["mqtt__username"] = user
        found["mqtt__password"] = broker.password(user)
    found.update(more)
    return {
        f"BLOCKTWIN_{key.upper()}": value if isinstance(value, str) else json.dumps(value)
        for key, value in found.items()
    }


@dataclass(slots=True)
class Program:
    """A running ``python -m blocktwin …``; what it writes is kept for the test's report."""

    child: Child
    words: tuple[str, ...]

    @property
    def pid(self) -> int:
        return self.child.pid

    @property
    def running(self) -> bool:
        return self.child.running

    @property
    def exit_code(self) -> int | None:
        return self.child.exit_code

    def output(self) -> str:
        """All that it wrote, both streams."""
        return self.child.command.log.read_text(encoding="utf-8", errors="replace")

    def wait(self, timeout_s: float) -> int:
        """Return its exit code; it must end within ``timeout_s``."""
        assert self.child.wait(timeout_s), f"{self.words} still runs after {timeout_s} s"
        code = self.child.exit_code
        assert code is not None
        return code

    def wait_for(self, text: str, timeout_s: float = 20.0) -> None:
        """Wait until ``text`` stands in what it wrote; it must not end before."""
        wait_until(lambda: text in self.output() or not self.running, timeout_s, what=text)
        assert text in self.output(), f"{self.words} ended ({self.exit_code}):\n{self.output()}"

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        self.child.send(signal.SIGINT)

    def stop(self, timeout_s: float = _STOP_S) -> bool:
        """Ask it to finish; return whether it did so by itself."""
        return self.child.stop(timeout_s)

    def kill(self) -> None:
        """Kill it (SIGKILL), with what it started."""
        self.child.kill()


@dataclass(slots=True)
class Runner:
    """Start programs of ours for one test and end them with it."""

    folder: Path
    programs: list[Program] = field(default_factory=list)

    def __call__(self, *words: str, env: Mapping[str, str] | None = None) -> Program:
        """Start ``python -m blocktwin`` with these words; ``env`` comes on top of a plain one."""
        log = self.folder / f"{len(self.programs)}-{words[0] if words else 'blocktwin'}.log"
        command = Command(
            name=words[0] if words else "blocktwin",
            argv=[sys.executable, "-m", "blocktwin", *words],
            log=log,
            env={**plain_environment(), "PYTHONUNBUFFERED": "1", **(env or {})},
            cwd=ROOT,
        )
        program = Program(child=Child(command), words=words)
        program.child.start()
        self.programs.append(program)
        return program

    def close(self) -> None:
        """End every program; what each wrote is printed, and pytest shows it when a test fails."""
        for program in self.programs:
            program.kill()
            sys.stdout.write(f"--- {' '.join(program.words)} ({program.exit_code})\n")
            sys.stdout.write(program.child.tail(200) + "\n")
