from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from alerts.desk import kpi, printing
from alerts.desk.kpi import Counted, floods, report
from tests.support.standing import T0, at


def counted(**change: Any) -> Counted:
    plain: dict[str, Any] = {
        "begin": T0,
        "end": T0 + timedelta(days=1),
        "slots": {},
        "held": 0,
        "priorities": {},
        "stale": 0,
        "top": [],
        "beginnings": 0,
        "bursts": [],
        "causes": {},
    }
    return Counted(**(plain | change))


def test_a_quiet_day_keeps_every_target() -> None:
    found = report(counted(), 1)
    assert (found["alarms"], found["confirmed"]["share_true"]) == (0, None)
    assert all(target["ok"] for target in found["targets"].values())


def test_rates_are_per_operator_and_ten_minutes() -> None:
    found = report(counted(slots={0: 12, 143: 276}), 2)
    assert found["per_operator_10min"] == {"avg": 1.0, "max": 138.0, "operators": 2}
    assert found["targets"]["per_operator_10min"]["ok"]
    assert not report(counted(slots={0: 12, 143: 277}), 1)["targets"]["per_operator_10min"]["ok"]


@pytest.mark.parametrize(
    ("slots", "expected"),
    [
        ({}, (0, 0.0)),
        ({5: 10}, (0, 0.0)),
        ({5: 11}, (1, 10.0)),
        ({5: 11, 6: 5, 7: 4, 8: 5}, (1, 20.0)),
        ({5: 11, 7: 9}, (1, 10.0)),
        ({5: 11, 6: 11, 9: 12}, (2, 20.0)),
        ({0: 9, 1: 11}, (1, 10.0)),
    ],
)
def test_a_flood_lasts_until_it_is_quiet(
    slots: dict[int, int], expected: tuple[int, float]
) -> None:
    found = floods(slots, 144, 1)
    assert (found.count, found.longest_min) == expected


def test_two_operators_carry_twice_as_much_before_it_is_a_flood() -> None:
    assert floods({1: 20}, 144, 2).count == 0
    assert floods({1: 21}, 144, 2).count == 1


def test_shares_of_colours_and_of_the_worst_sources() -> None:
    found = report(
        counted(
            priorities={1: 8, 2: 1, 4: 1},
            top=[("r", "device:a", 6), ("r", "device:b", 2)],
            beginnings=16,
            causes={"true": 3, "false": 1, "returned": 9},
        ),
        1,
    )
    assert found["priorities"] == {"blue": 8, "yellow": 1, "orange": 0, "red": 1}
    targets = found["targets"]
    assert (targets["blue_share"]["value"], targets["blue_share"]["ok"]) == (0.8, True)
    assert (targets["red_share"]["value"], targets["red_share"]["ok"]) == (0.1, False)
    assert targets["top_share"] == {"value": 0.5, "limit": 0.05, "ok": False}
    assert found["confirmed"]["share_true"] == 0.75
    assert found["confirmed"]["returned"] == 9


def test_who_chatters_most_comes_first() -> None:
    bursts = [("r", "device:a", at(s)) for s in (0, 10, 20)]
    bursts += [("r", "device:b", at(s)) for s in (0, 10, 20, 30)]
    bursts += [("r", "device:c", at(s)) for s in (0, 100, 200)]
    found = report(counted(bursts=sorted(bursts, key=lambda one: one[2])), 1)["chattering"]
    assert [(one["subject"], one["times"]) for one in found] == [("device:b", 4), ("device:a", 3)]


def test_the_part_of_a_slot_counts_as_one() -> None:
    assert kpi.slot_count(T0, T0 + timedelta(minutes=10)) == 1
    assert kpi.slot_count(T0, T0 + timedelta(minutes=11)) == 2
    assert kpi.slot_count(T0, T0 + timedelta(seconds=1)) == 1


def test_the_text_says_what_is_missed_and_draws_it() -> None:
    text = printing.text(
        report(
            counted(
                slots={3: 40},
                held=7,
                priorities={1: 2, 3: 1},
                top=[("r", "device:a", 30)],
                beginnings=40,
            ),
            1,
        )
    )
    assert "told: 40 alarms; held back: 7" in text
    assert "floods: 1" in text
    assert f"        30  {'█' * 24}  r device:a" in text
    assert "MISSED  share of time in a flood: 0.0069" not in text
    assert "MISSED  share of the ten worst sources: 0.75 (at most 0.05)" in text
    assert "chattering (three within a minute): none" in text
