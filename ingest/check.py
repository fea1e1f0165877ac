"""Columns to a batch: what is known and in the right unit goes on, the rest is rejected.

Everything is judged for all rows at once; only the rows that are refused become objects. A row is
judged by itself here; what it is after its neighbours is found next door, in ``ingest.quality``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
import numpy.typing as npt

from core.batch import F8, I4, I8, Batch
from core.model import SET_BY_STORE, Quality, Rejected, RejectReason, is_id
from core.plausible import Plausible, default_of
from core.registry import Registry, SeriesInfo
from core.units import QUANTITIES, UNITS, conversion
from ingest.decode import NO_CODE, OWN_UNIT, Decoded
from ingest.message import Message

OLDEST_S = 631_152_000.0
"""1990-01-01 UTC: an older time is a clock that was never set (GPS receivers start in 1980)."""

_NEVER_US = 1 << 61
_FEWEST_INTERVALS = 12  # a slow reporter has said the same this often before it counts as stuck
_GAP_INTERVALS = 3
_GAPS = 4
_KNOWN_BITS = sum(Quality) & ~SET_BY_STORE
_REASONS = [
    RejectReason.UNKNOWN_DEVICE,
    RejectReason.FOREIGN_GATEWAY,
    RejectReason.BAD_VALUE,
    RejectReason.BAD_UNIT,
    RejectReason.BAD_TIME,
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How far a device clock may be ahead of ours, in seconds.

    Attributes:
        clock_skew_s: beyond it the reading is marked.
        max_future_s: beyond it the reading is rejected.
    """

    clock_skew_s: float
    max_future_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Tables:
    """The registry as arrays indexed by series id, made once per registry.

    Attributes:
        series: ``"device:quantity"`` -> series id.
        units: unit -> unit code.
        gateways: gateway id -> gateway code.
        gateway: gateway code of each series.
        quantity: column of each series in ``scale`` and ``offset``.
        low: smallest plausible value of each series; ``high`` the largest.
        jump: believable change of each series at once; ``jump_per_s`` besides, for each second.
        stuck_us: microseconds each series may stay at one value.
        gap_us: microseconds between two readings after which that count starts anew.
        rest: value at which each series may stay for ever; NaN if there is none.
        scale: [unit code, quantity] -> factor, NaN where the unit does not fit.
        offset: likewise; added after the factor.
        registry: where they come from.
    """

    series: dict[str, int]
    units: dict[str, int]
    gateways: dict[str, int]
    gateway: I4
    quantity: I4
    low: F8
    high: F8
    jump: F8
    jump_per_s: F8
    stuck_us: I8
    gap_us: I8
    rest: F8
    scale: F8
    offset: F8
    registry: Registry


def tables_of(registry: Registry) -> Tables:
    """Return the arrays of a registry."""
    quantities = {name: code for code, name in enumerate(QUANTITIES)}
    strange = len(quantities)  # of a quantity that the table of units does not know
    gateways = {name: code for code, name in enumerate(sorted(registry.gateways))}
    gateway = np.full(registry.size, NO_CODE, dtype=np.int32)
    quantity = np.full(registry.size, strange, dtype=np.int32)
    believed = np.zeros(registry.size, dtype=_BELIEVED)
    believed[:] = _believed(Plausible(), 1.0)
    for series_id, info in registry.by_id.items():
        gateway[series_id] = gateways[info.gateway_id]
        quantity[series_id] = quantities.get(info.quantity, strange)
    _lay_believed(believed, registry.by_id)
    units, scale, offset = _conversions(list(quantities))
    return Tables(
        series=registry.ids,
        units=units,
        gateways=gateways,
        gateway=gateway,
        quantity=quantity,
        low=believed["low"].copy(),
        high=believed["high"].copy(),
        jump=believed["jump"].copy(),
        jump_per_s=believed["jump_per_s"].copy(),
        stuck_us=believed["stuck_us"].copy(),
        gap_us=believed["gap_us"].copy(),
        rest=believed["rest"].copy(),
        scale=scale,
        offset=offset,
        registry=registry,
    )


_BELIEVED = np.dtype(
    [
        ("low", "f8"), ("high", "f8"), ("jump", "f8"), ("jump_per_s", "f8"),
        ("stuck_us", "i8"), ("gap_us", "i8"), ("rest", "f8"),
    ]
)  # fmt: skip


