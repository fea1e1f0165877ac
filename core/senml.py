"""SenML (RFC 8428) in JSON and CBOR: decode, resolve, encode. Sans I/O; bytes in, records out.

Records carry four labels of our own, which a foreign consumer may ignore (section 4.4): ``q``, the
quality bits of a reading; and in a pack's first record ``seq``, ``ep`` and ``lo``: where the
message stands in its gateway's spool.
"""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Sequence
from io import BytesIO
from typing import Any

import msgspec

from core.model import Quality, Reading

MAX_BYTES = 1 << 20
"""Longest pack that is looked at, in bytes."""
MAX_RECORDS = 10_000
"""Most records in a pack."""
VERSION = 10
"""The version of SenML that RFC 8428 describes; a pack of a higher one is refused (section 4.4)."""
RELATIVE_BELOW_S = 2.0**28
"""A time below this counts from now (section 4.5.3)."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9\-:./_]*")
_BASE64URL = re.compile(r"[A-Za-z0-9_-]*")
_LABELS = {-1: "bver", -2: "bn", -3: "bt", -4: "bu", -5: "bv", -6: "bs"}
_LABELS |= {0: "n", 1: "u", 2: "v", 3: "vs", 4: "vb", 5: "s", 6: "t", 7: "ut", 8: "vd"}
_NUMBERS = {label: number for number, label in _LABELS.items()}

Value = float | bool | str | bytes


class SenmlError(ValueError):
    """A pack breaks RFC 8428 or our limits.

    Attributes:
        index: position of the record, counted from 0; None when it is the pack as a whole.
    """

    def __init__(self, sentence: str, index: int | None = None) -> None:
        super().__init__(sentence if index is None else f"record {index}: {sentence}")
        self.index = index


class Record(msgspec.Struct, omit_defaults=True, forbid_unknown_fields=True, kw_only=True):
    """One record as it stands in a pack; labels are the RFC's (section 4.1 and 4.2) and ours."""

    bn: str | None = None
    bt: float | None = None
    bu: str | None = None
    bv: float | None = None
    bs: float | None = None
    bver: int | None = None
    n: str | None = None
    u: str | None = None
    v: float | None = None
    vs: str | None = None
    vb: bool | None = None
    vd: str | None = None
    s: float | None = None
    t: float | None = None
    ut: float | None = None
    q: int | None = None
    seq: int | None = None
    ep: int | None = None
    lo: int | None = None


class Resolved(msgspec.Struct, frozen=True, kw_only=True):
    """A record with all base fields applied (section 4.6).

    Attributes:
        name: base name and name joined.
        unit: None if neither record nor base names one.
        value: None if the record has only a sum.
        sum: integrated value, None if there is none.
        time_s: seconds since the Unix epoch, UTC.
        quality: bits of our label ``q``.
        update_s: within how many seconds the next reading is due, None if not said.
    """

    name: str
    unit: str | None
    value: Value | None
    sum: float | None
    time_s: float
    quality: Quality
    update_s: float | None = None


_PACK = msgspec.json.Decoder(list[Record])
_ANY = msgspec.json.Decoder()
_ENCODER = msgspec.json.Encoder()


def is_name(text: str) -> bool:
    """Tell whether ``text`` may be a resolved name (section 4.5.1).

    Example:
        >>> is_name("urn:dev:ow:10e2073a01080063"), is_name("-a"), is_name("a b"), is_name("")
        (True, False, False, False)
    """
    return _NAME.fullmatch(text) is not None


def decode_json(data: bytes) -> list[Record]:
    """Return the records of a JSON pack.

    Raises:
        SenmlError: if it is no JSON, no array of records, too large, or holds a label that must be
            understood and is not known.
    """
    _check_size(data)
    try:
        records = _PACK.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _records(_loose_json(data))
    return _bounded(records)


def decode_cbor(data: bytes) -> list[Record]:
    """Return the records of a CBOR pack (section 6). Needs the ``cbor`` extra.

    Raises:
        SenmlError: as for JSON.
    """
    import cbor2  # an extra: gateways that speak JSON do without it

    _check_size(data)
    stream = BytesIO(data)
    try:
        items = cbor2.load(stream)
    except (cbor2.CBORError, ValueError, OverflowError, RecursionError, TypeError) as error:
        raise SenmlError(f"not CBOR: {error}") from error
    if stream.read(1):
        raise SenmlError("bytes follow the pack")
    if not isinstance(items, list):
        raise SenmlError("a pack is an array of records")
    return _records([_textual(item, index) for index, item in enumerate(items)])


def encode_json(records: Sequence[Record]) -> bytes:
    """Return the pack as JSON."""
    return _ENCODER.encode(records)


def encode_cbor(records: Sequence[Record]) -> bytes:
    """Return the pack as CBOR. Needs the ``cbor`` extra."""
    import cbor2  # an extra: gateways that speak JSON do without it

    items = []
    for index, record in enumerate(records):
        fields = {k: v for k, v in msgspec.structs.asdict(record).items() if v is not None}
        if record.vd is not None:
            fields["vd"] = _unbase64(record.vd, index)
        items.append({_NUMBERS.get(label, label): value for label, value in fields.items()})
    encoded: bytes = cbor2.dumps(items)
    return encoded


def resolve(records: Sequence[Record], now_s: float) -> list[Resolved]:
    """Apply the base fields; ``now_s`` is what relative times count from.

    Raises:
        SenmlError: naming the record and the rule it breaks.
    """
    _check_version(records)
    base = Record()
    resolved = []
    for index, record in enumerate(records):
        _take_base(base, record)
        resolved.append(_resolve_one(base, record, index, now_s))
    return resolved


