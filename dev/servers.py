"""A private PostgreSQL with TimescaleDB and a private mosquitto, in a folder, on loopback ports.

The demo and the tests run on these; they never touch a server of the system. Both can be stopped,
killed and started again on the same port with the same data.
"""

from __future__ import annotations

import secrets
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import psycopg

from core.errors import BlocktwinError, MissingPrerequisite
from dev.conf import render_settings, replace_lines
from dev.places import LOOPBACK, account_for, free_port, make_private, write_private
from dev.processes import Child, Command

USER = "blocktwin"
_DEPLOY = Path(__file__).resolve().parent.parent / "deploy" / "mosquitto"
_START_S = 30.0
_STOP_S = 10.0
_POLL_S = 0.05
_OPEN_FILES = 65_536  # one per connection; the usual soft limit is 1,024


class ServerFailed(BlocktwinError):
    """A private server did not come up; the message carries the end of its log."""


class PrivatePostgres:
    """A PostgreSQL with TimescaleDB whose data lives in ``folder``.

    Attributes:
        settings: server settings on top of ours, such as ``{"fsync": "off"}``.
    """

    def __init__(self, folder: Path, *, port: int = 0, settings: Mapping[str, str] | None = None):
        self.folder = folder
        self.port = port
        self.settings = dict(settings or {})
        self._child: Child | None = None

    @property
    def host(self) -> str:
        """The address it listens on."""
        return LOOPBACK

    @property
    def pid(self) -> int:
        """The process id of the postmaster."""
        return self._running().pid

    @property
    def running(self) -> bool:
        """Whether the postmaster is there."""
        return self._child is not None and self._child.running

    def dsn(self, database: str = USER) -> str:
        """Return the connection string of a database; the password stands in a passfile."""
        return (
            f"host={LOOPBACK} port={self.port} user={USER} dbname={database} "
            f"passfile={self.folder / 'pgpass'}"
        )

    def start(self) -> None:
        """Make the cluster when there is none, start it, and wait until it answers.

        Raises:
            MissingPrerequisite: no PostgreSQL with TimescaleDB is installed.
            ServerFailed: it does not answer within 30 s.
        """
        binaries = find_postgres()
        account = account_for("postgres")
        self.folder.mkdir(parents=True, exist_ok=True)
        make_private(self.folder / "cluster", account)
        if not (self._data / "PG_VERSION").exists():
            self._make_cluster(binaries, account)
        require_same_major(self._data, binaries)
        self.port = self.port or free_port()
        require_free(self.port)
        write_private(self._data / "blocktwin.conf", self._conf(), account)
        argv = [str(binaries / "postgres"), "-D", str(self._data)]
        self._child = Child(
            Command(
                name="postgres",
                argv=argv,
                log=self.folder / "postgres.log",
                cwd=Path("/"),
                account=account,
                stop_signal=signal.SIGINT,
                death_signal=signal.SIGINT,
            )
        )
        self._child.start()
        _await("postgres", self._child, self._answers)

    def stop(self, timeout_s: float = _STOP_S) -> None:
        """Stop in order (open connections are ended); when it takes longer, end it."""
        if self._child is not None:
            self._child.stop(timeout_s)

    def kill(self) -> None:
        """End the postmaster and all its processes at once, as a power cut would."""
        self._running().kill()

    def restart(self) -> None:
        """Stop and start on the same port."""
        self.stop()
        self.start()

    def create_database(self, name: str, template: str = "template0") -> str:
        """Create a database and return its connection string.

        Nobody can connect to template0, so a copy of it never meets TimescaleDB's launcher, which
        visits all other databases when the server starts.
        """
        with psycopg.connect(self.dsn("postgres"), autocommit=True) as conn:
            statement = psycopg.sql.SQL("CREATE DATABASE {} TEMPLATE {}")
            conn.execute(
                statement.format(psycopg.sql.Identifier(name), psycopg.sql.Identifier(template))
            )
        return self.dsn(name)

    def drop_database(self, name: str) -> None:
        """Drop a database, ending the connections to it; none by that name is no error."""
        with psycopg.connect(self.dsn("postgres"), autocommit=True) as conn:
            statement = psycopg.sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
            conn.execute(statement.format(psycopg.sql.Identifier(name)))

    @property
    def _data(self) -> Path:
        return self.folder / "cluster" / "data"

    def _running(self) -> Child:
        if self._child is None:
            raise RuntimeError("postgres was never started")
        return self._child

    def _make_cluster(self, binaries: Path, account: str) -> None:
        password = secrets.token_urlsafe(24)
        write_private(self.folder / "pgpass", f"{LOOPBACK}:*:*:{USER}:{password}\n")
        first = write_private(self.folder / "cluster" / "first-password", password, account)
        argv = [
            *(str(binaries / "initdb"), "-D", str(self._data), "-U", USER),
            *("--auth=scram-sha-256", f"--pwfile={first}", "--encoding=UTF8", "--locale=C.UTF-8"),
        ]
        log = self.folder / "initdb.log"
        child = Child(
            Command(name="initdb", argv=argv, log=log, cwd=Path("/"), account=account),
        )
        child.start()
        done = child.wait(60.0)
        first.unlink()
        if not done or child.exit_code != 0:
            child.kill()
            raise ServerFailed(f"initdb failed:\n{child.tail(5)}", remedy=f"see {log}")
        with (self._data / "postgresql.conf").open("a", encoding="utf-8") as conf:
            conf.write("\ninclude 'blocktwin.conf'\n")

    def _conf(self) -> str:
        return render_settings(
            {
                "listen_addresses": LOOPBACK,
                "port": str(self.port),
                # Two programs on one machine need no socket file, whose path may be too long.
                "unix_socket_directories": "",
                "shared_preload_libraries": "timescaledb",
                "timescaledb.telemetry_level": "off",
                "timescaledb.max_background_workers": "4",
                "max_worker_processes": "16",
                "max_connections": "100",
                "shared_buffers": "256MB",
                "max_wal_size": "2GB",
                "timezone": "UTC",
                "log_timezone": "UTC",
                "lc_messages": "C",
                **self.settings,
            }
        )

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.dsn("postgres"), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True


