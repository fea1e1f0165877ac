"""Packed rows become columns in which each name stands once."""

from __future__ import annotations

import numpy as np
import pytest

from twin.history import latest
from twin.history.latest import Catalog, Choice, columns, only, parse_catalog

CATALOG = "3 heat.1 temperature\n5 smoke.1 smoke_alarm\n9 smoke.1 smoke_obscuration"
ROW = np.dtype([("series", ">i4"), ("observed", ">i8"), ("value", ">f8"), ("q", ">i4")])


def packed(*rows: tuple[int, int, float, int]) -> np.ndarray:
    return np.array(list(rows), dtype=ROW)


@pytest.fixture
def names() -> Catalog:
    return parse_catalog(CATALOG)


def test_rows_come_by_series_whatever_order_the_database_gave(names: Catalog) -> None:
    found = columns(names, packed((9, 3_000, 0.5, 64), (3, 1_000, 21.5, 0)))
    assert found["series"] == [3, 9]
    assert [found["devices"][i] for i in found["device"]] == ["heat.1", "smoke.1"]
    assert [found["quantities"][i] for i in found["quantity"]] == [
        "temperature",
        "smoke_obscuration",
    ]
    assert found["t"] == [946_684_800_001, 946_684_800_003]
    assert (found["v"], found["q"]) == ([21.5, 0.5], [0, 64])
    assert "r" not in found


def test_a_series_that_the_catalogue_lacks_is_left_out(names: Catalog) -> None:
    found = columns(names, packed((1, 0, 1.0, 0), (5, 0, 2.0, 0), (7, 0, 3.0, 0), (99, 0, 4.0, 0)))
    assert (found["series"], found["v"]) == ([5], [2.0])


def test_nothing_gives_empty_columns(names: Catalog) -> None:
    assert columns(names, packed())["series"] == []
    empty = columns(parse_catalog(""), packed((3, 0, 1.0, 0)))
    assert (empty["series"], empty["devices"]) == ([], [])


def test_only_some_devices_are_kept_and_the_names_stay(names: Catalog) -> None:
    everything = columns(names, packed((3, 0, 1.0, 0), (5, 0, 2.0, 0), (9, 0, 3.0, 0)))
    part = only(everything, {"smoke.1"})
    assert (part["series"], part["v"]) == ([5, 9], [2.0, 3.0])
    assert part["devices"] == everything["devices"]


def test_more_series_than_one_answer_holds_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latest, "MOST_SERIES", 2)
    with pytest.raises(latest.TooManySeries, match="3 series are more than the 2"):
        parse_catalog(CATALOG)


def test_a_choice_without_a_word_is_everything() -> None:
    assert Choice().everything
    assert not Choice(field="fire").everything
