"""Start, watch and stop child processes so that none outlives the program that started it.

Every child runs in a session of its own (a Ctrl-C at the terminal does not reach it before its
parent decides) and is told by the kernel to die with its parent, however that ends. What the
processes are for is their user's business.
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from core.errors import MissingPrerequisite

_KILL_WAIT_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What to run, as whom, and how to end it.

    Attributes:
        account: Unix account to run as; empty means our own. Only root may name another one.
        open_files: soft limit of open files wanted, as far as the hard limit allows; 0 leaves it.
        stop_signal: asks the process to finish in order.
        death_signal: what the kernel sends when we die without having stopped the process.
    """

    name: str
    argv: Sequence[str]
    log: Path
    env: Mapping[str, str] | None = None
    cwd: Path | None = None
    account: str = ""
    open_files: int = 0
    stop_signal: signal.Signals = signal.SIGTERM
    death_signal: signal.Signals = signal.SIGKILL

    def wrapped(self) -> list[str]:
        """Return the argument list with ``setpriv`` before it, which sets account and death signal.

        ``setpriv`` and ``prlimit`` belong to util-linux, which every Debian has; they replace
        themselves by the program, so the process id is the program's.
        """
        words = ["setpriv", f"--pdeathsig={self.death_signal.name.removeprefix('SIG')}"]
        if self.account:
            words += [f"--reuid={self.account}", f"--regid={self.account}", "--init-groups"]
        if self.open_files:
            words = ["prlimit", f"--nofile={_within_hard(self.open_files)}:", *words]
        return [*words, "--", *self.argv]


@dataclass(slots=True)
class Child:
    """One child process, which may be started again after it ended.

    ``start`` must be called from a thread that lives as long as the child should: the kernel sends
    the death signal when the starting thread ends.
    """

    command: Command
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        """The name the child was given."""
        return self.command.name

    @property
    def pid(self) -> int:
        """The process id of the running or last process.

        Raises:
            RuntimeError: if it was never started.
        """
        return self._started().pid

    @property
    def running(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and self._process.poll() is None

    @property
    def exit_code(self) -> int | None:
        """The exit code (negative: the signal that ended it); None while it runs or before."""
        return None if self._process is None else self._process.poll()

    def start(self) -> None:
        """Start the process; its output is appended to the command's log file.

        Raises:
            MissingPrerequisite: if the program is not on this machine.
        """
        if self.running:
            return
        command = self.command
        with command.log.open("ab") as log:
            try:
                self._process = subprocess.Popen(
                    command.wrapped(),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env=None if command.env is None else dict(command.env),
                    cwd=command.cwd,
                    start_new_session=True,
                )
            except FileNotFoundError as missing:
                raise MissingPrerequisite(
                    f"{command.name}: {missing.filename} is not on this machine",
                    remedy="run: make setup",
                ) from missing

    def send(self, what: signal.Signals) -> None:
        """Send a signal to the process itself; nothing happens when it is gone."""
        if self.running:
            self._started().send_signal(what)

    def wait(self, timeout_s: float) -> bool:
        """Return whether the process ended within ``timeout_s``."""
        try:
            self._started().wait(timeout_s)
        except subprocess.TimeoutExpired:
            return False
        return True

    def stop(self, timeout_s: float) -> bool:
        """Ask the process to finish, and kill it and its group when it does not in time.

        Returns:
            Whether it finished by itself.
        """
        if self._process is None:
            return True
        self.send(self.command.stop_signal)
        in_time = self.wait(timeout_s)
        self.kill()
        return in_time

    def kill(self) -> None:
        """End the process, its children and its group at once, and wait until they are gone."""
        if self._process is None:
            return
        family = children_of(self.pid)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        for pid in family:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.wait(_KILL_WAIT_S)

    def tail(self, lines: int = 20) -> str:
        """Return the last lines that the process wrote."""
        return tail(self.command.log, lines)

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise RuntimeError(f"{self.name} was never started")
        return self._process


def _within_hard(wanted: int) -> int:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)


def children_of(pid: int) -> list[int]:
    """Return the process ids of the direct children of a process; empty when it is gone."""
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [int(word) for word in text.split()]


def tail(path: Path, lines: int) -> str:
    """Return the last lines of a text file; empty when there is none. Reads at most 64 KiB."""
    try:
        with path.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - 65_536))
            text = file.read().decode("utf-8", "replace")
    except FileNotFoundError:
        return ""
    return "\n".join(text.splitlines()[-lines:])
