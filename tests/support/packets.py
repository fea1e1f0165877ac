"""Any packet, any property: strategies for hypothesis, for both protocol levels."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from hypothesis import strategies as st

from core.mqtt import properties as props
from core.mqtt.packets import (
    NONE,
    Connack,
    Connect,
    Disconnect,
    Kind,
    Level,
    Packet,
    Pingreq,
    Pingresp,
    Properties,
    Puback,
    Publish,
    Suback,
    Subscribe,
    Subscription,
    Unsuback,
    Unsubscribe,
    Will,
)

WORDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
TOPICS = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0#+"), min_size=1, max_size=12
)
FILTERS = st.lists(st.sampled_from(["a", "sensor", "+", "", "$x"]), min_size=2, max_size=4).map(
    "/".join
) | st.sampled_from(["#", "+", "a/#", "bt/v1/+/+/live"])
IDS = st.integers(1, 65_535)
PAYLOADS = st.binary(max_size=300)
CODES = st.sampled_from([0x80, 0x87, 0x8F, 0x97])
BITS = st.booleans()
# The return codes of MQTT 3.1.1 in the words of MQTT 5, which all levels can say.
CONNECT_CODES = st.sampled_from([0, 0x84, 0x85, 0x86, 0x87, 0x88])

_INTEGERS = {1: 255, 2: 65_535, 4: 0xFFFF_FFFF}


def _value(row: Any) -> st.SearchStrategy[Any]:
    low, high = row.within or (0, 0xFFFF_FFFF)
    match row.form.value:
        case int(size):
            return st.integers(low, min(high, _INTEGERS[size]))
        case "variable":
            return st.integers(1, 268_435_455)
        case "text":
            return WORDS
        case "binary":
            return st.binary(max_size=20)
        case _:
            return st.tuples(WORDS, WORDS)


def properties(kind: int) -> st.SearchStrategy[Properties]:
    """Any properties that a packet of this kind may have."""
    allowed = {row.name: _value(row) for row in props._TABLE.values() if kind in row.kinds}
    if kind == Kind.PUBLISH:
        del allowed["topic_alias"]
    for name in {"user", "subscription_ids"} & set(allowed):
        most = 1 if kind == Kind.SUBSCRIBE and name == "subscription_ids" else 3
        allowed[name] = st.lists(allowed[name], max_size=most).map(tuple)
    assert set(allowed) <= {field.name for field in fields(Properties)}
    return st.fixed_dictionaries({}, optional=allowed).map(lambda found: Properties(**found))


def publishes(level: Level = Level.V5) -> st.SearchStrategy[Publish]:
    """Any message at QoS 0 or 1."""
    said = properties(Kind.PUBLISH) if level == Level.V5 else st.just(NONE)
    common = {"topic": TOPICS, "payload": PAYLOADS, "retain": BITS, "properties": said}
    return st.builds(Publish, qos=st.just(0), **common) | st.builds(
        Publish, qos=st.just(1), duplicate=BITS, packet=IDS, **common
    )


@st.composite
def connects(draw: st.DrawFn, level: Level) -> Connect:
    """Any CONNECT that this level allows."""
    v5 = level == Level.V5
    will = None
    if draw(BITS):
        will = Will(
            topic=draw(TOPICS),
            payload=draw(PAYLOADS),
            qos=draw(st.integers(0, 2)),
            retain=draw(BITS),
            properties=draw(properties(props.WILL)) if v5 else NONE,
        )
    username = draw(st.none() | WORDS)
    return Connect(
        level=level,
        client_id=draw(WORDS),
        clean_start=draw(BITS),
        keepalive_s=draw(st.integers(0, 65_535)),
        username=username,
        password=draw(st.none() | PAYLOADS) if v5 or username is not None else None,
        will=will,
        properties=draw(properties(Kind.CONNECT)) if v5 else NONE,
    )


def packets(level: Level) -> st.SearchStrategy[Packet]:
    """Any packet that a connection of this level can carry."""
    v5 = level == Level.V5

    def said(kind: Kind) -> st.SearchStrategy[Properties]:
        return properties(kind) if v5 else st.just(NONE)

    codes = CODES if v5 else st.just(0x80)
    subscription = st.builds(
        Subscription,
        filter=FILTERS,
        qos=st.integers(0, 2),
        **(
            {"no_local": BITS, "retain_as_published": BITS, "retain_handling": st.integers(0, 2)}
            if v5
            else {}
        ),
    )
    return st.one_of(
        connects(level),
        st.builds(Connack, session_present=BITS, reason=CONNECT_CODES,
                  properties=said(Kind.CONNACK)),
        publishes(level),
        st.builds(Puback, packet=IDS, reason=codes if v5 else st.just(0),
                  properties=said(Kind.PUBACK)),
        st.builds(Subscribe, packet=IDS, properties=said(Kind.SUBSCRIBE),
                  subscriptions=st.lists(subscription, min_size=1, max_size=4).map(tuple)),
        st.builds(Suback, packet=IDS, properties=said(Kind.SUBACK),
                  reasons=st.lists(st.integers(0, 2) | codes, max_size=4).map(tuple)),
        st.builds(Unsubscribe, packet=IDS, properties=said(Kind.UNSUBSCRIBE),
                  filters=st.lists(FILTERS, min_size=1, max_size=4).map(tuple)),
        st.builds(Unsuback, packet=IDS, properties=said(Kind.UNSUBACK),
                  reasons=st.lists(codes, max_size=4).map(tuple) if v5 else st.just(())),
        st.builds(Disconnect, reason=codes if v5 else st.just(0),
                  properties=said(Kind.DISCONNECT)),
        st.sampled_from([Pingreq(), Pingresp()]),
    )  # fmt: skip


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """Return the data in pieces, cut at these places modulo its length."""
    at = sorted({place % (len(data) + 1) for place in places})
    return [data[low:high] for low, high in zip([0, *at], [*at, len(data)], strict=True)]
