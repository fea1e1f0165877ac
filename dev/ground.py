"""The ground a demo stands on: its folder, its servers (private, or the user's own), its settings.

The private servers keep nothing from one start to the next but the empty cluster: a demo is a
story told from its beginning, and readings left in a queue would be counted in the wrong run.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from core.config import PATH_VARIABLE, PREFIX
from core.errors import UsageError
from dev.places import free_port, make_private, open_to_others, write_private
from dev.servers import USER, PrivateMosquitto, PrivatePostgres

DATABASE_VARIABLE = "BLOCKTWIN_DATABASE__DSN"
BROKER_VARIABLE = "BLOCKTWIN_MQTT__HOST"
_PASSED_ON = ("DATABASE", "MQTT", "LOG", "ALERTS")
GUESTS = ("replay-fire", "replay-river")
"""Broker users besides the demo's gateways: the gateways of the example recordings."""
_STOP_S = 2.5
_DRAIN_S = 8.0

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """Where the services of one run find everything.

    Attributes:
        config: the settings file of the run; any other command may use it while the demo runs.
        dsn: the database.
        env: the environment of the services.
        token: lets an operator in.
    """

    folder: Path
    config: Path
    dsn: str
    env: Mapping[str, str]
    token: str
    api_port: int
    ingest_port: int
    notify_port: int
    upkeep_port: int

    @property
    def page(self) -> str:
        """The address of the page, which logs the operator in."""
        return f"http://127.0.0.1:{self.api_port}/#token={self.token}"

    @property
    def report(self) -> Path:
        """Where the simulator writes what it published."""
        return self.folder / "sim-report.json"

    @property
    def logs(self) -> Path:
        """The folder of the services' logs."""
        return self.folder / "log"


@contextmanager
def standing(
    folder: Path, env: Mapping[str, str], gateways: Sequence[str], *, port: int, say: Say
) -> Iterator[Ground]:
    """Start the servers that the environment does not name, and write the settings of the run.

    Raises:
        UsageError: another demo runs in the folder.
        MissingPrerequisite: a server is not installed.
        ServerFailed: a server does not come up.
    """
    with ExitStack() as stack:
        folder.mkdir(parents=True, exist_ok=True)
        stack.enter_context(_alone_in(folder))
        _clear(folder)
        stops: list[Callable[[float], None]] = []
        stack.callback(_stop_all, stops)
        sections = _api_sections(folder, port)
        dsn = env.get(DATABASE_VARIABLE, "")
        if not dsn or BROKER_VARIABLE not in env:
            require_open(folder)
        if not dsn:
            say("Starting a private PostgreSQL")
            dsn = _start_postgres(folder, stops)
            sections["database"] = {"dsn": dsn}
        if BROKER_VARIABLE not in env:
            say("Starting a private mosquitto")
            sections |= _start_mosquitto(folder, gateways, stops)
        token = _make_operator(folder)
        config = write_private(folder / "config.toml", render_sections(sections))
        yield Ground(
            folder=folder,
            config=config,
            dsn=dsn,
            env=service_environment(env, config),
            token=token,
            api_port=int(str(sections["api"]["port"])),
            ingest_port=int(str(sections["ingest"]["http_port"])),
            notify_port=int(str(sections["notify"]["http_port"])),
            upkeep_port=int(str(sections["upkeep"]["http_port"])),
        )


def service_environment(env: Mapping[str, str], config: Path) -> dict[str, str]:
    """Return the environment of the services: ours, with only those settings that may differ.

    A file under /etc, or a variable meant for a production service, must not reach a demo that
    fills its database with an invented district.
    """
    kept = {
        key: value
        for key, value in env.items()
        if not key.startswith(PREFIX) or key.removeprefix(PREFIX).split("__")[0] in _PASSED_ON
    }
    return {**kept, PATH_VARIABLE: str(config), "PYTHONUNBUFFERED": "1"}


def render_sections(sections: Mapping[str, Mapping[str, object]]) -> str:
    r"""Return a configuration file.

    Example:
        >>> render_sections({"api": {"port": 80, "host": "::1"}})
        '[api]\nport = 80\nhost = "::1"\n'
    """
    return "\n".join(
        f"[{name}]\n" + "".join(f"{key} = {_scalar(value)}\n" for key, value in values.items())
        for name, values in sections.items()
    )


def _scalar(value: object) -> str:
    # JSON writes text, numbers and booleans as TOML does, once the one control character that
    # JSON lets stand is escaped.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _api_sections(folder: Path, port: int) -> dict[str, dict[str, object]]:
    return {
        "ingest": {"http_port": free_port()},
        "api": {"port": port or free_port(), "operators_file": str(folder / "operators.toml")},
        "notify": {
            "http_port": free_port(),
            "journal_file": str(folder / "notify.jsonl"),
            "memory_file": str(folder / "notify-told"),
            "hear_early": True,
        },
        "upkeep": {"http_port": free_port()},
        "sim": {"spool_dir": str(folder / "spool"), "drain_s": _DRAIN_S},
    }


def require_open(folder: Path) -> None:
    """Refuse a folder that the servers' own accounts cannot walk to.

    Raises:
        UsageError: we are root, so they run as other accounts, and a parent is closed to others.
    """
    if os.geteuid() == 0 and not open_to_others(folder):
        raise UsageError(
            f"{folder} is below a folder that is closed to other accounts, and servers do not "
            "run as root",
            remedy="give another folder with --folder, such as one under /var/tmp",
        )


def _start_postgres(folder: Path, stops: list[Callable[[float], None]]) -> str:
    server = PrivatePostgres(folder / "postgres")
    stops.append(server.stop)
    server.start()
    server.drop_database(USER)
    return server.create_database(USER)


def _start_mosquitto(
    folder: Path, gateways: Sequence[str], stops: list[Callable[[float], None]]
) -> dict[str, dict[str, object]]:
    users = {user: secrets.token_urlsafe(24) for user in ("ingest", "sta-http", *gateways, *GUESTS)}
    credentials = make_private(folder / "secrets")
    for user, password in users.items():
        write_private(credentials / user, password)
    server = PrivateMosquitto(folder / "mosquitto", users)
    stops.append(server.stop)
    server.start()
    broker = {"host": server.host, "port": server.port, "username": "ingest"}
    return {
        "mqtt": {**broker, "password_file": str(credentials / "ingest")},
        "sim": {
            "spool_dir": str(folder / "spool"),
            "drain_s": _DRAIN_S,
            "credentials_dir": str(credentials),
        },
    }


def _make_operator(folder: Path) -> str:
    from twin import operators

    return operators.add(folder / "operators.toml", "demo", operators.Role.ADMIN)


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    with (folder / "demo.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as held:
            raise UsageError(
                f"another demo runs in {folder}",
                remedy="stop it with Ctrl-C, or give this one its own folder with --folder",
            ) from held
        os.set_inheritable(lock.fileno(), False)
        yield


def _clear(folder: Path) -> None:
    """Remove what an earlier run left, but for the PostgreSQL cluster, which takes time to make."""
    for name in ("mosquitto", "secrets", "spool", "log"):
        shutil.rmtree(folder / name, ignore_errors=True)
    for name in ("operators.toml", "sim-report.json", "notify.jsonl", "notify-told", "config.toml"):
        (folder / name).unlink(missing_ok=True)
    make_private(folder / "log")
    make_private(folder / "spool")


def _stop_all(stops: Sequence[Callable[[float], None]]) -> None:
    if stops:
        with ThreadPoolExecutor(len(stops), "stop") as pool:
            list(pool.map(lambda stop: stop(_STOP_S), stops))
