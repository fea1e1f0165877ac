"""Parameters that several routes share, checked at the door, and the refusals OpenAPI names."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Path, Query
from pydantic import AfterValidator, AwareDatetime

from core.model import ID_PATTERN, SpaceKind
from core.units import DEVICE_KINDS, QUANTITIES
from twin.api.cursor import MAX_LENGTH
from twin.api.problems import MEDIA_TYPE, Refused

ID = f"^{ID_PATTERN.pattern}$"
CODE = r"^[^\x00-\x20/\\?#%&,\x7f]{1,64}$"
UUID = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"

EARLIEST, LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
"""Times that no arithmetic on them leaves the calendar for."""


def _plausible(when: datetime) -> datetime:
    if not EARLIEST <= when < LATEST:
        raise ValueError("must lie in the years 1970 to 2199")
    return when


DeviceId = Annotated[str, Path(pattern=ID)]
AlarmId = Annotated[str, Path(pattern=UUID, description="UUID in lower case")]
SpaceCode = Annotated[str, Path(pattern=CODE)]
DeviceFilter = Annotated[str | None, Query(pattern=ID, description="device id")]
GatewayFilter = Annotated[str | None, Query(pattern=ID, description="gateway id")]
SpaceFilter = Annotated[
    str | None, Query(pattern=CODE, description="a space code: it and all that lies in it")
]
KindFilter = Annotated[
    str | None, Query(json_schema_extra={"enum": list(DEVICE_KINDS)}, description="device kind")
]
QuantityName = Annotated[
    str, Query(json_schema_extra={"enum": list(QUANTITIES)}, description="quantity id")
]
After = Annotated[str | None, Query(max_length=MAX_LENGTH, description="`next` of the page before")]
Time = Annotated[
    Annotated[AwareDatetime, AfterValidator(_plausible)] | None,
    Query(
        description="inclusive; RFC 3339 with offset, a + in it written as %2B; 1970 to 2199",
    ),
]
Accept = Annotated[
    str | None,
    Query(
        max_length=200,
        description="quality bits that a reading may have: `all`, `good`, or names separated by "
        "commas. Left out, single readings come with any, points are made as rollups are",
    ),
]
SpaceKinds = Annotated[
    str | None,
    Query(
        pattern=rf"^({'|'.join(SpaceKind)})(,({'|'.join(SpaceKind)}))*$",
        description="levels of the tree, separated by commas; all when left out",
    ),
]

Responses = dict[int | str, dict[str, Any]]

_MEANINGS = {
    401: "not logged in",
    403: "logged in, but may not",
    404: "there is no such thing",
    409: "not possible in the state that it is in",
    413: "the body is too large",
    422: "a parameter or the body is not as documented",
    503: "the database is away, or too much at once; try again after Retry-After seconds",
}


def refusals(*statuses: int) -> Responses:
    """Return what OpenAPI says of these refusals; each is an RFC 9457 problem."""
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        status: {"description": _MEANINGS[status], "content": {MEDIA_TYPE: {"schema": schema}}}
        for status in statuses
    }


def one_of(value: str | None, known: dict[str, Any], name: str) -> str | None:
    """Return the value if it is a known word.

    Raises:
        Refused: 422.
    """
    if value is not None and value not in known:
        raise Refused(422, f"{name}: {value!r} is none of {', '.join(known)}")
    return value
