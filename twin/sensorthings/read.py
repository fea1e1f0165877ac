"""Answer a path with its options from the store: pages, expansions, counts, single properties.

Every set is one statement; every link that is expanded is one more, for all its parents together.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from twin.sensorthings import catalogue, paging, places
from twin.sensorthings.address import Address, Step, observation_key
from twin.sensorthings.compiler import STATEMENTS, Compiler, Found
from twin.sensorthings.expression import Node
from twin.sensorthings.faults import NotThere, TooMuch
from twin.sensorthings.frames import Scope, counting, counting_each, page, page_each
from twin.sensorthings.model import ENTITIES, Entity, Link
from twin.sensorthings.options import Expand, Options
from twin.sensorthings.render import Word, moment, property_of, self_link, wanted, word

MOST_ENTITIES = 100_000
"""Entities in one answer, expanded ones included."""
FEW = 1000
"""Up to so many Datastreams come with the first and the last time of their Observations."""
AT_ONCE = 500
"""Rows that are worked on before others have a turn."""
MICROSECOND = 1_000_000

Conn = psycopg.AsyncConnection[Any]
Rows = list[dict[str, Any]]


@dataclass(slots=True)
class Reader:
    """Reads for one request.

    Attributes:
        base: the address of the root, without a slash at its end.
        now: what ``now()`` in a filter is.
    """

    conn: Conn
    base: str
    now: datetime
    _found: Found = field(default_factory=dict)
    _left: int = field(default_factory=lambda: MOST_ENTITIES)

    async def entities(self, address: Address, options: Options, where: str) -> Word:
        """Return a page of a set; ``where`` is its address, for the link to the next page.

        Raises:
            NotThere: an entity on the way is not there.
            TooMuch: the answer would be too large.
        """
        scope = await self._scope(address)
        self._found = await places.find(self.conn, _filters(options))
        entity = address.entity
        rows, token = await self._page(entity, options, scope)
        answer: Word = {}
        if options.count:
            answer["@iot.count"] = await self._count(entity, options, scope)
        if token is not None:
            skip = options.skip + options.limit
            answer["@iot.nextLink"] = paging.next_link(
                where, options.raw, options.limit, skip, token
            )
        if address.refs:
            value: list[Any] = [
                {"@iot.selfLink": self_link(self.base, entity, row["id"])} for row in rows
            ]
        else:
            value = await self._words(entity, rows, options)
        return answer | {"value": value}

    async def entity(self, address: Address, options: Options) -> tuple[Word, dict[str, Any]]:
        """Return one entity, and its row.

        Raises:
            NotThere: there is none.
        """
        scope = await self._scope(address)
        self._found = await places.find(self.conn, _filters(options))
        plain = Options(select=options.select, expand=options.expand)
        rows, _ = await self._page(address.entity, plain, scope)
        if not rows:
            raise NotThere(f"there is no such {address.entity.name}")
        words = await self._words(address.entity, rows, plain)
        return words[0], rows[0]

    async def property(self, address: Address) -> Any:
        """Return the value of one property, or of a part of one; None if it has none."""
        assert address.leaf is not None
        entity = address.entity
        _, row = await self.entity(address, Options(select=frozenset({"id", address.leaf})))
        value = row["id"] if address.leaf == "id" else property_of(entity, address.leaf, row)
        for key in address.inside:
            if not isinstance(value, dict) or key not in value:
                raise NotThere(f"{address.leaf} has no {key[:60]!r}")
            value = value[key]
        return value

    # ---- where

    async def _scope(self, address: Address) -> Scope:
        """Follow a path; the scope is what its last set is limited to."""
        scope = _of_key(address.steps[0])
        for before, step in zip(address.steps, address.steps[1:], strict=False):
            assert step.link is not None
            value = await self._value(before.entity, scope, step.link)
            scope = Scope(column=step.link.there, value=value) & _of_key(step)
        return scope

    async def _value(self, entity: Entity, scope: Scope, link: Link) -> Any:
        rows, _ = await self._page(entity, Options(select=frozenset({"id"})), scope, (link.here,))
        if not rows:
            raise NotThere(f"there is no such {entity.name}")
        return rows[0][link.here]

    # ---- statements

    def _compiler(self) -> Compiler:
        return Compiler(dict(catalogue.parameters()), self.now, self._found)

    async def _run(self, statement: sql.Composed, compiler: Compiler) -> Rows:
        async with self.conn.cursor(row_factory=dict_row) as cursor:
            # Not prepared: the database plans for the times it is given, see twin.history.store.
            await cursor.execute(statement, compiler.values, prepare=False)
            rows: Rows = []
            while part := await cursor.fetchmany(AT_ONCE):
                rows += part
                # The rows are here; making them of 20,000 would hold up every stream.
                await asyncio.sleep(0)
            return rows

    async def _page(
        self, entity: Entity, options: Options, scope: Scope, extra: Sequence[str] = ()
    ) -> tuple[Rows, str | None]:
        """Return the rows of a page, and the token of the next; None if there is none."""
        compiler = self._compiler()
        made = page(compiler, entity, options, scope, self._columns(entity, options, extra))
        rows = await self._run(made.statement, compiler)
        more = len(rows) > options.limit
        rows = rows[: options.limit]
        self._spend(len(rows))
        token = None
        if more and rows:
            token = made.token(rows[-1], options.skip + options.limit)
        return rows, token

    async def _count(self, entity: Entity, options: Options, scope: Scope) -> int:
        compiler = self._compiler()
        rows = await self._run(counting(compiler, entity, options, scope), compiler)
        return int(rows[0]["count"])

    def _columns(self, entity: Entity, options: Options, extra: Sequence[str]) -> list[str]:
        names = [entity.properties[name].column for name in wanted(entity, options)]
        links = [one.link.here for one in options.expand]
        found = ["id", *(name for name in names if name is not None), *links, *extra]
        return list(dict.fromkeys(found))

    def _spend(self, number: int) -> None:
        self._left -= number
        if self._left < 0:
            raise TooMuch(
                f"the answer would hold more than {MOST_ENTITIES} entities; give a smaller $top, "
                "also inside $expand"
            )

    # ---- entities

    async def _words(self, entity: Entity, rows: Rows, options: Options) -> list[Word]:
        if entity.name == "Datastream" and "phenomenonTime" in wanted(entity, options):
            asked = options.select is not None
            await self._extend(rows, asked=asked)
        words: list[Word] = []
        for begin in range(0, len(rows), AT_ONCE):
            part = rows[begin : begin + AT_ONCE]
            words += [word(entity, row, options, self.base) for row in part]
            await asyncio.sleep(0)
        for one in options.expand:
            await self._expand(entity, rows, words, one)
        return words

    async def _extend(self, rows: Rows, *, asked: bool) -> None:
        """Note in each Datastream's row when its Observations begin and end."""
        if not rows or (len(rows) > FEW and not asked):
            return
        numbers = [row["id"] for row in rows]
        found = await self.conn.execute(STATEMENTS["extents"], {"series": numbers}, prepare=False)
        ends = {key: f"{moment(a)}/{moment(b)}" for key, a, b in await found.fetchall()}
        for row in rows:
            row["phenomenonTime"] = ends.get(row["id"])

    async def _expand(self, entity: Entity, rows: Rows, words: list[Word], one: Expand) -> None:
        link, options = one.link, one.options
        target = ENTITIES[link.target]
        keys = list(dict.fromkeys(row[link.here] for row in rows if row[link.here] is not None))
        groups = await self._grouped(target, options, link, keys) if keys else {}
        counts = await self._counts(target, options, link, keys) if options.count and keys else {}
        flat = [row for group in groups.values() for row in group[: options.limit]]
        said = iter(await self._words(target, flat, options))
        made = {key: [next(said) for _ in group[: options.limit]] for key, group in groups.items()}
        for row, parent in zip(rows, words, strict=True):
            key = row[link.here]
            children = made.get(key, [])
            parent.pop(f"{link.name}@iot.navigationLink", None)
            if not link.many:
                parent[link.name] = children[0] if children else None
                continue
            if options.count:
                parent[f"{link.name}@iot.count"] = counts.get(key, 0)
            if len(groups.get(key, ())) > options.limit:
                where = f"{self_link(self.base, entity, row['id'])}/{link.name}"
                parent[f"{link.name}@iot.nextLink"] = paging.next_link(
                    where, options.raw, options.limit, options.skip + options.limit, ""
                )
            parent[link.name] = children

    async def _grouped(
        self, target: Entity, options: Options, link: Link, keys: list[Any]
    ) -> dict[Any, Rows]:
        compiler = self._compiler()
        columns = self._columns(target, options, ())
        most = self._left + len(keys) + 1
        rows = await self._run(
            page_each(compiler, target, options, link, columns, keys, most), compiler
        )
        groups: dict[Any, Rows] = {}
        for row in rows:
            groups.setdefault(row["parent"], []).append(row)
        self._spend(sum(min(len(group), options.limit) for group in groups.values()))
        return groups

    async def _counts(
        self, target: Entity, options: Options, link: Link, keys: list[Any]
    ) -> dict[Any, int]:
        compiler = self._compiler()
        rows = await self._run(counting_each(compiler, target, options, link, keys), compiler)
        return {row["parent"]: row["n"] for row in rows}


def _of_key(step: Step) -> Scope:
    """The one entity that a step names; an Observation's id is its series and its time."""
    if step.key is None:
        return Scope()
    if step.entity.name != "Observation":
        return Scope(column="id", value=step.key)
    parts = observation_key(step.key)
    if parts is None:
        raise NotThere(f"{step.key[:60]!r} is no id of an Observation")
    series, micros = parts
    try:
        at = datetime.fromtimestamp(micros // MICROSECOND, UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise NotThere(f"{step.key[:60]!r} is no id of an Observation") from error
    at = at.replace(microsecond=micros % MICROSECOND)
    return Scope(column="series_id", value=series) & Scope(column="observed_at", value=at)


def _filters(options: Options) -> Iterator[Node]:
    if options.filter is not None:
        yield options.filter
    for one in options.expand:
        yield from _filters(one.options)
