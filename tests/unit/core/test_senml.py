"""The SenML codec against RFC 8428: published examples, our own cases, and bytes of any kind."""

import json
import math
from pathlib import Path
from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import senml
from core.model import Quality, Reading
from core.senml import Record, Resolved, SenmlError

VECTORS = Path(__file__).parents[4] / "shared" / "vectors" / "senml.json"
NOW_S = 1_790_000_000.0


def published() -> list[Any]:
    if not VECTORS.exists():
        reason = f"the published vectors are not at {VECTORS}"
        return [pytest.param({}, id="absent", marks=pytest.mark.skip(reason=reason))]
    vectors = json.loads(VECTORS.read_text(encoding="utf-8"))["vectors"]
    return [pytest.param(vector, id=vector["id"]) for vector in vectors]


def decode(*records: dict[str, Any]) -> list[Record]:
    return senml.decode_json(json.dumps(records).encode())


def resolve(*records: dict[str, Any], now_s: float = NOW_S) -> list[Resolved]:
    return senml.resolve(decode(*records), now_s)


def refusal(*records: dict[str, Any]) -> SenmlError:
    with pytest.raises(SenmlError) as caught:
        resolve(*records)
    return caught.value


def as_vector(row: Resolved) -> dict[str, Any]:
    found = {"n": row.name, "u": row.unit, "t": row.time_s, "v": row.value, "s": row.sum}
    return {label: value for label, value in found.items() if value is not None}


@pytest.mark.parametrize("vector", published())
def test_published_example(vector: dict[str, Any]) -> None:
    if vector["encoding"] == "cbor":
        records = senml.decode_cbor(bytes.fromhex(vector["hex"]))
        assert records == decode(*vector["expected_pack"])
    elif "expected_error" in vector:
        assert refusal(*vector["pack"]).index == 0
    else:
        rows = [as_vector(row) for row in resolve(*vector["pack"], now_s=0.0)]
        assert rows == vector["expected_resolved"]
        again = senml.decode_cbor(senml.encode_cbor(decode(*vector["pack"])))
        assert again == decode(*vector["pack"])


def test_base_fields_last_until_they_change() -> None:
    rows = resolve(
        {"bn": "a:", "bt": NOW_S, "bu": "Cel", "bv": 20, "n": "x", "v": 1},
        {"n": "y", "u": "K", "t": -1, "v": 2},
        {"bn": "b:", "bu": "V", "bv": 0, "n": "x", "v": 3, "s": 9},
    )
    assert [as_vector(row) for row in rows] == [
        {"n": "a:x", "u": "Cel", "t": NOW_S, "v": 21},
        {"n": "a:y", "u": "K", "t": NOW_S - 1, "v": 22},
        {"n": "b:x", "u": "V", "t": NOW_S, "v": 3, "s": 9},
    ]


def test_base_value_alone_is_a_value() -> None:
    assert resolve({"n": "x", "bv": 7})[0].value == 7


def test_base_sum_is_added_to_the_sum() -> None:
    rows = resolve({"n": "x", "bs": 100, "s": 1}, {"n": "x", "s": 2})
    assert [(row.value, row.sum) for row in rows] == [(None, 101), (None, 102)]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"v": 1.5}, 1.5),
        ({"v": 3}, 3.0),
        ({"vb": True}, True),
        ({"vb": False}, False),
        ({"vs": "open"}, "open"),
        ({"vs": ""}, ""),
        ({"vd": "aGk_"}, b"hi?"),
        ({"vd": ""}, b""),
    ],
)
def test_every_kind_of_value(fields: dict[str, Any], expected: object) -> None:
    value = resolve({"n": "x"} | fields)[0].value
    assert value == expected
    assert type(value) is type(expected)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, NOW_S),
        ({"t": 0}, NOW_S),
        ({"t": -30}, NOW_S - 30),
        ({"t": 60}, NOW_S + 60),
        ({"t": 2**28 - 1}, NOW_S + 2**28 - 1),
        ({"t": 2**28}, 2**28),
        ({"bt": 2**28, "t": -1}, NOW_S + 2**28 - 1),
        ({"bt": NOW_S, "t": -5.5}, NOW_S - 5.5),
    ],
)
def test_times_below_two_to_the_28th_count_from_now(
    fields: dict[str, Any], expected: float
) -> None:
    assert resolve({"n": "x", "v": 1} | fields)[0].time_s == expected


