"""The spool: readings wait here, on disk, until the worker has receipted them.

One SQLite file per gateway. A message is numbered 1, 2, 3, … within an *epoch* (the file's making).
``append`` returns only after the message is safe on disk, ``forget`` is called with what a receipt
names. Sending is the uplink's work. All methods may be called from any thread.
"""

from __future__ import annotations

import json
import logging
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from importlib.resources import files
from pathlib import Path
from types import TracebackType
from typing import Self

from core import senml
from core.errors import Permanent, Transient, UsageError
from core.model import Channel, Reading

_LOG = logging.getLogger(__name__)
_UNWRITABLE = frozenset(
    {
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_NOMEM,
    }
)
_SIDES = ("", "-wal", "-shm")
_LOCK_WAIT_S = 2.0


class SpoolBusy(UsageError):
    """Another agent holds the spool's file."""


class SpoolCorrupt(Permanent):
    """The spool's file is damaged; the next start moves it aside."""


class SpoolUnwritable(Transient):
    """The spool cannot be written for now: the disk is full or failing."""


class ReceiptImpossible(Permanent):
    """A receipt names sequences that this spool never gave out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message as it goes over the wire.

    Attributes:
        seq: its number in the spool's epoch.
        channel: the topic it belongs to.
        readings: how many it holds.
        body: SenML JSON, ready to be published.
    """

    seq: int
    channel: Channel
    readings: int
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Readings since the file was made: accepted = receipted + dropped + pending, always."""

    accepted: int
    receipted: int
    dropped: int
    pending: int

    def since(self, earlier: Counts) -> Counts:
        """Return what was added after ``earlier``; ``pending`` stays what it is now."""
        return Counts(
            accepted=self.accepted - earlier.accepted,
            receipted=self.receipted - earlier.receipted,
            dropped=self.dropped - earlier.dropped,
            pending=self.pending,
        )


@dataclass(slots=True)
class _State:
    """The row of ``state``, and how many messages there are; changed only after a commit."""

    epoch: int
    last_seq: int
    accepted: int
    receipted: int
    dropped: int
    depth: int


class Spool:
    """An open spool; ``Spool.open`` makes one, ``with`` closes it.

    Attributes:
        path: the file.
        max_messages: how many messages it holds at most; the oldest goes first.
    """

    __slots__ = ("_conn", "_lock", "_state", "max_messages", "path")

    def __init__(
        self, path: Path, max_messages: int, conn: sqlite3.Connection, state: _State
    ) -> None:
        self.path = path
        self.max_messages = max_messages
        self._conn = conn
        self._state = state
        self._lock = threading.Lock()

    @classmethod
    def open(cls, path: Path, max_messages: int) -> Spool:
        """Open the spool at ``path``; make it, with its folders, when there is none.

        A damaged file is moved aside (``….corrupt-<time>``) and a new epoch begins.

        Raises:
            SpoolBusy: if another agent has it open.
            SpoolUnwritable: if the folder or the file cannot be written.
        """
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            conn, state = _open(path)
        except OSError as error:
            raise SpoolUnwritable(
                f"cannot make the spool's folder {path.parent}: {error}"
            ) from error
        return cls(path, max_messages, conn, state)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; waits for a call that runs in another thread."""
        with self._lock:
            self._conn.close()

    @property
    def epoch(self) -> int:
        """When this file was made, Unix milliseconds; sequences are unique within it."""
        return self._state.epoch

    @property
    def depth(self) -> int:
        """How many messages wait for a receipt."""
        return self._state.depth

    @property
    def counts(self) -> Counts:
        """The counters of this file, in readings, over all runs."""
        state = self._state
        return Counts(
            accepted=state.accepted,
            receipted=state.receipted,
            dropped=state.dropped,
            pending=state.accepted - state.receipted - state.dropped,
        )

    def append(self, channel: Channel, readings: Sequence[Reading]) -> int:
        """Keep readings as one message and return its sequence; safe on disk when it returns.

        When the spool is full the oldest messages make room and are counted as dropped.

        Raises:
            ValueError: if there are no readings.
            SpoolUnwritable: if the disk is full; nothing was kept.
        """
        if not readings:
            raise ValueError("a message needs at least one reading")
        with self._transaction() as (conn, state):
            self._make_room(conn, state)
            state.last_seq += 1
            state.accepted += len(readings)
            state.depth += 1
            seq = state.last_seq
            low = conn.execute(_SQL["lowest"]).fetchone()[0] or seq
            body = senml.pack(readings, seq=seq, epoch=state.epoch, low=low)
            row = {"seq": seq, "channel": channel.value, "readings": len(readings), "body": body}
            conn.execute(_SQL["insert"], row)
        return seq

    def _make_room(self, conn: sqlite3.Connection, state: _State) -> None:
        excess = state.depth + 1 - self.max_messages
        if excess <= 0:
            return
        rows = conn.execute(_SQL["oldest"], {"count": excess}).fetchall()
        conn.execute(_SQL["drop_up_to"], {"seq": rows[-1][0]})
        state.dropped += sum(readings for _, readings in rows)
        state.depth -= len(rows)

    def forget(self, low: int, above: Iterable[int] = ()) -> int:
        """Forget every message up to ``low`` and those in ``above``; return how many went.

        Raises:
            ReceiptImpossible: if a sequence was never given out; nothing is forgotten.
            SpoolUnwritable: if the disk is full; nothing is forgotten.
        """
        listed = list(above)
        highest = max([low, *listed])
        if highest > self._state.last_seq:
            raise ReceiptImpossible(
                f"receipt for message {highest} of spool {self.path}, which has given out "
                f"{self._state.last_seq}",
                remedy="the file was set back to an old copy: stop the agent and move it aside",
            )
        with self._transaction() as (conn, state):
            values = {"low": low, "above": json.dumps(listed)}
            gone = conn.execute(_SQL["forget"], values).fetchall()
            state.receipted += sum(readings for (readings,) in gone)
            state.depth -= len(gone)
        return len(gone)

    def pending(self, after: int = 0, limit: int = 100) -> list[Message]:
        """Return up to ``limit`` messages with a sequence above ``after``, in order."""
        return self._read("pending", {"after": after, "limit": limit})

    def pending_events(self, after: int = 0, limit: int = 100) -> list[Message]:
        """Return what ``pending`` returns, of the event channel only."""
        return self._read("pending_events", {"after": after, "limit": limit})

    def some(self, seqs: Iterable[int]) -> list[Message]:
        """Return the messages with these sequences that are still there, in order."""
        return self._read("some", {"seqs": json.dumps(list(seqs))})

    def _read(self, statement: str, values: dict[str, object]) -> list[Message]:
        with self._lock, _translated(self.path):
            rows = self._conn.execute(_SQL[statement], values).fetchall()
        return [
            Message(seq=seq, channel=Channel(channel), readings=readings, body=body)
            for seq, channel, readings, body in rows
        ]

    @contextmanager
    def _transaction(self) -> Iterator[tuple[sqlite3.Connection, _State]]:
        """Run one transaction over a draft of the state, which counts only once it is committed."""
        with self._lock, _translated(self.path):
            draft = replace(self._state)
            self._conn.execute("BEGIN IMMEDIATE")
            try:
                yield self._conn, draft
                self._conn.execute(_SQL["save"], asdict(draft))
                self._conn.execute("COMMIT")
            except BaseException:
                if self._conn.in_transaction:
                    self._conn.execute("ROLLBACK")
                raise
            self._state = draft


