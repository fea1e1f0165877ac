from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from alerts.desk.incidents import Board, Incident, begun, joined, sum_up
from alerts.desk.nouns import Standing
from tests.support.standing import alarm, at, name

NAMES = {
    "b-1": ("一号街区", "Block 1"),
    "grid-a": ("甲网格", "Grid A"),
    "440303": ("罗湖", "Luohu"),
}


def board(*incidents: Incident, **change: Any) -> Board:
    plain: dict[str, Any] = {"reach": timedelta(minutes=30), "near_m": 300.0, "most": 100}
    return Board(incidents, **(plain | change))


def wet(word: str, **change: Any) -> Standing:
    return alarm(word, **({"field": "water", "rule_type": "high", "name_zh": "积水"} | change))


def test_one_block_is_one_incident_across_fields() -> None:
    table = board()
    first = table.join(wet("a"), at(0))
    assert table.join(alarm("b", field="fire"), at(60)) == first
    assert table.join(alarm("c", field="traffic", block="b-2", lon=114.1001), at(60)) != first


def test_one_field_joins_across_blocks_when_it_is_near() -> None:
    table = board()
    first = table.join(wet("a"), at(0))
    assert table.join(wet("b", block="b-2", lon=114.1020), at(1)) == first  # 206 m
    assert table.join(wet("c", block="b-3", lon=114.1060), at(2)) != first
    assert table.join(alarm("d", field="fire", block="b-4", lon=114.1010), at(3)) != first


def test_after_a_while_it_is_another_incident() -> None:
    table = board()
    first = table.join(wet("a"), at(0))
    assert table.join(wet("b"), at(1800)) == first
    assert table.join(wet("c"), at(3601)) != first


def test_an_incident_that_is_full_begins_another() -> None:
    table = board(most=2)
    found = [table.join(wet(str(n)), at(n)) for n in range(4)]
    assert found[0] == found[1] != found[2] == found[3]


def test_the_runtimes_alarms_join_by_gateway_not_by_neighbourhood() -> None:
    table = board()
    first = table.join(alarm("a", block="gateway:gw-a"), at(0))
    assert table.join(alarm("b", block="gateway:gw-a"), at(1)) == first
    assert table.join(alarm("c", block="gateway:gw-b"), at(1)) != first


def test_what_nothing_is_known_of_stays_by_itself() -> None:
    table = board()
    lost: dict[str, Any] = {"block": None, "lon": None, "lat": None, "spaces": ()}
    assert table.join(wet("a", **lost), at(0)) != table.join(wet("b", **lost), at(1))


def test_the_same_first_alarm_gives_the_same_incident() -> None:
    assert (
        board().join(wet("a"), at(0))
        == board().join(wet("a"), at(99))
        == begun(wet("a"), at(0)).incident_id
    )


def test_the_summary_is_that_of_its_alarms() -> None:
    members = [
        wet("a", severity=2, peak=4, lon=114.0),
        alarm("b", field="fire", severity=3, peak=3, lon=114.2, spaces=("440303", "grid-a", "b-2")),
        alarm("c", severity=1, peak=1, lon=None, spaces=()),
    ]
    one = sum_up(begun(members[0], at(0)), members, NAMES, last_at=at(50), now=at(60))
    assert (one.state, one.severity, one.field, one.fields) == (
        "open", 3, "water", ("water", "fire", "system"),
    )  # fmt: skip
    assert (one.space, one.lon, one.alarms, one.last_at) == ("grid-a", 114.1, 3, at(50))
    assert one.title_zh == "甲网格：积水等 3 个告警（水务、消防、系统）"
    assert one.title_en == "Grid A: Device silent and 2 more (water, fire, system)"


def test_a_single_alarm_is_titled_by_itself() -> None:
    one = sum_up(begun(wet("a"), at(0)), [wet("a")], {}, last_at=at(0), now=at(0))
    assert one.title_zh == "a：积水"


def test_it_closes_with_the_last_alarm_and_keeps_when() -> None:
    shut = wet("a", open=False, active=False, severity=1, peak=3)
    one = sum_up(begun(shut, at(0)), [shut], NAMES, last_at=at(0), now=at(100))
    assert (one.state, one.closed_at, one.severity) == ("closed", at(100), 3)
    later = sum_up(one, [shut], NAMES, last_at=at(0), now=at(200))
    assert later.closed_at == at(100)
    again = sum_up(one, [shut, wet("b")], NAMES, last_at=at(0), now=at(200))
    assert (again.state, again.closed_at) == ("open", None)


@pytest.mark.parametrize("count", [1, 3])
def test_joining_counts(count: int) -> None:
    one = begun(wet("a"), at(0))
    for number in range(count):
        one = joined(one, wet(str(number)), at(number))
    assert (one.alarms, one.last_at) == (count, at(count - 1))
    assert one.incident_id != name("a")