def test_our_labels_and_update_time_are_read() -> None:
    records = decode({"n": "x", "v": 1, "q": 17, "ut": 10, "seq": 3, "ep": 1700, "lo": 2})
    first = records[0]
    assert (first.seq, first.ep, first.lo) == (3, 1700, 2)
    row = senml.resolve(records, NOW_S)[0]
    assert row.quality == Quality.BACKFILLED | Quality.OUT_OF_RANGE
    assert row.update_s == 10


@pytest.mark.parametrize(
    ("records", "index", "words"),
    [
        ([{"n": "x"}], 0, "neither a value nor a sum"),
        ([{"n": "x", "v": 1}, {"n": "x", "v": 1, "vs": "a"}], 1, "more than one value"),
        ([{"n": "x", "vb": True, "vd": "aGk_"}], 0, "more than one value"),
        ([{"v": 1}], 0, "name"),
        ([{"n": "", "v": 1}], 0, "name"),
        ([{"n": "-x", "v": 1}], 0, "name"),
        ([{"bn": "/", "n": "x", "v": 1}], 0, "name"),
        ([{"n": "烟", "v": 1}], 0, "name"),
        ([{"n": "a b", "v": 1}], 0, "name"),
        ([{"n": "a\n", "v": 1}], 0, "name"),
        ([{"n": "x", "v": 1, "bver": 11}], 0, "version 11"),
        ([{"n": "x", "v": 1, "bver": 0}], 0, "version 0"),
        ([{"n": "x", "v": 1, "bver": 5}, {"n": "x", "v": 1, "bver": 6}], 1, "may not change"),
        ([{"n": "x", "v": 1}, {"n": "x", "v": 1, "bver": 5}], 1, "may not change"),
        ([{"n": "x", "v": 1}, {"n": "x", "v": 1, "must_": 1}], 1, "must_"),
        ([{"n": "x", "v": "1"}], 0, "float"),
        ([{"n": "x", "v": True}], 0, "float"),
        ([{"n": "x", "vb": 1}], 0, "bool"),
        ([{"n": 5, "v": 1}], 0, "str"),
        ([{"n": "x", "vd": "a"}], 0, "base64url"),
        ([{"n": "x", "vd": "a+b/"}], 0, "base64url"),
        ([{"n": "x", "v": 1, "bt": 1e308}, {"n": "x", "v": 1, "t": 1e308}], 1, "not finite"),
    ],
)
def test_what_breaks_the_rules_is_named(
    records: list[dict[str, Any]], index: int, words: str
) -> None:
    error = refusal(*records)
    assert error.index == index
    assert words in str(error)
    assert str(error).startswith(f"record {index}: ")


@pytest.mark.parametrize("bver", [1, 5, 10])
def test_older_versions_are_read(bver: int) -> None:
    pack = [{"n": "x", "v": 1, "bver": bver}, {"n": "y", "v": 2}, {"n": "z", "v": 3, "bver": bver}]
    assert len(resolve(*pack)) == 3


def test_version_ten_may_be_said_after_it_was_meant() -> None:
    assert len(resolve({"n": "x", "v": 1}, {"n": "y", "v": 2, "bver": 10})) == 2


def test_unknown_labels_are_ignored() -> None:
    assert resolve({"n": "x", "v": 1, "vendor": {"a": [1]}, "_x": 2})[0].value == 1


def test_a_label_given_twice_counts_as_its_last() -> None:
    records = senml.decode_json(b'[{"n":"x","v":1,"v":2}]')
    assert records[0].v == 2


