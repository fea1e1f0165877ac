"""The settings of the simulators, section ``[sim]``."""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Meta

from core.config import Section


class SimConfig(Section, frozen=True, kw_only=True):
    """Which district is simulated, and how its gateways run."""

    section: ClassVar[str] = "sim"

    seed: Annotated[
        int,
        Meta(
            ge=0,
            description="draws the district, its noise and its story; another seed is another "
            "district, so the database must hold the one of this seed",
        ),
    ] = 7
    spool_dir: Annotated[
        str,
        Meta(
            description="folder of the gateways' spools; what is left there from a run before is "
            "sent by the next; required by `blocktwin sim run`"
        ),
    ] = ""
    credentials_dir: Annotated[
        str,
        Meta(
            description="folder with one file for each gateway, named by its id, with its broker "
            "password in it; empty: all gateways log in with user and password of [mqtt]"
        ),
    ] = ""
    story: Annotated[
        bool, Meta(description="let things happen; without it the district stays quiet")
    ] = True
    faults: Annotated[
        bool,
        Meta(
            description="send a few readings that must be rejected or are duplicates, so that "
            "these paths are seen to work"
        ),
    ] = True
    tick_s: Annotated[
        float,
        Meta(
            ge=0.1,
            le=1.0,
            description="seconds between two looks at which devices are due; larger saves "
            "messages, smaller spreads the load; above 1 moving devices would report late",
        ),
    ] = 0.5
    flush_s: Annotated[
        float,
        Meta(
            ge=0,
            le=1.0,
            description="seconds a gateway gathers readings for one message; the readings of one "
            "tick come together, so little is gained above a few hundredths",
        ),
    ] = 0.02
    drain_s: Annotated[
        float,
        Meta(
            ge=0,
            le=60,
            description="seconds to wait for receipts at a stop; what is left stays in the spools",
        ),
    ] = 8.0
