"""A filter judged over entities as JSON, slow and obvious; the database must find the same.

Nothing is true of null: a comparison with it is neither true nor false, as in SQL. Over links to
many, a filter holds when some combination of linked entities satisfies all of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import shapely

from twin.sensorthings.expression import Apply, Cast, Literal, Near, Node, Path, paths
from twin.sensorthings.model import Link, Type
from twin.sensorthings.shapes import scale

Word = Mapping[str, Any]
Chosen = dict[tuple[str, ...], Word | None]


@dataclass(slots=True)
class World:
    """All entities, and what each is linked to: (type, id, link) -> ids."""

    entities: dict[str, dict[Any, Word]]
    links: dict[tuple[str, Any, str], list[Any]]
    now: datetime

    def matching(self, entity: str, tree: Node) -> set[Any]:
        """Return the ids that a filter holds for."""
        ways = sorted(
            {tuple(p.links[: i + 1]) for p in paths(tree) for i in range(len(p.links))}, key=len
        )
        return {
            number
            for number, word in self.entities[entity].items()
            if any(
                self.value(tree, chosen) is True
                for chosen in self._combinations(entity, word, ways)
            )
        }

    def _combinations(
        self, entity: str, word: Word, ways: list[tuple[Link, ...]]
    ) -> Iterator[Chosen]:
        def choose(at: int, chosen: Chosen) -> Iterator[Chosen]:
            if at == len(ways):
                yield chosen
                return
            way = ways[at]
            names = tuple(link.name for link in way)
            before = chosen[names[:-1]]
            source = way[-2].target if len(way) > 1 else entity
            key = None if before is None else before["@iot.id"]
            numbers = self.links.get((source, key, way[-1].name), [])
            found: list[Word | None] = [self.entities[way[-1].target][n] for n in numbers]
            for one in found or [None]:
                yield from choose(at + 1, {**chosen, names: one})

        yield from choose(0, {(): word})

    def value(self, node: Node, chosen: Chosen) -> Any:
        """Return what a node says; None is null."""
        if isinstance(node, Literal):
            return node.value
        if isinstance(node, Cast):
            return _as(self.value(node.path, chosen), node.type)
        if isinstance(node, Path):
            return self._leaf(node, chosen)
        if isinstance(node, Near):
            found = self._leaf(node.path, chosen)
            return (
                None
                if found is None
                else _near(node, shapely.from_geojson(str(found).replace("'", '"')))
            )
        assert isinstance(node, Apply)
        if node.name == "now":
            return self.now
        if node.name == "mindatetime":
            return datetime(1, 1, 1, tzinfo=UTC)
        if node.name == "maxdatetime":
            return datetime(9999, 1, 1, tzinfo=UTC)
        given = [self.value(argument, chosen) for argument in node.arguments]
        return _apply(node.name, given)

    def _leaf(self, path: Path, chosen: Chosen) -> Any:
        word = chosen[tuple(link.name for link in path.links)]
        if word is None:
            return None
        value = word.get("@iot.id" if path.leaf.name == "id" else path.leaf.name)
        for key in path.inside:
            value = value.get(key) if isinstance(value, dict) else None
        return datetime.fromisoformat(value) if path.type is Type.TIME and value else value


def _as(value: Any, type_: Type) -> Any:
    if type_ is Type.BOOL:
        return value if isinstance(value, bool) else None
    if type_ is Type.NUMBER:
        return value if isinstance(value, int | float) and not isinstance(value, bool) else None
    return value if isinstance(value, str) else None


def _apply(name: str, given: list[Any]) -> Any:
    if name in {"is_null", "json_null"}:
        return given[0] is None
    if name in {"is_not_null", "json_not_null"}:
        return given[0] is not None
    if name == "and_":
        return False if False in given else (None if None in given else True)
    if name == "or_":
        return True if True in given else (None if None in given else False)
    if None in given:
        return None
    return _FUNCTIONS[name](*given)


def _seconds(when: datetime) -> float:
    return when.microsecond / 1_000_000


def _substring(text: str, begin: float, length: float | None = None) -> str:
    start = max(math.trunc(begin), 0)
    return text[start:] if length is None else text[start : start + max(math.trunc(length), 0)]


def _utc(pick: Callable[[datetime], Any]) -> Callable[[datetime], Any]:
    return lambda when: pick(when.astimezone(UTC))


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "not_": lambda a: not a,
    "eq": lambda a, b: a == b,
    "ne": lambda a, b: a != b,
    **{f"lt{s}": lambda a, b: a < b for s in ("", "_text")},
    **{f"le{s}": lambda a, b: a <= b for s in ("", "_text")},
    **{f"gt{s}": lambda a, b: a > b for s in ("", "_text")},
    **{f"ge{s}": lambda a, b: a >= b for s in ("", "_text")},
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: float(a) * b,
    "div": lambda a, b: None if b == 0 else float(a) / b,
    "mod": lambda a, b: None if b == 0 else float(math.fmod(a, b)),
    "negate": lambda a: -a,
    "substringof": lambda a, b: a in b,
    "startswith": lambda a, b: a.startswith(b),
    "endswith": lambda a, b: a.endswith(b),
    "length": len,
    "indexof": lambda a, b: a.find(b),
    "substring": _substring,
    "substring_3": _substring,
    "tolower": str.lower,
    "toupper": str.upper,
    "trim": lambda a: a.strip(" "),
    "concat": lambda a, b: a + b,
    "year": _utc(lambda t: t.year),
    "month": _utc(lambda t: t.month),
    "day": _utc(lambda t: t.day),
    "hour": _utc(lambda t: t.hour),
    "minute": _utc(lambda t: t.minute),
    "second": _utc(lambda t: t.second),
    "fractionalseconds": _utc(_seconds),
    "date": _utc(lambda t: f"{t:%Y-%m-%d}"),
    "time": _utc(lambda t: f"{t:%H:%M:%S.%f}"),
    "round": lambda a: float(Decimal(repr(float(a))).quantize(Decimal(1), ROUND_HALF_UP)),
    "floor": math.floor,
    "ceiling": math.ceil,
    "before": lambda a, b: a < b,
    "after": lambda a, b: a > b,
    "during": lambda t, a, b: a <= t < b,
}

_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "eq": lambda a, b: a == b,
    "ne": lambda a, b: a != b,
    "lt": lambda a, b: a < b,
    "le": lambda a, b: a <= b,
    "gt": lambda a, b: a > b,
    "ge": lambda a, b: a >= b,
}


def _near(node: Near, shape: Any) -> bool:
    if node.name == "distance":
        wide, high = scale(node.shape.centroid.y)
        flat = [
            shapely.transform(shapely.force_2d(one), lambda xy: xy * (wide, high))
            for one in (shape, node.shape)
        ]
        return _COMPARE[node.operator](flat[0].distance(flat[1]), node.limit)
    first, second = (node.shape, shape) if node.swapped else (shape, node.shape)
    if node.name == "relate":
        return bool(shapely.relate_pattern(first, second, node.pattern))
    return bool(getattr(first, node.name)(second))
