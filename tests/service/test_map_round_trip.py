"""The demo district out to a file and in again: the same blocks, whatever the format and frame."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from core.model import SpaceKind
from dev.servers import PrivatePostgres
from geodata.frames import frame
from simulators.district import demo_district
from tests.support import servers
from twin.maps import intake, outgoing, proposals
from twin.maps.proposals import Draft
from twin.store import load_district

Conn = psycopg.Connection[Any]

BLOCKS = 1318


@pytest.fixture(scope="module")
def demo(postgres: PrivatePostgres, template_dsn: str) -> Iterator[Conn]:
    """The demo district, loaded once; nobody here writes to it."""
    del template_dsn
    with (
        servers.own_database(postgres, servers.TEMPLATE) as dsn,
        psycopg.connect(dsn, autocommit=True) as conn,
    ):
        load_district(conn, demo_district())
        yield conn


def back(
    conn: Conn, path: Path, form: str, written_in: str, *, declared: str = "", encoding: str = ""
) -> Draft:
    """Write the blocks in force to a file, read it as declared, and compare."""
    count = outgoing.export(
        conn, path, format_=form, frame=frame(written_in), encoding=encoding or "UTF-8",
        kinds=[SpaceKind.BLOCK],
    )  # fmt: skip
    assert count == BLOCKS
    asked = intake.Asked(encoding=encoding)
    content = intake.read_map(path, frame(declared or written_in), asked)
    return proposals.draft(conn, content, partial=False)


@pytest.mark.parametrize(
    ("form", "written_in", "encoding", "suffix"),
    [
        ("gpkg", "EPSG:4547", "", ".gpkg"),
        ("shp", "EPSG:4547", "GBK", ".zip"),
        ("geojson", "GCJ-02", "", ".geojson"),
        ("dxf", "EPSG:4547", "", ".dxf"),
        ("kml", "EPSG:4490", "", ".kml"),
    ],
)
def test_every_block_comes_back_the_same(
    demo: Conn, tmp_path: Path, form: str, written_in: str, encoding: str, suffix: str
) -> None:
    made = back(demo, tmp_path / f"blocks{suffix}", form, written_in, encoding=encoding)
    assert made.judged.facts["counts"] == {
        "added": 0, "redrawn": 0, "changed": 0, "gone": 0, "same": BLOCKS,
    }  # fmt: skip
    assert [f.detail for f in made.judged.findings if f.weight == "error"] == []
    assert made.moves == ()


def test_a_shift_of_gcj_02_declared_as_wgs_84_is_caught(demo: Conn, tmp_path: Path) -> None:
    made = back(demo, tmp_path / "blocks.geojson", "geojson", "GCJ-02", declared="EPSG:4326")
    shifts = [f for f in made.judged.findings if f.kind == "shift"]
    assert [f.weight for f in shifts] == ["error"]
    assert "GCJ-02" in shifts[0].detail + shifts[0].mend
