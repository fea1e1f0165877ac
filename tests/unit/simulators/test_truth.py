from __future__ import annotations

import json
from datetime import datetime, timedelta

from core.model import District
from simulators.story import events_of
from simulators.truth import records

BEGAN_S = 1_782_878_400.0


def test_the_truth_says_what_where_when_and_who_must_alarm(district: District) -> None:
    found = records(events_of(district, 7, 0), story_began_s=BEGAN_S)
    assert json.loads(json.dumps(found)) == found
    kinds = {one["kind"]: one for one in found}
    assert set(kinds) == {"fire", "storm", "slope", "traffic", "outage"}
    fire = kinds["fire"]
    begin = datetime.fromisoformat(fire["begins_at"])
    assert begin.timestamp() == BEGAN_S + 8.0
    assert begin.utcoffset() == timedelta(0)
    assert fire["space"] in {space.code for space in district.spaces}
    for when in fire["must_alarm"].values():
        assert begin < datetime.fromisoformat(when) < datetime.fromisoformat(fire["ends_at"])
    assert set(fire["must_alarm"]) <= set(fire["devices"])
    assert all("time_scale" in one["facts"] for one in found)


def test_a_faster_story_happens_sooner(district: District) -> None:
    fire = records(events_of(district, 7, 0), story_began_s=BEGAN_S, speed=4.0)[0]
    assert datetime.fromisoformat(fire["begins_at"]).timestamp() == BEGAN_S + 2.0
