"""What was told before it was stored, so that the committed event is not told once more.

Kept in a file, one key a line: a notifier that restarts between the two remembers. Bounded.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from threading import Lock

from alerts.notify.channels import Channel
from alerts.notify.message import Message
from core.errors import ConfigInvalid

MOST = 20_000
"""Keys that are remembered; the oldest go first."""


class Claim(Enum):
    """What is known of a message that somebody wants to tell."""

    MINE = "nobody has told it: tell it"
    BUSY = "somebody is telling it"
    DONE = "it has been told"


@dataclass(slots=True, kw_only=True)
class Memory:
    """The keys of what was told early, by channel and recipient; used from several threads.

    Attributes:
        path: the file; None keeps them in memory only.
        most: bound of the keys kept.
    """

    path: Path | None = None
    most: int = MOST
    _told: dict[str, None] = field(default_factory=dict)
    _busy: set[str] = field(default_factory=set)
    _lines: int = 0
    _lock: Lock = field(default_factory=Lock)

    @classmethod
    def open(cls, path: Path, most: int = MOST) -> Memory:
        """Read the file, if there is one; a torn last line is passed over.

        Raises:
            ConfigInvalid: if it cannot be read or written.
        """
        made = cls(path=path, most=most)
        try:
            text = path.read_text(encoding="utf-8") if path.exists() else ""
            for name in filter(None, map(_key_of, text.splitlines())):
                # One that was forgotten and told again counts from its last time.
                made._told.pop(name, None)
                made._told[name] = None
            made._trim()
            made._rewrite()
        except OSError as error:
            raise ConfigInvalid(
                f"notify.memory_file: cannot use {path}: {error.strerror}",
                remedy="name a file in a folder that this user may write to",
            ) from error
        return made

    def claim(self, channel: str, recipient: str, key: str) -> Claim:
        """Ask to tell a message; ``MINE`` must be followed by ``keep`` or ``drop``."""
        name = _name(channel, recipient, key)
        with self._lock:
            if name in self._told:
                return Claim.DONE
            if name in self._busy:
                return Claim.BUSY
            self._busy.add(name)
            return Claim.MINE

    def keep(self, channel: str, recipient: str, key: str) -> None:
        """Say that a claimed message has been told; on the disk when this returns."""
        name = _name(channel, recipient, key)
        with self._lock:
            self._busy.discard(name)
            self._told[name] = None
            self._trim()
            if self.path is None:
                return
            # A disk that fails costs at most a message told twice; the telling must go on.
            with suppress(OSError):
                if self._lines >= 2 * self.most:
                    self._rewrite()
                else:
                    self._append(self.path, name)

    def telling(self, channel: Channel, made: Message, *, keep: bool) -> None:
        """Tell a message, and with ``keep`` end its claim, however the telling ends.

        Raises:
            DeliveryFailed: if the channel has not confirmed it.
        """
        name = (channel.name, made.recipient, made.key)
        told = False
        try:
            channel.deliver(made)
            told = True
        finally:
            if keep and not told:
                self.drop(*name)
        if keep:
            self.keep(*name)

    def drop(self, channel: str, recipient: str, key: str) -> None:
        """Say that a claimed message could not be told."""
        with self._lock:
            self._busy.discard(_name(channel, recipient, key))

    def _trim(self) -> None:
        while len(self._told) > self.most:
            del self._told[next(iter(self._told))]

    def _append(self, path: Path, name: str) -> None:
        with path.open("a", encoding="utf-8") as file:
            # The newline first: a line that a kill tore must not spoil this one.
            file.write(f"\n{json.dumps(name, ensure_ascii=False)}")
            file.flush()
            os.fsync(file.fileno())
        self._lines += 1

    def _rewrite(self) -> None:
        """Write what is remembered and nothing else, in one step."""
        assert self.path is not None
        fresh = self.path.with_name(f"{self.path.name}.new")
        lines = "\n".join(json.dumps(name, ensure_ascii=False) for name in self._told)
        with fresh.open("w", encoding="utf-8") as file:
            file.write(lines)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self.path)
        self._lines = len(self._told)


def _name(channel: str, recipient: str, key: str) -> str:
    return f"{channel} {key} {recipient}"


def _key_of(line: str) -> str:
    try:
        found = json.loads(line)
    except ValueError:
        return ""
    return found if isinstance(found, str) else ""
