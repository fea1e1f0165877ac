"""Addresses: from text to a place, and from a place to an address."""

from __future__ import annotations

import asyncio
import logging
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from starlette.background import BackgroundTask

from core.db import pool
from core.errors import UsageError
from geodata.addresses import table
from geodata.addresses.find import Near, find
from geodata.addresses.text import MAX_TEXT
from geodata.frames import FrameUnknown, OutOfFrame, frame
from twin.addresses import store, words
from twin.addresses.gazetteer import names_of
from twin.addresses.service import AddressService
from twin.api.answers import json_reply
from twin.api.problems import AWAY, Refused
from twin.api.runtime import Runtime, of
from twin.api.shapes import refusals
from twin.api.words_addresses import AddressAt, AddressFound, AddressImport

log = logging.getLogger(__name__)

router = APIRouter(prefix="/api/v1/addresses", tags=["addresses"])

MOST = 20
FIND_IN_LINE = 64
"""Texts up to this length are looked up on the event loop: they take a few milliseconds at most."""

_CSV = {
    "requestBody": {
        "required": True,
        "content": {"text/csv": {"schema": {"type": "string", "format": "binary"}}},
    }
}
Frame = Annotated[
    str, Query(max_length=100, description="coordinate system, e.g. EPSG:4547, GCJ-02; east first")
]
Degrees = Annotated[float | None, Query(ge=-180, le=180, allow_inf_nan=False)]


@router.get("/find", response_model=AddressFound, responses=refusals(401, 422, 503))
async def find_address(
    request: Request,
    text: Annotated[str, Query(max_length=MAX_TEXT, description="an address, a code, or lon,lat")],
    limit: Annotated[int, Query(ge=1, le=MOST)] = 8,
    near_lon: Degrees = None,
    near_lat: Annotated[float | None, Query(ge=-90, le=90, allow_inf_nan=False)] = None,
) -> Response:
    """Return the places that a text may mean, the best first; also of its beginning, as one types.

    Among equals the nearer to `near_lon`, `near_lat` comes first.
    """
    if (near_lon is None) != (near_lat is None):
        raise Refused(422, "near_lon and near_lat belong together")
    near = Near(near_lon, near_lat) if near_lon is not None and near_lat is not None else None
    service, version = _service(request)
    locator = await service.locator(version)
    if len(text) <= FIND_IN_LINE:
        found = find(locator, text, limit=limit, near=near)
    else:
        found = await asyncio.to_thread(find, locator, text, limit=limit, near=near)
    return _renewing(json_reply(words.answer(found)), service, version)


@router.get("/at", response_model=AddressAt, responses=refusals(401, 422, 503))
async def address_at(
    request: Request,
    lon: Annotated[float, Query(allow_inf_nan=False, description="longitude, or metres east")],
    lat: Annotated[float, Query(allow_inf_nan=False, description="latitude, or metres north")],
    frame: Frame = "EPSG:4490",
) -> Response:
    """Say where a point is: the spaces that hold it and the nearest address or building."""
    x, y = await asyncio.to_thread(_degrees, lon, lat, frame)
    service, version = _service(request)
    locator = await service.locator(version)
    found = await asyncio.to_thread(locator.at, x, y)
    return _renewing(json_reply(words.where(found)), service, version)


@router.post(
    "/import",
    response_model=AddressImport,
    responses=refusals(401, 403, 413, 422, 503),
    openapi_extra=_CSV,
)
async def import_addresses(
    request: Request,
    frame: Frame = "EPSG:4490",
    source: Annotated[str, Query(min_length=1, max_length=200)] = "uploaded",
    encoding: Annotated[str | None, Query(max_length=20)] = None,
    dry_run: bool = False,
) -> Response:
    """Bring in a CSV of standard addresses, by house code or normal form.

    All rows that are not kept back are brought in, or none; with `dry_run` none. Rows that cannot
    be used are kept back, each with its line and the reason.
    """
    runtime = of(request)
    runtime.live.current()
    content = await request.body()
    async with runtime.changes:
        given = {"frame_name": frame, "source": source, "encoding": encoding, "dry_run": dry_run}
        report = await asyncio.to_thread(_import, runtime, content, given)
    return json_reply(words.report(report))


def _service(request: Request) -> tuple[AddressService, int]:
    """Return the app's service, and the version of the registry now.

    Raises:
        DatabaseAway: the state is not live.
    """
    runtime = of(request)
    runtime.live.current()
    state = request.app.state
    if not hasattr(state, "addresses"):
        state.addresses = AddressService(runtime.database)
    service: AddressService = state.addresses
    return service, runtime.live.version


def _renewing(response: Response, service: AddressService, version: int) -> Response:
    """Have the index made anew once the answer is out, if the registry has changed."""
    if service.behind(version):
        response.background = BackgroundTask(_renew, service, version)
    return response


async def _renew(service: AddressService, version: int) -> None:
    try:
        await service.renew(version)
    except AWAY as error:
        # The next question tries again.
        log.info("the address index stays as it was: %s", error)


def _degrees(lon: float, lat: float, name: str) -> tuple[float, float]:
    try:
        x, y = frame(name).to_degrees([[lon, lat]])[0].tolist()
    except FrameUnknown as error:
        raise Refused(422, f"frame: {error}") from error
    except OutOfFrame as error:
        raise Refused(422, error.reason) from error
    return x, y


def _import(runtime: Runtime, content: bytes, given: dict[str, Any]) -> store.Report:
    """Run an import on a connection of its own, in a thread."""
    report = store.Report(dry_run=given["dry_run"])
    try:
        text, _ = table.decode(content, given["encoding"])
        with pool.connect(
            runtime.database, autocommit=True, application_name="blocktwin serve"
        ) as conn:
            rows = table.read(
                text,
                frame=frame(given["frame_name"]),
                names=names_of(conn),
                source=given["source"],
                columns={},
            )
            for report in store.bring_in(conn, rows, dry_run=given["dry_run"]):  # noqa: B007
                pass
    except UsageError as error:
        raise Refused(422, f"{error}; {error.remedy}" if error.remedy else str(error)) from error
    return report
