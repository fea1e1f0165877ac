"""The network as a graph, compared with the slow and obvious way."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from tests.oracle.reachability import distances, has_cycle
from twin.relations.graph import Direction, Graph

NAMES = [f"node:{letter}" for letter in "abcdefgh"]
EDGES = st.lists(
    st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES)).filter(lambda e: e[0] != e[1]),
    max_size=16,
)
RIVER = [(f"node:{n:06d}", f"node:{n + 1:06d}") for n in range(50_000)]


@given(EDGES)
def test_a_cycle_is_found_exactly_where_there_is_one(edges: list[tuple[str, str]]) -> None:
    ring = Graph(edges).cycle()
    assert (ring is not None) == has_cycle(edges)
    if ring is not None:
        steps = list(zip(ring, [*ring[1:], ring[0]], strict=True))
        assert set(steps) <= set(edges)
        assert len(set(ring)) == len(ring)
        assert ring[0] == min(ring)


@given(EDGES, st.sampled_from(NAMES), st.sampled_from(Direction), st.integers(0, 9))
def test_a_trace_reaches_what_can_be_reached_in_so_many_steps(
    edges: list[tuple[str, str]], start: str, direction: Direction, depth: int
) -> None:
    turned = edges if direction is Direction.DOWN else [(b, a) for a, b in edges]
    steps = distances(turned).get(start, {})
    expected = {node: int(n) for node, n in steps.items() if n <= depth} | {start: 0}
    found = Graph(edges).trace(start, direction, depth=depth)
    assert dict(found.depths) == expected
    assert list(found.depths.values()) == sorted(found.depths.values())
    assert set(found.edges) == {e for e in edges if e[0] in expected and e[1] in expected}
    beyond = any(n < math.inf and node not in expected for node, n in steps.items())
    assert found.cut == beyond


@given(EDGES, st.sampled_from(NAMES), st.integers(1, 8))
def test_a_limit_keeps_the_nearest_and_says_so(
    edges: list[tuple[str, str]], start: str, limit: int
) -> None:
    whole = Graph(edges).trace(start, Direction.DOWN)
    part = Graph(edges).trace(start, Direction.DOWN, limit=limit)
    assert len(part.depths) == min(limit, len(whole.depths))
    assert part.cut == (len(whole.depths) > limit)
    assert list(part.depths.items()) == list(whole.depths.items())[:limit]


def test_a_river_deeper_than_the_stack_is_walked() -> None:
    river = Graph(RIVER)
    assert river.cycle() is None
    found = river.trace("node:000000", Direction.DOWN, depth=60_000, limit=60_000)
    assert found.depths["node:050000"] == 50_000
    assert Graph([*RIVER, ("node:050000", "node:000000")]).cycle() is not None


def test_edges_said_twice_count_once() -> None:
    twice = Graph([("node:a", "node:b")] * 2)
    assert list(twice.edges()) == [("node:a", "node:b")]
    assert (len(twice), "node:a" in twice, "node:c" in twice) == (2, True, False)


def test_what_hangs_on_a_supply_is_named_the_nearest_first() -> None:
    power = Graph(
        [
            ("node:t1", "node:b1"),
            ("node:b1", "device:far"),
            ("node:t1", "device:near"),
            ("node:t1", "gateway:g"),
            ("gateway:g", "device:near"),
            ("node:t2", "device:other"),
        ]
    )
    assert power.hanging("node:t1") == ["device:near", "device:far"]
    assert power.hanging("node:t1", prefix="gateway:") == ["gateway:g"]
    assert power.hanging("device:near") == []
