"""Transitions that wait for the store: order, bound, and what goes first when it is reached."""

from hypothesis import given
from hypothesis import strategies as st

from core.model import Field, Severity, Transition, TransitionKind
from ingest.held import Held


def transition(number: int, *, life_safety: bool = False) -> Transition:
    return Transition(
        rule_id="r",
        rule_version=1,
        subject=f"device:{number}",
        field=Field.FIRE,
        kind=TransitionKind.RAISED,
        severity=Severity.RED,
        at_us=number,
        value=1.0,
        threshold=1.0,
        quantity="temperature",
        latch=False,
        life_safety=life_safety,
    )


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 3_000_000)), max_size=40))
def test_they_come_out_in_order_once_and_a_second_together(
    course: list[tuple[bool, int]],
) -> None:
    held, now_us = Held(), 0
    judged: dict[int, int] = {}
    for number, (urgent, later_us) in enumerate(course):
        now_us += later_us
        judged[number] = now_us
        held.add([transition(number, life_safety=urgent)], now_us)
    groups = held.take()
    assert [one.at_us for _, group in groups for one in group] == list(range(len(course)))
    for began_us, group in groups:
        assert all(0 <= judged[one.at_us] - began_us <= 1_000_000 for one in group)
    assert len(held) == 0
    assert held.take() == []


def test_at_the_bound_the_oldest_that_endangers_nobody_goes_first() -> None:
    held = Held(most=3)
    for number, urgent in enumerate([True, False, True, False, True, True]):
        held.add([transition(number, life_safety=urgent)], number)
    assert held.lost == 3
    assert [one.at_us for _, group in held.take() for one in group] == [2, 4, 5]
