"""One connection to the broker at MQTT 5: opened, read in bulk, kept alive, closed.

The bytes are the work of ``core.mqtt``. A link that is lost is never mended: the next one is a new
object with a new number, and ``ingest.source`` makes it.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from core import topics
from core.config import MqttConfig
from core.errors import BrokerAway, ConfigInvalid
from core.hangup import cut, hang_up
from core.model import Channel
from core.mqtt.bulk import Inbox, Row
from core.mqtt.packets import (
    REFUSED,
    Connack,
    Connect,
    Disconnect,
    Frame,
    Level,
    MqttError,
    Packet,
    Pingreq,
    Pingresp,
    Properties,
    ProtocolError,
    Puback,
    Reason,
    Suback,
    Subscribe,
    Subscription,
    Unsuback,
    Unsubscribe,
    acknowledgements,
    encode,
    parse,
    wording,
)
from core.mqtt.wire import MOST_LENGTH
from ingest.config import IngestConfig
from ingest.message import Message
from ingest.outbox import Outbox
from ingest.queue import Queue, waited

log = logging.getLogger(__name__)

CHANNELS = (Channel.LIVE, Channel.BACKFILL, Channel.EVENT, Channel.STATUS)
_SETTLE_S = 1.0
_TICK_S = 1.0
_GATHERED = 65_536  # bytes of one read; a backlog brings more, and needs no rest
_REST_S = 0.002  # small beside batch_s, and more than ten messages at 10,000 a second
_PATIENCE = 1.5  # keepalives without a sign of life; the broker has the same with us
_ENVELOPE = 70_000  # bytes of a packet beside its payload: topic, properties, header
_MOST_UNSENT = 1_048_576  # bytes; acknowledgements of 250,000 messages
_LOGIN = "check username and password of section [mqtt]"
_REMEDIES: dict[int, str] = {
    Reason.BAD_USER_OR_PASSWORD: _LOGIN,
    Reason.NOT_AUTHORIZED: _LOGIN,
    Reason.UNSUPPORTED_VERSION: "use a broker that speaks MQTT 5",
    Reason.PROTOCOL_ERROR: "use a broker that speaks MQTT 5",
    Reason.CLIENT_ID_NOT_VALID: "let the broker take client ids of 80 characters",
    Reason.SESSION_TAKEN_OVER: "give each worker its own worker_id",
}
# mosquitto 2.0.11 gives no reason to the client whose name another one takes.
_HUNG_UP = "it closed the connection; if that repeats, another worker has the same worker_id"
CHECK = "check host, port and tls of section [mqtt], and the broker's log"
_SEE_LOG = "see the broker's log"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """What one session at the broker carries.

    Attributes:
        name: what tells its client id from those of the worker's other sessions.
        channels: what it subscribes to; none for one that only publishes.
        keep: whether the broker keeps the session, and what comes meanwhile, when we are away.
    """

    name: str = ""
    channels: tuple[Channel, ...] = CHANNELS
    keep: bool = True


class Link(asyncio.Protocol):
    """One connection.

    Attributes:
        number: which one it is; messages carry it.
        opened: whether the broker has let us in and the subscriptions stand.
        lost: set when it is over, by whatever end.
        cause: why, in words.
        session_present: whether the broker has kept our session.
    """

    def __init__(
        self,
        mqtt: MqttConfig,
        ingest: IngestConfig,
        queue: Queue,
        outbox: Outbox,
        number: int,
        lane: Lane,
    ) -> None:
        self.number = number
        self._lane = lane
        self.lost = asyncio.Event()
        self.cause = ""
        self.session_present = False
        self._mqtt = mqtt
        self._ingest = ingest
        self._queue = queue
        self._outbox = outbox
        self._most = min(ingest.queue_bytes + _ENVELOPE, MOST_LENGTH)
        self._inbox = Inbox(self._most)
        self._transport: asyncio.Transport | None = None
        self._gone = asyncio.Event()
        self._pong = asyncio.Event()
        self._answered = asyncio.Event()
        self._connack: Connack | None = None
        self._suback: Suback | None = None
        self._wanted: Subscribe | None = None
        self.opened = False
        self._closing = False
        self._refusal_told = False
        self._timer: asyncio.TimerHandle | None = None
        self._keepalive_s = float(mqtt.keepalive_s)
        self._heard_s = self._pinged_s = 0.0
        self._choked_s: float | None = None
        self._held = self._was_deaf = False
        self._read_s = 0.0
        self._rest: asyncio.TimerHandle | None = None

    async def open(self) -> None:
        """Connect, log in and subscribe; the caller bounds the time.

        Raises:
            BrokerAway: if the broker refuses or hangs up.
            OSError: if it cannot be reached, or its certificate is not trusted.
        """
        loop = asyncio.get_running_loop()
        await loop.create_connection(
            lambda: self, self._mqtt.host, self._mqtt.port, ssl=self._trust()
        )
        self._send(encode(self._connect(), Level.V5))
        while self._connack is None:
            await self._answer()
        self._log_in(self._connack)
        if self._lane.channels:
            await self._listen()
        self.opened = True

    async def _listen(self) -> None:
        self._wanted = self._subscribe()
        self._send(encode(self._wanted, Level.V5))
        if self.session_present:
            self._send(encode(self._unsubscribe(self._wanted), Level.V5))
        # A session that was kept may bring more than the queue holds before the answer: then the
        # answer is heeded when it comes, for the old subscriptions stand.
        while self._suback is None and not (self.session_present and self._queue.full()):
            await self._answer()
        if self._suback is not None:
            self._check_granted(self._suback)

    def _trust(self) -> ssl.SSLContext | None:
        """A certificate that is being replaced ends no worker: it tries again."""
        try:
            return self._mqtt.trust()
        except ConfigInvalid as error:
            raise BrokerAway(str(error), remedy=error.remedy) from error

    def _connect(self) -> Connect:
        named = bool(self._mqtt.username)
        return Connect(
            client_id=f"blocktwin-ingest-{self._ingest.worker_id}{self._lane.name}",
            clean_start=not self._lane.keep,
            keepalive_s=self._mqtt.keepalive_s,
            username=self._mqtt.username if named else None,
            password=self._mqtt.secret().encode() if named else None,
            properties=Properties(
                session_expiry_s=self._mqtt.session_expiry_s if self._lane.keep else 0,
                receive_maximum=self._mqtt.receive_maximum,
                maximum_packet=self._most,
            ),
        )

    def _subscribe(self) -> Subscribe:
        return Subscribe(
            packet=self._outbox.draw(),
            subscriptions=tuple(
                Subscription(filter=filter_, qos=1)
                for channel in self._lane.channels
                for filter_ in topics.filters(self._ingest.shards, channel)
            ),
        )

    def _unsubscribe(self, wanted: Subscribe) -> Unsubscribe:
        """Give up what a kept session may still subscribe to from other settings of ours."""
        left = topics.all_filters() - {each.filter for each in wanted.subscriptions}
        return Unsubscribe(packet=self._outbox.draw(), filters=tuple(sorted(left)))

    async def _answer(self) -> None:
        """Wait for more; whoever waits looks first at what came, even before a hang-up."""
        if self.lost.is_set():
            raise BrokerAway(self.cause, remedy=CHECK)
        await self._answered.wait()
        self._answered.clear()

    def _log_in(self, connack: Connack) -> None:
        """Take the broker's terms (section 3.2.2.3)."""
        said = connack.properties
        if connack.reason >= REFUSED:
            words = wording(connack.reason) + (f", {said.reason}" if said.reason else "")
            raise BrokerAway(
                f"the broker refuses user {self._mqtt.username!r}: {words}",
                remedy=_REMEDIES.get(connack.reason, _SEE_LOG),
            )
        if said.maximum_qos == 0:
            raise BrokerAway("the broker takes QoS 0 only", remedy="allow QoS 1 at the broker")
        if said.server_keepalive_s:
            self._keepalive_s = float(said.server_keepalive_s)
        self.session_present = connack.session_present
        self._outbox.most = said.receive_maximum or 65_535
        self._outbox.most_bytes = said.maximum_packet or 0
        self._send(b"".join(self._outbox.resume(session_present=connack.session_present)))

    def _check_granted(self, suback: Suback) -> None:
        if any(code >= REFUSED for code in suback.reasons):
            worst = max(suback.reasons)
            raise BrokerAway(
                f"the broker refuses user {self._mqtt.username!r} the subscriptions: "
                f"{wording(worst)}",
                remedy="let this user read bt/v1/# in the broker's access list",
            )
        if 0 in suback.reasons:
            raise BrokerAway(
                "the broker grants QoS 0 only: what is lost on the way would not come again",
                remedy="allow QoS 1 at the broker",
            )

    def _check_later(self, suback: Suback) -> None:
        try:
            self._check_granted(suback)
        except BrokerAway as error:
            self._end(f"{error}; {error.remedy}")

    async def close(self) -> None:
        """Leave the broker; the session and what is unacknowledged stay there."""
        if self._transport is None:
            return
        try:
            if self.opened and not self.lost.is_set():
                await self._settle()
            if not self.lost.is_set():
                self._send(encode(Disconnect(), Level.V5))
                self._end("closed")
            await waited(self._gone, _SETTLE_S)
        finally:
            # A peer that does not read must not hold up the next try, and a cancellation nothing.
            self.abort()
        await self._gone.wait()

    def abort(self) -> None:
        """Cut the connection without a word."""
        self._end("closed", politely=False)

    async def _settle(self) -> None:
        """Let the broker read our last acknowledgements; it drops what is unread at the close.

        It answers a ping when it has read all before it. Without an answer the messages come again,
        and so do those that are read from now on: nobody takes them.
        """
        self._closing = True
        self._pong.clear()
        self._read_or_not()
        self._send(encode(Pingreq(), Level.V5))
        await waited(self._pong, _SETTLE_S)

    def acknowledge(self, packets: Sequence[int]) -> None:
        """Send the PUBACKs of these packet ids in one write."""
        if packets and not self.lost.is_set():
            self._send(acknowledgements(packets))

    def publish(self, topic: str, payload: bytes) -> bool:
        """Send a message at QoS 1; False when it must not be sent now."""
        if not self.opened or self.lost.is_set() or self._choked_s is not None:
            return False
        data = self._outbox.put(topic, payload)
        self._send(data)
        return bool(data)

    def resume(self) -> None:
        """Read the socket again, now that the queue has room."""
        if self._held:
            self._held = False
            self._read_or_not()

    def _read_or_not(self) -> None:
        """Read the socket unless something speaks against it."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        deaf = self._deaf
        if deaf or self._rest is not None:
            transport.pause_reading()
        elif not transport.is_reading():
            transport.resume_reading()
        if not deaf and self._was_deaf:
            # What was said meanwhile lies unread: silence counts from now.
            self._heard_s = time.monotonic()
        self._was_deaf = deaf

    @property
    def _deaf(self) -> bool:
        return not self._closing and (self._held or self._choked_s is not None)

    def _rest_a_little(self, now_s: float, size: int) -> None:
        """Let a dense stream gather: each look at the socket costs more than ten messages in it."""
        soon = now_s - self._read_s < 2 * _REST_S
        if soon and size < _GATHERED and self._rest is None:
            self._rest = asyncio.get_running_loop().call_later(_REST_S, self._rested)
            self._read_or_not()
        self._read_s = now_s

    def _rested(self) -> None:
        self._rest = None
        self._read_or_not()

    def _send(self, data: bytes) -> None:
        if data and self._transport is not None:
            self._transport.write(data)

    # What the event loop tells:

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to watch for signs of life."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=_MOST_UNSENT)
        self._heard_s = self._pinged_s = time.monotonic()
        self._tick()

    def connection_lost(self, error: Exception | None) -> None:
        """Say so."""
        self._end(f"{error}" if error else _HUNG_UP)
        self._gone.set()

    def pause_writing(self) -> None:
        """Take nothing from a broker that takes nothing: what it brings must be answered."""
        self._choked_s = time.monotonic()
        self._read_or_not()

    def resume_writing(self) -> None:
        """Go on, unless the queue is full."""
        self._choked_s = None
        self._read_or_not()

    def data_received(self, data: bytes) -> None:
        """Queue the messages among the packets and heed the others."""
        if self.lost.is_set():
            return
        self._heard_s = now_s = time.monotonic()
        rows: list[Row] = []
        try:
            try:
                self._inbox.feed(data, rows)
            finally:
                self._heed()
                self._take(rows)
                self._rest_a_little(now_s, len(data))
        except MqttError as error:
            self._send(encode(Disconnect(reason=error.reason_code), Level.V5))
            self._end(f"it sent what MQTT 5 forbids: {error}")

    def _take(self, rows: list[Row]) -> None:
        if not rows or self._closing:
            return
        if self._connack is None:
            raise ProtocolError("a PUBLISH before the CONNACK")
        now_us, number = time.time_ns() // 1000, self.number
        self._queue.extend(
            [
                Message(
                    topic=topic,
                    payload=payload,
                    content_type=content_type,
                    received_us=now_us,
                    link=number,
                    packet=packet,
                )
                for topic, payload, packet, content_type in rows
            ]
        )
        if self._queue.full():
            self._held = True
            self._read_or_not()
            self._answered.set()

    def _heed(self) -> None:
        frames: list[Frame] = self._inbox.others
        if frames:
            self._inbox.others = []
            for frame in frames:
                self._heed_one(parse(frame, Level.V5))

    def _heed_one(self, packet: Packet) -> None:
        opened, wanted = self._connack is not None, self._wanted
        match packet:
            case Disconnect():
                words = wording(packet.reason) if packet.reason else "it said goodbye"
                remedy = _REMEDIES.get(packet.reason)
                self._end(f"{words}; {remedy}" if remedy else words)
            case Connack() if not opened:
                self._connack = packet
                self._answered.set()
            case Suback() if opened and wanted is not None and packet.packet == wanted.packet:
                if len(packet.reasons) != len(wanted.subscriptions):
                    raise ProtocolError("a SUBACK for another number of filters")
                self._suback = packet
                self._answered.set()
                if self.opened:
                    self._check_later(packet)
            case Puback() if opened:
                self._outbox.done(packet.packet)
                self._tell_refusal(packet.reason)
            case Unsuback() if opened:
                pass  # refused or not, what still comes is read
            case Pingresp() if opened:
                self._pong.set()
            case _:
                raise ProtocolError(f"{type(packet).__name__.upper()} is out of place")

    def _tell_refusal(self, reason: int) -> None:
        if reason >= REFUSED and not self._refusal_told:
            self._refusal_told = True
            receipts = bool(self._lane.channels)
            log.warning(
                "the broker refuses %s: %s; let user %r write to %s in its access list",
                "a receipt" if receipts else "a provisional alarm",
                wording(reason),
                self._mqtt.username,
                "bt/v1/+/+/receipt" if receipts else "bt/v1/alarm/+/+",
            )

    def _tick(self) -> None:
        """Look for signs of life, and give one."""
        now_s = time.monotonic()
        bound_s = _PATIENCE * self._keepalive_s
        if self._choked_s is not None and now_s - self._choked_s > bound_s:
            self._end(f"it took nothing for {bound_s:g} s", politely=False)
        elif not self._deaf and now_s - self._heard_s > bound_s:
            self._end(f"no sign of life for {bound_s:g} s", politely=False)
        else:
            if now_s - self._pinged_s >= self._keepalive_s and self._connack is not None:
                self._pinged_s = now_s
                self._send(encode(Pingreq(), Level.V5))
            wait_s = min(_TICK_S, self._keepalive_s / 4)
            self._timer = asyncio.get_running_loop().call_later(wait_s, self._tick)

    def _end(self, cause: str, *, politely: bool = True) -> None:
        """End it, once; ``politely`` sends what is written before."""
        for timer in (self._timer, self._rest):
            if timer is not None:
                timer.cancel()
        if not self.lost.is_set():
            self.cause = cause
            self.lost.set()
            self._answered.set()
        if self._transport is not None:
            (hang_up if politely else cut)(self._transport)
