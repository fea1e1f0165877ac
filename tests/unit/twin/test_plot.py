"""A curve in text: what is highest stands on top, and what is missing stays empty."""

from __future__ import annotations

from twin.history.plot import Curve, draw


def single(t: list[int], v: list[float | None]) -> Curve:
    return Curve(t=t, low=v, high=v, middle=v)


def test_the_greatest_stands_on_top_and_a_gap_is_empty() -> None:
    lines = draw(single([0, 10, 30], [1.0, 2.0, 3.0]), (0, 40), width=4, height=3)
    drawn = [line.split("│")[1] for line in lines]
    assert drawn == ["   █", " █  ", "█   "]
    assert [line.split("│")[0].strip() for line in lines] == ["3", "2", "1"]


def test_the_envelope_reaches_from_least_to_greatest() -> None:
    curve = Curve(t=[0], low=[0.0], high=[4.0], middle=[2.0])
    assert [line[-1] for line in draw(curve, (0, 1), width=1, height=5)] == list("░░█░░")


def test_nothing_is_drawn_of_nothing() -> None:
    assert draw(single([], []), (0, 10)) == []
    assert draw(single([1], [None]), (0, 10)) == []


def test_a_flat_line_and_points_outside_the_span_stand() -> None:
    lines = draw(single([-5, 0, 50], [7.0, 7.0, 7.0]), (0, 10), width=5, height=2)
    assert [line.split("│")[1] for line in lines] == ["     ", "█   █"]
