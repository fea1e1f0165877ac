"""The ThingsBoard door: a small MQTT server of our own, 3.1.1 and 5.

Of our own, because who publishes ``v1/devices/me/…`` is told by the access token of its CONNECT
alone, which a broker does not pass on. It takes what ThingsBoard's clients send and nothing else;
what happens on a connection is ``edge.intake.session``'s.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from core.errors import ConfigInvalid, UsageError
from core.hangup import cut
from edge.intake.answers import Limits
from edge.intake.config import IntakeConfig
from edge.intake.keeper import Keeper
from edge.intake.session import House, Refused, Session
from edge.intake.tokens import Tokens, load_tokens
from edge.intake.wire import Link, LinkLost

_LOG = logging.getLogger(__name__)
_MOST_TOLD = 1000
_LEAVE_S = 3.0


class ThingsBoardDoor:
    """Accepts connections while ``serving`` is open.

    Attributes:
        port: bound; 0 before ``serving``.
        refused: cause -> connections that were refused or ended for it.
        accepted: connections since the start.
    """

    def __init__(self, cfg: IntakeConfig, keeper: Keeper, tokens: Tokens) -> None:
        self._cfg = cfg
        self._house = House(
            tokens=tokens,
            keeper=keeper,
            limits=Limits(packet_bytes=cfg.max_packet_kib * 1024, inflight=cfg.max_unacknowledged),
            silence_s=cfg.connect_timeout_s,
        )
        self._sessions: dict[Session, asyncio.Task[None]] = {}
        self._named: dict[tuple[str, str], Session] = {}
        self._told: set[tuple[str, str]] = set()
        self.port = 0
        self.refused: Counter[str] = Counter()
        self.accepted = 0

    @property
    def connections(self) -> int:
        """How many clients there are now."""
        return len(self._sessions)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Accept connections until left; then all are closed.

        Raises:
            UsageError: if the address cannot be bound.
            ConfigInvalid: if the certificate cannot be used.
        """
        context = tls_context(self._cfg)
        host, port = self._cfg.thingsboard_host, self._cfg.thingsboard_port
        shake_s = self._cfg.connect_timeout_s if context else None
        try:
            server = await asyncio.start_server(
                self._client, host, port, ssl=context, ssl_handshake_timeout=shake_s
            )
        except OSError as error:
            raise UsageError(
                f"the ThingsBoard door cannot listen at {host}:{port}: {error}",
                remedy="set intake.thingsboard_host and intake.thingsboard_port to free ones",
            ) from error
        self.port = server.sockets[0].getsockname()[1]
        _LOG.info("ThingsBoard door at %s:%d%s", host, self.port, ", TLS" if context else "")
        try:
            yield
        finally:
            server.close()
            await self._send_away()

    async def _send_away(self) -> None:
        """Close every connection, and wait until nobody works on one."""
        tasks = list(self._sessions.values())
        for session in self._sessions:
            session.leave()
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=_LEAVE_S)

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = str((writer.get_extra_info("peername") or ("?",))[0])
        if len(self._sessions) >= self._cfg.max_connections:
            self._refuse("too_many_connections", peer, f"{len(self._sessions)} are there")
            cut(writer.transport)
            return
        link = Link(
            reader,
            writer,
            most_bytes=self._house.limits.packet_bytes,
            write_s=self._cfg.connect_timeout_s,
        )
        session = Session(self._house, link)
        task = asyncio.current_task()
        assert task is not None
        self._sessions[session] = task
        self.accepted += 1
        try:
            await session.run(self._welcome)
        except Refused as refusal:
            self._refuse(refusal.why, session.owner.name if session.owner else peer, str(refusal))
        except LinkLost as loss:
            self.refused["lost"] += 1
            _LOG.debug("ThingsBoard client %s is gone: %s", peer, loss)
        except asyncio.CancelledError:
            # The task is the server's own and ends here: nobody waits for what it raises, and
            # asyncio before 3.12 reports one that ends cancelled as an error.
            _LOG.debug("ThingsBoard client %s is sent away", peer)
        finally:
            link.cut()
            self._sessions.pop(session, None)
            if session.owner is not None:
                place = (session.owner.name, session.client_id)
                if self._named.get(place) is session:
                    del self._named[place]

    def _welcome(self, session: Session) -> None:
        """Let a client in that showed its token; an older one of the same id goes (3.1.4)."""
        assert session.owner is not None
        if session.client_id:
            place = (session.owner.name, session.client_id)
            if (older := self._named.get(place)) is not None:
                older.leave()
            self._named[place] = session
        _LOG.debug("%s is connected", session.owner.name)

    def _refuse(self, why: str, who: str, detail: str) -> None:
        """Count; the first time of each cause and each client is logged."""
        self.refused[why] += 1
        if (why, who) not in self._told and len(self._told) < _MOST_TOLD:
            self._told.add((why, who))
            _LOG.warning("ThingsBoard client %s: %s: %s", who, why, detail)


def open_tokens(cfg: IntakeConfig) -> Tokens:
    """Return the tokens of the door.

    Raises:
        ConfigInvalid: if the file is not set or cannot be used.
    """
    if not cfg.tokens_file:
        raise ConfigInvalid(
            "intake.tokens_file is not set",
            remedy="set it to a file of access tokens; docs/intake.md shows one",
        )
    return load_tokens(Path(cfg.tokens_file))


def tls_context(cfg: IntakeConfig) -> ssl.SSLContext | None:
    """Return how the door encrypts, None if it does not.

    Raises:
        ConfigInvalid: if the certificate cannot be used.
    """
    if not cfg.tls_cert_file:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(cfg.tls_cert_file, cfg.tls_key_file or None)
    except (OSError, ssl.SSLError) as error:
        raise ConfigInvalid(
            f"intake.tls_cert_file: cannot use {cfg.tls_cert_file}: {error}",
            remedy="give PEM files of a certificate and its key that this user may read",
        ) from error
    return context