def pack(readings: Sequence[Reading], *, seq: int, epoch: int, low: int) -> bytes:
    """Return readings as the JSON pack of one spool message.

    Args:
        readings: at least one, in any order; devices side by side make it shorter.
        seq: sequence in the spool, from 1.
        epoch: when the spool was made, milliseconds since the Unix epoch.
        low: smallest sequence that the spool still holds.
    """
    records = []
    device = since = None
    for reading in readings:
        record = Record(n=reading.quantity, v=reading.value)
        if reading.device != device:
            device = reading.device
            record.bn = device + ":"
        if reading.observed_s != since:
            record.t = None if since is None else _offset(since, reading.observed_s)
        if since is None or (reading.observed_s != since and record.t is None):
            since = record.bt = reading.observed_s
        record.u = reading.unit
        record.q = int(reading.quality) or None
        records.append(record)
    first = records[0]
    first.seq, first.ep, first.lo = seq, epoch, low
    return _ENCODER.encode(records)


def _offset(base_s: float, time_s: float) -> float | None:
    """Return what added to ``base_s`` gives ``time_s`` to the microsecond; None if no number does.

    From 2038 on a double holds half microseconds only, and a sum of two may miss by one.
    """
    offset = round(time_s - base_s, 6)
    return offset if round((base_s + offset) * 1e6) == round(time_s * 1e6) else None


def _check_size(data: bytes) -> None:
    if len(data) > MAX_BYTES:
        raise SenmlError(f"{len(data)} bytes; a pack may have {MAX_BYTES}")


def _bounded(records: list[Record]) -> list[Record]:
    if len(records) > MAX_RECORDS:
        raise SenmlError(f"{len(records)} records; a pack may have {MAX_RECORDS}")
    return records


def _loose_json(data: bytes) -> list[Any]:
    try:
        items = _ANY.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SenmlError(f"not JSON: {error}") from error
    if not isinstance(items, list):
        raise SenmlError("a pack is an array of records")
    return items


def _records(items: list[Any]) -> list[Record]:
    """Make records of plain objects; unknown labels are dropped, or refused if marked so."""
    if len(items) > MAX_RECORDS:
        raise SenmlError(f"{len(items)} records; a pack may have {MAX_RECORDS}")
    records = []
    for index, item in enumerate(items):
        if not isinstance(item, dict):
            raise SenmlError("a record is an object", index)
        known = {}
        for label, value in item.items():
            if label in Record.__struct_fields__:
                known[label] = value
            elif isinstance(label, str) and label.endswith("_"):
                # Section 4.4: a label that ends in an underscore must be understood.
                raise SenmlError(f"the label {label!r} must be understood and is not known", index)
        try:
            records.append(msgspec.convert(known, Record))
        except msgspec.ValidationError as error:
            raise SenmlError(str(error), index) from error
    return records


def _textual(item: object, index: int) -> object:
    """Give a CBOR record the labels of JSON, and its data value the JSON form."""
    if not isinstance(item, dict):
        return item
    named = {_LABELS.get(label, label): value for label, value in item.items()}
    data = named.get("vd")
    if isinstance(data, bytes):
        named["vd"] = base64.urlsafe_b64encode(data).rstrip(b"=").decode()
    elif data is not None:
        raise SenmlError("vd must be a byte string", index)
    return named


def _check_version(records: Sequence[Record]) -> None:
    version = None
    for index, record in enumerate(records):
        said = VERSION if record.bver is None and index == 0 else record.bver
        if said is None:
            continue
        if not 1 <= said <= VERSION:
            raise SenmlError(f"version {said}; versions 1 to {VERSION} are known", index)
        version = version or said
        if said != version:
            raise SenmlError("bver may not change inside a pack", index)


def _take_base(base: Record, record: Record) -> None:
    for label in ("bn", "bt", "bu", "bv", "bs"):
        value = getattr(record, label)
        if value is not None:
            setattr(base, label, value)


def _resolve_one(base: Record, record: Record, index: int, now_s: float) -> Resolved:
    name = (base.bn or "") + (record.n or "")
    if not is_name(name):
        raise SenmlError(
            f"the name {name!r} is empty or has signs that RFC 8428, 4.5.1 bars", index
        )
    value = _value(base, record, index)
    total = record.s
    if base.bs is not None:
        total = base.bs + (record.s or 0.0)
    if value is None and total is None:
        raise SenmlError("neither a value nor a sum", index)
    time_s = (base.bt or 0.0) + (record.t or 0.0)
    if not math.isfinite(time_s):
        raise SenmlError("the time is not finite", index)
    return Resolved(
        name=name,
        unit=record.u if record.u is not None else base.bu,
        value=value,
        sum=total,
        time_s=time_s + now_s if time_s < RELATIVE_BELOW_S else time_s,
        quality=Quality((record.q or 0) & 0xFFFF),
        update_s=record.ut,
    )


def _value(base: Record, record: Record, index: int) -> Value | None:
    named = [label for label in ("v", "vs", "vb", "vd") if getattr(record, label) is not None]
    if len(named) > 1:
        raise SenmlError(f"more than one value: {', '.join(named)}", index)
    if record.vs is not None:
        return record.vs
    if record.vb is not None:
        return record.vb
    if record.vd is not None:
        return _unbase64(record.vd, index)
    if base.bv is not None:
        return base.bv + (record.v or 0.0)
    return record.v


def _unbase64(text: str, index: int) -> bytes:
    bare = text.rstrip("=")
    if not _BASE64URL.fullmatch(bare) or len(bare) % 4 == 1:
        raise SenmlError("vd is not base64url", index)
    return base64.urlsafe_b64decode(bare + "=" * (-len(bare) % 4))
