"""PostgreSQL's own programs: where they are, what they may know, and how they are run.

A program gets the connection by libpq's environment variables, so that no password ever stands in
an argument list; only its own user and root can read a process's environment.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from psycopg import pq
from psycopg.conninfo import conninfo_to_dict

from core.errors import BlocktwinError, MissingPrerequisite

DEBIAN = Path("/usr/lib/postgresql")
"""Where Debian keeps the programs of every major version."""
_VERSION = re.compile(r"\(PostgreSQL\) (\d+)")
_TOLD_S = 5.0  # how often a long run is heard of
_ENDS_S = 10.0
_TAIL = 4000  # characters of what a program wrote that are looked at when it fails
_HARMLESS = re.compile(
    r"warning: there are circular foreign-key constraints|detail: |hint: ", re.IGNORECASE
)


class ProgramFailed(BlocktwinError):
    """A program of PostgreSQL's ended with an error; the message carries its words."""


@dataclass(frozen=True, slots=True)
class Program:
    """A program and the major version of PostgreSQL it belongs to."""

    path: Path
    major: int


def find(name: str, least: int, root: Path = DEBIAN, path: str | None = None) -> Program:
    """Return the oldest ``name`` whose major version is at least ``least``.

    Args:
        name: such as ``pg_dump``.
        least: a program cannot read a server, or a dump, that is newer than itself.
        root: folder with one folder for each major version.
        path: where else to look, as ``PATH``; None takes the environment's.

    Raises:
        MissingPrerequisite: there is none.
    """
    places = [folder / "bin" / name for folder in root.glob("*")]
    on_path = shutil.which(name, path=path)
    places += [Path(on_path)] if on_path else []
    found = [
        Program(place, major)
        for place in places
        if os.access(place, os.X_OK) and (major := _major(place)) is not None
    ]
    fit = [program for program in found if program.major >= least]
    if fit:
        return min(fit, key=lambda program: program.major)
    newest = max((program.major for program in found), default=None)
    what = f"only that of PostgreSQL {newest}" if newest is not None else "none"
    raise MissingPrerequisite(
        f"{name} of PostgreSQL {least} or newer is needed; there is {what}",
        remedy=f"install the package postgresql-client-{least}, or put {name} on the PATH",
    )


def environment(dsn: str, outer: Mapping[str, str]) -> dict[str, str]:
    """Return ``outer`` with the connection of ``dsn`` in libpq's own variables.

    What libpq has no variable for (keep-alives and the like) is left out.
    """
    names = {
        option.keyword.decode(): option.envvar.decode()
        for option in pq.Conninfo.get_defaults()
        if option.envvar is not None
    }
    given = conninfo_to_dict(dsn)
    kept = {key: value for key, value in outer.items() if not key.startswith("BLOCKTWIN_")}
    return kept | {names[key]: str(value) for key, value in given.items() if key in names}


@contextmanager
def running(
    program: Program, arguments: Sequence[str], env: Mapping[str, str]
) -> Iterator[Callable[[Callable[[], None]], None]]:
    """Run a program while the context is open; what it yields waits for its end.

    The files it makes are for this user alone. It is ended when the context is left before.

    Yields:
        A function that waits, calling what it is given every few seconds, and raises
        ``ProgramFailed`` with the program's last words when it fails.
    """
    with tempfile.TemporaryFile("w+", errors="replace") as words:
        process = subprocess.Popen(
            [str(program.path), *arguments],
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=words,
            stderr=words,
            umask=0o077,
        )

        def wait(tell: Callable[[], None]) -> None:
            while True:
                try:
                    code = process.wait(_TOLD_S)
                except subprocess.TimeoutExpired:
                    tell()
                else:
                    break
            if code:
                raise ProgramFailed(f"{program.path.name} failed: {_last(words)}")

        try:
            yield wait
        finally:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(_ENDS_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _last(words: IO[str]) -> str:
    """Return what a program said at its end, without what it always says of TimescaleDB."""
    words.seek(0)
    lines = [line for line in words.read()[-_TAIL:].splitlines() if line.strip()]
    telling = [line for line in lines if not _HARMLESS.search(line)] or lines
    return " / ".join(telling[-3:]) or "it said nothing"


def _major(place: Path) -> int | None:
    try:
        done = subprocess.run(
            [str(place), "--version"], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = _VERSION.search(done.stdout)
    return int(match[1]) if match else None
