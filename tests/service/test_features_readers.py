"""Foreign readers of our features: the GDAL that pyogrio brings, and owslib, over a real socket."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import shapely
from owslib.ogcapi.features import Features
from owslib.util import Authentication

from core.model import SpaceKind
from tests.service.test_api import raise_alarm
from tests.service.test_events import Server, serving
from tests.support.servers import Runner
from tests.support.small_district import small_district
from tests.support.twin_api import load_rules
from twin.features.crs import SUPPORTED
from twin.store import load_district

Conn = psycopg.Connection[Any]

PLAIN = small_district(columns=8, rows=6, devices=60)

READ = """
import json, sys
import pyogrio, shapely
url, layer, options = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
if "bbox" in options:
    options["bbox"] = tuple(options["bbox"])
meta, _, geometry, _ = pyogrio.raw.read("OAPIF:" + url, layer=layer, **options)
shapes = shapely.from_wkb(geometry)
print(json.dumps({
    "crs": meta["crs"],
    "fields": list(meta["fields"]),
    "count": len(shapes),
    "types": sorted({shape.geom_type for shape in shapes if shape is not None}),
    "bounds": shapely.total_bounds(shapes).tolist(),
    "area": float(shapely.area(shapes).sum()),
}))
"""


@pytest.fixture
def server(
    conn: Conn, run_blocktwin: Runner, dsn: str, free_port: int, tmp_path: Path
) -> Iterator[Server]:
    load_district(conn, PLAIN)
    load_rules(conn)
    raise_alarm(conn)
    with serving(run_blocktwin, dsn, free_port, tmp_path) as served:
        yield served


def token(server: Server) -> str:
    return str(server.client.headers["authorization"]).removeprefix("Bearer ")


def user(server: Server) -> str:
    return server.operators.read_text(encoding="utf-8").split('name = "')[1].split('"')[0]


def gdal(server: Server, layer: str, **options: Any) -> Any:
    """What GDAL reads of a layer; in a process of its own, for its settings are environment."""
    url = f"{server.client.base_url}/ogc/features/"
    done = subprocess.run(
        [sys.executable, "-c", READ, url, layer, json.dumps(options)],
        env={"PATH": "/usr/bin:/bin", "GDAL_HTTP_USERPWD": f"{user(server)}:{token(server)}"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_gdal_reads_every_space(server: Server) -> None:
    found = gdal(server, "spaces")
    assert found["count"] == len(PLAIN.spaces)
    assert set(found["types"]) <= {"Polygon", "MultiPolygon"}
    assert {"code", "kind", "name", "parent", "severity"} <= set(found["fields"])
    outlines = [shapely.from_geojson(json.dumps(space.outline)) for space in PLAIN.spaces]
    assert found["bounds"] == pytest.approx(shapely.total_bounds(outlines).tolist(), abs=1e-9)
    assert found["area"] == pytest.approx(float(shapely.area(outlines).sum()), rel=1e-9)


def test_gdal_pages_through_the_devices(server: Server) -> None:
    found = gdal(server, "devices", PAGE_SIZE="7")
    assert found["count"] == len(PLAIN.devices)
    assert found["types"] == ["Point"]


def test_gdal_asks_for_a_box_and_reads_alarms(server: Server) -> None:
    box = (114.10, 22.50, 114.1015, 22.5015)
    found = gdal(server, "devices", bbox=box)
    inside = [d for d in PLAIN.devices if box[0] <= d.lon <= box[2] and box[1] <= d.lat <= box[3]]
    assert found["count"] == len(inside) > 0
    assert gdal(server, "alarms")["count"] == 1


def test_gdal_takes_another_system_with_its_axis_order(server: Server) -> None:
    found = gdal(server, "spaces", CRS=next(u for u in SUPPORTED if u.endswith("/4547")))
    assert "4547" in found["crs"]
    west, south, east, north = found["bounds"]
    assert 500_000 < west < east < 530_000
    assert 2_480_000 < south < north < 2_520_000


def test_owslib_reads_us_as_a_person_would(server: Server) -> None:
    service = Features(
        f"{server.client.base_url}/ogc/features/", auth=Authentication(user(server), token(server))
    )
    assert (
        "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/core"
        in (service.conformance()["conformsTo"])
    )
    assert service.feature_collections() == ["spaces", "space-versions", "devices", "alarms"]
    assert service.api()["openapi"] == "3.0.3"
    blocks = sum(space.kind is SpaceKind.BLOCK for space in PLAIN.spaces)
    page = service.collection_items("spaces", limit=5, kind="block")
    assert (page["numberReturned"], page["numberMatched"]) == (5, blocks)
    box = service.collection_items("devices", bbox=[114.10, 22.50, 114.1015, 22.5015])
    assert 0 < box["numberMatched"] < len(PLAIN.devices)
    one = service.collection_item("devices", PLAIN.devices[0].device_id)
    assert one["properties"]["name"] == PLAIN.devices[0].name
