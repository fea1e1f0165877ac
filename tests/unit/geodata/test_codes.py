"""Codes: taken apart, refused with a reason, built up again; always text."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.model import SpaceKind
from geodata import codes
from geodata.codes import Cause, CodeKind, CodeMalformed
from simulators.district import demo_district

VECTORS = Path(__file__).parents[4] / "shared" / "vectors"
needs_vectors = pytest.mark.skipif(not VECTORS.exists(), reason="no ../shared/vectors")

BUILDING = "4403030010010100012"
HOUSE = BUILDING + "000301"
GRID = "440303001001007"


def vectors(name: str) -> Any:
    return json.loads((VECTORS / name).read_text(encoding="utf-8"))


def refusal(text: str) -> CodeMalformed:
    with pytest.raises(CodeMalformed) as caught:
        codes.parse(text)
    return caught.value


@pytest.mark.parametrize(
    ("text", "kind", "parent"),
    [
        ("440000", CodeKind.PROVINCE, None),
        ("440300", CodeKind.CITY, "440000"),
        ("440303", CodeKind.DISTRICT, "440300"),
        ("440303001", CodeKind.STREET, "440303"),
        ("440303001001", CodeKind.COMMUNITY, "440303001"),
        (GRID, CodeKind.GRID, "440303001001"),
        (GRID + "03", CodeKind.BLOCK, GRID),
        (BUILDING, CodeKind.BUILDING, "440303001001"),
        (HOUSE, CodeKind.HOUSE, BUILDING),
        ("N50F05072DD", CodeKind.BEIDOU, "N50F05072"),
    ],
)
def test_each_code_knows_its_kind_and_what_contains_it(
    text: str, kind: CodeKind, parent: str | None
) -> None:
    found = codes.parse(text)
    assert (found.kind, found.parent) == (kind, parent)
    assert "".join(digits for _, digits in found.parts) == text
    assert codes.validate(text, kind) is None


@needs_vectors
def test_every_published_code_of_the_two_districts_is_read() -> None:
    for district in vectors("admin_codes_luohu_longhua.json")["districts"]:
        assert codes.parse(district["code"]).kind is CodeKind.DISTRICT
        for street in district["streets"]:
            assert codes.parent(street["code"]) == district["code"]
            assert [codes.parent(c["code"]) for c in street["communities"]] == [
                street["code"] for _ in street["communities"]
            ]


@needs_vectors
def test_the_house_code_falls_into_the_parts_that_were_published() -> None:
    published = vectors("address_shenzhen.json")["code_25_digits"]
    found = codes.parse(published["made_here"]["code"])
    assert [(name, len(digits)) for name, digits in found.parts] == [
        (name.replace("_", " "), width) for name, width in published["structure"]
    ]
    assert found.parent == published["made_here"]["building"]


def test_the_demo_district_has_known_codes_of_its_own_kinds() -> None:
    for space in demo_district().spaces:
        assert codes.validate(space.code, space.kind.value) is None
        if space.kind is not SpaceKind.DISTRICT:
            assert space.parent in codes.containers(space.code)


@pytest.mark.parametrize("number", [440303, 4403030010010100012, 4.4e18, None, b"440303"])
def test_a_number_is_refused_and_told_why(number: Any) -> None:
    with pytest.raises(TypeError, match=r"is text, not .* 16th digit"):
        codes.parse(number)


@pytest.mark.parametrize(
    ("text", "reason", "mended"),
    [
        ("4.40303E+18", "scientific notation", ""),
        ("4.40303001001E+11", "last digits are lost", ""),
        ("4403030010010100000", "digits 16-19 .* all 0: a spreadsheet keeps 15", ""),
        (GRID + "00", "digits 16-17", ""),
        ("４４０３０３００１", "full-width digits", "440303001"),
        ("440303 001", "spaces or invisible", "440303001"),
        ("\ufeff440303001", "invisible", "440303001"),
        ("'440303001", "apostrophe", "440303001"),
        ("440303001.0", "decimals", "440303001"),
        ("440,303,001", "separators", "440303001"),
        ("44O3O3OOl", "letters O or l", "440303001"),
    ],
)
def test_a_spoiled_code_is_told_by_what_and_what_was_meant(
    text: str, reason: str, mended: str
) -> None:
    wrong = refusal(text)
    assert wrong.cause is Cause.SPOILED
    assert re.search(reason, wrong.reason)
    assert wrong.mended == mended


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("990303", "digits 1-2 of '990303' are 99, which is no province"),
        ("000000001001", "are 00"),
        ("440303000", "digits 7-9 .* are 000, no street"),
        ("440303001000", "no community; it is 440303001 filled up with zeros"),
        ("440303001001000", "digits 13-15 .* no grid"),
        ("N50F05072DZ", "signs 10-11"),
        ("N99F", "digits 2-3"),
        ("N50Z", "sign 4"),
        ("N50F056", "sign 7"),
        ("S50F", "south of the equator"),
    ],
)
def test_wrong_digits_are_named_by_their_place(text: str, reason: str) -> None:
    wrong = refusal(text)
    assert wrong.cause is Cause.DIGITS
    assert re.search(reason, wrong.reason)


@pytest.mark.parametrize("text", ["", "block-7", "44030", "1" * 40, "区", "n50f05", "N50F0"])
def test_what_is_no_known_code_is_only_of_another_shape(text: str) -> None:
    assert refusal(text).cause is Cause.SHAPE


def test_the_grid_of_the_building_code_is_not_the_unit_grid() -> None:
    assert codes.validate(BUILDING, "grid") == (
        f"{BUILDING!r} is the code of a building; that of a grid has 15 digits"
    )
    assert codes.validate("990303001001001", "grid") is not None


def test_children_are_numbered_with_their_own_width() -> None:
    assert codes.child("440303", 1) == "440303001"
    assert codes.child(GRID, 3) == GRID + "03"
    with pytest.raises(ValueError, match="number 100 inside"):
        codes.child(GRID, 100)
    with pytest.raises(ValueError, match="nothing is numbered"):
        codes.child(HOUSE, 1)


def test_cells_are_numbered_west_to_east_in_bands_from_north_to_south() -> None:
    centres = [(30.0, 5.0), (10.0, 8.0), (20.0, 105.0), (5.0, 101.0)]
    assert codes.in_reading_order(centres, band=50) == [3, 2, 1, 0]
    with pytest.raises(ValueError, match="no height"):
        codes.in_reading_order(centres, band=0)


def test_a_file_of_long_codes_that_went_through_a_float_is_recognised() -> None:
    good = [f"4403030010010{n:06d}" for n in range(10_001, 60_000, 1_001)]
    assert not codes.rounded(good)
    assert codes.rounded(str(int(float(code))) for code in good)
    assert not codes.rounded(good[:1])
    assert not codes.rounded([])


@st.composite
def admin_codes(draw: st.DrawFn) -> str:
    widths = (3, 3, 3, 2)[: draw(st.integers(0, 4))]
    return "440303" + "".join(f"{draw(st.integers(1, 10**w - 1)):0{w}d}" for w in widths)


@given(admin_codes())
def test_a_code_is_its_parents_child(text: str) -> None:
    above = codes.parent(text)
    assert above is not None
    if len(text) > 6:
        assert text.startswith(above)
        assert codes.child(above, int(text[len(above) :])) == text


@given(st.text(max_size=30) | st.from_regex(r"[NS]?[0-9A-F]{0,30}", fullmatch=True))
def test_any_text_is_a_code_or_is_refused_with_a_reason(text: str) -> None:
    found: codes.Code | None
    try:
        found = codes.parse(text)
    except CodeMalformed as malformed:
        found = None
        wrong = malformed
    if found is None:
        assert wrong.reason
        assert wrong.mended == "" or wrong.mended != text
    else:
        assert found.text == text
        assert "".join(digits for _, digits in found.parts) == text