class PrivateMosquitto:
    """A mosquitto with the shipped settings and access list, for named users.

    Attributes:
        users: password of each user; changes take effect at the next start.
    """

    def __init__(self, folder: Path, users: Mapping[str, str], *, port: int = 0) -> None:
        self.folder = folder
        self.users = dict(users)
        self.port = port
        self._child: Child | None = None

    @property
    def host(self) -> str:
        """The address it listens on."""
        return LOOPBACK

    @property
    def pid(self) -> int:
        """The process id."""
        return self._running().pid

    @property
    def running(self) -> bool:
        """Whether the process is there."""
        return self._child is not None and self._child.running

    def password(self, user: str) -> str:
        """Return the password of a user."""
        return self.users[user]

    def start(self) -> None:
        """Write configuration and passwords, start, and wait until the port is open.

        Raises:
            MissingPrerequisite: mosquitto is not installed.
            ServerFailed: the port does not open within 30 s.
        """
        account = account_for("mosquitto")
        make_private(self.folder, account)
        self.port = self.port or free_port()
        require_free(self.port)
        write_password_file(self.folder / "passwd", self.users, account)
        acl = (_DEPLOY / "acl").read_text(encoding="utf-8")
        write_private(self.folder / "acl", acl, account)
        conf = write_private(self.folder / "mosquitto.conf", self._conf(), account)
        self._child = Child(
            Command(
                name="mosquitto",
                argv=[find_program("mosquitto"), "-c", str(conf)],
                log=self.folder / "mosquitto.log",
                cwd=Path("/"),
                account=account,
                open_files=_OPEN_FILES,
                death_signal=signal.SIGTERM,
            )
        )
        self._child.start()
        _await("mosquitto", self._child, self._answers)

    def stop(self, timeout_s: float = _STOP_S) -> None:
        """Stop in order, so that what is queued is saved; when it takes longer, end it."""
        if self._child is not None:
            self._child.stop(timeout_s)

    def kill(self) -> None:
        """End it at once; what came since the last save is lost to it."""
        self._running().kill()

    def restart(self) -> None:
        """Stop and start on the same port."""
        self.stop()
        self.start()

    def _running(self) -> Child:
        if self._child is None:
            raise RuntimeError("mosquitto was never started")
        return self._child

    def _conf(self) -> str:
        shipped = (_DEPLOY / "mosquitto.conf").read_text(encoding="utf-8")
        return replace_lines(
            shipped,
            {
                "listener": f"{self.port} {LOOPBACK}",
                "persistence_location": f"{self.folder}/",
                "password_file": str(self.folder / "passwd"),
                "acl_file": str(self.folder / "acl"),
            },
        )

    def _answers(self) -> bool:
        try:
            socket.create_connection((LOOPBACK, self.port), timeout=2).close()
        except OSError:
            return False
        return True


