"""The settings of the store's upkeep, section ``[upkeep]``."""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Meta

from core.config import Section

_FOR_EVER = "0 keeps them for ever"


class UpkeepConfig(Section, frozen=True, kw_only=True):
    """How long readings are kept, and when rollups are refreshed."""

    section: ClassVar[str] = "upkeep"

    every_s: Annotated[
        float,
        Meta(
            ge=0.1,
            le=3600,
            description="seconds between two refreshes of the minutes; the longer, the later a "
            "reading that came late is seen in a chart",
        ),
    ] = 10.0
    coarse_every_s: Annotated[
        float,
        Meta(
            ge=0.1,
            le=86400,
            description="seconds between two refreshes of the hours and days; while much comes "
            "late, a shorter one makes the same hours again and again",
        ),
    ] = 60.0
    grace_s: Annotated[
        float,
        Meta(
            ge=0,
            le=86400,
            description="seconds after its end until a minute is stored as complete; less than "
            "most readings take to arrive makes minutes twice, more makes the newest charts dearer",
        ),
    ] = 150.0
    statement_timeout_s: Annotated[
        float,
        Meta(
            ge=1,
            le=86400,
            description="seconds after which the server cancels a statement of the upkeep; one "
            "hour of 240,000 series takes up to a minute",
        ),
    ] = 900.0
    keep_readings_days: Annotated[
        int,
        Meta(
            ge=0,
            le=36500,
            description=f"days readings are kept; {_FOR_EVER}. 24,000 a second are about 230 GB "
            "a day, 2,000 a second 20 GB",
        ),
    ] = 30
    keep_1m_days: Annotated[
        int,
        Meta(
            ge=0,
            le=36500,
            description=f"days the minute rollups are kept; {_FOR_EVER}. 240,000 series are up to "
            "43 GB a day, 20,000 series 3.6 GB",
        ),
    ] = 90
    keep_1h_days: Annotated[
        int,
        Meta(ge=0, le=36500, description=f"days the hour rollups are kept; {_FOR_EVER}"),
    ] = 1095
    keep_1d_days: Annotated[
        int,
        Meta(ge=0, le=36500, description=f"days the day rollups are kept; {_FOR_EVER}"),
    ] = 0
    keep_rejected_days: Annotated[
        int,
        Meta(
            ge=0,
            le=36500,
            description=f"days rejects are kept, resolved or not; {_FOR_EVER}. What is deleted "
            "cannot be brought back when its device is registered",
        ),
    ] = 90
    retain_every_s: Annotated[
        float,
        Meta(ge=1, le=604800, description="seconds between two looks for what is past its time"),
    ] = 3600.0
    late_horizon_days: Annotated[
        int,
        Meta(
            ge=1,
            le=3650,
            description="days after which readings are compressed, where the edition of "
            "TimescaleDB can; what comes later than that is stored, at a higher cost",
        ),
    ] = 7
    http_host: Annotated[
        str, Meta(min_length=1, description="address of health and metrics; not for the public")
    ] = "127.0.0.1"
    http_port: Annotated[
        int, Meta(ge=0, le=65535, description="port of health and metrics; 0 takes a free one")
    ] = 9103
    retry_max_s: Annotated[
        float,
        Meta(
            ge=0.1,
            le=600,
            description="longest pause between two attempts while the database is away",
        ),
    ] = 15.0
