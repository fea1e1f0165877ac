"""District JSON: what is read, and what is refused with a sentence."""

from __future__ import annotations

import dataclasses
from typing import Any

import msgspec
import pytest

from core.errors import UsageError
from core.model import Device, District, Space, SpaceKind
from core.units import DEVICE_KINDS
from tests.support.small_district import small_district, square
from twin.district import EMPTY, Known, check, decode

PLAIN = small_district()
PLAIN_QUANTITY = DEVICE_KINDS[PLAIN.devices[0].kind].quantities[0]


def test_a_district_survives_json() -> None:
    assert decode(msgspec.json.encode(PLAIN), "x.json") == PLAIN


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (b"{", "truncated"),
        (b'{"spaces": [], "gateways": []}', "devices"),
        (b'{"spaces": [{"code": 5}], "gateways": [], "devices": []}', "$.spaces[0].code"),
        (b"\xff", "x.json"),
    ],
)
def test_what_is_no_district_says_where(text: bytes, place: str) -> None:
    with pytest.raises(UsageError) as caught:
        decode(text, "x.json")
    assert place in str(caught.value)
    assert caught.value.remedy


def device(**change: Any) -> District:
    changed: Device = dataclasses.replace(PLAIN.devices[0], **change)
    return dataclasses.replace(PLAIN, devices=(changed,))


def space(**change: Any) -> District:
    plain = Space(
        code="new",
        kind=SpaceKind.BLOCK,
        name="",
        name_en="",
        parent="grid-a",
        outline=square(0, 0, 1, 1),
    )
    return dataclasses.replace(PLAIN, spaces=(*PLAIN.spaces, dataclasses.replace(plain, **change)))


@pytest.mark.parametrize(
    ("district", "words"),
    [
        (device(device_id="Upper"), "device id 'Upper'"),
        (device(kind="toaster"), "kind 'toaster' is none of"),
        (device(gateway_id="gw-9"), "gateway 'gw-9' is unknown"),
        (device(interval_s=0), "interval_s must be more than 0"),
        (device(interval_s=float("nan")), "interval_s must be more than 0"),
        (device(quantities=("charm",)), "quantity 'charm' is unknown"),
        (device(lon=float("inf")), "is not finite"),
        (device(height_m=float("nan")), "height_m must be finite"),
        (device(height_m=1e39), "height_m must be finite, and 100,000 m at most"),
        (space(height_m=-1e39), "height_m must be finite, and 100,000 m at most"),
        (device(interval_s=1e39), "interval_s must be more than 0 (1e-06 s to 1e+09 s)"),
        (device(interval_s=1e-60), "interval_s must be more than 0"),
        (device(name="a\0"), "a text holds the sign U+0000"),
        (device(attributes={"note": ["a\0"]}), "a text holds the sign U+0000"),
        (space(name="a\0"), "a text holds the sign U+0000"),
        (space(source="a\ud800"), "half of a surrogate pair"),
        (device(attributes={"quality": 5}), "attributes.quality: must be an object"),
        (device(attributes={"quality": {"ph": {"jump": 1}}}), "does not measure 'ph'"),
        (
            device(attributes={"quality": {PLAIN_QUANTITY: {"jmp": 1}}}),
            f"attributes.quality.{PLAIN_QUANTITY}: unknown key 'jmp' (did you mean 'jump'?)",
        ),
        (space(code="grid-a"), "space 'grid-a' stands 2 times"),
        (space(code="a b"), "space code 'a b'"),
        (space(code="x\0"), "space code"),
        (space(parent="nowhere"), "its parent 'nowhere' is unknown"),
        (space(parent=None), "exactly the districts have no parent"),
        (space(parent="a-b000000"), "a block cannot contain a block"),
        (space(height_m=float("inf")), "height_m must be finite"),
        (dataclasses.replace(PLAIN, devices=PLAIN.devices[:1] * 2), "stands 2 times"),
    ],
)
def test_what_contradicts_itself_is_named(district: District, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        check(district)
    assert words in str(caught.value)


def test_a_text_may_speak_of_the_sign_that_it_may_not_hold() -> None:
    check(device(name=r"\u0000 and \\u0000"))


def test_what_the_store_holds_may_be_referred_to() -> None:
    alone = dataclasses.replace(PLAIN, spaces=(), gateways=())
    with pytest.raises(UsageError, match="and 15 more"):
        check(alone, EMPTY)
    check(alone, Known(spaces={}, gateways=frozenset({"gw-a", "gw-b"})))
