"""What a client wants created, out of its JSON. Pure; every refusal says what to write instead."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from core.model import parse_time
from twin.sensorthings.faults import QueryInvalid

MOST_OBSERVATIONS = 5000
"""Observations in one request."""
_KNOWN = frozenset({"phenomenonTime", "resultTime", "result", "Datastream"})
_COMPONENTS = frozenset({"phenomenonTime", "resultTime", "result"})


class Unfit(ValueError):
    """JSON that is well formed and cannot be created: 422."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """An Observation that shall be.

    Attributes:
        series: id of its Datastream.
        observed_us: microseconds since the Unix epoch, UTC.
        value: in the Datastream's unit.
    """

    series: int
    observed_us: int
    value: float


def decode(body: bytes) -> Any:
    """Return the JSON of a body.

    Raises:
        QueryInvalid: it is none.
    """
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise QueryInvalid(f"the body is no JSON: {error}") from error


def observation(body: Any, series: int | None, now: datetime) -> Wish:
    """Return one Observation; ``series`` is that of the path, where it has one.

    Raises:
        Unfit: something is missing, wrong, or could not be kept.
    """
    said = _object(body, "an Observation")
    strange = sorted(said.keys() - _KNOWN)
    if strange:
        raise Unfit(
            f"{', '.join(strange)}: not kept here. An Observation has phenomenonTime, result and "
            "Datastream; its feature of interest is where the device stands"
        )
    named = _reference(said["Datastream"], "Datastream") if "Datastream" in said else series
    if named is None:
        raise Unfit('name the Datastream: "Datastream": {"@iot.id": 12}')
    if series is not None and named != series:
        raise Unfit(f"the path names Datastream {series}, the body {named}")
    return Wish(
        series=_number(named),
        observed_us=_moment(said.get("phenomenonTime"), now),
        value=_result(said.get("result")),
    )


def observations(body: Any, now: datetime) -> list[Wish | str]:
    """Return the Observations of a CreateObservations request; text where one is unfit.

    Raises:
        Unfit: the arrays themselves cannot be read.
    """
    if not isinstance(body, list):
        raise Unfit("CreateObservations takes a list of dataArray objects")
    found: list[Wish | str] = []
    for part in body:
        said = _object(part, "a dataArray object")
        series = _number(_reference(said.get("Datastream"), "Datastream"))
        names, rows = said.get("components"), said.get("dataArray")
        if not isinstance(names, list) or not isinstance(rows, list):
            raise Unfit("a dataArray object has components and dataArray, both lists")
        strange = [str(name) for name in names if name not in _COMPONENTS]
        if strange:
            raise Unfit(f"components: {', '.join(strange)[:80]}: not kept here")
        if len(found) + len(rows) > MOST_OBSERVATIONS:
            raise Unfit(f"more than {MOST_OBSERVATIONS} Observations in one request")
        found += [_row(names, row, series, now) for row in rows]
    return found


def _row(names: list[str], row: Any, series: int, now: datetime) -> Wish | str:
    if not isinstance(row, list) or len(row) != len(names):
        return f"error: a row has {len(names)} values"
    try:
        return observation(dict(zip(names, row, strict=True)), series, now)
    except Unfit as error:
        return f"error: {error}"


def _object(body: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(body, dict):
        raise Unfit(f"{what} is a JSON object")
    return body


def _reference(body: Any, what: str) -> Any:
    if not isinstance(body, dict) or "@iot.id" not in body:
        raise Unfit(f'{what}: link to one that exists: "{what}": {{"@iot.id": …}}')
    return body["@iot.id"]


def _number(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < 2**31:
        raise Unfit(f"the id of a Datastream is a number, not {str(value)[:60]!r}")
    return value


def _result(value: Any) -> float:
    if isinstance(value, bool):
        return float(value)
    if not isinstance(value, int | float) or abs(value) > 1e308 or not math.isfinite(value):
        raise Unfit(f"result is a number or true or false, not {str(value)[:60]!r}")
    return float(value)


def _moment(value: Any, now: datetime) -> int:
    if value is None:
        return _micros(now)
    if not isinstance(value, str) or "/" in value:
        raise Unfit("phenomenonTime is one moment, such as 2026-07-01T08:00:00+08:00")
    try:
        return _micros(parse_time(value))
    except (ValueError, OverflowError) as error:
        raise Unfit(f"phenomenonTime: {error}") from error


def _micros(when: datetime) -> int:
    since = when.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
