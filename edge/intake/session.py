"""One client at the ThingsBoard door, from its CONNECT to its end.

The order of a message: read, translate, to the keeper, and when it is on disk, acknowledge. What
the client asks is answered at once. Nothing is allowed that is not of ThingsBoard's API.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from core.mqtt.packets import (
    Connack,
    Connect,
    Disconnect,
    Frame,
    Kind,
    Level,
    MqttError,
    Pingreq,
    Pingresp,
    Properties,
    Puback,
    Publish,
    Reason,
    Suback,
    Subscribe,
    Unsuback,
    Unsubscribe,
    UnsupportedVersion,
    parse,
)
from edge.intake.answers import HEARD, Limits, answer, may_subscribe
from edge.intake.keeper import Keeper
from edge.intake.thingsboard import is_data, translate
from edge.intake.tokens import Owner, Tokens
from edge.intake.wire import Acknowledger, Link, LinkLost
from edge.intake.words import Door, Translation, Why

_LENIENCY = 1.5
"""Section 3.1.2.10: a client may be silent for one and a half times its keep alive."""
_SETTLE_S = 5.0
_MOST_FILTERS = 64


class Refused(Exception):
    """The client may not go on.

    Attributes:
        reason: MQTT 5 reason code that it is told.
        why: one word for the figures and the log.
    """

    def __init__(self, reason: int, why: str, detail: str = "") -> None:
        super().__init__(detail or why)
        self.reason = reason
        self.why = why


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """What all sessions of a door share.

    Attributes:
        tokens: who may come in.
        keeper: where readings go.
        limits: what a client is told.
        silence_s: until a client's CONNECT is there.
    """

    tokens: Tokens
    keeper: Keeper
    limits: Limits
    silence_s: float


class Session:
    """One client; ``run`` is its whole life.

    Attributes:
        owner: whose token it showed; None before that.
        client_id: as it said.
    """

    def __init__(self, house: House, link: Link) -> None:
        self._house = house
        self._link = link
        self._acknowledger = Acknowledger(link, house.limits.inflight)
        self._filters: set[str] = set()
        self.owner: Owner | None = None
        self.client_id = ""

    async def run(self, welcome: Callable[[Session], None]) -> None:
        """Serve until the client leaves; ``welcome`` is told once it has shown its token.

        Raises:
            Refused: if it said what it must not; it has been told.
            LinkLost: if it is gone or silent.
        """
        try:
            await self._serve(welcome)
        except MqttError as error:
            await self._part(error.reason_code)
            raise Refused(error.reason_code, "malformed", str(error)) from error
        except Refused as refusal:
            await self._part(refusal.reason)
            raise
        except LinkLost:
            self._link.cut()
            raise
        await self._link.close()

    def leave(self) -> None:
        """End it: another client came with its id, or the door closes."""
        self._link.cut()

    async def _part(self, reason: int) -> None:
        """Close; a client of MQTT 5 is told why, which only makes sense after its CONNACK."""
        told = self._link.level == Level.V5 and self.owner is not None
        await self._link.close(Disconnect(reason=reason) if told else None)

    async def _serve(self, welcome: Callable[[Session], None]) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                frames = self._link.frames()
                await self._wait_open(frames, welcome)
                acknowledging = group.create_task(self._acknowledger.run(), name="acknowledge")
                async for frame in frames:
                    if not await self._handle(frame):
                        break
                await self._settle()
                acknowledging.cancel()
        except BaseExceptionGroup as failures:
            raise failures.exceptions[0] from failures

    async def _wait_open(
        self, frames: AsyncIterator[Frame], welcome: Callable[[Session], None]
    ) -> None:
        """Let the client in, or not; it has one span of time for its whole CONNECT."""
        try:
            async with asyncio.timeout(self._house.silence_s):
                first = await anext(frames, None)
        except TimeoutError:
            raise LinkLost("no CONNECT in time") from None
        if first is None:
            raise LinkLost("left without a CONNECT")
        await self._open(first, welcome)

    async def _settle(self) -> None:
        """A client that says goodbye may still read its last acknowledgements."""
        try:
            async with asyncio.timeout(_SETTLE_S):
                await self._acknowledger.settled()
        except TimeoutError:
            return

    # ---- who comes in

    async def _open(self, frame: Frame, welcome: Callable[[Session], None]) -> None:
        if frame.kind is not Kind.CONNECT:
            raise Refused(Reason.PROTOCOL_ERROR, "malformed", f"{frame.kind.name} before CONNECT")
        try:
            connect = parse(frame, Level.V5)
        except UnsupportedVersion as error:
            await self._link.send(Connack(reason=error.reason_code))
            raise
        assert isinstance(connect, Connect)
        self._link.level = connect.level
        owner = self._house.tokens.owner(connect.username or "")
        if owner is None:
            await self._link.send(Connack(reason=Reason.NOT_AUTHORIZED))
            raise Refused(Reason.NOT_AUTHORIZED, "bad_token", "no such access token")
        self.owner = owner
        self.client_id = connect.client_id
        if connect.keepalive_s:
            self._link.silence_s = connect.keepalive_s * _LENIENCY
        else:
            self._link.silence_s = None
        welcome(self)
        await self._link.send(Connack(properties=self._told(connect)))

    def _told(self, connect: Connect) -> Properties:
        return Properties(
            assigned_client_id=None if connect.client_id else f"anonymous-{id(self):x}",
            session_expiry_s=0,
            receive_maximum=self._house.limits.inflight,
            topic_alias_maximum=0,
            maximum_qos=1,
            retain_available=0,
            maximum_packet=self._house.limits.packet_bytes,
            subscription_ids_available=0,
            shared_available=0,
        )

    # ---- what it says

    async def _handle(self, frame: Frame) -> bool:
        """Handle one packet; return whether the client stays."""
        if frame.kind is Kind.PUBLISH and frame.flags >> 1 & 3 == 2:
            raise Refused(Reason.QOS_NOT_SUPPORTED, "qos_2", "a PUBLISH at QoS 2")
        match parse(frame, self._link.level):
            case Publish() as publish:
                await self._publish(publish)
            case Subscribe() as subscribe:
                await self._subscribe(subscribe)
            case Unsubscribe() as unsubscribe:
                known = [name in self._filters for name in unsubscribe.filters]
                self._filters.difference_update(unsubscribe.filters)
                reasons = tuple(0 if one else int(Reason.NO_SUBSCRIPTION_EXISTED) for one in known)
                await self._link.send(Unsuback(packet=unsubscribe.packet, reasons=reasons))
            case Pingreq():
                await self._link.send(Pingresp())
            case Disconnect():
                return False
            case Puback():
                pass
            case other:
                name = type(other).__name__.upper()
                raise Refused(Reason.PROTOCOL_ERROR, "malformed", f"{name} is out of place")
        return True

    async def _subscribe(self, subscribe: Subscribe) -> None:
        reasons: list[int] = []
        for one in subscribe.subscriptions:
            if not may_subscribe(one.filter):
                reasons.append(Reason.NOT_AUTHORIZED)
            elif len(self._filters) >= _MOST_FILTERS:
                reasons.append(Reason.QUOTA_EXCEEDED)
            else:
                self._filters.add(one.filter)
                reasons.append(min(one.qos, 1))
        await self._link.send(Suback(packet=subscribe.packet, reasons=tuple(reasons)))

    async def _publish(self, publish: Publish) -> None:
        if publish.properties.topic_alias is not None:
            raise Refused(Reason.TOPIC_ALIAS_INVALID, "malformed", "a topic alias; none is taken")
        if publish.retain and self._link.level == Level.V5:
            raise Refused(Reason.RETAIN_NOT_SUPPORTED, "retain", "a retained PUBLISH")
        owner, keeper = self.owner, self._house.keeper
        assert owner is not None
        reason, said = 0, Translation()
        if is_data(publish.topic):
            said = translate(
                publish.topic,
                publish.payload,
                owner=owner.name,
                is_gateway=owner.is_gateway,
                now_s=keeper.clock(),
            )
        else:
            told = answer(publish.topic, publish.payload, self._house.limits)
            if told is None:
                said.refuse(Why.BAD_TOPIC, publish.topic, device=owner.name)
                reason = int(Reason.NOT_AUTHORIZED) if self._link.level == Level.V5 else 0
            elif told is not HEARD:
                # As ThingsBoard does it, at QoS 0: the client asks again if it gets lost.
                await self._link.send(Publish(topic=told.topic, payload=told.payload))
        commit = await keeper.take(Door.THINGSBOARD, publish.topic, publish.payload, said)
        if publish.qos:
            await self._acknowledger.add(commit, publish.packet, reason)
