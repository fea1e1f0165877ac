"""Lines of a file to columns that the checker of the wire judges. Pure.

A line that cannot be read at all (no time, no number) is refused here, with a sentence; whether
the device is known, the unit fits and the time is sane is judged by ``ingest.check`` for all alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from typing import overload

import msgspec
import numpy as np

from core.model import Rejected, RejectReason, parse_time
from ingest.check import Tables
from ingest.decode import NO_CODE, OWN_UNIT, Decoded
from ingest.message import Message
from ingest.rejected_choice import IMPORTED

COLUMNS = ("device", "quantity", "time", "value", "unit", "quality")
REQUIRED = COLUMNS[:4]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_BITS = 0xFFFF
_LONGEST = 1000  # bytes kept of a line that cannot be read

Cell = str | int | float | None


class Line(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One line of a file. Text as a CSV has it, or values as a Parquet file has them.

    Attributes:
        number: of the line in the file, from 1.
        time: RFC 3339 text, or microseconds since the Unix epoch, UTC.
        unit: "" or None is the quantity's own.
        quality: bits; "" or None are none.
    """

    number: int
    device: str
    quantity: str
    time: Cell
    value: Cell
    unit: str | None = None
    quality: Cell = None


@dataclass(slots=True, kw_only=True)
class Lines:
    """Some lines of a file, as columns; what cannot be read is in ``refused``.

    Attributes:
        source: name of the file, for rejects.
        zone: what a time without an offset is in; None refuses it.
    """

    source: str
    zone: tzinfo | None = None
    number: list[int] = field(default_factory=list)
    name: list[str] = field(default_factory=list)
    unit: list[str] = field(default_factory=list)
    observed_us: list[int] = field(default_factory=list)
    value: list[float] = field(default_factory=list)
    quality: list[int] = field(default_factory=list)
    refused: list[Rejected] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.number) + len(self.refused)

    def add(self, line: Line) -> None:
        """Take in a line, or refuse it."""
        if not line.device or not line.quantity:
            missing = "quantity" if line.device else "device"
            self.refuse(line.number, RejectReason.BAD_NAME, f"no {missing} is named", str(line))
            return
        name = f"{line.device}:{line.quantity}"
        try:
            reason = RejectReason.BAD_TIME
            observed_us = moment_us(line.time, self.zone)
            reason = RejectReason.BAD_VALUE
            value = number(line.value)
            quality = bits(line.quality)
        except ValueError as error:
            self.refuse(line.number, reason, f"{name}: {error}", str(line))
            return
        self.number.append(line.number)
        self.name.append(name)
        self.unit.append(line.unit or "")
        self.observed_us.append(observed_us)
        self.value.append(value)
        self.quality.append(quality)

    def refuse(self, number: int, reason: RejectReason, sentence: str, line: str) -> None:
        """Keep a line aside; when it is stored it gets its time of arrival."""
        self.refused.append(
            Rejected(
                reason=reason,
                detail=sentence,
                topic=place(self.source, number),
                payload=line.encode("utf-8", errors="backslashreplace")[:_LONGEST],
                received_us=0,
            )
        )


def place(source: str, number: int) -> str:
    """Return what stands for the topic of a line.

    Example:
        >>> place("may.csv", 17)
        'import/may.csv:17'
    """
    return f"{IMPORTED}{source}:{number}"


