"""Statements for pages and counts, put together of named parts; see ``statements.sql``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from psycopg import sql

from twin.sensorthings import paging
from twin.sensorthings.compiler import STATEMENTS, Compiler, relation
from twin.sensorthings.model import ENTITIES, Entity, Link, Type
from twin.sensorthings.options import Options

_TRUE = sql.SQL("true")
_COMMA = sql.SQL(", ")
_AND = sql.SQL(" AND ")


@dataclass(frozen=True, slots=True)
class Scope:
    """What a set is limited to: columns of ``e0`` with one value each."""

    column: str = ""
    value: Any = None
    more: tuple[Scope, ...] = ()

    def __and__(self, other: Scope) -> Scope:
        """Both."""
        if not self.column:
            return other
        return Scope(self.column, self.value, (*self.more, other))

    def parts(self) -> list[tuple[str, Any]]:
        """Return columns and values."""
        own = [(self.column, self.value)] if self.column else []
        return own + [pair for scope in self.more for pair in scope.parts()]


@dataclass(frozen=True, slots=True)
class Key:
    """One part of an order."""

    expression: sql.Composable
    descending: bool
    nullable: bool


@dataclass(frozen=True, slots=True)
class Page:
    """The statement of a page, and how the next one begins."""

    statement: sql.Composed
    order: int
    keys: Sequence[Key] = field(default_factory=tuple)

    def token(self, row: dict[str, Any], skip: int) -> str:
        """Return where the next page begins; empty when only a number can say it."""
        if any(key.nullable for key in self.keys):
            return ""
        return paging.make(self.order, skip, [row[f"k{i}"] for i in range(len(self.keys))])


def page(
    compiler: Compiler, entity: Entity, options: Options, scope: Scope, columns: Sequence[str]
) -> Page:
    """Return the statement of one page, of one row more than it may show."""
    fixed = [column for column, _ in scope.parts()]
    keys = _keys(compiler, entity, options, fixed)
    order = order_of(options, scope)
    begin = paging.read(options.token, order, options.skip)
    where = [*_scoped(compiler, scope), *_filtered(compiler, options)]
    if begin is not None and _fits(begin.values, keys):
        where.append(_after(compiler, keys, begin.values))
    said: list[sql.Composable] = [sql.Identifier("e0", column) for column in columns]
    said += [_named(key.expression, f"k{i}") for i, key in enumerate(keys)]
    skip = 0 if begin is not None else options.skip
    statement = _page(compiler, entity, options, (said, where, keys), skip)
    return Page(statement, order, keys)


def order_of(options: Options, scope: Scope) -> int:
    """Return a number for what is read in which order; a token of another means nothing here."""
    text = f"{options.raw.get('$orderby')}|{options.raw.get('$filter')}|{scope.parts()!r}"
    return paging.order_number(text)


def page_each(
    compiler: Compiler,
    entity: Entity,
    options: Options,
    link: Link,
    columns: Sequence[str],
    keys: list[Any],
    most: int,
) -> sql.Composed:
    """Return the statement of a page for each of several parents."""
    order = _keys(compiler, entity, options, [link.there])
    where = [_linked(entity, link), *_filtered(compiler, options)]
    said = [sql.Identifier("e0", column) for column in columns]
    newest = _newest(entity, options, link)
    inner = _page(compiler, entity, options, (said, where, order), options.skip, newest=newest)
    return _frame("each", keys=_array(compiler, keys), page=inner, most=compiler.parameter(most))


def counting(compiler: Compiler, entity: Entity, options: Options, scope: Scope) -> sql.Composed:
    """Return the statement that counts a set."""
    where = [*_scoped(compiler, scope), *_filtered(compiler, options)]
    return _count(compiler, entity, where)


def counting_each(
    compiler: Compiler, entity: Entity, options: Options, link: Link, keys: list[Any]
) -> sql.Composed:
    """Return the statement that counts for each of several parents."""
    where = [_linked(entity, link), *_filtered(compiler, options)]
    count = _count(compiler, entity, where)
    return _frame("count_each", keys=_array(compiler, keys), count=count)


def _page(
    compiler: Compiler,
    entity: Entity,
    options: Options,
    parts: tuple[Sequence[sql.Composable], Sequence[sql.Composable], Sequence[Key]],
    skip: int,
    *,
    newest: bool = False,
) -> sql.Composed:
    columns, where, keys = parts
    return _frame(
        "page",
        columns=_COMMA.join(columns),
        relation=relation("newest" if newest else entity.name),
        joins=compiler.joins,
        where=_AND.join([_TRUE, *where]),
        order=_COMMA.join(_said(key) for key in keys),
        limit=compiler.parameter(options.limit + 1),
        offset=compiler.parameter(skip),
    )


def _count(compiler: Compiler, entity: Entity, where: Sequence[sql.Composable]) -> sql.Composed:
    return _frame(
        "count",
        relation=relation(entity.name),
        joins=compiler.joins,
        where=_AND.join([_TRUE, *where]),
    )


def _newest(entity: Entity, options: Options, link: Link) -> bool:
    """Whether only the newest Observation of each Datastream is asked for."""
    orders = options.orderby
    return (
        entity.name == "Observation"
        and link.there == "series_id"
        and options.filter is None
        and not options.skip
        and not options.count
        and options.top == 1
        and len(orders) > 0
        and orders[0].descending
        and orders[0].path.leaf.name == "phenomenonTime"
        and not orders[0].path.links
    )


def _keys(compiler: Compiler, entity: Entity, options: Options, fixed: Sequence[str]) -> list[Key]:
    """The whole order: what was asked, then what tells rows apart; nothing that is fixed."""
    keys, named = [], set(fixed)
    for order in options.orderby:
        path = order.path
        if not path.links and path.leaf.column in named:
            continue
        if not path.links and not path.inside and path.leaf.column is not None:
            named.add(path.leaf.column)
        nullable = bool(path.links) or path.leaf.nullable or path.type is Type.JSON
        expression = _ordered(compiler, path)
        keys.append(Key(expression, order.descending, nullable))
    rest = [column for column in entity.keys if column not in named]
    if not keys and not rest:
        rest = [entity.keys[-1]]
    return keys + [Key(sql.Identifier("e0", column), False, False) for column in rest]


def _ordered(compiler: Compiler, path: Any) -> sql.Composable:
    column = compiler.column(path)
    if path.type is not Type.JSON:
        return column
    return _frame("part", column=column, keys=compiler.parameter(list(path.inside)))


def _said(key: Key) -> sql.Composable:
    return sql.SQL("{} {}").format(key.expression, sql.SQL("DESC" if key.descending else "ASC"))


def _named(expression: sql.Composable, name: str) -> sql.Composable:
    return sql.SQL("{} AS {}").format(expression, sql.Identifier(name))


def _fits(values: tuple[Any, ...], keys: Sequence[Key]) -> bool:
    return len(values) == len(keys) and not any(key.nullable for key in keys)


def _after(compiler: Compiler, keys: Sequence[Key], values: tuple[Any, ...]) -> sql.Composable:
    """Rows behind the given one; one comparison of rows where all parts go the same way."""
    given = [_placed(compiler, value) for value in values]
    if len({key.descending for key in keys}) == 1:
        sign = sql.SQL("<" if keys[0].descending else ">")
        left = _COMMA.join(key.expression for key in keys)
        return sql.SQL("({}) {} ({})").format(left, sign, _COMMA.join(given))
    ways = []
    for i, key in enumerate(keys):
        sign = sql.SQL("<" if key.descending else ">")
        same = [
            sql.SQL("{} = {}").format(before.expression, value)
            for before, value in zip(keys[:i], given, strict=False)
        ]
        ways.append(_AND.join([*same, sql.SQL("{} {} {}").format(key.expression, sign, given[i])]))
    return sql.SQL("(({}))").format(sql.SQL(") OR (").join(ways))


def _placed(compiler: Compiler, value: Any) -> sql.Composable:
    if isinstance(value, datetime):
        return compiler.parameter(value, Type.TIME)
    return compiler.parameter(value, Type.TEXT if isinstance(value, str) else None)


def _scoped(compiler: Compiler, scope: Scope) -> list[sql.Composable]:
    found: list[sql.Composable] = []
    for column, value in scope.parts():
        placed = _placed(compiler, value)
        found.append(sql.SQL("{} = {}").format(sql.Identifier("e0", column), placed))
        if column == "feature_id":
            found.append(_of_feature(placed))
    return found


def _linked(entity: Entity, link: Link) -> sql.Composable:
    key = sql.Identifier("p", "key")
    same = sql.SQL("{} = {}").format(sql.Identifier("e0", link.there), key)
    if link.there != "feature_id":
        return same
    assert entity is ENTITIES["Observation"]
    return _AND.join([same, _of_feature(key)])


def _of_feature(key: sql.Composable) -> sql.Composable:
    return _frame("of_feature", series=sql.Identifier("e0", "series_id"), key=key)


def _filtered(compiler: Compiler, options: Options) -> list[sql.Composable]:
    return [compiler.condition(options.filter)] if options.filter is not None else []


def _array(compiler: Compiler, keys: list[Any]) -> sql.Composable:
    placed = compiler.parameter(keys)
    numbers = isinstance(keys[0], int)
    return sql.SQL("{}::bigint[]" if numbers else "{}::text[]").format(placed)


def _frame(name: str, **parts: sql.Composable) -> sql.Composed:
    return sql.SQL(STATEMENTS[name]).format(**parts)
