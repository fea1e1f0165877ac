"""What really happened, for whoever scores the alarms: events as plain data, in our time."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from simulators.events import Event


def record(event: Event, *, story_began_s: float, speed: float = 1.0) -> dict[str, Any]:
    """Return an event as JSON-ready data.

    Args:
        event: what happened.
        story_began_s: seconds since the Unix epoch at the story's begin.
        speed: seconds of the story in one of ours.
    """

    def when(story_s: float) -> str:
        moment = datetime.fromtimestamp(story_began_s + story_s / speed, UTC)
        return moment.isoformat(timespec="milliseconds")

    return {
        "kind": event.kind,
        "field": str(event.field),
        "site": event.site,
        "space": event.space,
        "lon": event.lon,
        "lat": event.lat,
        "begins_at": when(event.begins_s),
        "ends_at": when(event.ends_s),
        "must_alarm": {
            subject: when(event.begins_s + since_s)
            for subject, since_s in sorted(event.must_alarm.items(), key=lambda item: item[1])
        },
        "devices": sorted({device for device, _ in event.traces}),
        "facts": dict(event.facts),
    }


def records(
    events: Iterable[Event], *, story_began_s: float, speed: float = 1.0
) -> list[dict[str, Any]]:
    """Return events in the order of their begin."""
    ordered = sorted(events, key=lambda event: event.begins_s)
    return [record(event, story_began_s=story_began_s, speed=speed) for event in ordered]