def _lay_believed(believed: npt.NDArray[np.void], infos: Mapping[int, SeriesInfo]) -> None:
    """Fill in what is plausible of each series; those alike are asked for together."""
    alike: dict[tuple[str, float], list[int]] = {}
    for series_id, info in infos.items():
        if info.plausible is None:
            alike.setdefault((info.quantity, info.interval_s), []).append(series_id)
        else:
            believed[series_id] = _believed(info.plausible, info.interval_s)
    for (quantity, interval_s), members in alike.items():
        believed[members] = _believed(default_of(quantity), interval_s)


def _believed(plausible: Plausible, interval_s: float) -> tuple[float, ...]:
    """Return a row of ``_BELIEVED``.

    A value counts as staying only while readings come: a gap of a quarter of the time, but at least
    of three intervals, starts the count anew. Unless the device says how long, the time is at least
    twelve intervals.
    """
    stuck_s = plausible.stuck_s
    if not plausible.own_stuck_s:
        stuck_s = max(stuck_s, _FEWEST_INTERVALS * interval_s)
    gap_s = max(stuck_s / _GAPS, _GAP_INTERVALS * interval_s)
    rest = math.nan if plausible.rest is None else plausible.rest
    return (
        plausible.low, plausible.high, plausible.jump, plausible.jump_per_s,
        _micros(stuck_s), _micros(gap_s), rest,
    )  # fmt: skip


def _micros(seconds: float) -> int:
    return min(_NEVER_US, round(min(seconds, 1e15) * 1e6))


def _conversions(quantities: list[str]) -> tuple[dict[str, int], F8, F8]:
    units = {unit: code for code, unit in enumerate(UNITS, start=OWN_UNIT + 1)}
    scale = np.full((len(units) + 1, len(quantities) + 1), np.nan)
    offset = np.zeros_like(scale)
    scale[OWN_UNIT, :] = 1.0
    for unit, row in units.items():
        for column, quantity in enumerate(quantities):
            line = conversion(unit, quantity)
            if line is not None:
                scale[row, column], offset[row, column] = line
    return units, scale, offset


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What is to be stored and what is to be kept aside.

    Attributes:
        batch: the good rows, in order of arrival.
        rejected: the others, and the whole messages that decode refused.
        received: readings in all: rows of the batch plus readings of the rejects.
        message: of each row of the batch: position of the message that brought it; ascending.
        prompt: of each row of the batch: did not come on the backfill channel, and its clock is
            within ``clock_skew_s`` of ours, so that its way here can be timed.
        strangers: whether an unknown device or quantity was among them.
    """

    batch: Batch
    rejected: list[Rejected]
    received: int
    message: npt.NDArray[np.intp]
    prompt: npt.NDArray[np.bool_]
    strangers: bool


def check(decoded: Decoded, messages: Sequence[Message], tables: Tables, limits: Limits) -> Checked:
    """Judge the decoded rows; ``messages`` are those that were decoded."""
    reason, value = _judge(decoded, tables, limits)
    bad = np.flatnonzero(reason >= 0)
    rejected = decoded.rejected + [
        _reject(row, _REASONS[reason[row]], decoded, messages, tables) for row in bad.tolist()
    ]
    good = np.flatnonzero(reason < 0)
    batch = _batch(decoded, value, tables, limits).take(good)
    return Checked(
        batch=batch,
        rejected=rejected,
        received=len(batch) + sum(reject.readings for reject in rejected),
        message=decoded.message[good],
        prompt=_prompt(batch, limits),
        strangers=bool((decoded.series == NO_CODE).any()),
    )


def _prompt(batch: Batch, limits: Limits) -> npt.NDArray[np.bool_]:
    apart_us: I8 = np.abs(batch.received_us - batch.observed_us)
    backfilled = (batch.quality & Quality.BACKFILLED).astype(np.bool_)
    prompt: npt.NDArray[np.bool_] = (apart_us <= limits.clock_skew_s * 1e6) & ~backfilled
    return prompt


def _judge(decoded: Decoded, tables: Tables, limits: Limits) -> tuple[npt.NDArray[np.int8], F8]:
    """Return each row's index of the reason against it (-1: none), and its converted value."""
    known = decoded.series != NO_CODE
    sent_by = np.array([tables.gateways.get(name, NO_CODE) for name in decoded.gateways])
    foreign = known.copy()
    if len(sent_by):
        foreign &= tables.gateway[decoded.series] != sent_by[decoded.message]
    quantity = tables.quantity[decoded.series]
    scale = tables.scale[decoded.unit, quantity]
    value = decoded.value.copy()
    other = decoded.unit != OWN_UNIT
    if other.any():
        with np.errstate(over="ignore", invalid="ignore"):
            value[other] = (value * scale + tables.offset[decoded.unit, quantity])[other]
    misfit = (decoded.unit == NO_CODE) | (known & np.isnan(scale))
    sane = (decoded.observed_s >= OLDEST_S) & (
        decoded.observed_s <= decoded.received_us[decoded.message] / 1e6 + limits.max_future_s
    )
    reason = np.full(len(decoded), -1, dtype=np.int8)
    reason[~sane] = 4
    reason[misfit] = 3
    reason[~np.isfinite(decoded.value) | (~np.isfinite(value) & ~misfit)] = 2
    reason[foreign] = 1
    reason[~known] = 0
    return reason, value


