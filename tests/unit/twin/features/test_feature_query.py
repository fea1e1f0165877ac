"""What a request for features asks: every parameter, right and wrong."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.features.collections import COLLECTIONS
from twin.features.crs import CRS84, SUPPORTED
from twin.features.query import (
    DEFAULT_LIMIT,
    MAX_LIMIT,
    BadParameter,
    Query,
    Window,
    parse,
    parse_none,
    parse_one,
    window,
)

DEVICES = COLLECTIONS["devices"]
EPSG = "http://www.opengis.net/def/crs/EPSG/0/"


def asked(**values: str) -> Query:
    return parse([(name.replace("_crs", "-crs"), v) for name, v in values.items()], DEVICES)


def test_nothing_asked_is_the_first_page_of_all() -> None:
    query = parse([], DEVICES)
    assert query == Query(limit=DEFAULT_LIMIT, crs=CRS84, filters={})


def test_a_limit_beyond_the_maximum_is_cut() -> None:
    assert asked(limit="7").limit == 7
    assert asked(limit="999999").limit == MAX_LIMIT


@pytest.mark.parametrize("text", ["0", "-1", "x", "", "1.5", "٣", "9" * 30])
def test_a_limit_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(BadParameter, match="limit"):
        asked(limit=text)


def test_a_box_is_west_south_east_north() -> None:
    assert asked(bbox="114,22.5,114.2,22.6").boxes == ((114, 22.5, 114.2, 22.6),)
    assert asked(bbox="114,22.5,-10,114.2,22.6,900").boxes == ((114, 22.5, 114.2, 22.6),)


def test_a_box_across_the_antimeridian_is_two() -> None:
    boxes = asked(bbox="177,-20,-178,-16").boxes
    assert boxes == ((177, -20, 180, -16), (-180, -20, -178, -16))


@pytest.mark.parametrize(
    "text",
    ["", "1,2,3", "1,2,3,4,5", "a,b,c,d", "1,2,3,nan", "1,2,inf,4", "114,22.6,114.2,22.5",
     "0,0,200,10", "0,-91,10,10", "1,2,3,4,5,6,7"],
)  # fmt: skip
def test_a_box_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(BadParameter, match="bbox"):
        asked(bbox=text)


def test_a_box_has_the_axes_of_its_system() -> None:
    query = asked(bbox="22.5,114,22.6,114.2", bbox_crs=f"{EPSG}4326")
    assert query.crs is CRS84
    assert query.boxes == ((114.0, 22.5, 114.2, 22.6),)


def test_a_projected_box_holds_its_corners_in_degrees() -> None:
    query = asked(bbox="2489167,500000,2511300,520600", bbox_crs=f"{EPSG}4547")
    assert query.boxes is not None
    west, south, east, north = query.boxes[0]
    assert west == pytest.approx(114.0, abs=1e-6)
    # The lower edge is straight in the plane and bends south in degrees, away from 114 degrees.
    assert 22.4998 < south < 22.5
    assert 114.19 < east < 114.21
    assert 22.69 < north < 22.71


def test_the_system_of_a_box_without_a_box_is_refused() -> None:
    with pytest.raises(BadParameter, match="bbox-crs"):
        asked(bbox_crs=CRS84.uri)


@pytest.mark.parametrize("name", ["crs", "bbox_crs"])
def test_an_unknown_system_is_refused_and_the_known_ones_named(name: str) -> None:
    with pytest.raises(BadParameter, match="4547"):
        asked(**{"bbox": "1,2,3,4", name: "EPSG:4326"})


def test_every_system_turns_degrees_and_back() -> None:
    import numpy as np

    lonlat = np.array([[114.1315, 22.5484], [114.0, 22.5]])
    for crs in SUPPORTED.values():
        back = crs.to_degrees(crs.from_degrees(lonlat))
        assert np.abs(back - lonlat).max() < 1e-9, crs.uri
    north, east = SUPPORTED[f"{EPSG}4547"].from_degrees(lonlat)[0]
    assert (north, east) == pytest.approx((2494532.954, 513526.1531), abs=1e-3)


def test_times_and_intervals() -> None:
    noon = datetime(2026, 7, 1, 12, tzinfo=UTC)
    assert window("2026-07-01T12:00:00Z") == Window(start=noon, end=noon)
    assert window("2026-07-01t20:00:00+08:00") == Window(start=noon, end=noon)
    assert window("2026-07-01T12:00:00Z/..") == Window(start=noon, end=None)
    assert window("/2026-07-01T12:00:00Z") == Window(start=None, end=noon)
    day = window("2026-07-01")
    assert day.start == datetime(2026, 7, 1, tzinfo=UTC)
    assert day.end == datetime(2026, 7, 2, tzinfo=UTC) - timedelta(microseconds=1)
    assert window("2026-07-01/2026-07-03").end == datetime(2026, 7, 4, tzinfo=UTC) - timedelta(
        microseconds=1
    )


@pytest.mark.parametrize(
    "text",
    ["", "..", "../..", "/", "now", "2026", "2026-13-01", "2026-07-01T25:00:00Z",
     "2026-07-01T12:00:00", "2026-07-02/2026-07-01", "a/b/c", "2026-07-01T12:00:00 08:00",
     "0001-01-01T00:00:00+23:59", "9999-12-31", "２０２６-07-01"],
)  # fmt: skip
def test_a_time_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(BadParameter, match="datetime"):
        window(text)


def test_a_property_is_filtered_by_a_known_word() -> None:
    assert asked(kind="smoke", gateway_id="gw-01").filters == {
        "kind": "smoke",
        "gateway_id": "gw-01",
    }
    with pytest.raises(BadParameter, match="kind"):
        asked(kind="nothing")


def test_what_is_unknown_doubled_or_endless_is_refused() -> None:
    for pairs in (
        [("colour", "red")],
        [("limit", "1"), ("limit", "1")],
        [("space", "x" * 600)],
        [("space", "\0")],
        [("f", "xml")],
    ):
        with pytest.raises(BadParameter):
            parse(pairs, DEVICES)
    with pytest.raises(BadParameter, match="limit"):
        parse_one([("limit", "1")])
    with pytest.raises(BadParameter, match="bbox"):
        parse_none([("bbox", "1,2,3,4")])
    parse_none([("f", "json")])


@given(
    st.lists(
        st.tuples(
            st.sampled_from(
                ["f", "limit", "after", "bbox", "bbox-crs", "datetime", "crs", "kind", "space", "?"]
            ),
            st.text(max_size=40) | st.sampled_from([*SUPPORTED, "1,2,3,4", "../2026-01-01"]),
        ),
        max_size=6,
    )
)
def test_any_parameters_are_a_query_or_a_refusal(pairs: list[tuple[str, str]]) -> None:
    for collection in COLLECTIONS.values():
        with suppress(BadParameter):
            assert 1 <= parse(pairs, collection).limit <= MAX_LIMIT
