"""The story of the demo: what happens when, and where, in every round of five minutes.

Places are drawn by seed and change with every round; a run with the same seed tells the same story.
"""

from __future__ import annotations

from collections import Counter
from random import Random

from core.model import District
from simulators.events import Event, sites
from simulators.scenarios import fire, slope, storm, traffic
from simulators.scenarios.outage import outage

ROUND_S = 300.0
"""Seconds after which the story begins again at other places."""

FIRE_S = 8.0
STORM_S = 12.0
SLOPE_S = 15.0
TRAFFIC_S = 18.0
OUTAGE_S = 25.0
OUTAGE_LASTS_S = 90.0


def events_of(
    district: District, seed: int, number: int, *, spared: frozenset[str] = frozenset()
) -> list[Event]:
    """Return the events of one round (0 is the first), in order of their begin.

    Args:
        district: where it happens.
        seed: draws places and strengths.
        number: the round.
        spared: gateways that must not die.

    The gateway that dies carries as few of the other events' devices as there are: what it does
    not send while it is cut off cannot raise an alarm.
    """
    begin = number * ROUND_S

    def where(*kinds: str) -> str:
        places = list(sites(district, *kinds))
        Random(f"{seed}:places:{kinds[0]}").shuffle(places)
        return places[number % len(places)]

    def chance(name: str) -> Random:
        return Random(f"{seed}:{number}:{name}")

    events = [
        fire.fire(district, where(*fire.KINDS), chance("fire"), begin + FIRE_S),
        storm.storm(district, where(*storm.KINDS), chance("storm"), begin + STORM_S),
        slope.slope(district, where(*slope.KINDS), chance("slope"), begin + SLOPE_S),
        traffic.traffic(district, where(*traffic.KINDS), chance("traffic"), begin + TRAFFIC_S),
    ]
    home = {device.device_id: device.gateway_id for device in district.devices}
    busy = Counter(home[device] for event in events for device in event.must_alarm)
    mortal = [gateway for gateway in district.gateways if gateway.gateway_id not in spared]
    least = min(busy[gateway.gateway_id] for gateway in mortal)
    idle = [gateway for gateway in mortal if busy[gateway.gateway_id] == least]
    dying = chance("outage").choice(idle)
    return [*events, outage(dying, begin + OUTAGE_S, OUTAGE_LASTS_S)]
