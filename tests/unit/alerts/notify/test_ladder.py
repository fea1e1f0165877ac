from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from alerts.notify.ladder import Waiting, next_step
from tests.unit.alerts.notify.test_duty import NOON, roster

REACHABLE = frozenset({"mail"})
PATH = ("440303", "street-a", "block-1")


def contact(name: str, channel: str = "mail") -> list[dict[str, str]]:
    return [{"name": name, "channel": channel, "address": f"{name}@x"}]


MICRO = roster("micro", space="block-1", contacts=contact("micro"))
SQUADRON = roster("squadron", space="street-a", level="squadron", contacts=contact("squadron"))
BRIGADE = roster("brigade", level="brigade", contacts=contact("brigade"))


def step(level: str | None, *rosters: Any, **change: Any) -> tuple[str, list[str], tuple[str, ...]]:
    plain: dict[str, Any] = {"field": "fire", "severity": 3, "life_safety": False, "path": PATH}
    alarm = Waiting(**(plain | {"level": level} | change))
    found = next_step(alarm, rosters, NOON, REACHABLE)
    return found.level, [call.contact.name for call in found.calls], found.left_out


def test_the_calls_go_up_and_stay_at_the_top() -> None:
    everybody = (MICRO, SQUADRON, BRIGADE)
    assert step(None, *everybody)[:2] == ("micro_station", ["micro"])
    assert step("micro_station", *everybody)[:2] == ("squadron", ["squadron"])
    assert step("squadron", *everybody)[:2] == ("brigade", ["brigade"])
    assert step("brigade", *everybody)[:2] == ("brigade", ["brigade"])


def test_a_level_where_nobody_can_be_called_is_passed_over_with_its_reason() -> None:
    night = [{"begin": "20:00", "end": "08:00", "contacts": ["micro"]}]
    asleep = roster("micro", space="block-1", contacts=contact("micro"), shifts=night)
    mute = roster("mute", level="squadron", contacts=contact("x", "pigeon"))
    level, names, left_out = step(None, asleep, mute, BRIGADE)
    assert (level, names) == ("brigade", ["brigade"])
    assert left_out == (
        "micro_station: nobody on duty in micro",
        "squadron: no channel of theirs is configured",
    )
    assert step(None, SQUADRON)[2] == ("micro_station: no roster",)


def test_above_the_last_level_that_has_somebody_it_is_called_again() -> None:
    assert step("micro_station", MICRO)[:2] == ("micro_station", ["micro"])
    assert step(None)[:2] == ("", [])


@pytest.mark.parametrize(
    ("severity", "life_safety", "called"), [(2, False, False), (3, False, True), (1, True, True)]
)
def test_people_are_called_for_what_is_grave(
    severity: int, life_safety: bool, called: bool
) -> None:
    found = step(None, MICRO, severity=severity, life_safety=life_safety)
    assert bool(found[1]) is called


def test_other_fields_call_the_community_first() -> None:
    civil = roster("civil", level="community", contacts=contact("civil"))
    assert step(None, MICRO, civil, field="water")[:2] == ("community", ["civil"])
    assert step(None, civil, field="fire")[0] == ""


def test_who_is_called_changes_with_the_shift() -> None:
    shifts = [
        {"begin": "08:00", "end": "20:00", "contacts": ["day"]},
        {"begin": "20:00", "end": "08:00", "contacts": ["night"]},
    ]
    both = roster(space="block-1", contacts=contact("day") + contact("night"), shifts=shifts)
    alarm = Waiting(field="fire", severity=3, life_safety=False, path=PATH)
    names = [
        next_step(alarm, [both], NOON + timedelta(hours=hours), REACHABLE).calls[0].contact.name
        for hours in (0, 12)
    ]
    assert names == ["day", "night"]