def decoded(lines: Lines, tables: Tables, now_us: int) -> tuple[Decoded, Sequence[Message]]:
    """Return the columns and the stand-ins for messages that ``ingest.check`` takes.

    Each line counts as a backfill message of the gateway that has its device.
    """
    series = np.array([tables.series.get(name, NO_CODE) for name in lines.name], dtype=np.int32)
    codes = {"": OWN_UNIT} | tables.units
    unit = np.array([codes.get(text, NO_CODE) for text in lines.unit], dtype=np.int32)
    gateways = [*tables.gateways, ""]
    owner = np.where(series == NO_CODE, len(gateways) - 1, tables.gateway[series])
    columns = Decoded(
        series=series,
        unit=unit,
        observed_s=np.array(lines.observed_us, dtype=np.int64) / 1e6,
        value=np.array(lines.value, dtype=np.float64),
        quality=np.array(lines.quality, dtype=np.int32),
        message=np.arange(len(series)),
        received_us=np.full(len(series), now_us, dtype=np.int64),
        gateways=[gateways[code] for code in owner.tolist()],
        backfill=np.ones(len(series), dtype=np.bool_),
        marks=[None] * len(series),
        names={row: lines.name[row] for row in np.flatnonzero(series == NO_CODE).tolist()},
        units={row: lines.unit[row] for row in np.flatnonzero(unit == NO_CODE).tolist()},
        rejected=[],
        refused=[],
    )
    return columns, _Places(lines, now_us)


class _Places(Sequence[Message]):
    """The lines as messages, each made when it is asked for: only refused ones are."""

    def __init__(self, lines: Lines, now_us: int) -> None:
        self._lines = lines
        self._now_us = now_us

    def __len__(self) -> int:
        return len(self._lines.number)

    @overload
    def __getitem__(self, index: int) -> Message: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Message]: ...

    def __getitem__(self, index: int | slice) -> Message | Sequence[Message]:
        if isinstance(index, slice):
            return [self[row] for row in range(*index.indices(len(self)))]
        topic = place(self._lines.source, self._lines.number[index])
        return Message(topic=topic, payload=b"", received_us=self._now_us)


def moment_us(cell: Cell, zone: tzinfo | None) -> int:
    """Return a time in microseconds since the Unix epoch.

    Args:
        cell: text that ``datetime.fromisoformat`` takes; beyond microseconds it is cut off. A
            number is the result already.
        zone: for text without an offset; of a time that comes twice (clocks put back) the first.

    Raises:
        ValueError: with a sentence.

    Example:
        >>> moment_us("2026-07-01T08:00:00+08:00", None) == moment_us("2026-07-01T00:00Z", None)
        True
    """
    if isinstance(cell, int):
        return cell
    if not isinstance(cell, str) or not cell:
        raise ValueError("no time")
    try:
        when = datetime.fromisoformat(cell)
    except ValueError as error:
        raise ValueError(f"{cell!r} is no time; write it like 2026-07-01T08:00:00+08:00") from error
    if when.tzinfo is None and zone is not None:
        when = _in_zone(when, zone, cell)
    elif when.tzinfo is None:
        when = parse_time(cell)  # words the refusal
    return (when - _EPOCH) // _MICROSECOND


def _in_zone(when: datetime, zone: tzinfo, cell: str) -> datetime:
    aware = when.replace(tzinfo=zone)
    if aware.astimezone(UTC).astimezone(zone).replace(tzinfo=None) != when:
        raise ValueError(f"{cell!r} does not exist in {zone}: clocks were put forward over it")
    return aware


def number(cell: Cell) -> float:
    """Return a value.

    Raises:
        ValueError: with a sentence.

    Example:
        >>> number("-1.5e3"), number(" 7 "), number(True)
        (-1500.0, 7.0, 1.0)
    """
    if isinstance(cell, (int, float)):
        return float(cell)
    if cell is None or not cell.strip():
        raise ValueError("no value")
    try:
        # Python takes 1_000 for a thousand; nobody means that.
        return float("no" if "_" in cell else cell)
    except ValueError as error:
        raise ValueError(
            f"{cell!r} is no number; write it like 1234.5, without signs between thousands"
        ) from error


def bits(cell: Cell) -> int:
    """Return quality bits.

    Raises:
        ValueError: with a sentence.

    Example:
        >>> bits("17"), bits(""), bits(None), bits("64.0")
        (17, 0, 0, 64)
    """
    if cell is None or cell == "":
        return 0
    try:
        value = float(cell)
        if value.is_integer() and 0 <= value <= _BITS:
            return int(value)
    except (ValueError, OverflowError):
        pass
    raise ValueError(f"quality {cell!r} is no whole number from 0 to {_BITS}")
