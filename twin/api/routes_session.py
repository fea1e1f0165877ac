"""Log in with a token, see who is logged in, log out."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from twin.api.answers import json_reply
from twin.api.guard import COOKIE, SESSION_PATH, Identity
from twin.api.problems import Refused
from twin.api.runtime import identity, of
from twin.api.shapes import refusals
from twin.api.words import Login, Session

router = APIRouter(tags=["session"])


@router.post(SESSION_PATH, response_model=Session, responses=refusals(401, 413, 422))
async def log_in(request: Request, login: Login) -> Response:
    """Open a session for a token; its cookie is sent along by the browser from then on."""
    runtime = of(request)
    opened = runtime.gatekeeper.log_in(login.token)
    if opened is None:
        raise Refused(
            401,
            "this token belongs to no operator; make one with: blocktwin operator add",
            headers={"WWW-Authenticate": 'Bearer realm="blocktwin"'},
        )
    secret, who = opened
    response = _session(who)
    response.set_cookie(
        COOKIE,
        secret,
        max_age=int(runtime.cfg.session_hours * 3600),
        path="/",
        secure=runtime.cfg.cookie_secure,
        httponly=True,
        samesite="strict",
    )
    return response


@router.get(SESSION_PATH, response_model=Session, responses=refusals(401))
async def who_am_i(request: Request) -> Response:
    """Say who is logged in."""
    return _session(identity(request))


@router.delete(SESSION_PATH, status_code=204, responses=refusals(401, 403))
async def log_out(request: Request) -> Response:
    """End the session."""
    of(request).gatekeeper.log_out(identity(request))
    response = Response(status_code=204)
    response.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")
    return response


def _session(who: Identity) -> Response:
    return json_reply({"name": who.name, "role": who.role})