def find_postgres(root: Path = Path("/usr/lib/postgresql")) -> Path:
    """Return the program folder of the newest PostgreSQL that has TimescaleDB.

    Raises:
        MissingPrerequisite: there is none.
    """
    found = [
        folder
        for folder in root.glob("*/bin")
        if (folder.parent / "lib" / "timescaledb.so").exists() and (folder / "initdb").exists()
    ]
    if not found:
        raise MissingPrerequisite(
            f"no PostgreSQL with TimescaleDB under {root}",
            remedy="run: make setup (or set BLOCKTWIN_DATABASE__DSN to a server of your own)",
        )
    return max(found, key=lambda folder: _major(folder.parent.name))


def require_same_major(data: Path, binaries: Path) -> None:
    """Refuse data that another major version of PostgreSQL wrote.

    Raises:
        MissingPrerequisite: the versions differ.
    """
    wrote = (data / "PG_VERSION").read_text(encoding="ascii").strip()
    if wrote != binaries.parent.name:
        raise MissingPrerequisite(
            f"{data} was written by PostgreSQL {wrote}; installed is {binaries.parent.name}",
            remedy=f"install PostgreSQL {wrote} with TimescaleDB, or remove {data.parent.parent}",
        )


def find_program(name: str, folders: Iterable[str] = ("/usr/sbin", "/usr/bin", "/sbin")) -> str:
    """Return the path of a server program; Debian keeps some outside a user's PATH.

    Raises:
        MissingPrerequisite: it is in none of the folders.
    """
    for folder in folders:
        path = Path(folder) / name
        if path.exists():
            return str(path)
    raise MissingPrerequisite(f"{name} is not installed", remedy="run: make setup")


def write_password_file(path: Path, users: Mapping[str, str], account: str = "") -> None:
    """Write mosquitto's password file, hashed; no password appears in an argument list.

    Raises:
        ServerFailed: ``mosquitto_passwd`` refuses.
    """
    write_private(path, "".join(f"{user}:{word}\n" for user, word in users.items()))
    argv = [find_program("mosquitto_passwd"), "-U", str(path)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode != 0:
        raise ServerFailed(f"mosquitto_passwd failed: {done.stderr.strip()}")
    # The program writes a new file; owner and mode are given again.
    write_private(path, path.read_text(encoding="utf-8"), account)


def require_free(port: int) -> None:
    """Refuse a port that somebody else listens on; a server there would look like ours.

    Raises:
        ServerFailed: the port is taken.
    """
    try:
        socket.create_server((LOOPBACK, port)).close()
    except OSError as error:
        raise ServerFailed(f"port {port} is taken: {error.strerror}") from error


def _await(name: str, child: Child, answers: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _START_S
    while not answers():
        if not child.running or time.monotonic() > deadline:
            child.kill()
            raise ServerFailed(
                f"{name} did not come up:\n{child.tail(8)}", remedy=f"see {child.command.log}"
            )
        time.sleep(_POLL_S)


def _major(version: str) -> int:
    return int(version) if version.isdigit() else 0
