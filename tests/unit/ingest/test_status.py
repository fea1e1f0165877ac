from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.model import Channel
from core.topics import topic
from ingest.message import Message
from ingest.status import is_status, word_of

NOW_US = 1_800_000_000_000_000
STATUS = topic("gw-a", Channel.STATUS)


def said(payload: bytes, to: str = STATUS) -> Message:
    return Message(topic=to, payload=payload, received_us=NOW_US)


def test_a_report_is_kept_with_its_own_time() -> None:
    word = word_of(said(json.dumps({"online": True, "at": 5.5, "spooled": 3, "x": []}).encode()))
    assert word is not None
    assert (word.gateway, word.online, word.at_us) == ("gw-a", True, 5_500_000)
    assert word.report["spooled"] == 3
    assert "x" not in word.report


def test_a_last_will_has_the_time_of_its_arrival() -> None:
    word = word_of(said(b'{"online": false}'))
    assert word is not None
    assert (word.online, word.at_us) == (False, NOW_US)


@pytest.mark.parametrize("at", ["1e30", "-1", "9e18"])
def test_an_impossible_time_is_replaced(at: str) -> None:
    word = word_of(said(b'{"online": true, "at": ' + at.encode() + b"}"))
    assert word is not None
    assert word.at_us == NOW_US


def test_signs_that_the_database_refuses_are_taken_out() -> None:
    word = word_of(said(b'{"online": true, "version": "1\\u0000"}'))
    assert word is not None
    assert "\0" not in word.report["version"]


@pytest.mark.parametrize("payload", [b"", b"null", b"[]", b'{"online": 1}', b'{"at": 1}', b"\xff"])
def test_nonsense_says_nothing(payload: bytes) -> None:
    assert word_of(said(payload)) is None


def test_a_wrong_shard_says_nothing() -> None:
    assert word_of(said(b'{"online": true}', "bt/v1/zz/gw-a/status")) is None


@given(st.binary(max_size=80))
def test_random_bytes_never_raise(payload: bytes) -> None:
    word_of(said(payload))


def test_status_topics_are_told_apart() -> None:
    assert is_status(said(b""))
    assert not is_status(said(b"", topic("gw-a", Channel.LIVE)))
