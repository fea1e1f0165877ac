"""What a request for features asks: parameters to a typed query, or what is wrong with them. Pure.

Syntax after OGC 17-069r4, 7.15 (limit, bbox, datetime, property filters) and OGC 18-058 (crs,
bbox-crs). A parameter that is not known, or stands twice, is refused as the standard asks.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from twin.features.collections import Collection
from twin.features.crs import CRS84, SUPPORTED, Box, Crs

DEFAULT_LIMIT = 1_000
MAX_LIMIT = 10_000
LONGEST = 512
"""Characters of one parameter."""

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_TIME = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})")
_DAY = timedelta(days=1) - timedelta(microseconds=1)
_EARLIEST = datetime(1, 1, 2, tzinfo=UTC)
_LATEST = datetime(9999, 12, 30, tzinfo=UTC)


class BadParameter(ValueError):
    """A parameter cannot be used; the sentence names it and says what it should be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A stretch of time, both ends in it; None where it is open."""

    start: datetime | None
    end: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """Which features, and how.

    Attributes:
        boxes: in degrees EPSG:4490; two across the antimeridian; None: anywhere.
        window: None: at any time.
        filters: property -> value, all of which must hold.
        after: where the page before ended, opaque.
    """

    limit: int = DEFAULT_LIMIT
    after: str | None = None
    boxes: tuple[Box, ...] | None = None
    window: Window | None = None
    crs: Crs = CRS84
    filters: Mapping[str, str]


def parse(parameters: Sequence[tuple[str, str]], collection: Collection) -> Query:
    """Return what the parameters of a request for a collection's items ask.

    Raises:
        BadParameter: one is unknown, stands twice, or has no such value.
    """
    values = _once(parameters)
    known = {"f", "limit", "after", "bbox", "bbox-crs", "datetime", "crs", *collection.filters}
    _refuse_unknown(values, known)
    _format(values)
    bbox_crs = _crs(values, "bbox-crs")
    if "bbox-crs" in values and "bbox" not in values:
        raise BadParameter("bbox-crs: there is no bbox that it could be of")
    return Query(
        limit=_limit(values.get("limit")),
        after=values.get("after"),
        boxes=_boxes(values["bbox"], bbox_crs) if "bbox" in values else None,
        window=window(values["datetime"]) if "datetime" in values else None,
        crs=_crs(values, "crs"),
        filters=_filters(values, collection),
    )


def parse_one(parameters: Sequence[tuple[str, str]]) -> Crs:
    """Return the system that one feature is asked for in.

    Raises:
        BadParameter: as ``parse``.
    """
    values = _once(parameters)
    _refuse_unknown(values, {"f", "crs"})
    _format(values)
    return _crs(values, "crs")


def parse_none(parameters: Sequence[tuple[str, str]]) -> None:
    """Refuse what no other resource knows.

    Raises:
        BadParameter: as ``parse``.
    """
    values = _once(parameters)
    _refuse_unknown(values, {"f"})
    _format(values)


def window(text: str) -> Window:
    """Return the stretch that a ``datetime`` parameter names.

    A date alone is that whole day in UTC.

    Raises:
        BadParameter: it is no time, no interval, or ends before it begins.

    Example:
        >>> window("../2026-07-01T00:00:00Z").start is None
        True
    """
    parts = text.split("/")
    if len(parts) > 2:
        raise BadParameter(f"datetime: {text!r} has more than one /")
    if len(parts) == 1:
        start, end = _instant(text)
        return Window(start=start, end=end)
    first = None if parts[0] in {"", ".."} else _instant(parts[0])[0]
    last = None if parts[1] in {"", ".."} else _instant(parts[1])[1]
    if first is None and last is None:
        raise BadParameter("datetime: an interval that is open at both ends says nothing")
    if first is not None and last is not None and first > last:
        raise BadParameter(f"datetime: {text!r} ends before it begins")
    return Window(start=first, end=last)


def _once(parameters: Sequence[tuple[str, str]]) -> dict[str, str]:
    for name, times in Counter(name for name, _ in parameters).items():
        if times > 1:
            raise BadParameter(f"{name[:40]}: stands {times} times")
    for name, value in parameters:
        if len(value) > LONGEST or "\0" in value:
            raise BadParameter(f"{name[:40]}: longer than {LONGEST} characters, or with a NUL")
    return dict(parameters)


def _refuse_unknown(values: Mapping[str, str], known: set[str]) -> None:
    for name in values:
        if name not in known:
            raise BadParameter(
                f"{name[:40]}: there is no such parameter here; there are: "
                + ", ".join(sorted(known))
            )


def _format(values: Mapping[str, str]) -> None:
    if values.get("f", "json") not in {"json", "geojson"}:
        raise BadParameter("f: only json is offered")


def _limit(text: str | None) -> int:
    if text is None:
        return DEFAULT_LIMIT
    if not text.isascii() or not text.isdecimal() or not 1 <= len(text) <= 9 or int(text) < 1:
        raise BadParameter(f"limit: {text!r} is no number from 1 to {MAX_LIMIT}")
    # More than the maximum is not refused but cut (/rec/core/fc-limit-response-2).
    return min(int(text), MAX_LIMIT)


def _crs(values: Mapping[str, str], name: str) -> Crs:
    uri = values.get(name, CRS84.uri)
    if uri not in SUPPORTED:
        raise BadParameter(f"{name}: {uri!r} is none of {', '.join(SUPPORTED)}")
    return SUPPORTED[uri]


def _boxes(text: str, crs: Crs) -> tuple[Box, ...]:
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) not in {4, 6} or not all(map(math.isfinite, numbers)):
        raise BadParameter(f"bbox: {text!r} is not four or six numbers separated by commas")
    if len(numbers) == 6:
        numbers = [numbers[0], numbers[1], numbers[3], numbers[4]]
    try:
        west, south, east, north = crs.box((numbers[0], numbers[1], numbers[2], numbers[3]))
    except ValueError as error:
        raise BadParameter(f"bbox: outside of {crs.uri}: {error}") from error
    inside = -180 <= west <= 180 and -180 <= east <= 180 and -90 <= south <= north <= 90
    if not inside:
        raise BadParameter(
            f"bbox: {text!r} does not lie on the earth, or its corners are exchanged; the axis "
            f"order is that of {crs.uri}"
        )
    if west <= east:
        return ((west, south, east, north),)
    return (west, south, 180.0, north), (-180.0, south, east, north)


def _instant(text: str) -> tuple[datetime, datetime]:
    """First and last moment of a time or a date."""
    refused = BadParameter(
        f"datetime: {text!r} is no time of RFC 3339 like 2026-07-01T00:00:00Z; a + in it is "
        "written %2B"
    )
    if not _DATE.fullmatch(text) and not _TIME.fullmatch(text):
        raise refused
    try:
        when = datetime.fromisoformat(text.upper())
        start = when.astimezone(UTC) if when.tzinfo else when.replace(tzinfo=UTC)
        end = start if "T" in text.upper() or " " in text else start + _DAY
    except (ValueError, OverflowError) as error:
        raise refused from error
    if not _EARLIEST <= start <= end <= _LATEST:
        raise BadParameter(f"datetime: {text!r} lies outside of the calendar")
    return start, end


def _filters(values: Mapping[str, str], collection: Collection) -> dict[str, str]:
    chosen = {name: values[name] for name in collection.filters if name in values}
    for name, value in chosen.items():
        allowed = collection.filters[name].values
        if allowed is not None and value not in allowed:
            raise BadParameter(f"{name}: {value!r} is none of {', '.join(allowed)}")
    return chosen
