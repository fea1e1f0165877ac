"""A gateway that dies in the middle of a sentence, and comes back later with what it spooled."""

from __future__ import annotations

from core.model import Field, Gateway
from simulators.events import Event

NOTICED_S = 12.0
"""Seconds by which its absence must be known: the broker's will delay of 10 s, and some."""


def outage(gateway: Gateway, begins_s: float, lasts_s: float) -> Event:
    """Cut a gateway off; its devices go on measuring, and nothing is to be lost."""
    return Event(
        kind="outage",
        field=Field.SYSTEM,
        site=gateway.gateway_id,
        space="",
        lon=gateway.lon,
        lat=gateway.lat,
        begins_s=begins_s,
        lasts_s=lasts_s,
        traces={},
        must_alarm={gateway.gateway_id: NOTICED_S},
        facts={"time_scale": 1},
    )
