"""Tables of relations: what is read, what is refused with its row, and what is judged."""

from __future__ import annotations

import contextlib
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import UsageError
from twin.relations import model
from twin.relations.check import World, judge
from twin.relations.model import (
    RefMalformed,
    RelationEdge,
    RelationFinding,
    RelationKind,
    RelationTable,
    parse_ref,
    set_name,
    stored_kind,
)
from twin.relations.tables import read_csv, read_json

WORLD = World(
    known={
        "device": frozenset({"a", "b", "c", "d"}),
        "gateway": frozenset({"gw-1"}),
        "space": frozenset({"440303"}),
    },
    nodes={"shared": "other-set"},
    edges={("device:c", "device:d"): "other-set"},
    leaning={},
)


def table(*edges: tuple[str, str]) -> RelationTable:
    return RelationTable(
        nodes=(),
        edges=tuple(
            RelationEdge(upstream=a, downstream=b, row=row)
            for row, (a, b) in enumerate(edges, start=2)
        ),
        source="t.csv",
    )


def found(
    *edges: tuple[str, str], kind: RelationKind = RelationKind.DRAINAGE
) -> list[RelationFinding]:
    return judge(table(*edges), kind, WORLD)


def test_a_csv_gives_edges_and_the_places_of_its_nodes() -> None:
    text = (
        "\ufefffrom,to,name,from_lon,from_lat,from_name,from_sort\n"
        "node:YS-1,node:YS-2,干管,114.1,22.5,井一,manhole\n"
        "node:YS-2,device:a,,114.2,22.6,,\n"
    )
    read = read_csv(text, "t.csv")
    assert [(e.upstream, e.downstream, e.name, e.row) for e in read.edges] == [
        ("node:YS-1", "node:YS-2", "干管", 2),
        ("node:YS-2", "device:a", "", 3),
    ]
    assert [(n.node_id, n.sort, n.name, n.lon) for n in read.nodes] == [
        ("YS-1", "manhole", "井一", 114.1),
        ("YS-2", "node", "", 114.2),
    ]
    assert read.findings == ()


def test_json_says_the_same() -> None:
    data = {
        "nodes": [{"id": "YS-1", "sort": "manhole", "lon": 114.1, "lat": 22.5}],
        "edges": [{"from": "node:YS-1", "to": "device:a"}],
    }
    read = read_json(json.dumps(data).encode(), "t.json")
    assert read.edges[0].downstream == "device:a"
    assert read.nodes[0].node_id == "YS-1"


def test_positions_are_brought_to_degrees() -> None:
    text = "from,to,from_lon,from_lat\nnode:x,device:a,500000,2500000\n"
    moved = read_csv(text, "t.csv", to_degrees=lambda xy: xy / np.array([4000.0, 100_000.0]))
    assert (moved.nodes[0].lon, moved.nodes[0].lat) == (125.0, 25.0)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("from,down\na,b\n", "lacks the column 'to'"),
        ("from,to,colour\n", "unknown column 'colour'"),
        ("from,to,to\n", "a column twice"),
        ("", "lacks the column 'from'"),
        ('from,to\n"a,b\n', "is no CSV"),
    ],
)
def test_a_csv_that_is_no_table_is_refused(text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        read_csv(text, "t.csv")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("a,device:b,,", "'a' is no node"),
        ("device:A,device:b,,", "cannot be the id of a device"),
        ("device:a,device:b,1,2", "from_lon and from_lat are for nodes"),
        ("node:x,device:b,1,", "is no position"),
        ("node:x,device:b,nan,1", "has no finite position"),
        ("node:n,device:b,9,9", "lies at (9, 9) here and at (1, 1) in row 2"),
    ],
)
def test_a_faulty_line_is_named_by_its_row(line: str, words: str) -> None:
    text = f"from,to,from_lon,from_lat\nnode:n,device:c,1,1\n{line}\n"
    (finding,) = read_csv(text, "t.csv").findings
    assert finding.error
    assert finding.rows == (3,)
    assert words in finding.detail


