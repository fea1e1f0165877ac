"""The settings of the intake, section ``[intake]``."""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Meta

from core.config import Section


class IntakeConfig(Section, frozen=True, kw_only=True):
    """Which foreign gateways may deliver, and how their names become ours."""

    section: ClassVar[str] = "intake"

    gateway_id: Annotated[
        str,
        Meta(
            pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$",
            description="gateway that the foreign devices are registered at; also the broker user, "
            "which may read the topics of ChirpStack and Sparkplug (deploy/mosquitto/acl)",
        ),
    ] = "intake"
    spool_dir: Annotated[
        str,
        Meta(
            description="folder of the spool and of the file of what could not be read; a foreign "
            "message is acknowledged once it is there; required by `blocktwin intake`"
        ),
    ] = ""
    spool_max_messages: Annotated[
        int,
        Meta(
            ge=100,
            le=10_000_000,
            description="messages the spool holds; when full, the doors stop reading until "
            "receipts make room, and the foreign gateways keep their data",
        ),
    ] = 100_000
    map: Annotated[
        str,
        Meta(
            description="TOML file of foreign names: device to device id, key to quantity and "
            "unit; empty: names are taken as they are, made valid"
        ),
    ] = ""
    gather_s: Annotated[
        float,
        Meta(
            ge=0,
            le=5,
            description="seconds a message waits for others to go to the disk with it; the larger, "
            "the later an acknowledgement, the smaller, the more writes",
        ),
    ] = 0.03
    pending_readings: Annotated[
        int,
        Meta(
            ge=100,
            le=10_000_000,
            description="readings taken and not yet on disk, over all doors; when reached, the "
            "doors stop reading; bounds memory",
        ),
    ] = 100_000
    aside_mib: Annotated[
        int,
        Meta(
            ge=1,
            le=10_000,
            description="size of the file of what could not become a reading (aside.jsonl); a full "
            "one replaces the one before, so twice this much is kept",
        ),
    ] = 16
    chirpstack: Annotated[
        bool, Meta(description="read ChirpStack v4's events from the broker of section [mqtt]")
    ] = False
    sparkplug: Annotated[
        bool, Meta(description="read Sparkplug B from the broker of section [mqtt]")
    ] = False
    thingsboard: Annotated[
        bool, Meta(description="open the door that speaks ThingsBoard's MQTT API")
    ] = False
    thingsboard_host: Annotated[
        str,
        Meta(
            min_length=1,
            description="address of the ThingsBoard door; anything but loopback opens it to the "
            "network, where tokens need TLS",
        ),
    ] = "127.0.0.1"
    thingsboard_port: Annotated[
        int, Meta(ge=0, le=65535, description="port of the ThingsBoard door; 0 takes a free one")
    ] = 1884
    tokens_file: Annotated[
        str,
        Meta(
            description="TOML file of access tokens, [gateways] and [devices] with name = token; "
            "a publisher without one is refused; required by the ThingsBoard door"
        ),
    ] = ""
    tls_cert_file: Annotated[
        str,
        Meta(
            description="PEM file of the door's certificate chain; empty serves without TLS, and "
            "tokens cross the network in the clear"
        ),
    ] = ""
    tls_key_file: Annotated[
        str, Meta(description="PEM file of the certificate's key; empty: it is in the other file")
    ] = ""
    max_connections: Annotated[
        int,
        Meta(
            ge=1,
            le=100_000,
            description="connections of the ThingsBoard door; one more is closed at once",
        ),
    ] = 1000
    max_unacknowledged: Annotated[
        int,
        Meta(
            ge=1,
            le=65535,
            description="messages of one connection taken and not yet acknowledged; when reached, "
            "it is not read on",
        ),
    ] = 1000
    max_packet_kib: Annotated[
        int,
        Meta(
            ge=1,
            le=65536,
            description="size of a packet at the ThingsBoard door; a larger one ends the "
            "connection",
        ),
    ] = 1024
    connect_timeout_s: Annotated[
        float,
        Meta(
            ge=0.1,
            le=60,
            description="seconds a new connection may take to say who it is, and any to take an "
            "answer; then it is closed",
        ),
    ] = 10.0
    http_host: Annotated[
        str, Meta(description="address of the health page; anything but loopback shows it to all")
    ] = "127.0.0.1"
    http_port: Annotated[
        int, Meta(ge=0, le=65535, description="port of the health page; 0 serves none")
    ] = 0
