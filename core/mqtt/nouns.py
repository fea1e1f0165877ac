"""The packets of MQTT as values, their levels and reason codes; clauses are those of MQTT 5.0."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from core.mqtt.properties import NONE, Properties

REFUSED = 0x80
"""Section 2.4: reason codes from here on are failures."""


class Level(IntEnum):
    """The protocol level of a CONNECT (section 3.1.2.2)."""

    V311 = 4
    V5 = 5


class Reason(IntEnum):
    """Reason codes, table 2-6."""

    SUCCESS = 0x00
    GRANTED_QOS_1 = 0x01
    DISCONNECT_WITH_WILL = 0x04
    NO_MATCHING_SUBSCRIBERS = 0x10
    NO_SUBSCRIPTION_EXISTED = 0x11
    UNSPECIFIED = 0x80
    MALFORMED_PACKET = 0x81
    PROTOCOL_ERROR = 0x82
    IMPLEMENTATION_SPECIFIC = 0x83
    UNSUPPORTED_VERSION = 0x84
    CLIENT_ID_NOT_VALID = 0x85
    BAD_USER_OR_PASSWORD = 0x86
    NOT_AUTHORIZED = 0x87
    SERVER_UNAVAILABLE = 0x88
    SERVER_BUSY = 0x89
    BANNED = 0x8A
    SERVER_SHUTTING_DOWN = 0x8B
    BAD_AUTHENTICATION_METHOD = 0x8C
    KEEPALIVE_TIMEOUT = 0x8D
    SESSION_TAKEN_OVER = 0x8E
    TOPIC_FILTER_INVALID = 0x8F
    TOPIC_NAME_INVALID = 0x90
    PACKET_ID_IN_USE = 0x91
    PACKET_ID_NOT_FOUND = 0x92
    RECEIVE_MAXIMUM_EXCEEDED = 0x93
    TOPIC_ALIAS_INVALID = 0x94
    PACKET_TOO_LARGE = 0x95
    MESSAGE_RATE_TOO_HIGH = 0x96
    QUOTA_EXCEEDED = 0x97
    ADMINISTRATIVE_ACTION = 0x98
    PAYLOAD_FORMAT_INVALID = 0x99
    RETAIN_NOT_SUPPORTED = 0x9A
    QOS_NOT_SUPPORTED = 0x9B
    USE_ANOTHER_SERVER = 0x9C
    SERVER_MOVED = 0x9D
    SHARED_NOT_SUPPORTED = 0x9E
    CONNECTION_RATE_EXCEEDED = 0x9F
    MAXIMUM_CONNECT_TIME = 0xA0
    SUBSCRIPTION_IDS_NOT_SUPPORTED = 0xA1
    WILDCARDS_NOT_SUPPORTED = 0xA2


def wording(code: int) -> str:
    """Return a reason code in words.

    Example:
        >>> wording(0x87), wording(0xFE)
        ('not authorized (0x87)', 'reason 0xfe')
    """
    try:
        return f"{Reason(code).name.lower().replace('_', ' ')} (0x{code:02x})"
    except ValueError:
        return f"reason 0x{code:02x}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Will:
    """What the server publishes when the client is lost (section 3.1.2.5)."""

    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False
    properties: Properties = NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class Connect:
    """Section 3.1. ``clean_start`` is the clean session of 3.1.1; "" asks for a client id."""

    level: Level = Level.V5
    client_id: str
    clean_start: bool = True
    keepalive_s: int = 0
    username: str | None = None
    password: bytes | None = None
    will: Will | None = None
    properties: Properties = NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class Connack:
    """Section 3.2. The reason is one of MQTT 5 also at level 4, where five of them can be said."""

    session_present: bool = False
    reason: int = 0
    properties: Properties = NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class Publish:
    """Section 3.3. ``packet`` is the packet identifier, 0 at QoS 0."""

    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False
    duplicate: bool = False
    packet: int = 0
    properties: Properties = NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class Puback:
    """Section 3.4."""

    packet: int
    reason: int = 0
    properties: Properties = NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """One topic filter of a SUBSCRIBE with its options (section 3.8.3.1)."""

    filter: str
    qos: int = 0
    no_local: bool = False
    retain_as_published: bool = False
    retain_handling: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscribe:
    """Section 3.8."""

    packet: int
    subscriptions: tuple[Subscription, ...]
    properties: Properties = NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class Suback:
    """Section 3.9: one reason for each filter, the granted QoS or a failure."""

    packet: int
    reasons: tuple[int, ...]
    properties: Properties = NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsubscribe:
    """Section 3.10."""

    packet: int
    filters: tuple[str, ...]
    properties: Properties = NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsuback:
    """Section 3.11: one reason for each filter; none at level 4."""

    packet: int
    reasons: tuple[int, ...] = ()
    properties: Properties = NONE


@dataclass(frozen=True, slots=True)
class Pingreq:
    """Section 3.12."""


@dataclass(frozen=True, slots=True)
class Pingresp:
    """Section 3.13."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Disconnect:
    """Section 3.14. At level 4 only a client sends it, and it has no reason."""

    reason: int = 0
    properties: Properties = NONE


Packet = (
    Connect | Connack | Publish | Puback | Subscribe | Suback | Unsubscribe | Unsuback
    | Pingreq | Pingresp | Disconnect
)  # fmt: skip
