"""Messages to columns: SenML packs of many gateways become one set of equally long arrays.

Plain JSON packs (names, times, numbers, units, quality) are decoded straight into small structs and
walked once, one dictionary look-up per reading. Every other pack (CBOR, base units and values,
booleans, sums, versions) goes through ``core.senml``, which also words every refusal, so that both
ways agree. What the values mean is judged next door, in ``ingest.check``.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import msgspec
import numpy as np
import numpy.typing as npt

from core import senml, topics
from core.batch import F8, I4, I8
from core.model import Channel, Rejected, RejectReason
from ingest.message import Message

OWN_UNIT = 0
"""Unit code of a reading that names no unit: it is in its quantity's own."""
NO_CODE = -1
"""Series or unit code of a text that the given mapping does not hold."""

CBOR = "application/senml+cbor"
_CHANNELS = frozenset({Channel.LIVE, Channel.BACKFILL, Channel.EVENT})
_BITS = 0xFFFF  # as core.senml keeps them
_MAX_BIGINT = 2**63 - 1


class _Plain(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """A record that needs no more than this; any further label sends the pack the general way."""

    v: float
    n: str = ""
    t: float = 0.0
    bn: str | None = None
    bt: float | None = None
    u: str | None = None
    q: int = 0
    seq: int | None = None
    ep: int | None = None
    lo: int | None = None


class _Head(msgspec.Struct, gc=False):
    """The labels that name a message of a spool, whatever else its records hold."""

    seq: int | None = None
    ep: int | None = None
    lo: int | None = None


# The last one: brackets nested deeper than the decoder follows.
_NO_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_PLAIN_PACK = msgspec.json.Decoder(list[_Plain])
_HEADS = msgspec.json.Decoder(list[_Head])


@dataclass(frozen=True, slots=True)
class SpoolMark:
    """Where a message stands in its gateway's spool."""

    gateway: str
    epoch: int
    seq: int
    low: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoded:
    """The readings of several messages as columns, and what could not become one.

    Attributes:
        series: series id, or NO_CODE.
        unit: code by the given mapping, OWN_UNIT, or NO_CODE.
        observed_s: device clock, seconds since the Unix epoch, UTC; not yet judged.
        value: in the unit that ``unit`` names; may be NaN or infinite (CBOR).
        quality: bits as sent.
        message: position of the message that brought the reading.
        received_us: of each message.
        gateways: of each message; "" where the topic is bad.
        backfill: of each message: came on the backfill channel.
        marks: of each message that carries a spool sequence, else None.
        names: row -> name, where ``series`` is NO_CODE.
        units: row -> unit, where ``unit`` is NO_CODE.
        rejected: whole messages, and records whose value is no number.
        refused: of each of ``rejected``: position of the message that brought it.
    """

    series: I4
    unit: I4
    observed_s: F8
    value: F8
    quality: I4
    message: npt.NDArray[np.intp]
    received_us: I8
    gateways: list[str]
    backfill: npt.NDArray[np.bool_]
    marks: list[SpoolMark | None]
    names: dict[int, str]
    units: dict[int, str]
    rejected: list[Rejected]
    refused: list[int]

    def __len__(self) -> int:
        return len(self.series)


class _Columns:
    """The growing lists of one decode; a message that fails midway is cut off again."""

    __slots__ = (
        "names", "observed_s", "quality", "refused", "rejected", "series", "unit", "units", "value",
    )  # fmt: skip

    def __init__(self) -> None:
        self.series: list[int] = []
        self.unit: list[int] = []
        self.observed_s: list[float] = []
        self.value: list[float] = []
        self.quality: list[int] = []
        self.names: dict[int, str] = {}
        self.units: dict[int, str] = {}
        self.rejected: list[Rejected] = []
        self.refused: list[int] = []

    def cut(self, size: int) -> None:
        """Forget the rows from ``size`` on."""
        for row in range(size, len(self.series)):
            self.names.pop(row, None)
            self.units.pop(row, None)
        for column in (self.series, self.unit, self.observed_s, self.value, self.quality):
            del column[size:]


def decode(
    messages: Sequence[Message], series: Mapping[str, int], units: Mapping[str, int]
) -> Decoded:
    """Return the readings of ``messages`` as columns. Never raises, whatever the bytes.

    Args:
        messages: in order of arrival.
        series: ``"device:quantity"`` -> series id; what it lacks keeps its name in ``names``.
        units: unit -> code (larger than OWN_UNIT); what it lacks keeps its text in ``units``.
    """
    columns = _Columns()
    counts: list[int] = []
    marks: list[SpoolMark | None] = []
    places = [_place(message.topic) for message in messages]
    for position, (message, place) in enumerate(zip(messages, places, strict=True)):
        before = len(columns.series)
        if place is None:
            columns.rejected.append(_bad_topic(message))
            marks.append(None)
        else:
            marks.append(_decode_one(message, place.gateway, series, units, columns))
        counts.append(len(columns.series) - before)
        if len(columns.rejected) > len(columns.refused):
            columns.refused += [position] * (len(columns.rejected) - len(columns.refused))
    return _seal(messages, places, columns, counts, marks)


def _seal(
    messages: Sequence[Message],
    places: list[topics.Topic | None],
    columns: _Columns,
    counts: list[int],
    marks: list[SpoolMark | None],
) -> Decoded:
    received_us = np.array([message.received_us for message in messages], dtype=np.int64)
    message = np.repeat(np.arange(len(messages)), counts)
    observed_s = np.array(columns.observed_s, dtype=np.float64)
    relative = observed_s < senml.RELATIVE_BELOW_S
    if relative.any():
        observed_s[relative] += received_us[message[relative]] / 1e6
    return Decoded(
        series=np.array(columns.series, dtype=np.int32),
        unit=np.array(columns.unit, dtype=np.int32),
        observed_s=observed_s,
        value=np.array(columns.value, dtype=np.float64),
        quality=_low_bits(columns.quality),
        message=message,
        received_us=received_us,
        gateways=[place.gateway if place else "" for place in places],
        backfill=np.array(
            [place is not None and place.channel is Channel.BACKFILL for place in places],
            dtype=np.bool_,
        ),
        marks=marks,
        names=columns.names,
        units=columns.units,
        rejected=columns.rejected,
        refused=columns.refused,
    )


def _low_bits(quality: list[int]) -> I4:
    try:
        wide = np.array(quality, dtype=np.int64)
    except OverflowError:
        wide = np.array([bits & _BITS for bits in quality], dtype=np.int64)
    return (wide & _BITS).astype(np.int32)


@lru_cache(maxsize=65536)
def _place(topic: str) -> topics.Topic | None:
    place = topics.parse(topic)
    return place if place is not None and place.channel in _CHANNELS else None


def _decode_one(
    message: Message,
    gateway: str,
    series: Mapping[str, int],
    units: Mapping[str, int],
    columns: _Columns,
) -> SpoolMark | None:
    if message.content_type != CBOR and len(message.payload) <= senml.MAX_BYTES:
        try:
            pack = _PLAIN_PACK.decode(message.payload)
        except _NO_JSON:
            pack = []
        if 0 < len(pack) <= senml.MAX_RECORDS and _walk(pack, series, units, columns):
            head = pack[0]
            return _mark(gateway, head.ep, head.seq, head.lo)
    return _decode_general(message, gateway, series, units, columns)


def _walk(
    pack: list[_Plain], series: Mapping[str, int], units: Mapping[str, int], columns: _Columns
) -> bool:
    """Append the records of a plain pack; False when a name is none (then nothing is appended)."""
    start = len(columns.series)
    add_series, add_unit = columns.series.append, columns.unit.append
    add_time, add_value = columns.observed_s.append, columns.value.append
    add_quality = columns.quality.append
    base, since = "", 0.0
    for record in pack:
        if record.bn is not None:
            base = record.bn
        if record.bt is not None:
            since = record.bt
        name = base + record.n
        code = series.get(name, NO_CODE)
        if code == NO_CODE:
            # A registered name is valid; only a strange one pays for the look at its letters.
            if not senml.is_name(name):
                columns.cut(start)
                return False
            columns.names[len(columns.series)] = name
        if record.u is None:
            add_unit(OWN_UNIT)
        else:
            unit = units.get(record.u, NO_CODE)
            if unit == NO_CODE:
                columns.units[len(columns.series)] = record.u
            add_unit(unit)
        add_series(code)
        add_time(since + record.t)
        add_value(record.v)
        add_quality(record.q)
    return True


def _decode_general(
    message: Message,
    gateway: str,
    series: Mapping[str, int],
    units: Mapping[str, int],
    columns: _Columns,
) -> SpoolMark | None:
    read = senml.decode_cbor if message.content_type == CBOR else senml.decode_json
    lost = 1
    mark = _find_mark(message, gateway)
    try:
        records = read(message.payload)
        lost = max(1, len(records))
        resolved = senml.resolve(records, message.received_us / 1e6)
    except senml.SenmlError as error:
        columns.rejected.append(_unparsable(message, str(error), lost))
        return mark
    except ModuleNotFoundError as error:
        sentence = f"CBOR is not read here: install the extra cbor ({error.name})"
        columns.rejected.append(_unparsable(message, sentence, lost))
        return mark
    for record in resolved:
        _append_resolved(record, message, series, units, columns)
    head = records[0] if records else None
    return mark if head is None else _mark(gateway, head.ep, head.seq, head.lo)


def _append_resolved(
    record: senml.Resolved,
    message: Message,
    series: Mapping[str, int],
    units: Mapping[str, int],
    columns: _Columns,
) -> None:
    if not isinstance(record.value, (bool, int, float)):
        columns.rejected.append(_no_number(record, message))
        return
    row = len(columns.series)
    code = series.get(record.name, NO_CODE)
    if code == NO_CODE:
        columns.names[row] = record.name
    unit = OWN_UNIT if record.unit is None else units.get(record.unit, NO_CODE)
    if unit == NO_CODE and record.unit is not None:
        columns.units[row] = record.unit
    columns.series.append(code)
    columns.unit.append(unit)
    columns.observed_s.append(record.time_s)
    columns.value.append(float(record.value))
    columns.quality.append(int(record.quality))


def _find_mark(message: Message, gateway: str) -> SpoolMark | None:
    """Return the mark of a pack whose records are refused, so that its spool may forget it."""
    try:
        heads = _HEADS.decode(message.payload)
    except _NO_JSON:
        return None
    return _mark(gateway, heads[0].ep, heads[0].seq, heads[0].lo) if heads else None


def _mark(gateway: str, epoch: int | None, seq: int | None, low: int | None) -> SpoolMark | None:
    if epoch is None or seq is None or not (0 <= epoch <= _MAX_BIGINT and 1 <= seq <= _MAX_BIGINT):
        return None
    # A spool that still sends a sequence still holds it: a larger `lo` is nonsense.
    return SpoolMark(gateway, epoch, seq, low if low is not None and 1 <= low <= seq else 1)


def _bad_topic(message: Message) -> Rejected:
    try:
        readings = max(1, len(_HEADS.decode(message.payload)))
    except _NO_JSON:
        readings = 1
    return Rejected(
        reason=RejectReason.BAD_TOPIC,
        detail="the topic is not bt/v1/{shard}/{gateway}/{channel} with the gateway's own shard",
        topic=message.topic,
        payload=message.payload,
        received_us=message.received_us,
        readings=readings,
        content_type=message.content_type,
    )


def _unparsable(message: Message, sentence: str, readings: int) -> Rejected:
    return Rejected(
        reason=RejectReason.UNPARSABLE,
        detail=sentence,
        topic=message.topic,
        payload=message.payload,
        received_us=message.received_us,
        readings=readings,
        content_type=message.content_type,
    )


def _no_number(record: senml.Resolved, message: Message) -> Rejected:
    return Rejected(
        reason=RejectReason.BAD_VALUE,
        detail=f"{record.name}: only numbers and booleans are stored",
        topic=message.topic,
        payload=msgspec.json.encode([_again(record)]),
        received_us=message.received_us,
    )


def _again(record: senml.Resolved) -> dict[str, object]:
    """Return the record as it can be sent again: its base fields applied, its time absolute."""
    fields: dict[str, object] = {"n": record.name, "t": record.time_s}
    if isinstance(record.value, bytes):
        fields["vd"] = base64.urlsafe_b64encode(record.value).rstrip(b"=").decode()
    elif record.value is not None:
        fields["vs"] = record.value
    else:
        fields["s"] = record.sum
    if record.unit is not None:
        fields["u"] = record.unit
    if record.quality:
        fields["q"] = int(record.quality)
    return fields
