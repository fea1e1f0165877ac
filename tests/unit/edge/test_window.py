"""The window against a slow list of facts."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edge.window import Window


def window(limit: int = 3) -> Window:
    return Window(limit, first_s=5.0, most_s=60.0)


def test_room_shrinks_with_what_is_under_way_and_events_have_room_of_their_own() -> None:
    one = window(2)
    one.sent(1, 0.0)
    one.sent(2, 0.0)
    assert (one.room(), one.event_room()) == (0, 2)
    one.sent(3, 0.0)
    assert (one.room(), one.event_room()) == (0, 1)
    one.receipted(3, [])
    assert (one.room(), one.event_room()) == (2, 4)


def test_what_the_broker_has_not_acknowledged_is_not_due() -> None:
    one = window()
    one.sent(1, 0.0)
    assert one.due(100.0) == []
    one.at_broker(1)
    assert one.due(4.9) == []
    assert one.due(5.0) == [1]


def test_the_pause_doubles_up_to_its_bound() -> None:
    one, now, pauses = window(), 0.0, []
    one.sent(1, now)
    for _ in range(6):
        one.at_broker(1)
        pause = one.wait_s(now, 1e9)
        assert one.due(now + pause) == [1]
        assert one.due(now + pause - 0.001) == []
        pauses.append(pause)
        now += pause
        one.sent(1, now)
    assert pauses == [5.0, 10.0, 20.0, 40.0, 60.0, 60.0]


def test_a_receipt_of_others_brings_the_pause_back_to_the_first() -> None:
    one = window()
    for _ in range(5):
        one.sent(1, 0.0)
    one.sent(2, 0.0)
    one.at_broker(1)
    assert one.wait_s(0.0, 1e9) == 60.0
    assert one.receipted(0, [2]) == 1
    assert one.wait_s(0.0, 1e9) == 5.0


def test_a_receipt_of_nothing_new_changes_nothing() -> None:
    one = window()
    for _ in range(5):
        one.sent(4, 0.0)
    one.at_broker(4)
    assert one.receipted(3, [9, 10]) == 0
    assert one.wait_s(0.0, 1e9) == 60.0


def test_a_lost_message_leaves() -> None:
    one = window()
    one.sent(1, 0.0)
    one.lost(1)
    one.lost(1)
    one.at_broker(1)
    assert 1 not in one
    assert len(one) == 0


ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("sent"), st.integers(1, 8)),
        st.tuples(st.just("at_broker"), st.integers(1, 8)),
        st.tuples(st.just("receipted"), st.integers(0, 8)),
        st.tuples(st.just("above"), st.integers(0, 8)),
        st.tuples(st.just("wait"), st.integers(1, 40)),
    ),
    max_size=40,
)


@given(ACTIONS)
def test_due_is_what_was_sent_long_ago_and_lies_at_the_broker(
    actions: list[tuple[str, int]],
) -> None:
    one, now = window(), 0.0
    under_way: dict[int, tuple[float, int, bool]] = {}
    for action, number in actions:
        if action == "wait":
            now += number
        elif action == "sent":
            tries = under_way[number][1] + 1 if number in under_way else 1
            under_way[number] = (now, tries, False)
            one.sent(number, now)
        elif action == "at_broker":
            if number in under_way:
                under_way[number] = (*under_way[number][:2], True)
            one.at_broker(number)
        else:
            low, above = (number, []) if action == "receipted" else (0, [number])
            gone = [seq for seq in under_way if seq <= low or seq in above]
            assert one.receipted(low, above) == len(gone)
            under_way = {
                seq: (sent, 1 if gone else tries, there)
                for seq, (sent, tries, there) in under_way.items()
                if seq not in gone
            }
        due = [
            seq
            for seq, (sent, tries, there) in sorted(under_way.items())
            if there and now >= sent + min(60.0, 5.0 * 2 ** (tries - 1))
        ]
        assert one.due(now) == due
        assert len(one) == len(under_way)
        assert (one.wait_s(now, 1e9) == 0.0) == bool(due)
