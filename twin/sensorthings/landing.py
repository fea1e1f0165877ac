"""The landing document: the sets there are, and what of the standard is claimed (OGC 18-088, 8.3).

A requirement stands here only when a test of its name shows it; a test compares the two lists.
"""

from __future__ import annotations

from typing import Any

from twin.sensorthings.functions import SUPPORTED
from twin.sensorthings.model import SETS
from twin.sensorthings.options import MOST_TOP, TOP

ROOT = "/sta/v1.1"
SPEC = "http://www.opengis.net/spec/iot_sensing/1.1/req/"

READING = tuple(
    SPEC + name
    for name in (
        *(
            f"datamodel/{entity}/{part}"
            for entity in (
                "thing", "location", "historical-location", "datastream", "sensor",
                "observed-property", "observation", "feature-of-interest",
            )
            for part in ("properties", "relations")
        ),
        "datamodel/entity-control-information/common-control-information",
        "resource-path/resource-path-to-entities",
        *(
            f"request-data/{option}"
            for option in (
                "order", "expand", "select", "status-code", "query-status-code", "orderby", "top",
                "skip", "count", "filter", "built-in-filter-operations",
                "built-in-query-functions", "pagination",
            )
        ),
    )
)  # fmt: skip
CREATING = (
    *(
        SPEC + f"create-update-delete/{name}"
        for name in (
            "link-to-existing-entities", "deep-insert", "deep-insert-status-code",
        )
    ),
    SPEC + "data-array/data-array",
)  # fmt: skip
"""Claimed only where creating is switched on. Not ``create-entity``, which asks for every kind of
entity: Things and Observations can be created."""


def document(base: str, *, create: bool) -> dict[str, Any]:
    """Return the landing document; ``base`` is the address of the root."""
    claimed = [*READING, *CREATING] if create else list(READING)
    return {
        "value": [{"name": name, "url": f"{base}/{name}"} for name in SETS],
        "serverSettings": {
            "conformance": claimed,
            "blocktwin": {
                "top": {"default": TOP, "most": MOST_TOP},
                "functions": list(SUPPORTED),
                "create": ["Observations", "Things", "CreateObservations"] if create else [],
            },
        },
    }
