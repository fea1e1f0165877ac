"""What a filter finds in the database is what it finds in plain Python over the same entities."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from core.config import DatabaseConfig
from core.db.pool import open_pool
from tests.oracle.filters import World
from tests.support.filters import Chance
from tests.support.sensorthings import fill
from twin.sensorthings.address import parse_path
from twin.sensorthings.model import ENTITIES
from twin.sensorthings.options import Options, parse_query
from twin.sensorthings.parser import parse_filter
from twin.sensorthings.read import Reader

Conn = psycopg.Connection[Any]
BASE = "http://api.test/sta/v1.1"
NOW = datetime(2026, 3, 1, 12, 1, tzinfo=UTC)
EACH = 60


async def world(conn: psycopg.AsyncConnection[Any]) -> World:
    """Read every entity, and its links by expanding them."""
    found = World({}, {}, NOW)
    for name, entity in ENTITIES.items():
        links = ",".join(f"{link}($select=id;$top=20000)" for link in entity.links)
        options = parse_query(f"$top=20000&$expand={links}", entity)
        answer = await Reader(conn, BASE, NOW).entities(parse_path(entity.plural), options, BASE)
        found.entities[name] = {word["@iot.id"]: word for word in answer["value"]}
        for word in answer["value"]:
            for link in entity.links:
                there = word[link]
                listed = there if isinstance(there, list) else [there] if there else []
                found.links[name, word["@iot.id"], link] = [one["@iot.id"] for one in listed]
    return found


async def found_by_sql(conn: psycopg.AsyncConnection[Any], name: str, text: str) -> set[Any]:
    tree = parse_filter(text, ENTITIES[name])
    options = Options(filter=tree, select=frozenset({"id"}), top=20_000)
    where = parse_path(ENTITIES[name].plural)
    answer = await Reader(conn, BASE, NOW).entities(where, options, BASE)
    return {word["@iot.id"] for word in answer["value"]}


@pytest.mark.parametrize("name", list(ENTITIES))
async def test_the_database_finds_what_python_finds(name: str, dsn: str, conn: Conn) -> None:
    fill(conn)
    some = 0
    async with open_pool(DatabaseConfig(dsn=dsn), "test") as pool, pool.connection() as asked:
        known = await world(asked)
        for seed in range(EACH):
            text = Chance(ENTITIES[name], seed).filter()
            tree = parse_filter(text, ENTITIES[name])
            try:
                found = await found_by_sql(asked, name, text)
            except psycopg.DataError:
                continue
            expected = await asyncio.to_thread(known.matching, name, tree)
            assert found == expected, text
            some += 0 < len(found) < len(known.entities[name])
    assert some >= EACH / 20, "the filters by chance must tell entities apart"


@pytest.mark.parametrize(
    ("name", "text", "number"),
    [
        ("Thing", "properties/kind eq 'heat'", 2),
        ("Thing", "Datastreams/ObservedProperty/name eq 'temperature'", 2),
        (
            "Datastream",
            "ObservedProperty/name eq 'temperature' and Thing/properties/kind eq 'heat'",
            2,
        ),
        ("Observation", "Datastream/id eq 1 and resultQuality/code eq 0", 3),
        ("Location", "properties/current eq false", 1),
        ("Thing", "geo.distance(Locations/location, geography'POINT(114.10045 22.50045)') lt 1", 1),
    ],
)
async def test_what_a_filter_is_for(
    name: str, text: str, number: int, dsn: str, conn: Conn
) -> None:
    fill(conn)
    async with open_pool(DatabaseConfig(dsn=dsn), "test") as pool, pool.connection() as asked:
        assert len(await found_by_sql(asked, name, text)) == number
