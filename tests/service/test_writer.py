from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import psycopg
import pytest

from core import batch as batches
from core.batch import Batch
from core.model import Quality
from ingest import writer
from ingest.writer import Written
from tests.support.ingesting import NOW_US

SECOND = 1_000_000


@pytest.fixture
def work_conn(dsn: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(dsn) as conn:
        writer.prepare(conn)
        yield conn


def temperatures(
    series: int, seconds: list[int], value: float = 1.0, received_us: int = NOW_US
) -> Batch:
    observed = [NOW_US + second * SECOND for second in seconds]
    return batches.of(
        [series] * len(seconds), observed, [received_us] * len(seconds), [value] * len(seconds),
        [0] * len(seconds),
    )  # fmt: skip


def joined(*parts: Batch) -> Batch:
    return batches.of(
        *(
            np.concatenate([getattr(part, name) for part in parts])
            for name in ("series", "observed_us", "received_us", "value", "quality")
        )
    )


def nothing_yet(size: int = 10) -> batches.I8:
    return np.full(size, writer.NEVER, dtype=np.int64)


def stored(conn: psycopg.Connection[Any]) -> list[tuple[Any, ...]]:
    return conn.execute(
        "SELECT series_id, (extract(epoch FROM observed_at) * 1000000)::bigint,"
        " (extract(epoch FROM received_at) * 1000000)::bigint, value, quality"
        " FROM reading ORDER BY 1, 2"
    ).fetchall()


def latest(conn: psycopg.Connection[Any]) -> dict[int, tuple[int, float]]:
    rows = conn.execute(
        "SELECT series_id, (extract(epoch FROM observed_at) * 1000000)::bigint, value FROM latest"
    )
    return {series: (observed, value) for series, observed, value in rows}


def test_rows_arrive_as_they_were(work_conn: psycopg.Connection[Any]) -> None:
    batch = batches.of(
        [3, 1], [NOW_US + 1, NOW_US - 400 * 86_400 * SECOND], [NOW_US + 7, NOW_US + 8],
        [-0.125, 1e300], [0, 17],
    )  # fmt: skip
    assert writer.write(work_conn, batch, nothing_yet()) == Written(2, 0)
    assert stored(work_conn) == [
        (1, NOW_US - 400 * 86_400 * SECOND, NOW_US + 8, 1e300, 17),
        (3, NOW_US + 1, NOW_US + 7, -0.125, 0),
    ]


def test_of_equal_keys_in_one_batch_the_first_is_stored(
    work_conn: psycopg.Connection[Any],
) -> None:
    batch = joined(temperatures(1, [0, 1], 1.0), temperatures(1, [1, 2], 2.0))
    assert writer.write(work_conn, batch, nothing_yet()) == Written(3, 1)
    assert [row[3] for row in stored(work_conn)] == [1.0, 1.0, 2.0]


def test_rows_that_are_there_already_are_counted_and_left(
    work_conn: psycopg.Connection[Any],
) -> None:
    newest = nothing_yet()
    first = temperatures(1, [0, 1, 2], 1.0)
    writer.write(work_conn, first, newest)
    writer.advance(newest, first)
    again = joined(temperatures(1, [1, 2, 3], 9.0), temperatures(2, [1], 9.0))
    assert writer.write(work_conn, again, newest) == Written(2, 2)
    assert [row[3] for row in stored(work_conn)] == [1.0, 1.0, 1.0, 9.0, 9.0]


def test_late_rows_that_are_new_are_stored(work_conn: psycopg.Connection[Any]) -> None:
    newest = nothing_yet()
    writer.write(work_conn, temperatures(1, [0, 10]), newest)
    writer.advance(newest, temperatures(1, [0, 10]))
    assert writer.write(work_conn, temperatures(1, [5, 0]), newest) == Written(1, 1)


def test_a_stranger_in_our_series_is_noticed_and_got_over(
    work_conn: psycopg.Connection[Any],
) -> None:
    writer.write(work_conn, temperatures(1, [0], 1.0), nothing_yet())
    work_conn.commit()
    batch = temperatures(1, [0, 1], 2.0)
    with pytest.raises(psycopg.errors.UniqueViolation):
        writer.write(work_conn, batch, nothing_yet())
    work_conn.rollback()
    assert writer.write(work_conn, batch, nothing_yet(), careful=True) == Written(1, 1)
    assert [row[3] for row in stored(work_conn)] == [1.0, 2.0]


def test_latest_never_moves_back(work_conn: psycopg.Connection[Any]) -> None:
    writer.advance_latest(work_conn, joined(temperatures(1, [9], 1.0), temperatures(2, [3], 2.0)))
    assert latest(work_conn) == {
        1: (NOW_US + 9 * SECOND, 1.0),
        2: (NOW_US + 3 * SECOND, 2.0),
    }
    writer.advance_latest(work_conn, temperatures(1, [8], 5.0))
    assert latest(work_conn)[1] == (NOW_US + 9 * SECOND, 1.0)
    writer.advance_latest(work_conn, temperatures(1, [10], 7.0))
    assert latest(work_conn)[1] == (NOW_US + 10 * SECOND, 7.0)


def test_the_newest_times_are_read_back(work_conn: psycopg.Connection[Any]) -> None:
    writer.advance_latest(work_conn, temperatures(5, [4]))
    newest = writer.newest_observed(work_conn, 3)
    assert newest.tolist() == [writer.NEVER] * 5 + [NOW_US + 4 * SECOND]


def test_nothing_to_write_is_no_work(work_conn: psycopg.Connection[Any]) -> None:
    assert writer.write(work_conn, batches.empty(), nothing_yet()) == Written(0, 0)


def test_readings_are_read_back_by_device_time_without_backfilled_ones(
    work_conn: psycopg.Connection[Any],
) -> None:
    batch = temperatures(1, [0, 1, 2, 3])
    batch.quality[2] = int(Quality.BACKFILLED | Quality.STUCK)
    writer.write(work_conn, batch, nothing_yet())
    writer.advance_latest(work_conn, temperatures(1, [3]))
    back = writer.readings_between(work_conn, NOW_US + SECOND, NOW_US + 3 * SECOND)
    assert back.observed_us.tolist() == [NOW_US + SECOND]
    assert back.received_us.tolist() == [NOW_US]
    assert len(writer.readings_between(work_conn, 0, 1)) == 0
