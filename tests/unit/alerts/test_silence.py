from __future__ import annotations

from collections.abc import Iterable

import pytest

from alerts.engine import Engine, OpenCondition
from core.model import Quality, Severity, Transition
from core.registry import Registry
from tests.support.alerting import MISSING, OFFLINE, T0_US, S, batch, loaded, registry, row, words

ONE = registry(("heat-1", "heat"))
SIX = registry(*((f"heat-{n}", "heat", "gw-a") for n in range(1, 7)), ("heat-7", "heat", "gw-b"))


def engine(of: Registry = ONE) -> Engine:
    return Engine(loaded(MISSING, OFFLINE), of, now_us=T0_US)


def hear(engine: Engine, series: Iterable[int], at_s: float, quality: int = 0) -> list[Transition]:
    return engine.process(batch([row(n, at_s, 20.0, quality) for n in series]))


def tick(engine: Engine, at_s: float) -> list[Transition]:
    return engine.tick(T0_US + round(at_s * S))


def subjects(transitions: list[Transition]) -> list[tuple[str, str]]:
    return [(str(t.kind), t.subject) for t in transitions]


def test_a_device_is_missing_after_three_intervals_and_back_with_its_next_reading() -> None:
    silent = engine()
    hear(silent, [1], 5)
    assert tick(silent, 34.9) == []
    (raised,) = tick(silent, 36)
    assert words([raised]) == [("raised", "blue", "35")]
    assert (raised.subject, raised.value, raised.threshold) == ("device:heat-1", 31.0, 30.0)
    assert tick(silent, 40) == []
    assert words(hear(silent, [1], 41)) == [("returned", "blue", "41")]
    assert tick(silent, 70.9) == []


def test_nobody_is_missing_before_a_limit_after_the_start() -> None:
    late = engine()
    assert tick(late, 29.9) == []
    assert words(tick(late, 30)) == [("raised", "blue", "30")]


def test_the_limit_is_never_below_three_seconds() -> None:
    fast = Engine(loaded(MISSING), registry(("h", "heat"), interval_s=0.1), now_us=T0_US)
    assert tick(fast, 2.9) == []
    assert len(tick(fast, 3)) == 1


def test_arrival_counts_and_not_event_time() -> None:
    silent = engine()
    silent.process(batch([row(1, -5000, 20.0, received_s=20), row(1, -6000, 20.0, received_s=25)]))
    assert tick(silent, 54.9) == []
    assert len(tick(silent, 55)) == 1


def test_a_backfilled_reading_is_no_sign_of_life_and_a_bad_one_is() -> None:
    silent = engine()
    hear(silent, [1], 20, Quality.BACKFILLED)
    assert len(tick(silent, 31)) == 1
    hear(silent, [1], 32, Quality.OUT_OF_RANGE)
    assert tick(silent, 61) == []


def test_a_device_with_many_series_is_one_subject() -> None:
    silent = Engine(loaded(MISSING), registry(("wq-1", "water_quality")), now_us=T0_US)
    hear(silent, [3], 10)
    assert tick(silent, 39.9) == []
    assert subjects(tick(silent, 40)) == [("raised", "device:wq-1")]
    assert subjects(hear(silent, [5], 41)) == [("returned", "device:wq-1")]


def test_one_silent_device_among_living_ones_is_missing() -> None:
    silent = engine(SIX)
    for at in range(0, 60, 10):
        hear(silent, [n for n in range(1, 8) if n != 3 or at < 10], at)
    assert subjects(tick(silent, 51)) == [("raised", "device:heat-3")]


def test_a_gateway_that_says_offline_is_one_alarm_and_hides_its_devices() -> None:
    silent = engine(SIX)
    hear(silent, range(1, 8), 0)
    said = silent.gateway_status("gw-a", False, T0_US + 5 * S)
    assert [*words(said), *subjects(said)] == [
        ("raised", "yellow", "5"),
        ("raised", "gateway:gw-a"),
    ]
    assert silent.gateway_status("gw-a", False, T0_US + 6 * S) == []
    assert subjects(tick(silent, 100)) == [("raised", "device:heat-7")]
    back = silent.gateway_status("gw-a", True, T0_US + 101 * S)
    assert subjects(back) == [("returned", "gateway:gw-a")]
    assert tick(silent, 129.9) == []
    hear(silent, range(1, 6), 125)
    assert subjects(tick(silent, 131)) == [("raised", "device:heat-6")]


