"""Our reader of protobuf against Google's, with a descriptor made here from the field numbers."""

from __future__ import annotations

import math
from typing import Any

import pytest
from google.protobuf import (  # type: ignore[import-untyped]
    descriptor_pb2,
    descriptor_pool,
    message_factory,
)
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from hypothesis import example, given, settings
from hypothesis import strategies as st

from edge.intake.protobuf import Metric, Payload, ProtobufInvalid, read_payload, rebirth_command

_KIND = descriptor_pb2.FieldDescriptorProto
# Number, name, type; of the messages inside a metric only their bytes matter here.
_METRIC = [
    (1, "name", _KIND.TYPE_STRING),
    (2, "alias", _KIND.TYPE_UINT64),
    (3, "timestamp", _KIND.TYPE_UINT64),
    (4, "datatype", _KIND.TYPE_UINT32),
    (5, "is_historical", _KIND.TYPE_BOOL),
    (6, "is_transient", _KIND.TYPE_BOOL),
    (7, "is_null", _KIND.TYPE_BOOL),
    (8, "metadata", _KIND.TYPE_BYTES),
    (9, "properties", _KIND.TYPE_BYTES),
]
_VALUES = [
    (10, "int_value", _KIND.TYPE_UINT32),
    (11, "long_value", _KIND.TYPE_UINT64),
    (12, "float_value", _KIND.TYPE_FLOAT),
    (13, "double_value", _KIND.TYPE_DOUBLE),
    (14, "boolean_value", _KIND.TYPE_BOOL),
    (15, "string_value", _KIND.TYPE_STRING),
    (16, "bytes_value", _KIND.TYPE_BYTES),
    (17, "dataset_value", _KIND.TYPE_BYTES),
    (18, "template_value", _KIND.TYPE_BYTES),
    (19, "extension_value", _KIND.TYPE_BYTES),
]
_FACTS = ("name", "alias", "timestamp", "datatype", "is_historical", "is_transient", "is_null")


def _build() -> tuple[Any, Any]:
    file = descriptor_pb2.FileDescriptorProto(name="payload.proto", package="b", syntax="proto2")
    metric = file.message_type.add(name="Metric")
    metric.oneof_decl.add(name="value")
    for number, name, kind in _METRIC:
        metric.field.add(name=name, number=number, type=kind, label=_KIND.LABEL_OPTIONAL)
    for number, name, kind in _VALUES:
        metric.field.add(
            name=name, number=number, type=kind, label=_KIND.LABEL_OPTIONAL, oneof_index=0
        )
    payload = file.message_type.add(name="Payload")
    for number, name, kind in [
        (1, "timestamp", _KIND.TYPE_UINT64),
        (3, "seq", _KIND.TYPE_UINT64),
        (4, "uuid", _KIND.TYPE_STRING),
        (5, "body", _KIND.TYPE_BYTES),
    ]:
        payload.field.add(name=name, number=number, type=kind, label=_KIND.LABEL_OPTIONAL)
    payload.field.add(
        name="metrics",
        number=2,
        type=_KIND.TYPE_MESSAGE,
        type_name=".b.Metric",
        label=_KIND.LABEL_REPEATED,
    )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    payload_class, metric_class = (
        message_factory.GetMessageClass(pool.FindMessageTypeByName(f"b.{name}"))
        for name in ("Payload", "Metric")
    )
    return payload_class, metric_class


GooglePayload, GoogleMetric = _build()


def as_google(payload: Any) -> Payload:
    """Return what Google's library read, in our words."""
    metrics = []
    for one in payload.metrics:
        which = one.WhichOneof("value")
        # Text that is no UTF-8 comes out as bytes here; our reader refuses it.
        if isinstance(one.name, bytes) or isinstance(one.string_value, bytes):
            raise DecodeError("no UTF-8")
        facts = {name: getattr(one, name) for name in _FACTS if one.HasField(name)}
        number = next((number for number, name, _ in _VALUES if name == which), None)
        metrics.append(
            Metric(field=number, value=None if which is None else getattr(one, which), **facts)
        )
    return Payload(
        timestamp=payload.timestamp if payload.HasField("timestamp") else None,
        seq=payload.seq if payload.HasField("seq") else None,
        metrics=metrics,
    )


