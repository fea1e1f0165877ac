"""What an engine knows at one moment, as data: the form in which it is handed on and stored.

An engine of other rules, of another registry, or of another process takes it over
(``alerts.engine``). Series stand by name (``device:quantity``) and rules by id and digest, so that
neither numbers nor order matter. ``pack`` and ``unpack`` are the stored form: a header in
MessagePack, the arrays as they lie in memory (mostly empty ones as their few full rows), and a
check sum over all of it. Nothing in it is executed.
"""

from __future__ import annotations

import zlib
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from alerts.rules import Rule
from core.batch import F8, I4, I8
from core.model import Transition

MAGIC = b"BTENG"
VERSION = 1
"""Version of the stored form; another one is not read."""

_SPARSE = 0.5  # share of full rows up to which only these are stored
_KINDS = frozenset({"b", "u", "i", "f"})

Arrays = dict[str, npt.NDArray[Any]]


class KeptRule(msgspec.Struct, frozen=True, kw_only=True):
    """The conditions of one rule.

    Attributes:
        rule: as it judged; ``digest`` of it, ``version`` of it.
        series: of each condition, the position among ``Kept.names`` of a series of its device.
        arrays: columns of its conditions.
    """

    rule: Rule
    digest: str
    version: int
    series: I4
    arrays: Arrays


class KeptActive(msgspec.Struct, frozen=True, kw_only=True):
    """An active condition that a second signal may make worse; see ``alerts.confirm.Active``."""

    said: Transition
    level: int
    onset_us: int
    confirmed: bool


class Links(msgspec.Struct, frozen=True, kw_only=True):
    """What is remembered between conditions: who is held back, and what confirms what."""

    held: list[Transition] = []
    active: list[KeptActive] = []
    onsets: list[tuple[str, str, str, int]] = []


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """All that an engine knows.

    Attributes:
        clock_us: our clock, as far as the engine has heard of it.
        names: series, as ``device:quantity``.
        last_us: of each, event time of what was judged last; ``heard_us`` our clock when it came.
        board_us: newest accepted event time of each, ``board_value`` the value; empty if no judge
            asks.
        gateways: ids, and their ``gateway_arrays``.
    """

    clock_us: int
    names: list[str]
    last_us: I8
    heard_us: I8
    board_us: I8
    board_value: F8
    rules: list[KeptRule]
    gateways: list[str]
    gateway_arrays: Arrays
    links: Links


def pack(kept: Kept) -> bytes:
    """Return the stored form."""
    blocks = _Blocks()

    def lay(thing: object) -> object:
        if isinstance(thing, np.ndarray):
            return blocks.lay(thing)
        raise TypeError(f"a snapshot does not keep {type(thing).__name__}")

    header = msgspec.msgpack.encode(kept, enc_hook=lay)
    size = len(header).to_bytes(8, "little")
    body = b"".join((size, header, *blocks.parts))
    check = zlib.crc32(body).to_bytes(4, "little")
    return b"".join((MAGIC, bytes([VERSION]), check, body))


def unpack(blob: bytes) -> Kept:
    """Return what ``pack`` was given.

    Raises:
        ValueError: if the bytes are no snapshot of this version, or are damaged.
    """
    view = memoryview(blob)
    begin = len(MAGIC) + 5
    if bytes(view[: len(MAGIC)]) != MAGIC or len(view) < begin + 8:
        raise ValueError("no engine snapshot")
    if view[len(MAGIC)] != VERSION:
        raise ValueError(f"engine snapshot of version {view[len(MAGIC)]}, {VERSION} is read")
    if zlib.crc32(view[begin:]) != int.from_bytes(view[begin - 4 : begin], "little"):
        raise ValueError("the engine snapshot is damaged")
    body = view[begin:]
    end = 8 + int.from_bytes(body[:8], "little")
    blocks = body[end:]

    def find(kind: type, thing: object) -> object:
        del kind
        return _find_array(thing, blocks)

    try:
        # No one else writes into these arrays, so they may be views of the blob.
        return msgspec.msgpack.decode(body[8:end], type=Kept, dec_hook=find)
    except (msgspec.MsgspecError, ValueError, TypeError, LookupError) as error:
        raise ValueError(f"the engine snapshot cannot be read: {error}") from error


class _Blocks:
    """The bytes of arrays, one after the other."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self._length = 0

    def lay(self, array: npt.NDArray[Any]) -> dict[str, object]:
        """Append an array; return where and what it is."""
        said: dict[str, object] = {
            "kind": array.dtype.str,
            "shape": array.shape,
            "at": self._length,
        }
        full = _full_rows(array)
        if len(array) and len(full) <= _SPARSE * len(array):
            said["rows"] = len(full)
            self._append(full.astype("<u4").tobytes())
            array = array[full]
        self._append(array.tobytes())
        return said

    def _append(self, part: bytes) -> None:
        self.parts.append(part)
        self._length += len(part)


def _full_rows(array: npt.NDArray[Any]) -> npt.NDArray[np.intp]:
    flat = array.reshape(len(array), -1) if len(array) else array.reshape(0, 1)
    return np.flatnonzero((flat != 0).any(axis=1))


def _find_array(said: object, blocks: memoryview) -> npt.NDArray[Any]:
    """Return an array that ``_Blocks.lay`` has laid.

    Raises:
        TypeError: if there is none; ValueError: if its bytes are not there.
    """
    if not isinstance(said, dict):
        raise TypeError("an array is missing")
    kind, shape, at = np.dtype(said["kind"]), tuple(said["shape"]), int(said["at"])
    if kind.kind not in _KINDS:
        raise ValueError(f"an array of {kind}")
    if "rows" not in said:
        many = int(np.prod(shape, dtype=np.int64))
        return np.frombuffer(blocks, dtype=kind, count=many, offset=at).reshape(shape)
    rows = int(said["rows"])
    full = np.frombuffer(blocks, dtype="<u4", count=rows, offset=at)
    array = np.zeros(shape, dtype=kind)
    many = rows * int(np.prod(shape[1:], dtype=np.int64))
    part = np.frombuffer(blocks, dtype=kind, count=many, offset=at + 4 * rows)
    array[full] = part.reshape(rows, *shape[1:])
    return array