def _batch(decoded: Decoded, value: F8, tables: Tables, limits: Limits) -> Batch:
    received_us = decoded.received_us[decoded.message]
    with np.errstate(invalid="ignore"):
        observed_us = np.rint(decoded.observed_s * 1e6).astype(np.int64)
        outside = (value < tables.low[decoded.series]) | (value > tables.high[decoded.series])
    ahead = decoded.observed_s > received_us / 1e6 + limits.clock_skew_s
    quality = decoded.quality & _KNOWN_BITS
    quality[outside] |= Quality.OUT_OF_RANGE
    quality[ahead] |= Quality.CLOCK_SKEW
    quality[decoded.backfill[decoded.message]] |= Quality.BACKFILLED
    return Batch(
        series=decoded.series,
        observed_us=observed_us,
        received_us=received_us,
        value=value,
        quality=quality.astype(np.int32),
    )


def _reject(
    row: int, reason: RejectReason, decoded: Decoded, messages: Sequence[Message], tables: Tables
) -> Rejected:
    message = messages[decoded.message[row]]
    series_id = int(decoded.series[row])
    if series_id == NO_CODE:
        name = decoded.names[row]
        reason, detail = _stranger(name, tables)
    else:
        info = tables.registry.by_id[series_id]
        name = f"{info.device_id}:{info.quantity}"
        detail = _why(row, reason, decoded, tables)
    return Rejected(
        reason=reason,
        detail=f"{name}: {detail}",
        topic=message.topic,
        payload=_record(row, name, decoded, tables),
        received_us=message.received_us,
    )


def _stranger(name: str, tables: Tables) -> tuple[RejectReason, str]:
    device, colon, quantity = name.rpartition(":")
    if not colon or not is_id(device) or not is_id(quantity):
        return RejectReason.BAD_NAME, "the name is not a device id, a colon and a quantity"
    if device in tables.registry.devices:
        return RejectReason.UNKNOWN_QUANTITY, f"the device is registered without {quantity!r}"
    return RejectReason.UNKNOWN_DEVICE, "the device is not registered"


def _why(row: int, reason: RejectReason, decoded: Decoded, tables: Tables) -> str:
    info = tables.registry.by_id[int(decoded.series[row])]
    if reason is RejectReason.FOREIGN_GATEWAY:
        sender = decoded.gateways[decoded.message[row]]
        return f"the device is registered at {info.gateway_id}, not at {sender}"
    if reason is RejectReason.BAD_UNIT:
        return f"unit {_unit(row, decoded, tables)!r} does not measure {info.quantity}"
    if reason is RejectReason.BAD_TIME:
        return f"time {float(decoded.observed_s[row])!r} is before 1990 or too far in the future"
    return f"value {float(decoded.value[row])!r} is not finite"


def _unit(row: int, decoded: Decoded, tables: Tables) -> str | None:
    code = int(decoded.unit[row])
    if code == OWN_UNIT:
        return None
    return decoded.units[row] if code == NO_CODE else list(tables.units)[code - OWN_UNIT - 1]


def _record(row: int, name: str, decoded: Decoded, tables: Tables) -> bytes:
    """Return the reading as a SenML pack that can be sent again (a value that is NaN as text)."""
    value = float(decoded.value[row])
    record: dict[str, object] = {"n": name, "t": float(decoded.observed_s[row])}
    unit = _unit(row, decoded, tables)
    if unit is not None:
        record["u"] = unit
    record["v" if np.isfinite(value) else "vs"] = value if np.isfinite(value) else repr(value)
    if decoded.quality[row]:
        record["q"] = int(decoded.quality[row])
    return msgspec.json.encode([record])
