"""What a run of the demo came to, as the one JSON line it ends with, and what is wrong with it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from core.model import Field

FIELDS = (Field.FIRE, Field.WATER, Field.SLOPE, Field.TRAFFIC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantiles:
    """Median and 99th percentile in milliseconds; None when nothing was measured."""

    p50: float | None
    p99: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The figures of one run.

    Attributes:
        published: readings the agents handed over; None when the simulator left no report.
        rejected: reason -> readings.
        alarms: field -> name of the worst severity reached -> alarms raised in this run.
        open: alarms that are open; like the latencies, when the agents are told to stop.
        commit_ms: reading to commit.
        alarm_ms: from the moment a condition was met to the commit of its alarm.
    """

    published: int | None
    received: int
    stored: int
    rejected: Mapping[str, int]
    duplicates: int
    alarms: Mapping[str, Mapping[str, int]]
    open: int
    commit_ms: Quantiles
    alarm_ms: Quantiles
    page_ok: bool
    api_ok: bool
    timescaledb: Mapping[str, str]

    def line(self) -> str:
        """Return the JSON object on one line."""
        return json.dumps(
            {
                "published": self.published,
                "received": self.received,
                "stored": self.stored,
                "rejected": dict(self.rejected),
                "duplicates": self.duplicates,
                "alarms": {field: dict(counts) for field, counts in self.alarms.items()},
                "open": self.open,
                "latency_ms": {
                    "commit": {"p50": self.commit_ms.p50, "p99": self.commit_ms.p99},
                    "alarm": {"p50": self.alarm_ms.p50, "p99": self.alarm_ms.p99},
                },
                "page_ok": self.page_ok,
                "api_ok": self.api_ok,
                "timescaledb": dict(self.timescaledb),
            }
        )


def unmet(outcome: Outcome) -> list[str]:
    """Return one sentence for each condition of a good run that does not hold."""
    faults: list[str] = []
    rejected = sum(outcome.rejected.values())
    ended = outcome.stored + rejected + outcome.duplicates
    if outcome.published is None:
        faults.append("the simulator left no report, so what was published is unknown")
    elif outcome.published != ended:
        faults.append(
            f"published {outcome.published} is not stored {outcome.stored} + rejected {rejected}"
            f" + duplicates {outcome.duplicates} = {ended}"
        )
    faults += [
        f"no alarm was raised in the field {field}"
        for field in FIELDS
        if not sum(outcome.alarms.get(field, {}).values())
    ]
    if not outcome.page_ok:
        faults.append("the page or its script was not served")
    if not outcome.api_ok:
        faults.append("the API did not answer as it should")
    return faults
