"""Networks from map layers: ends snapped together, devices met, directions kept or turned."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyogrio.raw
import pytest
import shapely

from core.errors import UsageError
from twin.relations.files import FileOptions, read_file
from twin.relations.lines import Anchors, LineOptions
from twin.relations.model import RelationTable

NOBODY = Anchors(refs=(), at=np.empty((0, 2)))
LON, LAT = 114.1, 22.5
M = 1 / 111_195.0
"""Degrees of latitude in a metre."""


def write(path: Path, shapes: list[Any], kind: str = "LineString", **fields: list[Any]) -> Path:
    pyogrio.raw.write(
        path,
        np.array(shapely.to_wkb(shapes), dtype=object),
        [np.array(values, dtype=object) for values in fields.values()],
        list(fields),
        geometry_type=kind,
        crs="EPSG:4490",
        layer=kind.lower(),
        append=path.exists(),
    )
    return path


def line(*metres: float) -> Any:
    """A line that runs north through these metres."""
    return shapely.LineString([(LON, LAT + metre * M) for metre in metres])


def read(path: Path, devices: Anchors = NOBODY, frame: str = "EPSG:4490", **how: Any) -> Any:
    return read_file(path, FileOptions(frame=frame, lines=LineOptions(**how), prefix="s"), devices)


def steps(table: RelationTable) -> list[tuple[str, str]]:
    return [(edge.upstream, edge.downstream) for edge in table.edges]


def test_ends_within_the_tolerance_are_one_node(tmp_path: Path) -> None:
    path = write(tmp_path / "p.gpkg", [line(0, 5, 10), line(10.3, 20), line(21.5, 30)])
    table = read(path, tolerance_m=0.5)
    names = [f"node:s-{n:05d}" for n in range(1, 6)]
    assert steps(table) == [
        (names[0], names[1]),
        (names[1], names[2]),
        (names[3], names[4]),
    ]
    middle = next(node for node in table.nodes if node.node_id == "s-00002")
    assert (middle.lat - LAT) / M == pytest.approx(10.15, abs=0.01)
    assert len(steps(read(path, tolerance_m=2.0))) == 3
    assert len(read(path, tolerance_m=2.0).nodes) == 4


def test_an_end_at_a_device_is_the_device(tmp_path: Path) -> None:
    path = write(tmp_path / "p.gpkg", [line(0, 10), line(10, 20)])
    near = Anchors(refs=("device:far", "device:d"), at=np.array([[LON, 0], [LON, LAT + 10.4 * M]]))
    assert steps(read(path, near)) == [
        ("node:s-00001", "device:d"),
        ("device:d", "node:s-00002"),
    ]


def test_a_field_turns_the_direction_and_another_names_the_pipe(tmp_path: Path) -> None:
    path = write(
        tmp_path / "p.gpkg", [line(0, 10), line(20, 10)], way=["逆", "顺"], pipe=["一号", None]
    )
    table = read(path, direction_field="way", reversed_value="逆", name_field="pipe")
    assert steps(table) == [
        ("node:s-00002", "node:s-00001"),
        ("node:s-00003", "node:s-00002"),
    ]
    assert [edge.name for edge in table.edges] == ["一号", ""]


def test_points_give_the_nodes_their_ids(tmp_path: Path) -> None:
    path = write(tmp_path / "p.gpkg", [line(0, 10)])
    points = [shapely.Point(LON, LAT), shapely.Point(LON, LAT + 10 * M), shapely.Point(LON, 0)]
    write(path, points, "Point", ident=["YS 1", "YS-2", "YS-3"])
    table = read(path, layer="linestring", node_layer="point", node_id_field="ident")
    assert steps(table) == [("node:s-00001", "node:YS-2")]
    (finding,) = table.findings
    assert "point feature 1" in finding.detail
    with pytest.raises(UsageError, match="field with their ids"):
        read(path, layer="linestring", node_layer="point")


def test_what_is_no_single_line_is_named_by_its_row(tmp_path: Path) -> None:
    parts = shapely.MultiLineString([[(LON, LAT), (LON, LAT + M)], [(LON, 1), (LON, 2)]])
    joined = shapely.MultiLineString(
        [[(LON, LAT), (LON, LAT + 5 * M)], [(LON, LAT + 5 * M), (LON, LAT + 9 * M)]]
    )
    path = write(tmp_path / "p.gpkg", [parts, joined], "MultiLineString")
    table = read(path)
    assert [finding.rows for finding in table.findings] == [(1,)]
    assert [edge.row for edge in table.edges] == [2]


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"layer": "none"}, "is not clear"),
        ({"name_field": "none"}, "no field 'none'"),
        ({"tolerance_m": 0.0}, "0 m is not usable"),
        ({"tolerance_m": 1000.0}, "1000 m is not usable"),
        ({"frame": "EPSG:99"}, "EPSG:99"),
    ],
)
def test_what_cannot_be_read_so_is_a_sentence(
    tmp_path: Path, how: dict[str, Any], words: str
) -> None:
    path = write(tmp_path / "p.gpkg", [line(0, 10)])
    with pytest.raises(UsageError, match=words) as caught:
        read(path, **how)
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("x.gpkg", b"no map", "cannot be read as a map"),
        ("x.vrt", b"<OGRVRTDataSource/>", "is not read as a map"),
        ("x.geojson", b"<OGRVRTDataSource><OGRVRTLayer/></OGRVRTDataSource>", "points to other"),
        ("x.csv", b"from,to\n\xff\n", "is not in utf-8: byte 8"),
    ],
)
def test_files_that_are_no_network_are_refused(
    tmp_path: Path, name: str, text: bytes, words: str
) -> None:
    path = tmp_path / name
    path.write_bytes(text)
    with pytest.raises(UsageError, match=words):
        read(path)


def test_a_table_in_another_encoding_is_read(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes("from,to,name\ndevice:a,device:b,雨水干管\n".encode("gb18030"))
    table = read_file(path, FileOptions(encoding="gb18030"), NOBODY)
    assert table.edges[0].name == "雨水干管"
    with pytest.raises(UsageError, match="no encoding"):
        read_file(path, FileOptions(encoding="nonsense"), NOBODY)


def test_positions_that_cannot_be_in_the_frame_are_named_by_their_row(tmp_path: Path) -> None:
    metres = shapely.LineString([(500_000, 2_490_000), (500_010, 2_490_000)])
    path = write(tmp_path / "p.gpkg", [line(0, 1), metres])
    with pytest.raises(UsageError, match=r"p.gpkg feature 2: .*no degrees"):
        read(path)
    table = tmp_path / "t.csv"
    table.write_text("from,to,to_lon,to_lat\ndevice:a,node:x,114.1,22.5\n")
    with pytest.raises(UsageError, match="row 2: node 'x'"):
        read(table, frame="EPSG:4547")
