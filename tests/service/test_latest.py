from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from core import batch as batches
from core.config import DatabaseConfig
from core.errors import DatabaseAway
from ingest.ledger import Draft
from ingest.store import Store, Work
from tests.service.test_ingest_store import ignore
from tests.support.ingesting import NOW_US

SECOND = 1_000_000


def readings(*rows: tuple[int, int, float]) -> Work:
    """Work of (series, second, value) rows."""
    series, seconds, values = zip(*rows, strict=True)
    observed = [NOW_US + second * SECOND for second in seconds]
    batch = batches.of(series, observed, [NOW_US] * len(rows), values, [0] * len(rows))
    return Work(batch=batch, received=len(rows), draft=Draft({}, frozenset()))


def opened(dsn: str, worker: str = "worker-0") -> Store:
    return Store(DatabaseConfig(dsn=dsn), worker, ignore)


@pytest.fixture
def store(dsn: str) -> Iterator[Store]:
    store = opened(dsn)
    yield store
    store.close()


def latest(conn: psycopg.Connection[Any]) -> dict[int, tuple[int, float]]:
    rows = conn.execute(
        "SELECT series_id, (extract(epoch FROM observed_at) * 1000000)::bigint, value FROM latest"
    )
    return {series: ((observed - NOW_US) // SECOND, value) for series, observed, value in rows}


def behind(conn: psycopg.Connection[Any]) -> list[int | None]:
    rows = conn.execute("SELECT extract(epoch FROM latest_from)::bigint FROM tally")
    return [None if at is None else at - NOW_US // SECOND for (at,) in rows]


def test_the_newest_values_follow_when_asked(store: Store, conn: psycopg.Connection[Any]) -> None:
    store.commit(readings((1, 5, 1.0), (1, 9, 2.0), (2, 3, 3.0)))
    store.commit(readings((1, 7, 9.0), (3, 4, 4.0)))
    assert latest(conn) == {}
    assert behind(conn) == [3]
    assert store.flush_latest() == 3
    assert latest(conn) == {1: (9, 2.0), 2: (3, 3.0), 3: (4, 4.0)}
    assert behind(conn) == [None]
    assert store.flush_latest() == 0


@pytest.mark.parametrize("successor", ["worker-0", "worker-1"])
def test_what_a_killed_worker_had_still_to_write_is_made_good_at_the_next_start(
    dsn: str, conn: psycopg.Connection[Any], successor: str
) -> None:
    killed = opened(dsn)
    killed.commit(readings((1, 5, 1.0), (2, 8, 2.0)))
    killed.flush_latest()
    killed.commit(readings((1, 6, 3.0), (3, 2, 4.0)))
    killed.close()
    assert latest(conn)[1] == (5, 1.0)
    following = opened(dsn, successor)
    following.open()
    assert latest(conn) == {1: (6, 3.0), 2: (8, 2.0), 3: (2, 4.0)}
    assert behind(conn) == [None]
    # The keys it went by are right as well: nothing is tried as new that is there.
    assert following.commit(readings((1, 6, 9.0), (3, 2, 9.0))).tally.duplicates == 2
    following.close()


def test_a_running_worker_is_left_to_itself(
    store: Store, dsn: str, conn: psycopg.Connection[Any]
) -> None:
    store.commit(readings((1, 5, 1.0)))
    other = opened(dsn, "worker-1")
    other.open()
    other.close()
    assert latest(conn) == {}
    assert behind(conn) == [5]
    store.flush_latest()
    assert latest(conn) == {1: (5, 1.0)}


def test_what_could_not_be_written_is_written_later(
    store: Store, conn: psycopg.Connection[Any]
) -> None:
    store.commit(readings((1, 5, 1.0), (2, 5, 1.0)))
    conn.execute("ALTER TABLE latest RENAME TO hidden")
    with pytest.raises(DatabaseAway):
        store.flush_latest()
    conn.execute("ALTER TABLE hidden RENAME TO latest")
    store.commit(readings((1, 6, 2.0)))
    assert store.flush_latest() == 2
    assert latest(conn) == {1: (6, 2.0), 2: (5, 1.0)}
    assert behind(conn) == [None]
