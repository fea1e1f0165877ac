"""Who is asking, and may they: authentication in front of every route, deny by default.

A middleware and no dependency of each route, so that a route added without a thought is closed.
"""

from __future__ import annotations

import logging
import secrets
from base64 import b64decode
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from core.errors import ConfigInvalid
from twin.api.problems import problem
from twin.operators import Operator, Role, Roster, match

log = logging.getLogger(__name__)

COOKIE = "bt_session"
CSRF_HEADER = "x-blocktwin"
SESSION_PATH = "/api/v1/session"
OPEN_PATHS = frozenset({"/", "/livez", "/readyz", "/healthz", "/version", "/metrics"})
"""Paths that need no operator; /metrics sees to it itself that only loopback asks."""

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_DUTY = frozenset({Role.OPERATOR, Role.ADMIN})
_MAPS = frozenset({Role.GIS, Role.ADMIN})
_DUTIES = (
    ("/api/v1/maps", _MAPS),
    ("/api/v1/addresses", _MAPS),
    ("/api/v1/relations", _MAPS),
    ("/api/v1/surfaces", _MAPS),
    ("/api/v1/devices", _DUTY | _MAPS),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """An operator who is asking, by which token; ``session`` is None for a bearer token."""

    name: str
    role: Role
    token_sha256: str
    session: str | None


class Gatekeeper:
    """Tell who a request is from: by bearer token, or by a session got for one.

    Sessions live in memory, at most ``limit``; a session ends when its time is over, when its
    operator is removed or gets another token, and when it is the oldest of too many.
    """

    def __init__(
        self, roster: Roster, *, session_s: float, limit: int, clock: Callable[[], float]
    ) -> None:
        self._roster = roster
        self._session_s = session_s
        self._limit = limit
        self._clock = clock
        self._sessions: OrderedDict[str, tuple[str, float]] = OrderedDict()
        self._broken = ""

    def log_in(self, token: str) -> tuple[str, Identity] | None:
        """Open a session for a token; return its secret and whose it is, None if nobody's."""
        operator = match(self._operators(), token)
        if operator is None:
            return None
        session = secrets.token_urlsafe(32)
        self._sessions[session] = (operator.token_sha256, self._clock() + self._session_s)
        while len(self._sessions) > self._limit:
            self._sessions.popitem(last=False)
        return session, _identity(operator, session)

    def log_out(self, identity: Identity) -> None:
        """End the session of an identity, if it has one."""
        self._sessions.pop(identity.session or "", None)

    def identify(self, headers: Headers) -> Identity | None:
        """Return who the headers belong to, None if nobody."""
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme:
            operator = self._by_token(scheme.lower(), token)
            return _identity(operator, None) if operator is not None else None
        return self._by_session(_cookie(headers.get("cookie", "")))

    def still(self, identity: Identity) -> bool:
        """Tell whether an identity found earlier would be let in now."""
        if identity.session is not None:
            return self._by_session(identity.session) is not None
        return any(o.token_sha256 == identity.token_sha256 for o in self._operators())

    def _by_token(self, scheme: str, token: str) -> Operator | None:
        """Whose token it is; map programs send it as the password of HTTP Basic (RFC 7617)."""
        if scheme == "bearer":
            return match(self._operators(), token)
        if scheme != "basic":
            return None
        try:
            name, _, password = b64decode(token, validate=True).decode().partition(":")
        except ValueError:
            return None
        operator = match(self._operators(), password)
        return operator if operator is not None and operator.name == name else None

    def _by_session(self, session: str) -> Identity | None:
        # A plain look-up: the secret has 256 random bits, and a hash table's timing does not
        # depend on how many of its first signs are right.
        known = self._sessions.get(session)
        if known is None:
            return None
        digest, ends = known
        found = [o for o in self._operators() if o.token_sha256 == digest]
        if self._clock() >= ends or not found:
            del self._sessions[session]
            return None
        return _identity(found[0], session)

    def _operators(self) -> tuple[Operator, ...]:
        """The operators now; a broken file lets nobody in and is logged once."""
        try:
            operators = self._roster.current()
        except ConfigInvalid as error:
            if str(error) != self._broken:
                log.error("nobody can log in: %s", error)  # noqa: TRY400 - the sentence is all of it
            self._broken = str(error)
            return ()
        self._broken = ""
        return operators


class Guard:
    """ASGI middleware: a request passes with an open path or an operator who may do it."""

    def __init__(
        self, app: ASGIApp, *, gatekeeper: Gatekeeper, is_page: Callable[[str], bool]
    ) -> None:
        self._app = app
        self._gatekeeper = gatekeeper
        self._is_page = is_page

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        if scope["type"] != "http":
            # No route speaks WebSocket; the router closes it.
            await self._app(scope, receive, send)
            return
        path, method = scope["path"], scope["method"]
        headers = Headers(scope=scope)
        identity = self._gatekeeper.identify(headers)
        scope.setdefault("state", {})["identity"] = identity
        if (path, method) == (SESSION_PATH, "POST") or (method in _SAFE and self._open(path)):
            await self._app(scope, receive, send)
            return
        refusal = _refusal(identity, path, method, headers)
        await (refusal or self._app)(scope, receive, send)

    def _open(self, path: str) -> bool:
        return path in OPEN_PATHS or (not path.startswith("/api/") and self._is_page(path))


def _refusal(identity: Identity | None, path: str, method: str, headers: Headers) -> ASGIApp | None:
    if identity is None:
        return problem(
            401,
            "log in with a token: POST /api/v1/session, or Authorization: Bearer",
            headers={"WWW-Authenticate": _challenge(path)},
        )
    if method in _SAFE:
        return None
    if identity.session is not None and headers.get(CSRF_HEADER) != "1":
        return problem(403, "a change made with the session cookie needs the header X-Blocktwin: 1")
    if path != SESSION_PATH and identity.role not in _who_may(path):
        return problem(403, f"{identity.name} is a {identity.role} and may not do this")
    return None


def _challenge(path: str) -> str:
    """What to say to whom is not known; a browser would open a window of its own for Basic."""
    bearer = 'Bearer realm="blocktwin"'
    return f'{bearer}, Basic realm="blocktwin"' if path.startswith(("/ogc/", "/sta/")) else bearer


def _who_may(path: str) -> frozenset[Role]:
    """The roles that may change what lies at a path; one that is not listed is for operators."""
    found = (roles for prefix, roles in _DUTIES if path.startswith(prefix))
    return next(found, _DUTY)


def _identity(operator: Operator, session: str | None) -> Identity:
    return Identity(
        name=operator.name,
        role=operator.role,
        token_sha256=operator.token_sha256,
        session=session,
    )


def _cookie(header: str) -> str:
    jar: SimpleCookie = SimpleCookie()
    try:
        jar.load(header)
    except CookieError:
        return ""
    morsel = jar.get(COOKIE)
    return morsel.value if morsel is not None else ""
