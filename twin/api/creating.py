"""Creating by SensorThings: what a POST means, and what is said of its fate."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime
from typing import Any

from fastapi import Request, Response

from core.db import pool
from core.errors import MissingPrerequisite
from edge.spool import SpoolUnwritable
from twin.api.answers import json_reply
from twin.api.problems import Refused
from twin.api.runtime import identity, of
from twin.sensorthings import create, landing, wishes
from twin.sensorthings.address import parse_path
from twin.sensorthings.create import Fate, Verdict
from twin.sensorthings.faults import NotThere, QueryInvalid
from twin.sensorthings.gateway import BrokerMissing, Gateway, ReceiptLate
from twin.sensorthings.model import ENTITIES
from twin.sensorthings.options import Options
from twin.sensorthings.read import Reader
from twin.sensorthings.render import self_link

log = logging.getLogger(__name__)

RETRY = {"Retry-After": "2"}
_STATUS = {Fate.DIFFERS: 409, Fate.REFUSED: 422, Fate.LOST: 500}


def gateway_of(request: Request) -> Gateway | None:
    """Return the gateway of what is created; None where creating is switched off."""
    found: Gateway | None = getattr(request.app.state, "sensorthings", None)
    return found


async def post(request: Request, path: str) -> Response:
    """Create what a POST to a path means."""
    gateway = gateway_of(request)
    if gateway is None:
        raise Refused(405, "creating is switched off: [sensorthings] create", headers=_allow("GET"))
    base = str(request.base_url).rstrip("/") + landing.ROOT
    body = await request.body()
    try:
        return await _made(request, gateway, path.strip("/"), body, base)
    except wishes.Unfit as error:
        raise Refused(422, str(error)) from error
    except create.Taken as error:
        raise Refused(409, str(error)) from error
    except BrokerMissing as error:
        raise Refused(
            503, "the broker is away; nothing was kept, try again in a moment", headers=RETRY
        ) from error
    except SpoolUnwritable as error:
        raise Refused(
            503, "the spool cannot be written; nothing was kept", headers=RETRY
        ) from error
    except ReceiptLate as error:
        raise Refused(
            504,
            f"no worker committed it within {gateway.cfg.wait_s:g} s. It waits in the spool and "
            "may still be stored: the same request again says what became of it",
            headers=RETRY,
        ) from error


async def _made(request: Request, gateway: Gateway, path: str, body: bytes, base: str) -> Response:
    content = wishes.decode(body)
    if path == "Things":
        return await _thing(request, gateway, content, base)
    now = datetime.now(UTC)
    if path == "CreateObservations":
        return await _arrays(request, gateway, wishes.observations(content, now), base)
    wish = wishes.observation(content, _series(path), now)
    verdict = (await _submitted(request, gateway, [wish]))[0]
    if verdict.fate is not Fate.STORED:
        raise Refused(_STATUS[verdict.fate], verdict.why)
    return await _answer(request, base, f"Observations('{create.observation_id(wish)}')")


def _series(path: str) -> int | None:
    """The Datastream whose Observations a path means; None for all."""
    if path == "Observations":
        return None
    try:
        address = parse_path(path)
    except (NotThere, QueryInvalid) as error:
        raise Refused(404, str(error)) from error
    first = address.steps[0]
    of_stream = [step.entity.name for step in address.steps] == ["Datastream", "Observation"]
    if not of_stream or not address.many or address.leaf is not None:
        raise Refused(
            405,
            "created are Things, Observations, Datastreams(N)/Observations and CreateObservations",
            headers=_allow("GET"),
        )
    return int(first.key)


async def _submitted(
    request: Request, gateway: Gateway, wanted: list[wishes.Wish]
) -> list[Verdict]:
    runtime = of(request)
    if gateway.waiting >= gateway.cfg.at_once:
        raise Refused(503, "too many requests wait for the worker", headers=RETRY)
    with gateway.counted():
        return await create.submit(runtime.connection, gateway, wanted)


async def _arrays(
    request: Request, gateway: Gateway, wanted: list[wishes.Wish | str], base: str
) -> Response:
    real = [one for one in wanted if isinstance(one, wishes.Wish)]
    verdicts = iter(await _submitted(request, gateway, real) if real else [])
    said: list[str] = []
    for one in wanted:
        if isinstance(one, str):
            said.append(one)
            continue
        verdict = next(verdicts)
        link = self_link(base, ENTITIES["Observation"], create.observation_id(one))
        said.append(link if verdict.fate is Fate.STORED else f"error: {verdict.why}")
    return json_reply(said, status=201)


async def _thing(request: Request, gateway: Gateway, content: Any, base: str) -> Response:
    runtime = of(request)
    who = identity(request)

    def made() -> str:
        with pool.connect(runtime.database, application_name="blocktwin sensorthings") as conn:
            return create.register(conn, content, gateway.cfg.gateway, who.name)

    try:
        async with runtime.changes:
            device = await asyncio.to_thread(made)
    except MissingPrerequisite as error:
        raise Refused(503, str(error)) from error
    log.info("%s created the Thing %s", who.name, device)
    return await _answer(request, base, f"Things('{device}')")


async def _answer(request: Request, base: str, path: str) -> Response:
    """Return what was created, with its address."""
    async with of(request).connection() as conn:
        reader = Reader(conn, base, datetime.now(UTC))
        word, _ = await reader.entity(parse_path(path), Options())
    answer = json_reply(word, status=201)
    answer.headers["Location"] = word["@iot.selfLink"]
    return answer


def refuse(request: Request, path: str) -> Response:
    """Say which methods a path has."""
    created = {"Things", "Observations", "CreateObservations"}
    on = gateway_of(request) is not None and path.strip("/") in created
    raise Refused(
        405,
        "nothing is changed or deleted at this interface",
        headers=_allow("GET, POST" if on else "GET"),
    )


def _allow(methods: str) -> dict[str, str]:
    return {"Allow": methods}
