from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
import pytest

from alerts.channel_config import RouteConfig
from alerts.notify.duty import Roster
from alerts.notify.routes import Occasion, Target, targets
from alerts.notify.words import CHINA

NOON = datetime(2026, 1, 5, 12, tzinfo=CHINA)
PATH = ("440303", "street-a", "block-1")
ROSTER = msgspec.convert(
    {
        "roster_id": "micro",
        "name": {"zh": "微站", "en": "micro"},
        "space": "street-a",
        "level": "micro_station",
        "contacts": [
            {"name": "wang", "channel": "mail", "address": "wang@x"},
            {"name": "li", "channel": "hook", "address": "138"},
        ],
    },
    Roster,
)


def occasion(**change: Any) -> Occasion:
    plain: dict[str, Any] = {
        "kind": "raised",
        "field": "fire",
        "severity": 3,
        "life_safety": False,
        "advisory": False,
        "path": PATH,
        "at": NOON,
    }
    return Occasion(**(plain | change))


def told(channel: str, about: Occasion, *routes: dict[str, Any]) -> list[str]:
    made = [msgspec.convert({"name": f"r{n}"} | r, RouteConfig) for n, r in enumerate(routes)]
    return [target.recipient for target in targets(channel, about, made, [ROSTER])]


def test_without_routes_everything_is_told_but_advice() -> None:
    assert told("hook", occasion()) == [""]
    assert told("hook", occasion(severity=1, kind="commented")) == [""]
    assert told("hook", occasion(advisory=True)) == []


@pytest.mark.parametrize(
    ("route", "fits"),
    [
        ({"fields": ["fire"]}, True),
        ({"fields": ["water"]}, False),
        ({"spaces": ["street-a"]}, True),
        ({"spaces": ["street-b"]}, False),
        ({"min_severity": "yellow"}, True),
        ({"min_severity": "orange"}, False),
        ({"kinds": ["raised", "closed"]}, True),
        ({"kinds": ["closed"]}, False),
        ({"hours": [{"begin": "08:00", "end": "18:00"}]}, True),
        ({"hours": [{"begin": "20:00", "end": "08:00"}, {"days": ["sun"]}]}, False),
    ],
)
def test_a_route_fits_by_field_place_severity_kind_and_hour(
    route: dict[str, Any], fits: bool
) -> None:
    found = told("hook", occasion(severity=2), route | {"channels": ["hook"]})
    assert found == ([""] if fits else [])


def test_only_the_channels_of_the_route_are_told_and_none_twice() -> None:
    both = ({"channels": ["hook"]}, {"channels": ["hook", "mail"]})
    assert told("hook", occasion(), *both) == [""]
    assert told("mail", occasion(), both[0]) == []


def test_a_route_to_a_roster_tells_who_is_on_duty_on_this_channel() -> None:
    route = {"rosters": ["micro"]}
    assert told("mail", occasion(), route) == ["wang@x"]
    assert told("hook", occasion(), route) == ["138"]
    (found,) = targets("mail", occasion(), [RouteConfig(name="r", rosters=("micro",))], [ROSTER])
    assert found == Target(
        recipient="wang@x", called={"roster": "micro", "level": "micro_station", "name": "wang"}
    )


@pytest.mark.parametrize(
    ("change", "everybody"),
    [
        ({"severity": 3}, True),
        ({"severity": 1, "life_safety": True}, True),
        ({"severity": 2}, False),
        ({"severity": 4, "advisory": True}, False),
    ],
)
def test_a_gap_in_the_routes_is_none_in_the_warning(
    change: dict[str, Any], everybody: bool
) -> None:
    elsewhere = {"fields": ["water"], "channels": ["mail"]}
    assert told("hook", occasion(**change), elsewhere) == ([""] if everybody else [])


def test_a_roster_that_reaches_nobody_is_a_gap_as_well() -> None:
    gone = {"rosters": ["gone"]}
    assert told("hook", occasion(), gone) == told("mail", occasion(), gone) == [""]
    assert told("hook", occasion(severity=2), gone) == []
    route = RouteConfig(name="r", rosters=("micro",))
    for channel in ("hook", "mail", "bus"):
        found = targets(channel, occasion(), [route], [ROSTER], waking={"other"})
        assert [target.recipient for target in found] == [""], "its channels are not configured"
    bus = RouteConfig(name="r", channels=("bus",))
    assert targets("hook", occasion(), [bus], [], waking={"hook", "mail"}) == [Target()]
    assert targets("hook", occasion(), [bus], [], waking={"hook", "bus"}) == []


def test_what_follows_on_an_alarm_goes_no_further_than_the_alarm() -> None:
    route = {"kinds": ["raised"], "channels": ["mail"]}
    assert told("hook", occasion(kind="closed"), route) == []
    assert told("mail", occasion(kind="closed"), route) == []
    assert told("mail", occasion(), route) == [""]
    assert told("hook", occasion(kind="escalated"), route) == [""], "that asks for something"
    elsewhere = {"fields": ["water"], "channels": ["mail"]}
    assert told("hook", occasion(kind="closed"), elsewhere) == [""], "it was told of the alarm"


def test_a_kind_that_does_not_exist_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError, match="rasied"):
        msgspec.convert({"name": "r", "kinds": ["rasied"], "channels": ["x"]}, RouteConfig)
