"""The files of the intake: map, tokens, asides; and what a ThingsBoard client is answered."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import ConfigInvalid
from edge.intake.answers import HEARD, Limits, answer, may_subscribe
from edge.intake.aside import ASIDE_FILE, AsideFile, lines_of
from edge.intake.dictionary import Entry
from edge.intake.map_file import load_map
from edge.intake.tokens import Owner, load_tokens
from edge.intake.words import COUNTED_ONLY, Aside, Door, Why
from edge.mapping import MappingInvalid

EXAMPLES = Path(__file__).parents[4] / "examples" / "intake"
LIMITS = Limits(packet_bytes=1000, inflight=7)
Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write_file(text: str) -> Path:
        path = tmp_path / "file.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write_file


# ---- the map


@pytest.mark.parametrize("name", ["thingsboard", "chirpstack", "sparkplug"])
def test_the_examples_can_be_read(name: str) -> None:
    book = load_map(EXAMPLES / f"{name}.toml")
    assert book.devices
    assert {door for door, _, _ in book.keys} == {Door(name)}


def test_an_entry_is_what_the_file_says(write: Write) -> None:
    book = load_map(
        write(
            '[[key]]\nname = "t"\nquantity = "temperature"\nunit = "[degF]"\nscale = 0.1\n'
            'offset = 2\nwords = { "Too Hot" = 99 }\ndevice = "D"\ndoor = "sparkplug"\n'
            '[[key]]\nname = "u"\nquantity = "temperature"\nunit = "Cel"\n'
            '[[key]]\nname = "v"\nignore = true\n'
            '[[device]]\nname = "D"\nid = "d-1"\n'
        )
    )
    assert book.keys == {
        (Door.SPARKPLUG, "D", "t"): Entry(
            quantity="temperature", unit="[degF]", scale=0.1, offset=2.0, words={"too hot": 99.0}
        ),
        (None, None, "u"): Entry(quantity="temperature"),
        (None, None, "v"): Entry(ignore=True),
    }
    assert book.devices == {(None, "D"): "d-1"}


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("[[devise]]\nname = 'a'", ["devise", "device"]),
        ("[device]\nname = 'a'", ["[[device]]"]),
        ("device = 3", ["[[device]]"]),
        ("[[device]]\nname = 'a'\nid = 'A b'", ["[[device]] number 1", "A b"]),
        ("[[device]]\nname = 'a'\nid = 'b'\n[[device]]\nname = 'a'\nid = 'c'", ["number 2"]),
        ("[[device]]\nid = 'b'", ["[[device]] number 1", "name"]),
        ("[[device]]\nname = 'a'\nid = 'b'\ndoor = 'modbus'", ["modbus"]),
        ("[[key]]\nname = 'a'\nquantity = 'temprature'", ["temprature", "temperature"]),
        ("[[key]]\nname = 'a'\nquantity = 'depth'\nunit = 'V'", ["'V'", "in m"]),
        ("[[key]]\nname = 'a'\nquantty = 'depth'", ["quantty", "quantity"]),
        ("[[key]]\nname = 'a'\nquantity = 'depth'\nscale = 'x'", ["scale"]),
        ("[[key]]\nname='a'\nquantity='depth'\n" * 2, ["number 2", "earlier"]),
        ("[[key]\n", ["no valid TOML", ":1:"]),
    ],
)
def test_a_mistake_is_named_with_its_place(write: Write, text: str, names: list[str]) -> None:
    with pytest.raises(MappingInvalid) as caught:
        load_map(write(text))
    told = f"{caught.value} {caught.value.remedy}"
    assert [name for name in names if name not in told] == []


def test_a_map_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(MappingInvalid, match="cannot read"):
        load_map(tmp_path / "none.toml")


# ---- tokens


def test_a_token_names_its_owner_and_nobody_else(write: Write) -> None:
    tokens = load_tokens(write('[gateways]\n"g 1" = "aaaaaaaa"\n[devices]\nd = "bbbbbbbb"\n'))
    assert tokens.owner("aaaaaaaa") == Owner(name="g 1", is_gateway=True)
    assert tokens.owner("bbbbbbbb") == Owner(name="d", is_gateway=False)
    for wrong in ("", "aaaaaaa", "aaaaaaaaa", "AAAAAAAA", "\ud800"):
        assert tokens.owner(wrong) is None
    assert len(tokens) == 2


def test_the_example_of_tokens_can_be_read() -> None:
    assert len(load_tokens(EXAMPLES / "tokens.toml")) == 2


@pytest.mark.parametrize(
    "text",
    [
        "",
        '[gateways]\ng = "short"\n',
        "[gateways]\ng = 12345678\n",
        '[gateway]\ng = "geheimes-wort"\n',
        'gateways = "geheimes-wort"\n',
        '[gateways]\ng = "geheimes-wort"\n[devices]\nd = "geheimes-wort"\n',
        '[gateways]\ng = "geheimes-wort\n',
    ],
)
def test_a_file_of_tokens_that_is_wrong_is_refused_without_a_token_in_the_error(
    write: Write, text: str
) -> None:
    with pytest.raises(ConfigInvalid) as caught:
        load_tokens(write(text))
    assert "geheim" not in f"{caught.value} {caught.value.remedy}"
    assert caught.value.remedy


# ---- asides


def test_asides_are_counted_and_those_that_are_a_loss_are_kept(tmp_path: Path) -> None:
    asides = [
        Aside(why=Why.TEXT, device="D\ud800", key="k", detail="on"),
        Aside(why=Why.LINK, device="D", key="rssi", detail="-3"),
        Aside(why=Why.NULL, device="D", key="n"),
    ]
    file = AsideFile(tmp_path / "new" / ASIDE_FILE, 10_000)
    file.count(Door.SPARKPLUG, asides)
    file.count(Door.SPARKPLUG, asides[:1])
    file.write(lines_of(Door.SPARKPLUG, "a/b", b"\xff", asides, 1.5))
    lines = [
        json.loads(line)
        for line in (tmp_path / "new" / ASIDE_FILE).read_text(encoding="utf-8").splitlines()
    ]
    assert lines == [
        {
            "at": 1.5,
            "door": "sparkplug",
            "why": "text",
            "device": "D?",
            "key": "k",
            "detail": "on",
            "topic": "a/b",
            "payload": "/w==",
        },
        {"at": 1.5, "door": "sparkplug", "why": "null", "device": "D", "key": "n", "detail": ""},
    ]
    assert file.counts == {
        (Door.SPARKPLUG, "text"): 2,
        (Door.SPARKPLUG, "link"): 1,
        (Door.SPARKPLUG, "null"): 1,
    }


def test_the_file_of_asides_does_not_grow_for_ever(tmp_path: Path) -> None:
    file = AsideFile(tmp_path / ASIDE_FILE, 1000)
    for number in range(100):
        file.write([b"%03d" % number + b"x" * 96 + b"\n"])
    sizes = {path.name: path.stat().st_size for path in tmp_path.iterdir()}
    assert set(sizes) <= {ASIDE_FILE, ASIDE_FILE + ".1"}
    assert sum(sizes.values()) <= 2000
    kept = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"099" in kept
    assert b"000" not in kept


def test_a_disk_that_takes_nothing_costs_the_asides_alone(tmp_path: Path) -> None:
    (tmp_path / "blocked").write_text("a file where a folder should be", encoding="ascii")
    file = AsideFile(tmp_path / "blocked" / ASIDE_FILE, 1000)
    file.write([b"a\n", b"b\n"])
    assert file.unwritten == 2


def test_no_reason_is_both_a_loss_and_none() -> None:
    assert {Why.TEXT, Why.UNPARSABLE, Why.BEFORE_BIRTH, Why.NO_CODEC}.isdisjoint(COUNTED_ONLY)


# ---- answers


@pytest.mark.parametrize(
    "name",
    [
        "v1/devices/me/attributes",
        "v1/devices/me/attributes/response/+",
        "v1/devices/me/rpc/request/+",
        "v1/devices/me/rpc/response/17",
        "v1/gateway/attributes",
        "v1/gateway/attributes/response",
        "v1/gateway/rpc",
        "v2/fw/response/+",
    ],
)
def test_a_client_may_listen_to_what_thingsboard_tells(name: str) -> None:
    assert may_subscribe(name)


@pytest.mark.parametrize(
    "name", ["#", "+/#", "v1/#", "v1/gateway/#", "v1/devices/+/telemetry", "bt/v1/#", "$SYS/#", ""]
)
def test_and_to_nothing_else(name: str) -> None:
    assert not may_subscribe(name)


@pytest.mark.parametrize(
    ("topic", "body", "want_topic", "want"),
    [
        ("v1/devices/me/attributes/request/7", {}, "v1/devices/me/attributes/response/7", {}),
        (
            "v1/gateway/attributes/request",
            {"id": 3, "device": "Kiln", "keys": ["a"], "client": False},
            "v1/gateway/attributes/response",
            {"id": 3, "device": "Kiln", "values": {}},
        ),
        (
            "v1/devices/me/rpc/request/1",
            {"method": "getSessionLimits", "params": {}},
            "v1/devices/me/rpc/response/1",
            {
                "maxPayloadSize": 1000,
                "maxInflightMessages": 7,
                "rateLimits": {},
                "gatewayRateLimits": {},
            },
        ),
        ("v1/devices/me/rpc/request/2", {"method": "x"}, "v1/devices/me/rpc/response/2", {}),
    ],
)
def test_a_question_is_answered_as_by_a_server_that_knows_nothing(
    topic: str, body: object, want_topic: str, want: object
) -> None:
    told = answer(topic, json.dumps(body).encode(), LIMITS)
    assert told is not None
    assert (told.topic, json.loads(told.payload)) == (want_topic, want)


@pytest.mark.parametrize(
    "topic", ["v1/gateway/rpc", "v1/devices/me/rpc/response/4", "v1/devices/me/claim"]
)
def test_what_needs_no_answer_gets_none(topic: str) -> None:
    assert answer(topic, b"{}", LIMITS) == HEARD


@pytest.mark.parametrize("topic", ["v1/x", "v1/devices/me/rpc/request/", "a" * 1000, "v2/t"])
def test_what_is_no_question_is_none(topic: str) -> None:
    assert answer(topic, b"{}", LIMITS) is None


@given(st.binary(max_size=50))
def test_no_question_raises(payload: bytes) -> None:
    for topic in ("v1/devices/me/rpc/request/1", "v1/gateway/attributes/request"):
        answer(topic, payload, LIMITS)
