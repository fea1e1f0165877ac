"""How long looking back takes, and what the database does for it.

Builds a store of `--series` series that report once a minute, in the order in which a worker would
have stored them, and asks what a desk asks: the newest of everything, a window of one series at
automatic resolution, the district at a time. Each question is answered by the code of the API up to
the encoded bytes, warm (over random series, asked once before) and cold (after a restart, with the
files out of the system's cache), and each statement is explained with ANALYZE and BUFFERS.

The full size (20,000 series, 30 days: 864 million readings, about 80 GB) fits few machines, so
single readings are built for `--days`. The rollups of the longer windows are written directly and
for every n-th series only, each in the place it would have among all: a series' rows then lie on as
many different pages as they would in the full store, which is what a query of one series costs.
What was built stands in the output. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import re
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

# Run as a script, this folder would stand first and hide packages behind files of the same name.
ROOT = Path(__file__).resolve().parent.parent
sys.path[0] = str(ROOT)

import numpy as np  # noqa: E402
import psycopg  # noqa: E402

from core.db.migrate import upgrade  # noqa: E402
from dev.servers import PrivatePostgres  # noqa: E402
from twin.api.answers import encode  # noqa: E402
from twin.history import latest as newest  # noqa: E402
from twin.history import moment, store  # noqa: E402
from twin.state import Topology  # noqa: E402

INTERVAL_S = 60
EPOCH_2000_US = 946_684_800_000_000
DAY_S = 86_400
MINUTES_1M = 8 * 1440
HOURS_1H = 366 * 24
DAYS_1D = 366
SETTINGS = {
    "shared_buffers": "1GB",
    "max_wal_size": "8GB",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "checkpoint_timeout": "1h",
}
"""Those after the second only make the building quicker."""


@dataclass(frozen=True, slots=True)
class Size:
    """What is built. ``wide`` series have rollups; the last reading is at ``end``."""

    series: int
    days: float
    wide: int
    end: datetime

    @property
    def raw_rows(self) -> int:
        return self.series * round(self.days * DAY_S / INTERVAL_S)

    @property
    def wide_series(self) -> list[int]:
        return list(range(1, self.series + 1, self.series // self.wide))[: self.wide]


@dataclass(slots=True)
class Question:
    """A question and how it is asked of one series (or of all: the number is then not used)."""

    name: str
    ask: Callable[[store.Conn, int], Awaitable[Any]]
    every_series: bool = False
    said: dict[str, Any] = field(default_factory=dict)


def main() -> None:
    """Build, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--series", type=int, default=20_000)
    parser.add_argument("--days", type=float, default=2.0, help="days of single readings")
    parser.add_argument("--wide", type=int, default=1000, help="series with rollups")
    parser.add_argument("--warm", type=int, default=200, help="warm questions of each kind")
    parser.add_argument("--cold", type=int, default=5, help="cold questions of each kind")
    given = parser.parse_args()
    # A whole day, so that the rollups end where the single readings end.
    end = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    size = Size(given.series, given.days, min(given.wide, given.series), end)
    with tempfile.TemporaryDirectory(prefix="blocktwin-bench-", dir="/var/tmp") as name:
        folder = Path(name)
        folder.chmod(0o755)
        postgres = PrivatePostgres(folder / "postgres", settings=SETTINGS)
        postgres.start()
        try:
            dsn = postgres.create_database("history", "template0")
            built = build(dsn, size)
            rows = asyncio.run(measure(postgres, dsn, size, given.warm, given.cold))
        finally:
            postgres.stop()
    table(rows)
    print(json.dumps({"built": built, "cores": os.cpu_count(), "questions": rows}))


def say(text: str) -> None:
    print(text, flush=True)


# Building ------------------------------------------------------------------------------------


