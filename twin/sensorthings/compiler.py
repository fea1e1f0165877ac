"""A typed filter to SQL: text out of ``.sql`` files, every value of the request a parameter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from psycopg import sql

from core.db.queries import load
from twin.sensorthings.expression import Apply, Cast, Distance, Literal, Near, Node, Path, paths
from twin.sensorthings.model import ENTITIES, Link, Type

RELATIONS = load("twin.sensorthings", "relations.sql")
STATEMENTS = load("twin.sensorthings", "statements.sql")
FUNCTIONS = load("twin.sensorthings", "functions.sql")

_CASTS = {
    Type.TEXT: sql.SQL("{}::text"),
    Type.TIME: sql.SQL("{}::timestamptz"),
    Type.BOOL: sql.SQL("{}::boolean"),
    Type.DURATION: sql.SQL("{}::interval"),
}
_RELATION = {
    "Thing": "thing",
    "Location": "location",
    "HistoricalLocation": "historical_location",
    "Datastream": "datastream",
    "Sensor": "sensor",
    "ObservedProperty": "observed_property",
    "Observation": "observation",
    "newest": "newest_observation",
    "FeatureOfInterest": "feature_of_interest",
}

Found = Mapping[Near, Sequence[Any]]
"""What ``places`` found for each question to geometries: ids of rows."""


def relation(name: str) -> sql.Composable:
    """Return the relation of an entity type."""
    return sql.SQL(RELATIONS[_RELATION[name]])


@dataclass(slots=True)
class Compiler:
    """Builds one statement: its parameters and its joins.

    Attributes:
        values: parameters by name; those of the relations are there already.
        now: what ``now()`` is.
        found: see ``Found``.
    """

    values: dict[str, Any]
    now: datetime
    found: Found = field(default_factory=dict)
    _joined: dict[tuple[str, ...], str] = field(default_factory=dict)
    _joins: list[sql.Composable] = field(default_factory=list)

    def parameter(self, value: Any, type_: Type | None = None) -> sql.Composable:
        """Return a placeholder for a value."""
        name = f"p{len(self.values)}"
        self.values[name] = value
        placed = sql.Placeholder(name)
        if type_ is Type.NUMBER and isinstance(value, int):
            # A small number would else be a smallint, and overflow in the first sum.
            return sql.SQL("{}::bigint").format(placed)
        return _CASTS[type_].format(placed) if type_ in _CASTS else placed

    def condition(self, node: Node) -> sql.Composable:
        """Return a filter as a condition on ``e0``.

        Over a link to many, some combination of linked rows must satisfy all of it.
        """
        many = any(link.many for path in paths(node) for link in path.links)
        if not many:
            return self.said(node)
        outer, self._joins = self._joins, []
        joined, self._joined = self._joined, {}
        where = self.said(node)
        inner, self._joins = self._joins, outer
        self._joined = joined
        return _frame("exists", joins=sql.SQL(" ").join(inner), where=where)

    @property
    def joins(self) -> sql.Composable:
        """The joins of what was said so far."""
        return sql.SQL(" ").join(self._joins)

    def said(self, node: Node) -> sql.Composable:
        """Return a node as SQL."""
        if isinstance(node, Literal):
            return self.parameter(node.value, node.type)
        if isinstance(node, Path):
            return self.column(node)
        if isinstance(node, Cast):
            keys = self.parameter(list(node.path.inside))
            return _apply(f"json_{node.type}", self.column(node.path), keys)
        if isinstance(node, Near):
            return self._near(node)
        if isinstance(node, Distance):
            raise TypeError("a distance is always compared")
        return self._applied(node)

    def column(self, path: Path) -> sql.Composable:
        """Return the column of a path; its joins are noted."""
        assert path.leaf.column is not None
        return sql.Identifier(self._alias(path.links), path.leaf.column)

    def _applied(self, node: Apply) -> sql.Composable:
        if node.name == "now":
            return self.parameter(self.now, Type.TIME)
        if node.name in {"mindatetime", "maxdatetime"}:
            year = 1 if node.name == "mindatetime" else 9999
            return self.parameter(datetime(year, 1, 1, tzinfo=UTC), Type.TIME)
        if node.name in {"json_null", "json_not_null"}:
            path = node.arguments[0]
            assert isinstance(path, Path)
            return _apply(node.name, self.column(path), self.parameter(list(path.inside)))
        return _apply(node.name, *(self.said(argument) for argument in node.arguments))

    def _near(self, node: Near) -> sql.Composable:
        entity = ENTITIES[node.path.entity]
        assert entity.place is not None
        column = sql.Identifier(self._alias(node.path.links), entity.place)
        return _apply("one_of", column, self.parameter(list(self.found[node])))

    def _alias(self, links: tuple[Link, ...]) -> str:
        names = tuple(link.name for link in links)
        if not names:
            return "e0"
        if names not in self._joined:
            before = self._alias(links[:-1])
            # Numbered by parameters too, so that two levels of one statement never share a name.
            alias = f"j{len(self.values)}_{len(self._joined)}"
            self._joined[names] = alias
            self._joins.append(_join(links[-1], before, alias))
        return self._joined[names]


def _join(link: Link, before: str, alias: str) -> sql.Composable:
    return _frame(
        "join",
        relation=relation(link.target),
        alias=sql.Identifier(alias),
        there=sql.Identifier(alias, link.there),
        here=sql.Identifier(before, link.here),
    )


def _apply(name: str, *arguments: sql.Composable) -> sql.Composable:
    return sql.SQL(FUNCTIONS[name]).format(*arguments)


def _frame(name: str, **parts: sql.Composable) -> sql.Composed:
    return sql.SQL(STATEMENTS[name]).format(**parts)
