"""The configuration section of the alarm desk."""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Meta

from core.config import Section


class DeskConfig(Section, frozen=True, kw_only=True):
    """How alarms are joined, damped and hidden."""

    section: ClassVar[str] = "desk"

    settle_s: Annotated[
        float,
        Meta(
            ge=0,
            le=60,
            description="seconds that an alarm which something else may explain waits for what "
            "explains it; longer hides more consequences of one cause, and tells everybody later",
        ),
    ] = 5.0
    cause_window_s: Annotated[
        float,
        Meta(
            ge=0,
            le=86_400,
            description="seconds that an alarm may be older than its cause; too short shows the "
            "devices of a dead gateway that were noticed first, too long hides what came before",
        ),
    ] = 900.0
    release_s: Annotated[
        float,
        Meta(
            ge=0,
            le=3600,
            description="seconds after the end of a cause before what it hid is shown; shorter "
            "than two reporting intervals shows devices that are just coming back",
        ),
    ] = 60.0
    consequences: Annotated[
        tuple[str, ...],
        Meta(
            max_length=100,
            description="ids of rules whose alarms are hidden while an alarm of the same field, at "
            "least as bad, is active upstream in a drainage network; none hides nothing there",
        ),
    ] = ()
    calm_s: Annotated[
        float,
        Meta(
            ge=0,
            le=3600,
            description="seconds that a change must last to be told when the one before it came as "
            "fast; each further message within flap_window_s needs twice the calm",
        ),
    ] = 180.0
    flap_window_s: Annotated[
        float,
        Meta(
            ge=60,
            le=86_400,
            description="seconds over which messages about one rule on one subject are counted; "
            "longer damps slow flapping too, and tells a second occurrence later",
        ),
    ] = 3600.0
    join_s: Annotated[
        float,
        Meta(
            ge=0,
            le=86_400,
            description="seconds after the last alarm of an incident within which another one of "
            "its place joins it; too long makes one incident of two",
        ),
    ] = 1800.0
    join_m: Annotated[
        float,
        Meta(
            ge=0,
            le=10_000,
            description="metres within which alarms of one field join across blocks; "
            "too many make one incident of a rainy district",
        ),
    ] = 300.0
    incident_most: Annotated[
        int,
        Meta(
            ge=1,
            le=10_000,
            description="alarms of an incident at most; the next one opens another",
        ),
    ] = 1000
    operators: Annotated[
        int,
        Meta(
            ge=1,
            le=1000,
            description="how many people share the alarms at a time; the report's figures per "
            "operator are divided by it",
        ),
    ] = 1
    batch: Annotated[
        int,
        Meta(
            ge=10,
            le=10_000,
            description="alarm events looked at in one go; more of them judge the first ones later",
        ),
    ] = 1000
    poll_s: Annotated[
        float,
        Meta(
            gt=0,
            le=60,
            description="most seconds between two looks at the events and at what time alone "
            "does to alarms; new events are announced, so this only bounds the error of timers",
        ),
    ] = 1.0
