"""Cursors come back as they went out, and nothing else is taken for one."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.api.cursor import decode, encode
from twin.api.problems import Refused

PARTS = st.lists(st.text(st.characters(exclude_characters="\0", codec="utf-8")), max_size=3)


@given(PARTS)
def test_round_trip(parts: list[str]) -> None:
    assert decode(encode(*parts), len(parts)) == tuple(parts)


@given(st.text(max_size=40))
def test_anything_else_is_refused_or_a_cursor(text: str) -> None:
    with contextlib.suppress(Refused):
        assert len(decode(text, 2)) == 2


@pytest.mark.parametrize("text", ["", "x", "!!!!", "é", encode("a"), encode("a\0", "b")])
def test_what_is_no_cursor_of_this_list(text: str) -> None:
    with pytest.raises(Refused):
        decode(text, 2)
