"""The state: freshness, the fold up the tree, and what is told as changed."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from core.model import AlarmState, Field, Severity, SpaceKind
from twin.state import DeviceRow, OpenAlarm, SpaceRow, State, Topology, totals

SECOND = 1_000_000

#        1 district
#        2 street        3 street
#   4 block   5 block    6 block
PARENTS = {1: None, 2: 1, 3: 1, 4: 2, 5: 2, 6: 3}
KINDS = {1: SpaceKind.DISTRICT, 2: SpaceKind.STREET, 3: SpaceKind.STREET}
DEVICES = {"d4": 4, "e4": 4, "d5": 5, "d6": 6, "street": 2, "lost": None}


def row(space_id: int, *, code: str = "", in_force: bool = True) -> SpaceRow:
    return SpaceRow(
        space_id=space_id,
        code=code or f"s{space_id}",
        kind=KINDS.get(space_id, SpaceKind.BLOCK),
        name="",
        name_en="",
        parent_id=PARENTS.get(space_id, 2),
        in_force=in_force,
    )


def topology() -> Topology:
    return Topology(
        [row(i) for i in PARENTS] + [row(9, code="s4", in_force=False)],
        [DeviceRow(device_id=d, interval_s=10, space_id=s) for d, s in DEVICES.items()],
        [(number, device) for number, device in enumerate(DEVICES, start=1)],
    )


def state() -> State:
    return State(topology(), stale_intervals=3)


def alarm(number: int, **change: Any) -> OpenAlarm:
    plain = OpenAlarm(
        alarm_id=f"a{number}",
        field=Field.FIRE,
        severity=Severity.ORANGE,
        state=AlarmState.UNACKNOWLEDGED,
        device_id="d4",
        space_id=4,
    )
    return dataclasses.replace(plain, **change)


def see(now: State, seen_s: dict[int, float], at_s: float) -> None:
    series = np.array(list(seen_s), dtype=np.int32)
    received = np.array([s * SECOND for s in seen_s.values()], dtype=np.int64)
    now.see(series, received, int(at_s * SECOND))


def test_a_device_is_never_then_fresh_then_stale_then_fresh_again() -> None:
    now = state()
    assert now.device("d4")[0] == 0
    see(now, {1: 100.0}, 130.0)
    assert now.device("d4")[0] == 1
    see(now, {1: 100.0}, 130.1)
    assert now.device("d4")[0] == 2
    see(now, {1: 131.0}, 131.0)
    assert now.device("d4")[0] == 1


def test_the_newest_of_a_devices_series_counts_and_time_does_not_go_back() -> None:
    places = Topology(
        [row(1)], [DeviceRow(device_id="d", interval_s=10, space_id=1)], [(3, "d"), (7, "d")]
    )
    now = State(places, stale_intervals=3)
    see(now, {3: 50.0, 7: 100.0}, 120.0)
    see(now, {3: 60.0}, 120.0)
    assert now.device("d")[0] == 1


def test_series_that_nobody_knows_yet_are_passed_over() -> None:
    now = state()
    see(now, {99: 100.0, 1: 100.0, -4: 1.0}, 100.0)
    assert now.device("d4")[0] == 1


def test_counts_fold_up_the_tree_and_the_unplaced_count_in_the_whole() -> None:
    now = state()
    see(now, {1: 100.0, 2: 1.0, 6: 100.0}, 100.0)
    rows = now.space_rows()
    index = now.topology.index
    assert [rows[index(c) or 0][3:] for c in ("s1", "s2", "s4", "s6")] == [
        [5, 1, 1],
        [4, 1, 1],
        [2, 1, 1],
        [1, 0, 0],
    ]
    assert rows[0][3:] == [6, 2, 1]


def test_an_alarm_colours_its_place_and_all_that_contains_it() -> None:
    now = state()
    now.put(alarm(1))
    now.put(alarm(2, severity=Severity.BLUE, device_id="d6", space_id=6, field=Field.WATER))
    index = now.topology.index
    assert now.space(index("s4") or 0) == (3, 1, 1)
    assert now.space(index("s3") or 0) == (1, 1, 1)
    assert now.space(index("s1") or 0) == (3, 2, 2)
    assert now.space(index("s5") or 0) == (0, 0, 0)
    assert now.device("d4")[1] == 3
    assert now.by_field(0)["water"] == {"open": 1, "unacknowledged": 1, "severity": 1}


def test_a_hidden_alarm_colours_nothing_and_is_counted_apart() -> None:
    now = state()
    now.put(alarm(1, hidden=True))
    assert (now.space(0), now.device("d4")[1], now.hidden(0)) == ((0, 0, 0), 0, 1)
    assert now.alarms_inside(0) == []
    assert totals(now)["hidden"] == 1
    now.changes()
    now.put(alarm(1))
    assert now.changes().totals
    assert (now.space(0), now.hidden(0)) == ((3, 1, 1), 0)
    now.put(alarm(1, hidden=True))
    now.drop("a1")
    assert (now.space(0), now.hidden(0)) == ((0, 0, 0), 0)


def test_what_the_runtime_tests_itself_with_counts_nowhere() -> None:
    now = state()
    now.put(alarm(1, trial=True))
    assert (now.space(0), now.device("d4")[1], now.hidden(0)) == ((0, 0, 0), 0, 0)
    assert now.alarms_inside(0) == []
    now.drop("a1")
    assert now.space(0) == (0, 0, 0)


def test_the_next_worst_shows_when_the_worst_closes() -> None:
    now = state()
    now.put(alarm(1, severity=Severity.RED))
    now.put(alarm(2, severity=Severity.YELLOW))
    now.drop("a1")
    assert now.device("d4")[1] == 2
    assert now.space(0) == (2, 1, 1)
    now.drop("a2")
    now.drop("a2")
    assert now.space(0) == (0, 0, 0)


def test_an_acknowledged_alarm_is_open_but_seen() -> None:
    now = state()
    now.put(alarm(1))
    now.put(alarm(1, state=AlarmState.ACKNOWLEDGED))
    assert now.space(0) == (3, 1, 0)
    now.put(alarm(1, state=AlarmState.RETURNED_UNACKNOWLEDGED))
    assert now.space(0) == (3, 1, 1)


def test_an_alarm_of_a_replaced_outline_counts_in_the_one_now_in_force() -> None:
    now = state()
    now.put(alarm(1, space_id=9))
    assert now.space(now.topology.index("s4") or 0) == (3, 1, 1)
    assert [step.code for step in now.topology.path(9)] == ["s1", "s2", "s4"]


def test_an_alarm_without_a_place_counts_in_the_whole_alone() -> None:
    now = state()
    now.put(alarm(1, space_id=None, device_id=None, field=Field.SYSTEM))
    now.put(alarm(2, space_id=77, device_id="nobody"))
    assert now.space(0) == (3, 2, 2)
    assert now.space(now.topology.index("s1") or 0) == (0, 0, 0)


def test_changes_are_told_once() -> None:
    now = state()
    assert not now.changes()
    see(now, {1: 100.0}, 100.0)
    now.put(alarm(1))
    first = now.changes()
    assert first.devices == {"d4": (1, 3)}
    assert first.spaces == {"s1": (3, 1, 1), "s2": (3, 1, 1), "s4": (3, 1, 1)}
    assert first.totals
    assert not now.changes()
    see(now, {1: 100.0}, 131.0)
    assert now.changes().devices == {"d4": (2, 3)}
    assert len(now.everything().devices) == 6


def test_devices_inside_a_space() -> None:
    now = state()
    assert set(now.devices_inside(now.topology.index("s2") or 0)) == {"d4", "e4", "d5", "street"}
    assert len(now.devices_inside(0)) == 6


def test_an_empty_store_has_a_state() -> None:
    now = State(Topology([], [], []), stale_intervals=3)
    see(now, {1: 1.0}, 2.0)
    now.put(alarm(1))
    assert now.space(0) == (3, 1, 1)
    assert now.changes().totals


ALARMS = st.builds(
    alarm,
    st.integers(0, 5),
    severity=st.sampled_from(Severity),
    field=st.sampled_from(Field),
    state=st.sampled_from([s for s in AlarmState if s is not AlarmState.CLOSED]),
    space_id=st.sampled_from([None, *PARENTS]),
    device_id=st.sampled_from([None, *DEVICES]),
)


@given(st.lists(st.one_of(ALARMS, st.integers(0, 5))))
def test_small_steps_agree_with_counting_anew(steps: list[OpenAlarm | int]) -> None:
    now = state()
    kept: dict[str, OpenAlarm] = {}
    for step in steps:
        if isinstance(step, int):
            now.drop(f"a{step}")
            kept.pop(f"a{step}", None)
        else:
            now.put(step)
            kept[step.alarm_id] = step
    for index in range(len(now.topology.parent)):
        here = [a for a in kept.values() if index in set(now.topology.ancestors(a.space_id))]
        unseen = [a for a in here if a.state is not AlarmState.ACKNOWLEDGED]
        worst = max((int(a.severity) for a in here), default=0)
        assert now.space(index) == (worst, len(here), len(unseen))
    for device in DEVICES:
        here = [a for a in kept.values() if a.device_id == device]
        assert now.device(device)[1] == max((int(a.severity) for a in here), default=0)


def test_the_alarms_of_a_space_come_worst_first_and_unseen_before_seen() -> None:
    now = state()
    now.put(alarm(1, severity=Severity.BLUE, space_id=5, device_id="d5"))
    now.put(alarm(2, severity=Severity.RED, state=AlarmState.ACKNOWLEDGED))
    now.put(alarm(3, severity=Severity.RED))
    now.put(alarm(4, severity=Severity.RED, space_id=6, device_id="d6"))
    now.put(alarm(5, severity=Severity.RED, space_id=None, device_id=None))
    street = now.topology.index("s2")
    assert street is not None
    assert [found.alarm_id for found in now.alarms_inside(street)] == ["a3", "a2", "a1"]
    assert len(now.alarms_inside(0)) == 5


def test_the_silent_devices_of_a_space_come_longest_first() -> None:
    now = state()
    # d4, e4 and d5 reported; d6 lies in another street; the rest never did.
    see(now, {1: 50.0, 2: 40.0, 3: 100.0, 4: 10.0}, 110.0)
    street = now.topology.index("s2")
    assert street is not None
    assert now.silent_inside(street) == [("e4", 40 * SECOND), ("d4", 50 * SECOND)]
    assert [device for device, _ in now.silent_inside(0)] == ["d6", "e4", "d4"]


def test_the_children_of_a_space_are_those_right_inside() -> None:
    known = topology()
    district = known.index("s1")
    assert district is not None
    assert [known.spaces[i - 1].code for i in known.children(district)] == ["s2", "s3"]


def test_the_state_of_a_few_is_that_of_each() -> None:
    now = state()
    now.put(alarm(1))
    see(now, {1: 100.0, 3: 100.0}, 110.0)
    assert now.devices_of(["d4", "d5", "new"]) == {
        device: now.device(device) for device in ("d4", "d5", "new")
    }
    block = now.topology.index("s4")
    assert block is not None
    assert now.spaces_of(["s4", "gone"]) == {"s4": now.space(block)}
