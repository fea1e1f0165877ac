from __future__ import annotations

import struct

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from core import batch as batches
from core.batch import Batch
from ingest.arrays import INT4, pack_array, pack_rows, unpack_rows
from ingest.writer import NEVER, advance, grown, newest_rows, unique

US = st.integers(631_152_000_000_000, 4_000_000_000_000_000)
ROW = st.tuples(st.integers(1, 2**31 - 1), US, US, st.floats(allow_nan=False), st.integers(0, 255))
FEW = st.tuples(st.integers(1, 4), st.integers(1, 5), st.just(0), st.floats(0, 9), st.just(0))


def columns(rows: list[tuple[int, int, int, float, int]]) -> Batch:
    return batches.of(*zip(*rows, strict=True)) if rows else batches.empty()


@given(st.lists(ROW, max_size=20))
def test_rows_come_back_as_they_went_in(rows: list[tuple[int, int, int, float, int]]) -> None:
    batch = columns(rows)
    back = unpack_rows(pack_rows(batch))
    for name in Batch.__slots__:
        assert np.array_equal(getattr(back, name), getattr(batch, name))


def test_the_copy_stream_is_laid_out_as_postgresql_says() -> None:
    us = 946_684_800_000_000
    stream = pack_rows(columns([(7, us + 5, us + 6, 1.5, 3)]))
    head = b"PGCOPY\n\xff\r\n\x00" + struct.pack(">ii", 0, 0)
    row = struct.pack(">hiiiqiqidii", 5, 4, 7, 8, 5, 8, 6, 8, 1.5, 4, 3)
    assert stream == head + row + struct.pack(">h", -1)


def test_an_array_is_laid_out_as_postgresql_says() -> None:
    packed = pack_array(np.array([5, -6], dtype=np.int32), INT4)
    assert bytes(packed) == struct.pack(">iiiii", 1, 0, 23, 2, 1) + struct.pack(
        ">iiii", 4, 5, 4, -6
    )


@given(st.lists(FEW, max_size=30))
def test_of_equal_keys_the_first_stays(rows: list[tuple[int, int, int, float, int]]) -> None:
    first: dict[tuple[int, int], float] = {}
    for series, observed, _, value, _ in rows:
        first.setdefault((series, observed), value)
    kept = unique(columns(rows))
    got = list(zip(kept.series.tolist(), kept.observed_us.tolist(), strict=True))
    assert got == sorted(first)
    assert kept.value.tolist() == [first[key] for key in got]


@given(st.lists(FEW, max_size=30), st.lists(st.integers(0, 5), min_size=5, max_size=5))
def test_of_each_series_the_newest_row_is_told_where_it_is_news(
    rows: list[tuple[int, int, int, float, int]], known: list[int]
) -> None:
    newest: dict[int, int] = {}
    for series, observed, *_ in rows:
        newest[series] = max(observed, newest.get(series, 0))
    told = newest_rows(columns(rows), np.array(known, dtype=np.int64))
    got = dict(zip(told.series.tolist(), told.observed_us.tolist(), strict=True))
    assert len(told) == len(got)
    assert got == {series: at for series, at in newest.items() if at > known[series]}


def test_the_newest_time_only_moves_forward_and_makes_room() -> None:
    newest = grown(np.array([NEVER, 50], dtype=np.int64), 4)
    assert newest.tolist() == [NEVER, 50, NEVER, NEVER]
    advance(newest, columns([(1, 40, 0, 0.0, 0), (3, 9, 0, 0.0, 0), (3, 7, 0, 0.0, 0)]))
    assert newest.tolist() == [NEVER, 50, NEVER, 9]
