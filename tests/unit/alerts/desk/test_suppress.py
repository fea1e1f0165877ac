from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.desk.nouns import Standing
from alerts.desk.suppress import Above, Cause, explain, hider
from tests.support.standing import alarm, at, name, offline

WINDOW = timedelta(minutes=15)


def causes(
    alarms: Iterable[Standing], above: dict[str, list[Above]] | None = None, **more: Any
) -> dict[str, str]:
    """Return subject -> subject of its cause, every alarm being suspect and possible cause."""
    known = list(alarms)
    standing: dict[str, list[Standing]] = {}
    for one in known:
        standing.setdefault(one.subject, []).append(one)
    hiders = {one.alarm_id: by for one in known if (by := hider(one)) is not None}
    found = explain(known, above or {}, standing, hiders=hiders, window=WINDOW, **more)
    subjects = {one.alarm_id: one.subject for one in known}
    return {subjects[child]: cause.parent.subject for child, cause in found.items()}


def power(ref: str, steps: int = 1) -> Above:
    return Above(ref=ref, relation="power", steps=steps)


def test_a_dead_gateway_explains_silence_behind_it_and_nothing_else() -> None:
    found = causes(
        [
            offline(),
            alarm("silent"),
            alarm("frozen", rule_type="stuck"),
            alarm("wet", rule_type="high", field="water", quantity="depth"),
            alarm("elsewhere", gateway_id="gw-b"),
            alarm("lost", gateway_id=None),
            alarm("bit", life_safety=True),
        ]
    )
    assert found == {"device:silent": "gateway:gw-a", "device:frozen": "gateway:gw-a"}


@pytest.mark.parametrize(("earlier_s", "explained"), [(899, True), (901, False), (-3600, True)])
def test_what_was_there_long_before_its_cause_is_no_consequence(
    earlier_s: float, explained: bool
) -> None:
    found = causes([offline(), alarm("silent", raised_at=at(-earlier_s))])
    assert bool(found) is explained


@pytest.mark.parametrize("change", [{"active": False}, {"advisory": True}])
def test_what_is_over_or_only_advises_explains_nothing(change: dict[str, Any]) -> None:
    assert causes([offline(**change), alarm("silent")]) == {}


def test_low_voltage_below_a_dead_supply_is_a_consequence_and_a_leap_is_not() -> None:
    low: dict[str, Any] = {"rule_type": "low", "quantity": "voltage", "field": "traffic"}
    above = {"device:fed": [power("device:box")], "device:leap": [power("device:box")]}
    found = causes(
        [alarm("box", **low), alarm("fed", **low), alarm("leap", **(low | {"rule_type": "high"}))],
        above,
    )
    assert found == {"device:fed": "device:box"}


def test_the_gateway_comes_before_the_supply_and_the_near_before_the_far() -> None:
    above = {
        "device:silent": [power("device:box")],
        "gateway:gw-a": [power("device:box", 1), power("device:station", 2)],
    }
    found = causes(
        [alarm("silent"), offline(), alarm("box", gateway_id="gw-b"),
         alarm("station", gateway_id="gw-b")],
        above,
    )  # fmt: skip
    assert found == {"device:silent": "gateway:gw-a", "gateway:gw-a": "device:box"}


def test_the_supply_of_a_gateway_explains_its_devices_where_the_gateway_says_nothing() -> None:
    above = {"gateway:gw-a": [power("device:box")]}
    found = causes([alarm("silent"), alarm("box", gateway_id="gw-b")], above)
    assert found == {"device:silent": "device:box"}


def test_what_hides_the_cause_already_is_not_hidden_by_it() -> None:
    gateway = offline()
    watch = alarm("watch", hidden="suppressed", hidden_by=f"alarm:{gateway.alarm_id}")
    above = {"gateway:gw-a": [power("device:watch")]}
    assert "gateway:gw-a" not in causes([watch, gateway], above)


def test_a_persons_word_for_what_suppresses_is_no_alarm_of_the_desk() -> None:
    assert hider(alarm("x", hidden="suppressed", hidden_by="alarm:nonsense")) is None
    assert hider(alarm("x", hidden="shelved", hidden_by=f"alarm:{name('y')}")) is None
    assert hider(alarm("x", hidden="suppressed", hidden_by=f"alarm:{name('y')}")) == name("y")


def test_water_upstream_explains_only_named_rules_and_nothing_worse_than_itself() -> None:
    wet: dict[str, Any] = {"rule_type": "high", "field": "water", "rule_id": "level"}
    above = {"device:low": [Above(ref="device:up", relation="drainage", steps=3)]}
    both = [alarm("up", **wet), alarm("low", **wet)]
    assert causes(both, above) == {}
    named = {"consequences": frozenset({"level"})}
    assert causes(both, above, **named) == {"device:low": "device:up"}
    worse = [alarm("up", **wet), alarm("low", **(wet | {"severity": 4}))]
    assert causes(worse, above, **named) == {}
    other = [alarm("up", **(wet | {"field": "traffic"})), alarm("low", **wet)]
    assert causes(other, above, **named) == {}


def test_a_cause_is_said_in_both_languages() -> None:
    cause = Cause(parent=offline(name_zh="网关离线", name_en="Gateway offline"),
                  relation="gateway", steps=1)  # fmt: skip
    assert cause.why == "所属网关 gw-a：网关离线 / its gateway gw-a: Gateway offline"
    assert cause.by == f"alarm:{name('offline-gw-a')}"


@given(st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=20))
def test_something_always_stays_visible(edges: list[tuple[int, int]]) -> None:
    """Whatever feeds whatever, in circles too: following causes ends at a visible alarm."""
    above: dict[str, list[Above]] = {}
    for up, down in edges:
        above.setdefault(f"device:d{down}", []).append(power(f"device:d{up}"))
    found = causes([offline(), *(alarm(f"d{n}") for n in range(4)),
                    *(alarm(f"d{n}", gateway_id="gw-b") for n in range(4, 8))], above)  # fmt: skip
    for subject in found:
        at_last, seen = subject, {subject}
        while at_last in found:
            at_last = found[at_last]
            assert at_last not in seen
            seen.add(at_last)