GOOD = b'[{"n":"x","v":1},{"n":"y","v":2}]'


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b" \n", id="blank"),
        pytest.param(GOOD[:17], id="first half"),
        pytest.param(GOOD[17:], id="second half"),
        pytest.param(GOOD + GOOD, id="two packs glued"),
        pytest.param(GOOD + b"\x00", id="a zero byte after"),
        pytest.param(b'{"n":"x","v":1}', id="a record alone"),
        pytest.param(b"[1]", id="a number as record"),
        pytest.param(b'[[{"n":"x","v":1}]]', id="nested"),
        pytest.param(b"null", id="null"),
        pytest.param(b'[{"n":"\xff\xfe","v":1}]', id="no UTF-8"),
        pytest.param(b'[{"n":"\\ud800","v":1}]', id="half a surrogate"),
        pytest.param(b'[{"n":"x","v":NaN}]', id="NaN"),
        pytest.param(b'[{"n":"x","v":1e999}]', id="beyond a double"),
        pytest.param(b"[" * 100_000, id="deep"),
        pytest.param(b'[{"a":' * 50_000, id="deep objects"),
        pytest.param(GOOD.replace(b"x", b'"'), id="a quote too many"),
    ],
)
def test_broken_json_is_one_clear_refusal(data: bytes) -> None:
    with pytest.raises(SenmlError) as caught:
        senml.resolve(senml.decode_json(data), NOW_S)
    assert str(caught.value)


def test_every_cut_of_a_pack_is_refused() -> None:
    for end in range(len(GOOD)):
        with pytest.raises(SenmlError):
            senml.decode_json(GOOD[:end])


def test_every_cut_and_glue_of_a_cbor_pack_is_refused() -> None:
    whole = senml.encode_cbor(senml.decode_json(GOOD))
    for data in [*(whole[:end] for end in range(len(whole))), whole + whole, whole + b"\x00"]:
        with pytest.raises(SenmlError):
            senml.decode_cbor(data)


@pytest.mark.parametrize(
    ("item", "words"),
    [
        ({0: "x", 2: 1}, "array of records"),
        ([5], "object"),
        ([{0: "x", 8: "text"}], "byte string"),
        ([{0: "x", 2: "1"}], "float"),
        ([{0: b"x", 2: 1}], "str"),
        ([{0: "x", 2: 1, "must_": 0}], "must_"),
    ],
)
def test_broken_cbor_packs_are_refused(item: object, words: str) -> None:
    with pytest.raises(SenmlError, match=words):
        senml.decode_cbor(cbor2.dumps(item))


def test_cbor_takes_numbers_texts_and_decimal_fractions_as_labels_and_values() -> None:
    decimal_fraction = cbor2.CBORTag(4, [-1, 235])
    data = cbor2.dumps([{-2: "a:", "n": "x", 2: decimal_fraction, 99: "ignored"}])
    assert senml.resolve(senml.decode_cbor(data), NOW_S)[0].value == 23.5


def test_cbor_data_value_survives() -> None:
    data = cbor2.dumps([{0: "x", 8: b"\x00\xff\x3e"}])
    records = senml.decode_cbor(data)
    assert senml.resolve(records, NOW_S)[0].value == b"\x00\xff\x3e"
    assert senml.decode_cbor(senml.encode_cbor(records)) == records


@pytest.mark.parametrize("decoder", [senml.decode_json, senml.decode_cbor])
def test_a_pack_that_is_too_long_is_not_looked_at(decoder: Any) -> None:
    with pytest.raises(SenmlError, match="bytes"):
        decoder(b"[" + b" " * senml.MAX_BYTES + b"]")


@pytest.mark.parametrize(("count", "extra"), [(10_000, 0), (10_001, 1), (10_001, 2)])
def test_the_number_of_records_is_bounded(count: int, extra: int) -> None:
    """``extra`` 2 puts an unknown label in, so that the slow path counts too."""
    label = ',"zz":1' if extra == 2 else ""
    data = ("[" + ",".join([f'{{"n":"x","v":1{label}}}'] * count) + "]").encode()
    if extra:
        with pytest.raises(SenmlError, match="10001 records"):
            senml.decode_json(data)
    else:
        assert len(senml.decode_json(data)) == count


def test_an_empty_pack_has_no_readings() -> None:
    assert senml.resolve(senml.decode_json(b"[]"), NOW_S) == []


