"""The sections ``[api]``, where the API listens and who may use it, and ``[twin]``, the kinds."""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Meta

from core.config import Section


class ApiConfig(Section, frozen=True, kw_only=True):
    """The API and the page."""

    section: ClassVar[str] = "api"

    host: Annotated[
        str,
        Meta(
            min_length=1,
            description="address to listen on; beyond loopback put a TLS proxy before it, or "
            "tokens cross the network in the clear",
        ),
    ] = "127.0.0.1"
    port: Annotated[
        int, Meta(ge=0, le=65535, description="TCP port; 0 takes a free one and logs it")
    ] = 8080
    operators_file: Annotated[
        str,
        Meta(
            description="TOML file of operators, kept by `blocktwin operator`; without it nobody "
            "can log in"
        ),
    ] = ""
    cookie_secure: Annotated[
        bool,
        Meta(description="send the session cookie over HTTPS only; true wherever TLS is in front"),
    ] = False
    session_hours: Annotated[
        float,
        Meta(gt=0, le=720, description="hours after which a session must log in again"),
    ] = 12.0
    sessions: Annotated[
        int,
        Meta(ge=1, le=100_000, description="sessions kept; one more ends the oldest"),
    ] = 1000
    request_bytes: Annotated[
        int,
        Meta(ge=1024, le=16_777_216, description="largest request body in bytes; larger is 413"),
    ] = 65_536
    file_bytes: Annotated[
        int,
        Meta(
            ge=65_536,
            le=1_073_741_824,
            description="largest map or survey file that may be uploaded, in bytes; it is held in "
            "memory while it is read; larger is 413, and the command line takes it",
        ),
    ] = 67_108_864
    scan_every_s: Annotated[
        float,
        Meta(
            ge=0.1,
            le=60,
            description="seconds between two looks at the newest readings; a device turns fresh "
            "or stale on the page that much late",
        ),
    ] = 2.0
    stale_intervals: Annotated[
        float,
        Meta(
            ge=1,
            le=1000,
            description="a device is stale after this many of its intervals without a reading; "
            "too few make slow links look dead",
        ),
    ] = 3.0
    streams: Annotated[
        int,
        Meta(ge=1, le=10_000, description="event streams open at once; one more is 503"),
    ] = 200
    stream_queue: Annotated[
        int,
        Meta(
            ge=4,
            le=100_000,
            description="events that wait for one slow stream; one more ends the stream, and its "
            "client comes back and gets what it missed",
        ),
    ] = 256
    stream_write_s: Annotated[
        float,
        Meta(
            gt=0,
            le=600,
            description="seconds a stream waits for its client to take what was sent; longer and "
            "the client is taken for dead",
        ),
    ] = 20.0
    heartbeat_s: Annotated[
        float,
        Meta(
            ge=0.1,
            le=300,
            description="seconds between comments on a quiet stream; more than a proxy's idle "
            "limit and the proxy cuts it",
        ),
    ] = 15.0
    replay_events: Annotated[
        int,
        Meta(
            ge=1,
            le=100_000,
            description="alarm events replayed to a client that comes back; one that missed more "
            "is told to load its lists anew",
        ),
    ] = 1000
    database_wait_s: Annotated[
        float,
        Meta(
            ge=0.1,
            le=60,
            description="seconds a request waits for a database connection before it is 503",
        ),
    ] = 3.0
    shutdown_s: Annotated[
        int,
        Meta(
            ge=1,
            le=60,
            description="seconds that running requests get after SIGTERM; streams end at once",
        ),
    ] = 5


class TwinConfig(Section, frozen=True, kw_only=True):
    """What is said of devices."""

    section: ClassVar[str] = "twin"

    kinds_folder: Annotated[
        str,
        Meta(
            description="folder of own device kinds, one KIND.json each; a device of a kind that "
            "is neither built in nor there cannot be loaded"
        ),
    ] = ""