def test_silence_behind_a_whole_gateway_is_one_alarm() -> None:
    silent = engine(SIX)
    for n in range(1, 7):
        hear(silent, [n], n * 1.5)
    hear(silent, [7], 9.5)
    told = [t for at in range(10, 120) for t in tick(silent, at)]
    assert subjects(told) == [("raised", "gateway:gw-a"), ("raised", "device:heat-7")]
    assert words(told)[0] == ("raised", "yellow", "39")
    assert subjects(silent.gateway_status("gw-a", True, T0_US + 121 * S)) == []
    assert ("returned", "gateway:gw-a") in subjects(hear(silent, [2], 122))
    assert tick(silent, 140) == []
    hear(silent, [1, 3, 4, 5, 6, 7], 145)
    assert subjects(tick(silent, 153)) == [("raised", "device:heat-2")]


def test_unknown_gateways_say_nothing() -> None:
    assert engine().gateway_status("gw-x", False, T0_US) == []


def conditions(returned: bool) -> list[OpenCondition]:
    return [
        OpenCondition(rule_id=rule, subject=subject, severity=Severity.BLUE, returned=returned)
        for rule, subject in (
            ("rule-0", "device:heat-2"),
            ("rule-0", "device:nobody"),
            ("rule-1", "gateway:gw-a"),
            ("rule-1", "gateway:gw-b"),
            ("rule-1", "gateway:gw-x"),
        )
    ]


def test_restored_silence_lasts_until_something_is_heard() -> None:
    silent = engine(SIX)
    silent.restore(conditions(returned=False))
    assert tick(silent, 1) == []
    assert tick(silent, 100) == []
    assert silent.gateway_status("gw-a", False, T0_US) == []
    assert subjects(silent.gateway_status("gw-b", True, T0_US + 101 * S)) == [
        ("returned", "gateway:gw-b")
    ]
    hear(silent, [2], 102)
    back = silent.gateway_status("gw-a", True, T0_US + 103 * S)
    assert subjects(back) == [("returned", "gateway:gw-a")]


def test_what_has_returned_may_be_raised_anew() -> None:
    silent = engine(SIX)
    silent.restore(conditions(returned=True))
    assert len(silent.gateway_status("gw-a", False, T0_US)) == 1


def test_adopt_keeps_clocks_and_conditions() -> None:
    old = engine(SIX)
    hear(old, range(1, 8), 0)
    hear(old, range(1, 7), 25)
    old.gateway_status("gw-b", False, T0_US + 26 * S)
    hear(old, [1, 3, 4, 5, 6], 50)
    assert subjects(tick(old, 56)) == [("raised", "device:heat-2")]
    more = registry(
        *((f"heat-{n}", "heat", "gw-a") for n in range(1, 7)),
        ("heat-7", "heat", "gw-b"),
        ("heat-8", "heat", "gw-c"),
    )
    new = Engine(loaded(MISSING, OFFLINE, version=2), more, now_us=T0_US + 56 * S)
    new.adopt(old)
    hear(new, [1, 3, 4, 5, 6], 70)
    assert tick(new, 80) == []
    assert subjects(tick(new, 86)) == [("raised", "device:heat-8")]
    assert subjects(hear(new, [2], 87)) == [("returned", "device:heat-2")]
    assert subjects(new.gateway_status("gw-b", True, T0_US + 88 * S)) == [
        ("returned", "gateway:gw-b")
    ]


def test_a_clock_that_is_set_back_leaves_nobody_unwatched_and_nobody_missing() -> None:
    silent = engine(SIX)
    hear(silent, range(1, 8), 4000)
    tick(silent, 4001)
    assert tick(silent, 401) == []
    hear(silent, [n for n in range(1, 8) if n != 3], 425)
    assert tick(silent, 430.9) == []
    assert subjects(tick(silent, 431)) == [("raised", "device:heat-3")]
    assert subjects(hear(silent, [3], 432)) == [("returned", "device:heat-3")]


def test_who_was_missing_stays_so_when_the_clock_is_set_back() -> None:
    silent = engine(SIX)
    for at in range(0, 60, 10):
        hear(silent, [n for n in range(1, 8) if n != 3], 4000 + at)
    assert subjects(tick(silent, 4051)) == [("raised", "device:heat-3")]
    assert tick(silent, 100) == []
    assert subjects(hear(silent, [3], 101)) == [("returned", "device:heat-3")]


@pytest.mark.parametrize("heard_first", [True, False])
def test_nobody_is_missing_for_a_time_in_which_nobody_listened(heard_first: bool) -> None:
    silent = engine(SIX)
    hear(silent, range(1, 8), 0)
    tick(silent, 1)
    if heard_first:  # the broker was away; of seven devices one speaks up at once
        assert hear(silent, [1], 600) == []
    assert tick(silent, 601) == []
    hear(silent, [n for n in range(1, 8) if n != 3], 625)
    assert tick(silent, 629) == []
    assert subjects(tick(silent, 632)) == [("raised", "device:heat-3")]
