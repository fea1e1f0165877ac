from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.notify.duty import (
    CIVIL_LEVELS,
    FIRE_LEVELS,
    Roster,
    Shift,
    calls,
    fault,
    ladder,
    responsible,
    within,
)
from alerts.notify.words import CHINA
from alerts.rules import Hours

NOON = datetime(2026, 1, 5, 12, tzinfo=CHINA)  # a Monday
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def roster(roster_id: str = "r", **change: Any) -> Roster:
    plain: dict[str, Any] = {
        "roster_id": roster_id,
        "name": {"zh": "名", "en": "name"},
        "space": "440303",
        "level": "micro_station",
        "contacts": [{"name": "wang", "channel": "mail", "address": "wang@x"}],
    }
    return msgspec.convert(plain | change, Roster)


def clock(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"


def slowly(hours: Hours, at: datetime) -> bool:
    """Walk minute by minute from each day's beginning to its end."""
    local = at.astimezone(CHINA).replace(second=0, microsecond=0)
    for back in (0, 1):
        day = (local - timedelta(days=back)).replace(hour=0, minute=0)
        if hours.days and DAYS[day.weekday()] not in hours.days:
            continue
        begin, end = (int(t[:2]) * 60 + int(t[3:]) for t in (hours.begin, hours.end))
        length = (end - begin) % 1440 or 1440
        start = day + timedelta(minutes=begin)
        if start <= local < start + timedelta(minutes=length):
            return True
    return False


@given(
    st.lists(st.sampled_from(DAYS), unique=True).map(tuple),
    st.integers(0, 1439),
    st.integers(0, 1440),
    st.integers(0, 364 * 1440).map(lambda minutes: NOON + timedelta(minutes=minutes)),
)
def test_hours_agree_with_a_walk_through_the_day(
    days: tuple[Any, ...], begin: int, end: int, at: datetime
) -> None:
    hours = Hours(days=days, begin=clock(begin), end=clock(end))
    if begin != end:
        assert within(hours, at) is slowly(hours, at)


def test_a_shift_over_midnight_belongs_to_the_day_it_begins_on() -> None:
    shift = Shift(days=("mon",), begin="20:00", end="08:00", contacts=("wang",))
    assert within(shift, NOON.replace(hour=20))
    assert within(shift, NOON.replace(hour=7) + timedelta(days=1))
    assert not within(shift, NOON.replace(hour=8) + timedelta(days=1))
    assert not within(shift, NOON.replace(hour=7))


def test_who_is_on_duty_goes_by_the_shifts() -> None:
    two = [{"name": name, "channel": "mail", "address": f"{name}@x"} for name in ("wang", "li")]
    always = roster(contacts=two)
    assert [c.name for c in always.on_duty(NOON)] == ["wang", "li"]
    by_day = roster(
        contacts=two,
        shifts=[
            {"begin": "08:00", "end": "20:00", "contacts": ["li"]},
            {"begin": "20:00", "end": "08:00", "contacts": ["wang"]},
        ],
    )
    assert [c.name for c in by_day.on_duty(NOON)] == ["li"]
    assert [c.name for c in by_day.on_duty(NOON.replace(hour=3))] == ["wang"]
    weekend = roster(contacts=two, shifts=[{"days": ["sat", "sun"], "contacts": ["li"]}])
    assert weekend.on_duty(NOON) == ()


def test_the_nearest_roster_of_a_level_is_responsible() -> None:
    path = ["440303", "street-a", "community-a", "grid-a", "block-1"]
    far, near = roster("far"), roster("near", space="street-a")
    twin, other = roster("twin", space="street-a"), roster("other", space="street-b")
    everybody = [far, near, twin, other]
    ask: dict[str, Any] = {"level": "micro_station", "field": "fire", "path": path}
    found = responsible(everybody, severity=3, **ask)
    assert [each.roster_id for each in found] == ["near", "twin"]
    assert responsible([far, other], severity=3, **ask) == [far]
    assert responsible(everybody, severity=2, **ask) == []
    assert responsible([roster(fields=["water"])], severity=4, **ask) == []
    assert responsible(everybody, severity=4, **(ask | {"path": []})) == []
    assert responsible(everybody, severity=4, **(ask | {"level": "brigade"})) == []


def test_a_person_in_two_rosters_is_called_once() -> None:
    found = calls([roster("one"), roster("two")], NOON)
    assert [(call.roster, call.recipient) for call in found] == [("one", "wang@x")]
    phone = roster("three", contacts=[{"name": "desk", "channel": "hook"}])
    assert [call.recipient for call in calls([phone], NOON)] == ["three/desk"]


def test_fire_has_another_ladder_than_the_rest() -> None:
    assert ladder("fire") == FIRE_LEVELS == ("micro_station", "squadron", "brigade")
    assert all(ladder(field) == CIVIL_LEVELS for field in ("water", "slope", "traffic", "system"))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"contacts": [{"name": "a", "channel": "m"}] * 2}, "a name of its own"),
        ({"shifts": [{"contacts": ["zhao"]}]}, "no contact 'zhao'"),
        ({"shifts": [{"begin": "08:00", "end": "08:00", "contacts": ["wang"]}]}, "is no time"),
        ({}, ""),
    ],
)
def test_a_roster_that_contradicts_itself_is_named(change: dict[str, Any], says: str) -> None:
    assert says in fault(roster(**change))
    assert bool(fault(roster(**change))) is bool(says)
