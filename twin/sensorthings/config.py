"""The section ``[sensorthings]``: whether SensorThings clients may create, and how."""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Meta

from core.config import Section


class SensorThingsConfig(Section, frozen=True, kw_only=True):
    """Creating through the SensorThings API; reading needs no settings."""

    section: ClassVar[str] = "sensorthings"

    create: Annotated[
        bool,
        Meta(
            description="let operators create Things and Observations at /sta/v1.1; needs a broker "
            "and a spool_dir"
        ),
    ] = False
    gateway: Annotated[
        str,
        Meta(
            pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$",
            description="gateway under which what is created is sent and registered, and the user "
            "name at the broker when password_file is set; no agent may use it",
        ),
    ] = "sta-http"
    password_file: Annotated[
        str,
        Meta(
            description="file with the broker password of that user; without it the user of "
            "[mqtt] is taken"
        ),
    ] = ""
    spool_dir: Annotated[
        str,
        Meta(
            description="folder of the spool in which Observations wait for the worker's receipt; "
            "it must survive a restart"
        ),
    ] = ""
    wait_s: Annotated[
        float,
        Meta(
            ge=0.1,
            le=60,
            description="seconds a client waits for its Observation to be committed; after that it "
            "is told 504 and may repeat the request",
        ),
    ] = 5.0
    at_once: Annotated[
        int,
        Meta(ge=1, le=1000, description="requests that may wait so at once; one more is 503"),
    ] = 64
