"""One connection's work: send what the spool holds, take receipts, report the status.

Messages go in order, events ahead of a backlog. One that stays unreceipted is sent again. The
broker's acknowledgement only paces the sending: a killed broker gives back nothing of what it
acknowledged, so the spool keeps a message until the worker's receipt.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from contextlib import suppress

import aiomqtt
import msgspec
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.reasoncodes import ReasonCode

from core.cancel import heed_cancel
from core.model import Channel
from core.topics import topic
from core.version import version
from edge.config import AgentConfig
from edge.link import LinkControl, properties, status_body
from edge.sink import Signals
from edge.spool import Message, ReceiptImpossible, Spool, SpoolUnwritable
from edge.window import Window

_LOG = logging.getLogger(__name__)
_SLICE = 20
_LOOK_S = 1.0
_SILENCE_S = 30.0
_BYE_S = 1.0
CONTENT_TYPE = "application/senml+json"


class LinkCut(Exception):
    """A simulated partition began."""


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """What the worker has committed of one spool: all up to ``low``, and those in ``above``."""

    ep: int
    low: int = 0
    above: list[int] = []


_RECEIPTS = msgspec.json.Decoder(Receipt)


def parse_receipt(payload: object) -> Receipt | None:
    """Return the receipt that a payload holds, None if it holds none.

    Example:
        >>> parse_receipt(b'{"ep": 7, "low": 3}')
        Receipt(ep=7, low=3, above=[])
        >>> parse_receipt(b'{"low": 3}') is None
        True
    """
    if not isinstance(payload, bytes | bytearray):
        return None
    try:
        return _RECEIPTS.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


class Session:
    """What an agent does while it is connected; begins anew with every connection.

    Args:
        client: connected.
        agent: gateway id and bounds.
        spool: what is sent.
        signals: shared with the sink.
        link: the switch that can cut this connection.
        finished: tells when to part from the broker.
    """

    def __init__(
        self,
        client: aiomqtt.Client,
        agent: AgentConfig,
        spool: Spool,
        signals: Signals,
        *,
        link: LinkControl,
        finished: Callable[[], bool],
    ) -> None:
        self._client = client
        self._agent = agent
        self._spool = spool
        self._signals = signals
        self._link = link
        self._finished = finished
        self._window = Window(
            agent.inflight_messages, first_s=agent.resend_after_s, most_s=agent.resend_most_s
        )
        self._publishing: set[asyncio.Task[None]] = set()
        self._last = 0
        self._last_event = 0
        self._heard_s = time.monotonic()
        self._told: set[str] = set()
        self.resent = 0

    async def run(self) -> None:
        """Work until ``finished``.

        Raises:
            ExceptionGroup: of aiomqtt.MqttError when the connection breaks, LinkCut when it is cut.
        """
        await self._subscribe()
        heed_cancel()
        async with asyncio.TaskGroup() as group:
            others = [
                group.create_task(work, name=f"{name} {self._agent.gateway_id}")
                for name, work in (
                    ("receive", self._receive()),
                    ("report", self._report()),
                    ("link", self._watch_link()),
                )
            ]
            await self._send(group)
            for task in (*others, *self._publishing):
                task.cancel()
            await self._publish_status(online=False, timeout_s=_BYE_S)
            heed_cancel()

    async def _subscribe(self) -> None:
        codes = await self._client.subscribe(topic(self._agent.gateway_id, Channel.RECEIPT), qos=1)
        for code in codes:
            if isinstance(code, ReasonCode) and code.is_failure:
                raise aiomqtt.MqttError(f"the broker refuses the receipt topic: {code}")

    # ---- sending

    async def _send(self, group: asyncio.TaskGroup) -> None:
        while not self._finished():
            self._signals.work.clear()
            messages = await self._choose()
            for message in messages:
                self._launch(group, message)
            if not messages:
                await self._rest()

    async def _choose(self) -> list[Message]:
        """Return what is to be sent now, a slice at a time: repeats, then events, then the rest."""
        return await self._repeats() or await self._events() or await self._others()

    async def _repeats(self) -> list[Message]:
        due = self._window.due(time.monotonic())[:_SLICE]
        if not due:
            return []
        messages = await asyncio.to_thread(self._spool.some, due)
        for seq in set(due) - {message.seq for message in messages}:
            self._window.lost(seq)
        self.resent += len(messages)
        return messages

    async def _events(self) -> list[Message]:
        room = min(_SLICE, self._window.event_room())
        while room:
            messages = await asyncio.to_thread(self._spool.pending_events, self._last_event, room)
            if not messages:
                break
            self._last_event = messages[-1].seq
            if fresh := self._fresh(messages):
                return fresh
        return []

    async def _others(self) -> list[Message]:
        room = min(_SLICE, self._window.room())
        while room:
            messages = await asyncio.to_thread(self._spool.pending, self._last, room)
            if not messages:
                break
            self._last = messages[-1].seq
            if fresh := self._fresh(messages):
                return fresh
        return []

    def _fresh(self, messages: Iterable[Message]) -> list[Message]:
        """Leave out what is under way: an event that has overtaken, or an overtaken one."""
        return [message for message in messages if message.seq not in self._window]

    def _launch(self, group: asyncio.TaskGroup, message: Message) -> None:
        now_s = time.monotonic()
        if not len(self._window):
            self._heard_s = now_s
        self._window.sent(message.seq, now_s)
        task = group.create_task(self._publish(message), name=f"publish {message.seq}")
        self._publishing.add(task)
        task.add_done_callback(self._publishing.discard)

    async def _publish(self, message: Message) -> None:
        await self._client.publish(
            topic(self._agent.gateway_id, message.channel),
            message.body,
            qos=1,
            properties=properties(PacketTypes.PUBLISH, ContentType=CONTENT_TYPE),
            timeout=self._agent.puback_timeout_s,
        )
        self._window.at_broker(message.seq)

    async def _rest(self) -> None:
        """Wait until there may be something to send."""
        now_s = time.monotonic()
        if len(self._window) and now_s - self._heard_s > _SILENCE_S:
            self._tell_once(
                "gateway %s: no receipt for %.0f s, readings stay in the spool; is a worker "
                "running, and is the broker user named like the gateway?",
                self._agent.gateway_id,
                now_s - self._heard_s,
            )
        with suppress(TimeoutError):
            async with asyncio.timeout(self._window.wait_s(now_s, _LOOK_S)):
                await self._signals.work.wait()

    # ---- receipts

    async def _receive(self) -> None:
        async for message in self._client.messages:
            receipt = parse_receipt(message.payload)
            if receipt is None:
                self._tell_once("gateway %s: a receipt is no receipt", self._agent.gateway_id)
            elif receipt.ep == self._spool.epoch:
                await self._settle(receipt)

    async def _settle(self, receipt: Receipt) -> None:
        try:
            gone = await asyncio.to_thread(self._spool.forget, receipt.low, receipt.above)
        except (ReceiptImpossible, SpoolUnwritable) as error:
            self._tell_once("gateway %s: %s", self._agent.gateway_id, error)
            return
        # Only after the spool has forgotten: what it could not forget is due again.
        self._window.receipted(receipt.low, receipt.above)
        if gone:
            self._heard_s = time.monotonic()
            self._signals.forgotten.set()
        self._signals.work.set()

    # ---- status

    async def _report(self) -> None:
        while True:
            await self._publish_status(online=True, timeout_s=self._agent.puback_timeout_s)
            heed_cancel()
            await asyncio.sleep(self._agent.status_every_s)

    async def _publish_status(self, *, online: bool, timeout_s: float) -> None:
        counts = self._spool.counts
        body = status_body(
            self._agent.gateway_id,
            online=online,
            at=round(time.time(), 3),
            version=version(),
            spooled=counts.pending,
            accepted=counts.accepted,
            receipted=counts.receipted,
            dropped=counts.dropped,
        )
        where = topic(self._agent.gateway_id, Channel.STATUS)
        await self._client.publish(where, body, qos=1, retain=True, timeout=timeout_s)

    async def _watch_link(self) -> None:
        await self._link.wait_cut()
        raise LinkCut

    def _tell_once(self, sentence: str, *values: object) -> None:
        """Log a sentence the first time only."""
        if sentence not in self._told:
            self._told.add(sentence)
            _LOG.warning(sentence, *values)