def build(dsn: str, size: Size) -> dict[str, Any]:
    begun = time.monotonic()
    with psycopg.connect(dsn, autocommit=True) as conn:
        upgrade(conn)
        register(conn, size)
    say(
        f"building: {size.series} series, {size.raw_rows:,} single readings of {size.days:g} days; "
        f"rollups of {size.wide} series: 1m of 8 days, 1h and 1d of a year"
    )
    workers = max(os.cpu_count() or 1, 2)
    with ProcessPoolExecutor(workers) as pool:
        jobs = [pool.submit(fill, dsn, size, *part) for part in parts(size)]
        for job in jobs:
            job.result()
    with psycopg.connect(dsn, autocommit=True) as conn:
        for level in ("1m", "1h", "1d"):
            conn.execute(
                "INSERT INTO rollup_level (level, done_to) VALUES (%s, %s)"
                " ON CONFLICT (level) DO UPDATE SET done_to = excluded.done_to",
                (level, size.end),
            )
        conn.execute(
            "INSERT INTO latest SELECT series_id, %(at)s, %(at)s, 20, 0 FROM series",
            {"at": size.end - timedelta(seconds=INTERVAL_S)},
        )
        conn.execute("VACUUM ANALYZE")
        bytes_of = conn.execute("SELECT pg_database_size(current_database())").fetchone()
    assert bytes_of is not None
    took = time.monotonic() - begun
    say(f"built {bytes_of[0] / 2**30:.1f} GiB in {took:.0f} s")
    return {
        "series": size.series,
        "interval_s": INTERVAL_S,
        "raw_days": size.days,
        "raw_rows": size.raw_rows,
        "rollup_series": size.wide,
        "rows_1m": size.wide * MINUTES_1M,
        "rows_1h": size.wide * HOURS_1H,
        "rows_1d": size.wide * DAYS_1D,
        "gib": round(bytes_of[0] / 2**30, 1),
        "seconds": round(took),
    }