def same(one: Payload, other: Payload) -> bool:
    """Equal, where NaN is equal to NaN."""

    def plain(payload: Payload) -> list[object]:
        rows: list[object] = [payload.timestamp, payload.seq]
        for metric in payload.metrics:
            value = metric.value
            odd = isinstance(value, float) and math.isnan(value)
            rows.append(
                [getattr(metric, name) for name in _FACTS]
                + [metric.field, "nan" if odd else value, type(value)]
            )
        return rows

    return plain(one) == plain(other)


U32, U64 = st.integers(0, 2**32 - 1), st.integers(0, 2**64 - 1)
TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
VALUES = st.one_of(
    st.tuples(st.just("int_value"), U32),
    st.tuples(st.just("long_value"), U64),
    st.tuples(st.just("float_value"), st.floats(width=32)),
    st.tuples(st.just("double_value"), st.floats()),
    st.tuples(st.just("boolean_value"), st.booleans()),
    st.tuples(st.just("string_value"), TEXT),
    *[
        st.tuples(st.just(f"{name}_value"), st.binary(max_size=10))
        for name in ("bytes", "dataset", "template", "extension")
    ],
)
FACTS = st.fixed_dictionaries(
    {},
    optional={
        "name": TEXT,
        "alias": U64,
        "timestamp": U64,
        "datatype": U32,
        "is_historical": st.booleans(),
        "is_transient": st.booleans(),
        "is_null": st.booleans(),
        "metadata": st.binary(max_size=5),
        "properties": st.binary(max_size=5),
    },
)


@st.composite
def payloads(draw: st.DrawFn) -> bytes:
    made = GooglePayload()
    for name, value in draw(
        st.fixed_dictionaries(
            {},
            optional={"timestamp": U64, "seq": U64, "uuid": TEXT, "body": st.binary(max_size=5)},
        )
    ).items():
        setattr(made, name, value)
    for facts in draw(st.lists(FACTS, max_size=4)):
        metric = made.metrics.add(**facts)
        if (value := draw(st.none() | VALUES)) is not None:
            setattr(metric, *value)
    found: bytes = made.SerializeToString()
    return found


@given(payloads())
def test_whatever_googles_library_writes_is_read_alike(data: bytes) -> None:
    assert same(read_payload(data), as_google(GooglePayload.FromString(data)))


def check_alike(data: bytes) -> None:
    """Both read the same from any bytes, or both refuse them."""
    try:
        theirs = as_google(GooglePayload.FromString(data))
    except DecodeError:
        with pytest.raises(ProtobufInvalid):
            read_payload(data)
        return
    assert same(read_payload(data), theirs)


@given(st.binary(max_size=60))
@settings(max_examples=500)
@example(b"\x12\x02\x70\x02")
@example(b"\x0b\x0c")
@example(b"\x0b\x14")
@example(b"\x12\x05\x50\x80\x80\x80\x80")
@example(b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")
@example(b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f")
@example(b"\x12\x04\x50\x01\x58\x02")
@example(b"\x0d\x00\x00\x00\x00")
@example(b"\x00\x01")
@example(b"\x0e")
def test_of_any_bytes_both_make_the_same(data: bytes) -> None:
    check_alike(data)


@given(payloads(), st.integers(0, 400), st.integers(0, 255))
@settings(max_examples=300)
def test_of_a_payload_with_one_wrong_byte_both_make_the_same(
    data: bytes, place: int, byte: int
) -> None:
    if data:
        place %= len(data)
        check_alike(data[:place] + bytes([byte]) + data[place + 1 :])


@given(payloads(), st.integers(0, 400))
def test_of_a_payload_cut_short_both_make_the_same(data: bytes, place: int) -> None:
    check_alike(data[:place])


@pytest.mark.parametrize(
    "data",
    [
        b"\x08",
        b"\x08" + b"\xff" * 11,
        b"\x12\x05ab",
        b"\x07",
        b"\x03\x04",
        b"\x0b",
        b"\x0c",
        b"\x0b" * 200 + b"\x0c" * 200,
        b"\x12\x03\x0a\x01\xff",
    ],
)
def test_what_is_no_message_is_refused_by_name(data: bytes) -> None:
    with pytest.raises(ProtobufInvalid):
        read_payload(data)


def test_the_request_for_a_birth_is_what_the_specification_says() -> None:
    made = GooglePayload.FromString(rebirth_command(1_790_000_000_123))
    [metric] = made.metrics
    assert made.timestamp == metric.timestamp == 1_790_000_000_123
    assert (metric.name, metric.datatype) == ("Node Control/Rebirth", 11)
    assert metric.WhichOneof("value") == "boolean_value"
    assert metric.boolean_value is True
