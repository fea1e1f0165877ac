"""Reachability the slow and obvious way: Floyd and Warshall over all pairs."""

from __future__ import annotations

import math
from collections.abc import Iterable

Edge = tuple[str, str]


def distances(edges: Iterable[Edge]) -> dict[str, dict[str, float]]:
    """Return the least number of steps, at least one, between any two nodes; infinite if none."""
    known = set(edges)
    nodes = sorted({node for edge in known for node in edge})
    steps = {a: {b: 1.0 if (a, b) in known else math.inf for b in nodes} for a in nodes}
    for via in nodes:
        for a in nodes:
            for b in nodes:
                steps[a][b] = min(steps[a][b], steps[a][via] + steps[via][b])
    return steps


def has_cycle(edges: Iterable[Edge]) -> bool:
    """Tell whether some node reaches itself."""
    return any(row[node] < math.inf for node, row in distances(edges).items())