def register(conn: psycopg.Connection[Any], size: Size) -> None:
    """A district of one street for each 200 devices, so that the state has a tree to fold."""
    conn.execute("INSERT INTO gateway VALUES ('gw-bench', 'bench', 114.1, 22.5)")
    outline = '{"type":"Polygon","coordinates":[[[114,22],[115,22],[115,23],[114,22]]]}'
    conn.execute(
        "WITH top AS (INSERT INTO space (code, kind, name, outline, source)"
        " VALUES ('440303', 'district', '', %(o)s, '') RETURNING space_id)"
        " INSERT INTO space (code, kind, name, parent_id, outline, source)"
        " SELECT 'block-' || n, 'block', '', top.space_id, %(o)s, ''"
        "   FROM top, generate_series(0, %(last)s) AS n",
        {"o": outline, "last": size.series // 200},
    )
    conn.execute(
        "INSERT INTO device (device_id, kind, field, name, lon, lat, gateway_id, interval_s,"
        " space_id, placed_how) SELECT 'heat-' || to_char(n, 'FM000000'), 'heat', 'fire', '',"
        " 114.1, 22.5, 'gw-bench', %s, s.space_id, 'within'"
        " FROM generate_series(1, %s) AS n JOIN space s ON s.code = 'block-' || n / 200",
        (INTERVAL_S, size.series),
    )
    conn.execute(
        "INSERT INTO series (device_id, quantity)"
        " SELECT device_id, 'temperature' FROM device ORDER BY 1"
    )


def parts(size: Size) -> Iterator[tuple[str, datetime, int]]:
    """(table, begin, steps): what one process writes in one go, the largest first."""
    left = round(size.days * DAY_S / INTERVAL_S)
    begin = size.end - timedelta(seconds=left * INTERVAL_S)
    while left > 0:
        steps = min(left, 720)
        yield "reading", begin, steps
        begin, left = begin + timedelta(seconds=steps * INTERVAL_S), left - steps
    yield "rollup_1m", size.end - timedelta(minutes=MINUTES_1M), MINUTES_1M
    yield "rollup_1h", size.end - timedelta(hours=HOURS_1H), HOURS_1H
    yield "rollup_1d", size.end - timedelta(days=DAYS_1D), DAYS_1D


WIDTH_S = {"reading": INTERVAL_S, "rollup_1m": 60, "rollup_1h": 3600, "rollup_1d": DAY_S}


def fill(dsn: str, size: Size, name: str, begin: datetime, steps: int) -> None:
    """Write a table step by step, all series of each, as they came."""
    first_us = round(begin.timestamp() * 1e6) - EPOCH_2000_US
    step_us = WIDTH_S[name] * 1_000_000
    numbers = range(1, size.series + 1) if name == "reading" else size.wide_series
    series = np.array(numbers, dtype=np.int32)
    make = raw_rows if name == "reading" else rollup_rows
    statement = f"COPY {name} FROM STDIN (FORMAT binary)"
    with psycopg.connect(dsn) as conn:
        # A transaction for some steps: a day in one would hold its index pages in memory.
        at_once = max(1, 200_000 // len(series))
        for start in range(0, steps, at_once):
            with conn.cursor().copy(statement) as copy:
                copy.write(b"PGCOPY\n\xff\r\n\0" + bytes(8))
                for n in range(start, min(start + at_once, steps)):
                    copy.write(make(series, first_us + n * step_us, n))
                copy.write(b"\xff\xff")
            conn.commit()


def raw_rows(series: np.ndarray[Any, Any], at_us: int, n: int) -> bytes:
    value = 20 + 5 * np.sin(n / 200 + series / 100)
    moment_us = at_us + series.astype(np.int64) % 59 * 1_000_000
    return binary(series, moment_us, moment_us + 40_000, value, np.zeros_like(series))


def rollup_rows(series: np.ndarray[Any, Any], at_us: int, n: int) -> bytes:
    value = 20 + 5 * np.sin(n / 200 + series / 100)
    ones = np.ones_like(series)
    at = np.full(len(series), at_us, dtype=np.int64)
    return binary(at, series, ones, ones, value - 1, value + 1, value, value)


def binary(*columns: np.ndarray[Any, Any]) -> bytes:
    """Rows of COPY's binary format: the number of fields, then length and value of each."""
    kinds: list[Any] = [("n", ">i2")]
    for i, column in enumerate(columns):
        kinds += [(f"l{i}", ">i4"), (f"v{i}", column.dtype.newbyteorder(">"))]
    rows = np.empty(len(columns[0]), dtype=kinds)
    rows["n"] = len(columns)
    for i, column in enumerate(columns):
        rows[f"l{i}"] = column.dtype.itemsize
        rows[f"v{i}"] = column
    return rows.tobytes()


# Asking ----------------------------------------------------------------------------------------


class Noting(psycopg.AsyncConnection[Any]):
    """A connection that keeps what it was asked, so that it can be explained."""

    noted: list[tuple[Any, Any]]

    async def execute(self, query: Any, params: Any = None, **how: Any) -> Any:
        self.__dict__.setdefault("noted", []).append((query, params))
        return await super().execute(query, params, **how)


def questions(size: Size, known: Topology) -> list[Question]:
    def window(days: float) -> Callable[[store.Conn, int], Awaitable[Any]]:
        async def ask(conn: store.Conn, series: int) -> store.Answer:
            one = store.Series(
                series_id=series, device_id="", quantity="temperature", interval_s=INTERVAL_S
            )
            since = size.end - timedelta(days=days)
            until = size.end - timedelta(seconds=1)
            return await store.read(conn, one, store.Query(since=since, until=until, now=until))

        return ask

    async def everything(conn: store.Conn, _series: int) -> Any:
        return await newest.latest(conn, newest.Choice())

    async def then(conn: store.Conn, number: int) -> Any:
        # Another minute each time, so that no answer finds the pages of the one before. The
        # topology of now is in the API's memory.
        at = size.end - timedelta(minutes=30 + number * 7 % round(size.days * 1440 - 60))
        return await moment.moment(conn, at, stale_intervals=3, now=known)

    return [
        Question("latest of all series", everything, every_series=True),
        Question("one series, one day", window(1)),
        Question("one series, 7 days", window(7)),
        Question("one series, 30 days", window(30)),
        Question("one series, one year", window(365)),
        Question("district at a time", then, every_series=True),
    ]


async def measure(
    postgres: PrivatePostgres, dsn: str, size: Size, warm: int, cold: int
) -> list[dict[str, Any]]:
    chance = random.Random(7)
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as conn:
        known = await moment.topology(conn)
    rows = []
    for question in questions(size, known):
        say(f"asking: {question.name}")
        chosen = [chance.choice(size.wide_series) for _ in range(warm)]
        if question.every_series:
            chosen = chosen[:20]
        cold_ms = []
        for series in chosen[:cold]:
            postgres.stop()
            evict(postgres.folder)
            postgres.start()
            cold_ms += await timed(dsn, question, [series])
        # Once to warm the pages, once to measure.
        await timed(dsn, question, chosen)
        warm_ms = await timed(dsn, question, chosen)
        rows.append(
            {
                "question": question.name,
                **question.said,
                "warm_ms": {"p50": quantile(warm_ms, 0.5), "p99": quantile(warm_ms, 0.99)},
                "cold_ms": {"p50": quantile(cold_ms, 0.5), "max": quantile(cold_ms, 1)},
                "plans": await explained(dsn, question, chosen[0]),
            }
        )
    return rows


async def timed(dsn: str, question: Question, chosen: list[int]) -> list[float]:
    """Milliseconds from the question to its encoded bytes."""
    found = []
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as conn:
        await conn.execute("SELECT FROM reading LIMIT 0")
        for series in chosen:
            begun = time.perf_counter()
            answer = await question.ask(conn, series)
            encoded = encode(columns_of(answer))
            found.append((time.perf_counter() - begun) * 1000)
        question.said = said_of(answer) | {"kib": round(len(encoded.body) / 1024, 1)}
    return found


def columns_of(answer: Any) -> Any:
    if isinstance(answer, store.Answer):
        return answer.columns
    if isinstance(answer, moment.Moment):
        return {"devices": answer.state.devices_inside(0), "values": answer.values}
    return answer


def said_of(answer: Any) -> dict[str, Any]:
    if isinstance(answer, store.Answer):
        return {"resolution": answer.plan.name, "points": len(answer.columns["t"])}
    values = answer.values if isinstance(answer, moment.Moment) else answer
    return {"resolution": "raw", "points": len(values["series"])}


async def explained(dsn: str, question: Question, series: int) -> list[dict[str, Any]]:
    """What the database does for each statement of a question."""
    async with await Noting.connect(dsn, autocommit=True) as conn:
        await question.ask(conn, series)
        plans = []
        for query, params in list(conn.noted):
            text = "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) " + str(query)
            row = await (await conn.execute(text.encode(), params)).fetchone()
            plans.append(summary(row[0][0]))
    return plans


def summary(found: dict[str, Any]) -> dict[str, Any]:
    """Which indexes and tables a plan really touched, how many pages, and how long."""
    touched: dict[str, int] = {}

    def walk(node: dict[str, Any]) -> None:
        name = node.get("Index Name") or node.get("Relation Name")
        if name and node.get("Actual Loops"):
            touched[kind_of(str(name))] = touched.get(kind_of(str(name)), 0) + 1
        for child in node.get("Plans", []):
            walk(child)

    walk(found["Plan"])
    buffers = found["Plan"]["Shared Hit Blocks"] + found["Plan"]["Shared Read Blocks"]
    return {
        "indexes": touched,
        "buffers": buffers,
        "planning_ms": round(found["Planning Time"], 1),
        "execution_ms": round(found["Execution Time"], 1),
    }


def kind_of(name: str) -> str:
    """The name without its chunk: ``_hyper_1_3_chunk_reading_key`` is ``reading_key``."""
    return re.sub(r"^_hyper_\d+_\d+_chunk_?", "", name) or "chunk"


def evict(folder: Path) -> None:
    """Take the cluster's files out of the system's cache; other programs keep theirs."""
    for path in folder.rglob("*"):
        if path.is_file():
            handle = os.open(path, os.O_RDONLY)
            os.fsync(handle)
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(handle)


def quantile(values: list[float], q: float) -> float:
    return round(float(np.quantile(values, q)), 1) if values else float("nan")


def table(rows: list[dict[str, Any]]) -> None:
    say(
        f"{'question':24}{'resolution':>11}{'points':>8}{'KiB':>8}{'warm p50':>10}{'p99':>8}"
        f"{'cold p50':>10}{'max':>8}{'pages':>8}  indexes"
    )
    for row in rows:
        names = {name for plan in row["plans"] for name in plan["indexes"]}
        say(
            f"{row['question']:24}{row['resolution']:>11}{row['points']:>8}{row['kib']:>8}"
            f"{row['warm_ms']['p50']:>10}{row['warm_ms']['p99']:>8}"
            f"{row['cold_ms']['p50']:>10}{row['cold_ms']['max']:>8}"
            f"{sum(plan['buffers'] for plan in row['plans']):>8}  {', '.join(sorted(names))}"
        )


if __name__ == "__main__":
    main()
