"""The services of a demo as child processes: start, await, notice an end, stop in time."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from core.errors import BlocktwinError
from dev import probe
from dev.ground import Ground
from dev.processes import Child, Command

_READY_S = 30.0
_POLL_S = 0.1


class ServiceEnded(BlocktwinError):
    """A service of the demo ended by itself, or never became ready."""


class StopRequested(BlocktwinError):
    """The person asked to stop before everything had started."""

    exit_code = 130


@dataclass(slots=True)
class Services:
    """The child processes of one run, by name."""

    ground: Ground
    stop_asked: threading.Event
    children: dict[str, Child] = field(default_factory=dict)

    def start(self, name: str, *words: str) -> Child:
        """Start ``blocktwin`` with these words."""
        child = self._start(name, "blocktwin", *words)
        self.children[name] = child
        return child

    def furnish(self) -> None:
        """Bring in surveys and addresses; broken off as soon as the person asks to stop.

        Raises:
            ServiceEnded: it failed, or another service ended meanwhile.
        """
        child = self._start("furnish", "dev.furnish")
        try:
            while child.running and not self.stop_asked.wait(_POLL_S):
                self.check()
            if child.exit_code:
                raise _trouble(child, f"furnishing failed, exit code {child.exit_code}")
        finally:
            child.kill()

    def _start(self, name: str, module: str, *words: str) -> Child:
        child = Child(
            Command(
                name=name,
                argv=[sys.executable, "-m", module, *words],
                log=self.ground.logs / f"{name}.log",
                env=self.ground.env,
                cwd=Path(__file__).resolve().parent.parent,
            )
        )
        child.start()
        return child

    def wait_ready(self, name: str, port: int) -> None:
        """Wait until a service says that it is ready.

        Raises:
            ServiceEnded: it ended, or is not ready within 30 s.
            StopRequested: the person asked to stop.
        """
        deadline = time.monotonic() + _READY_S
        while not probe.get(port, "/readyz").ok:
            self.check()
            if time.monotonic() > deadline:
                raise _trouble(self.children[name], f"{name} is not ready after {_READY_S:.0f} s")
            if self.stop_asked.wait(_POLL_S):
                raise StopRequested("stopped before everything had started")

    def check(self) -> None:
        """Notice that a service has ended by itself.

        Raises:
            ServiceEnded: naming it, its exit code and its last lines.
        """
        for name, child in self.children.items():
            if not child.running:
                raise _trouble(child, f"{name} ended by itself, exit code {child.exit_code}")

    def stop(self, names: Sequence[str], timeout_s: float) -> list[str]:
        """Ask services to finish, all at once, and end those that do not in ``timeout_s``.

        Returns:
            The names of those that had to be ended.
        """
        children = {name: self.children.pop(name) for name in names if name in self.children}
        deadline = time.monotonic() + timeout_s
        for child in children.values():
            child.send(child.command.stop_signal)
        late = [
            name
            for name, child in children.items()
            if not child.wait(max(0.0, deadline - time.monotonic()))
        ]
        for child in children.values():
            child.kill()
        return late

    def kill(self) -> None:
        """End every service that is left, at once."""
        for child in self.children.values():
            child.kill()
        self.children.clear()


def _trouble(child: Child, sentence: str) -> ServiceEnded:
    return ServiceEnded(
        f"{sentence}:\n{child.tail(15)}", remedy=f"all of it stands in {child.command.log}"
    )
