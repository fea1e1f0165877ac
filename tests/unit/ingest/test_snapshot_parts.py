"""A snapshot's shape, and the state of the marker in it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.engine import Engine
from alerts.rulebook import read_packaged
from alerts.rules import LoadedRule
from alerts.snapshot import pack as engine_pack
from core.batch import of
from core.model import Field
from core.registry import Registry, SeriesInfo
from ingest.check import tables_of
from ingest.quality import Delays, Marker
from ingest.snapshots import Kept, pack, unpack

AT_US = 1_790_000_000_000_000


def registry_of(series: int) -> Registry:
    return Registry(
        SeriesInfo(
            series_id=number,
            device_id=f"dev-{number}",
            quantity="temperature",
            kind="heat",
            field=Field.FIRE,
            gateway_id="gw-a",
            interval_s=10.0,
        )
        for number in range(1, series + 1)
    )


def marker(series: int) -> Marker:
    return Marker(tables_of(registry_of(series)), Delays(late_s=300.0, clock_skew_s=300.0))


@given(
    st.integers(0, 2**62),
    st.binary(max_size=50),
    st.dictionaries(st.text(max_size=5), st.binary(max_size=20), max_size=4),
)
def test_it_comes_out_as_it_went_in(taken_us: int, engine: bytes, state: dict[str, bytes]) -> None:
    kept = Kept(taken_us=taken_us, engine=engine, marker=state)
    assert unpack(pack(kept)) == kept


def test_a_picture_of_the_engine_is_not_changed_by_what_is_judged_later() -> None:
    """It is packed in a thread while the next batches are judged."""
    rules = [LoadedRule(rule=rule, version=1) for rule in read_packaged()]
    engine = Engine(rules, registry_of(3), now_us=AT_US)

    def judge(second: int) -> None:
        at = np.full(3, AT_US + second * 1_000_000)
        engine.process(of([1, 2, 3], at, at, [20.0 + 9 * second] * 3, [0] * 3))

    judge(1)
    picture = engine.picture()
    before = engine_pack(picture)
    judge(4)
    engine.gateway_status("gw-a", online=False, at_us=AT_US + 5_000_000)
    engine.tick(AT_US + 9_000_000_000)
    assert engine_pack(picture) == before
    assert engine.snapshot() != before


@pytest.mark.parametrize("cut", [0, 1, 10, -1])
def test_a_part_of_it_is_none(cut: int) -> None:
    body = pack(Kept(taken_us=1, engine=b"engine" * 100, marker={}))
    with pytest.raises(ValueError, match="snapshot"):
        unpack(body[:cut])


ROWS = st.lists(
    st.tuples(st.integers(1, 3), st.integers(0, 50), st.sampled_from([20.0, 20.0, 80.0])),
    max_size=12,
)


@given(before=ROWS, after=ROWS)
def test_a_marker_goes_on_as_if_nothing_had_been(
    before: list[tuple[int, int, float]], after: list[tuple[int, int, float]]
) -> None:
    one = marker(3)
    _mark(one, before)
    other = marker(3)
    other.resume(one.state())
    assert _mark(one, after) == _mark(other, after)


def test_a_marker_of_fewer_or_more_series_takes_what_both_know() -> None:
    rows = [(1, 10, 20.0), (3, 10, 20.0)]
    one = marker(3)
    _mark(one, rows)
    fewer, more = marker(1), marker(5)
    fewer.resume(one.state())
    more.resume(one.state())
    assert _mark(fewer, [(1, 10, 20.0)]) == [512]
    assert _mark(more, [(3, 10, 20.0), (5, 10, 20.0)]) == [512, 0]


def test_what_is_no_state_changes_nothing() -> None:
    subject = marker(2)
    whole = subject.state()
    first = next(iter(whole))
    for strange in ({}, {**whole, "more": b""}, {**whole, first: whole[first][:-8]}):
        with pytest.raises(ValueError, match="marker"):
            subject.resume(strange)
    assert subject.state() == whole


def _mark(subject: Marker, rows: list[tuple[int, int, float]]) -> list[int]:
    at_us = np.array([AT_US + at * 1_000_000 for _, at, _ in rows], dtype=np.int64)
    found = subject.mark(
        of([s for s, _, _ in rows], at_us, at_us, [v for _, _, v in rows], [0] * len(rows))
    )
    quality: list[int] = found.quality.tolist()
    return quality