@given(st.binary(max_size=200))
def test_any_bytes_are_a_table_or_a_sentence(data: bytes) -> None:
    with pytest.raises(UsageError):
        read_json(data, "t.json")
    text = data.decode("utf-8", "replace")
    with contextlib.suppress(UsageError):
        read_csv(f"from,to\n{text}", "t.csv")


def test_too_many_edges_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("twin.relations.tables.MAX_EDGES", 2)
    with pytest.raises(UsageError, match="more than 2 edges"):
        read_csv("from,to\n" + "device:a,device:b\n" * 3, "t.csv")
    assert model.MAX_EDGES > 2


@pytest.mark.parametrize(
    ("edges", "kind", "rows"),
    [
        ([("device:a", "device:a")], "self_loop", (2,)),
        ([("device:a", "device:b"), ("device:a", "device:b")], "duplicate", (2, 3)),
        ([("device:c", "device:d")], "duplicate", (2,)),
        ([("device:x", "device:a")], "unknown_node", (2,)),
        ([("space:x", "device:a")], "unknown_node", (2,)),
        ([("node:x", "device:a")], "unknown_node", (2,)),
        ([("gateway:gw-1", "device:a")], "wrong_end", (2,)),
    ],
)
def test_what_must_be_refused_is_named_with_its_rows(
    edges: list[tuple[str, str]], kind: str, rows: tuple[int, ...]
) -> None:
    (finding,) = found(*edges)
    assert (finding.kind, finding.rows, finding.error) == (kind, rows, True)


def test_a_circle_is_named_in_the_order_of_the_flow_with_its_rows() -> None:
    (finding,) = found(("device:b", "device:c"), ("device:a", "device:b"), ("device:d", "device:a"))
    assert finding.kind == "cycle"
    assert finding.nodes == ("device:a", "device:b", "device:c", "device:d")
    assert finding.detail.endswith("device:a → device:b → device:c → device:d → device:a")
    # The step from c to d stands in another set.
    assert finding.rows == (3, 2, 4)


def test_what_is_sound_gives_no_finding() -> None:
    assert found(("device:a", "device:b"), ("node:shared", "space:440303")) == []
    assert found(("gateway:gw-1", "device:a"), kind=RelationKind.POWER) == []


def test_a_node_that_others_use_cannot_go() -> None:
    world = World(known=WORLD.known, nodes={}, edges={}, leaning={"gone": "other-set"})
    (finding,) = judge(table(("device:a", "device:b")), RelationKind.POWER, world)
    assert finding.kind == "used_elsewhere"
    assert "other-set" in finding.detail


def test_nodes_on_no_edge_are_a_note_and_nodes_nowhere_an_error() -> None:
    text = "from,to,from_lon,from_lat\nnode:x,device:a,500000,1\n"
    (finding,) = judge(read_csv(text, "t.csv"), RelationKind.DRAINAGE, WORLD)
    assert finding.kind == "bad_position"
    data = b'{"nodes": [{"id": "lone", "lon": 1, "lat": 1}], "edges": []}'
    (note,) = judge(read_json(data, "t.json"), RelationKind.DRAINAGE, WORLD)
    assert (note.kind, note.error) == ("unused_node", False)


@pytest.mark.parametrize("text", ["", "device", "device:", "node:a b", "pump:1", "space:a/b"])
def test_a_malformed_reference_is_refused(text: str) -> None:
    with pytest.raises(RefMalformed):
        parse_ref(text)


def test_names_of_sets_and_kinds_are_checked() -> None:
    assert stored_kind("power") is RelationKind.POWER
    assert set_name("river-1") == "river-1"
    with pytest.raises(UsageError):
        stored_kind("gateway")
    with pytest.raises(UsageError):
        set_name("River 1")
