"""The settings of the agent, section ``[agent]``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar

import msgspec
from msgspec import Meta

from core.config import Section
from core.errors import ConfigInvalid

SPOOL_FILE = "spool.db"


class AgentConfig(Section, frozen=True, kw_only=True):
    """What one agent reads, where it keeps readings, and how it sends them."""

    section: ClassVar[str] = "agent"

    gateway_id: Annotated[
        str,
        Meta(
            pattern=r"^([a-z0-9][a-z0-9._-]{0,63})?$",
            description="names this gateway in topics and to the broker; two running agents of one "
            "name throw each other off the broker; required by `blocktwin agent`",
        ),
    ] = ""
    spool_dir: Annotated[
        str,
        Meta(
            description="folder of the spool file; on a disk that does not survive a power cut, "
            "unsent readings do not either; required by `blocktwin agent`"
        ),
    ] = ""
    driver: Annotated[
        str,
        Meta(
            description="where readings come from: `idle` (only sends what the spool holds), "
            "`replay`, or `package.module:function`, called with the options"
        ),
    ] = "idle"
    driver_options: Annotated[
        dict[str, str],
        Meta(description="options of the driver; one that the driver does not know is an error"),
    ] = msgspec.field(default_factory=dict)
    flush_s: Annotated[
        float,
        Meta(
            ge=0,
            le=60,
            description="seconds the first reading of a message waits for others; the larger, the "
            "later an alarm, the smaller, the more messages",
        ),
    ] = 0.2
    batch_readings: Annotated[
        int,
        Meta(
            ge=1,
            le=1000,
            description="readings that close a message early; small ones cost more of everything "
            "per reading, large ones more memory",
        ),
    ] = 100
    spool_max_messages: Annotated[
        int,
        Meta(
            ge=1,
            le=10_000_000,
            description="messages the spool holds; when full, the oldest is dropped and counted, "
            "so too few lose readings in a long outage",
        ),
    ] = 100_000
    resend_after_s: Annotated[
        float,
        Meta(
            ge=0.1,
            le=600,
            description="seconds without a receipt after which a message is sent again, doubled "
            "at each try; must be well above the worker's receipt interval",
        ),
    ] = 5.0
    resend_most_s: Annotated[
        float,
        Meta(
            ge=0.1,
            le=3600,
            description="longest pause between two tries of one message; the smaller, the more "
            "copies pile up at the broker while no worker runs",
        ),
    ] = 60.0
    inflight_messages: Annotated[
        int,
        Meta(
            ge=1,
            le=10_000,
            description="messages sent and not yet receipted; bounds memory, what the broker must "
            "queue, and the rate: so many messages a receipt interval",
        ),
    ] = 100
    puback_timeout_s: Annotated[
        float,
        Meta(
            ge=1,
            le=600,
            description="seconds the broker may take to acknowledge a message before the link "
            "counts as broken; too low breaks a slow link that works",
        ),
    ] = 30.0
    connect_timeout_s: Annotated[
        float,
        Meta(
            ge=0.5,
            le=60,
            description="seconds the broker may take to answer a connection or a subscription",
        ),
    ] = 5.0
    reconnect_first_s: Annotated[
        float,
        Meta(ge=0.05, le=60, description="pause before the first try to reconnect, then doubled"),
    ] = 0.5
    reconnect_most_s: Annotated[
        float,
        Meta(
            ge=0.05,
            le=3600,
            description="longest pause between two tries to reconnect; all gateways of a broker "
            "that comes back return within this time",
        ),
    ] = 30.0
    status_every_s: Annotated[
        float,
        Meta(ge=1, le=3600, description="seconds between two reports on the status topic"),
    ] = 30.0
    will_delay_s: Annotated[
        int,
        Meta(
            ge=0,
            le=3600,
            description="seconds the broker waits before it calls a vanished gateway offline; 0 "
            "makes an alarm of every short break",
        ),
    ] = 10
    drain_s: Annotated[
        float,
        Meta(
            ge=0,
            le=600,
            description="seconds to wait for receipts at a stop; what is left stays in the spool "
            "and is sent at the next start",
        ),
    ] = 8.0
    canary_device: Annotated[
        str,
        Meta(
            pattern=r"^([a-z0-9][a-z0-9._-]{0,63})?$",
            description="device of this gateway that carries its dead-man's canary "
            "(`blocktwin notify canary DEVICE` registers it); empty sends none, and nobody notices "
            "when the way of its alarms is broken",
        ),
    ] = ""
    canary_every_s: Annotated[
        float,
        Meta(
            ge=1,
            le=86_400,
            description="seconds between two canaries; keep it well below notify.canary_late_s",
        ),
    ] = 300.0
    http_host: Annotated[
        str, Meta(description="address of the health page; anything but loopback shows it to all")
    ] = "127.0.0.1"
    http_port: Annotated[
        int, Meta(ge=0, le=65535, description="port of the health page; 0 serves none")
    ] = 0

    def spool_path(self) -> Path:
        """Return the spool's file; every gateway has its own, so that several share a folder.

        Raises:
            ConfigInvalid: if the gateway id or the folder is not set.
        """
        for key in ("gateway_id", "spool_dir"):
            if not getattr(self, key):
                raise ConfigInvalid(
                    f"agent.{key} is not set",
                    remedy=f"set {key} in section [agent], or BLOCKTWIN_AGENT__{key.upper()}",
                )
        return Path(self.spool_dir) / self.gateway_id / SPOOL_FILE