def _statements() -> dict[str, str]:
    """Return the statements of ``spool.sql`` by name.

    The loader of ``core.db`` would bring the server's packages to the gateway.
    """
    text = files("edge").joinpath("spool.sql").read_text(encoding="utf-8")
    parts = (part.partition("\n") for part in text.split("-- name: ")[1:])
    return {name.strip(): body.strip() for name, _, body in parts}


_SQL = _statements()


def _open(path: Path) -> tuple[sqlite3.Connection, _State]:
    try:
        return _try_open(path)
    except SpoolCorrupt as damage:
        aside = _move_aside(path)
        _LOG.error(
            "%s; it is kept as %s and a new spool begins: unsent readings in it are not sent",
            damage,
            aside,
        )
    return _try_open(path)


def _try_open(path: Path) -> tuple[sqlite3.Connection, _State]:
    with _translated(path):
        conn = sqlite3.connect(
            path, timeout=_LOCK_WAIT_S, isolation_level=None, check_same_thread=False
        )
        try:
            return conn, _prepare(path, conn)
        except BaseException:
            conn.close()
            raise


def _prepare(path: Path, conn: sqlite3.Connection) -> _State:
    conn.executescript(_SQL["settings"])
    if (verdict := conn.execute(_SQL["check"]).fetchone()[0]) != "ok":
        raise SpoolCorrupt(f"spool {path} is damaged: {verdict}")
    conn.executescript(_SQL["create"])
    conn.execute(_SQL["begin_epoch"], {"epoch": time.time_ns() // 1_000_000})
    depth = conn.execute(_SQL["depth"]).fetchone()[0]
    epoch, last_seq, accepted, receipted, dropped = conn.execute(_SQL["state"]).fetchone()
    pending = conn.execute(_SQL["pending_readings"]).fetchone()[0]
    if pending != accepted - receipted - dropped:
        raise SpoolCorrupt(f"spool {path} is damaged: its counters do not add up")
    return _State(epoch, last_seq, accepted, receipted, dropped, depth)


def _move_aside(path: Path) -> Path:
    aside = path.with_name(f"{path.name}.corrupt-{time.time_ns() // 1_000_000}")
    for side in _SIDES:
        source = path.with_name(path.name + side)
        if source.exists():
            source.rename(aside.with_name(aside.name + side))
    return aside


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into ours, by cause."""
    try:
        yield
    except sqlite3.ProgrammingError:
        raise
    except sqlite3.DatabaseError as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise SpoolBusy(
                f"spool {path} is in use by another agent",
                remedy="stop that one, or give this one another spool_dir",
            ) from error
        if code in _UNWRITABLE:
            raise SpoolUnwritable(f"spool {path} cannot be written: {error}") from error
        raise SpoolCorrupt(
            f"spool {path} is damaged: {error}",
            remedy="start the agent again: it moves the file aside",
        ) from error
