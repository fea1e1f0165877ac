"""The network as a graph: cycles found, and what lies upstream or downstream of a node. Pure.

Nodes are references as text (``device:ID``, ``node:ID`` and so on); an edge leads one step down,
from what feeds to what is fed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

Edge = tuple[str, str]

MAX_NODES = 20_000
"""How many nodes one trace names at most."""

MAX_DEPTH = 10_000
"""How many steps a trace goes at most; a river of manholes is longer than one thinks."""


class Direction(StrEnum):
    """Which way a trace goes: against the flow, or with it."""

    UP = "up"
    DOWN = "down"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """What can be reached from a node.

    Attributes:
        depths: node -> least number of steps from the start, which is there with 0; in the order
            in which they were found, so nearer ones come first.
        edges: every edge between two of the nodes that leads on in the direction asked, as stored
            (upstream, downstream).
        cut: whether depth or limit kept something out.
    """

    depths: Mapping[str, int]
    edges: tuple[Edge, ...]
    cut: bool


class Graph:
    """A directed graph; never changes. Edges that stand twice count once."""

    def __init__(self, edges: Iterable[Edge]) -> None:
        self._down: dict[str, list[str]] = {}
        self._up: dict[str, list[str]] = {}
        for upstream, downstream in dict.fromkeys(edges):
            self._down.setdefault(upstream, []).append(downstream)
            self._up.setdefault(downstream, []).append(upstream)

    def __contains__(self, node: str) -> bool:
        return node in self._down or node in self._up

    def __len__(self) -> int:
        """Return the number of nodes."""
        return len(self._down.keys() | self._up.keys())

    def edges(self) -> Iterator[Edge]:
        """Yield every edge once."""
        for upstream, found in self._down.items():
            for downstream in found:
                yield upstream, downstream

    def next_to(self, node: str, direction: Direction) -> Sequence[str]:
        """Return the nodes one step away."""
        table = self._down if direction is Direction.DOWN else self._up
        return table.get(node, ())

    def cycle(self) -> list[str] | None:
        """Return the nodes of one cycle in the order of the flow, the first not repeated; or None.

        Depth first without recursion, since a river is deeper than Python's stack. The cycle begins
        at its smallest name, so that the same fault always reads the same.
        """
        done: set[str] = set()
        for root in self._down:
            if root in done:
                continue
            path: dict[str, None] = {root: None}
            stack = [iter(self.next_to(root, Direction.DOWN))]
            while stack:
                node = next(stack[-1], None)
                if node is None:
                    stack.pop()
                    done.add(path.popitem()[0])
                elif node in path:
                    return _from_smallest(list(path), node)
                elif node not in done:
                    path[node] = None
                    stack.append(iter(self.next_to(node, Direction.DOWN)))
        return None

    def trace(
        self,
        start: str,
        direction: Direction,
        *,
        depth: int = MAX_DEPTH,
        limit: int = MAX_NODES,
    ) -> Trace:
        """Follow the network from a node, breadth first.

        Args:
            start: a node; one without edges reaches only itself.
            direction: with the flow or against it.
            depth: steps at most, 0 or more.
            limit: nodes at most, the start included, 1 or more.
        """
        depths = {start: 0}
        cut = False
        queue = deque([start])
        while queue:
            node = queue.popleft()
            for other in self.next_to(node, direction):
                if other in depths:
                    continue
                if depths[node] >= depth or len(depths) >= limit:
                    cut = True
                    continue
                depths[other] = depths[node] + 1
                queue.append(other)
        return Trace(depths=depths, edges=tuple(self._between(depths, direction)), cut=cut)

    def hanging(self, supply: str, *, prefix: str = "device:") -> list[str]:
        """Return what of one kind of node hangs on a supply, the nearest first.

        Example:
            >>> g = Graph([("node:t1", "gateway:g"), ("gateway:g", "device:a")])
            >>> g.hanging("node:t1")
            ['device:a']
        """
        found = self.trace(supply, Direction.DOWN).depths
        return [node for node in found if node.startswith(prefix) and node != supply]

    def _between(self, nodes: Mapping[str, int], direction: Direction) -> Iterator[Edge]:
        for node in nodes:
            for other in self.next_to(node, direction):
                if other in nodes:
                    yield (node, other) if direction is Direction.DOWN else (other, node)


def _from_smallest(path: list[str], again: str) -> list[str]:
    ring = path[path.index(again) :]
    first = ring.index(min(ring))
    return ring[first:] + ring[:first]