FINITE = st.floats(allow_nan=False, allow_infinity=False)
NAMES = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,20}", fullmatch=True)
VALUES = st.one_of(
    st.fixed_dictionaries({"v": FINITE}),
    st.fixed_dictionaries({"vb": st.booleans()}),
    st.fixed_dictionaries({"vs": st.text()}),
    st.fixed_dictionaries({"s": FINITE}),
)
EXTRAS = st.fixed_dictionaries(
    {},
    optional={
        "u": st.sampled_from(["Cel", "V", "m"]),
        "t": st.floats(-1e9, 1e9),
        "ut": st.floats(0, 1e6),
        "q": st.integers(0, 255),
    },
)
RECORDS = st.builds(
    lambda name, value, extra: Record(n=name, **value, **extra), NAMES, VALUES, EXTRAS
)


@given(st.lists(RECORDS, max_size=8))
def test_both_encodings_give_back_what_went_in(records: list[Record]) -> None:
    assert senml.decode_json(senml.encode_json(records)) == records
    assert senml.decode_cbor(senml.encode_cbor(records)) == records


READINGS = st.builds(
    Reading,
    device=NAMES,
    quantity=NAMES,
    observed_s=st.integers(1_000_000_000_000_000, 4_000_000_000_000_000).map(lambda us: us / 1e6),
    value=FINITE,
    unit=st.sampled_from([None, "Cel", "K"]),
    quality=st.integers(0, 255).map(Quality),
)


@given(st.lists(READINGS, min_size=1, max_size=20))
def test_a_packed_message_gives_its_readings_back(readings: list[Reading]) -> None:
    records = senml.decode_json(senml.pack(readings, seq=7, epoch=1_700_000_000_000, low=5))
    assert [(r.seq, r.ep, r.lo) for r in records] == [
        (7, 1_700_000_000_000, 5),
        *[(None, None, None)] * (len(readings) - 1),
    ]
    for row, reading in zip(senml.resolve(records, 0.0), readings, strict=True):
        assert row.name == f"{reading.device}:{reading.quantity}"
        assert (row.value, row.unit, row.quality) == (reading.value, reading.unit, reading.quality)
        assert round(row.time_s * 1e6) == round(reading.observed_s * 1e6)


def test_a_packed_message_is_short() -> None:
    readings = [
        Reading(device="d1", quantity="temperature", observed_s=NOW_S + step, value=20.5)
        for step in range(3)
    ]
    assert senml.pack(readings, seq=1, epoch=2, low=1) == (
        b'[{"bn":"d1:","bt":1790000000.0,"n":"temperature","v":20.5,"seq":1,"ep":2,"lo":1},'
        b'{"n":"temperature","v":20.5,"t":1.0},{"n":"temperature","v":20.5,"t":2.0}]'
    )


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_else(data: bytes) -> None:
    for decoder in (senml.decode_json, senml.decode_cbor):
        try:
            rows = senml.resolve(decoder(data), NOW_S)
        except SenmlError:
            continue
        assert all(math.isfinite(row.time_s) for row in rows)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.binary(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.integers(-8, 10) | st.text(max_size=4), inner, max_size=4)
    ),
    max_leaves=8,
)
LABELS = st.sampled_from([*range(-6, 9), "n", "v", "bn", "bver", "q", "x_", "zz"])


@given(st.lists(st.dictionaries(LABELS, ANYTHING, max_size=6), max_size=4))
def test_no_cbor_pack_raises_anything_else(pack: list[dict[Any, Any]]) -> None:
    try:
        rows = senml.resolve(senml.decode_cbor(cbor2.dumps(pack)), NOW_S)
    except SenmlError:
        return
    assert len(rows) == len(pack)


@given(st.data())
def test_a_corrupted_byte_raises_nothing_else(data: st.DataObject) -> None:
    for whole, decoder in (
        (GOOD, senml.decode_json),
        (senml.encode_cbor(senml.decode_json(GOOD)), senml.decode_cbor),
    ):
        place = data.draw(st.integers(0, len(whole) - 1))
        byte = data.draw(st.integers(0, 255))
        broken = whole[:place] + bytes([byte]) + whole[place + 1 :]
        try:
            rows = senml.resolve(decoder(broken), NOW_S)
        except SenmlError:
            continue
        assert len(rows) <= 2
