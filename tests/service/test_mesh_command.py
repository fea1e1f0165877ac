"""`blocktwin mesh …` as a person types it."""

from __future__ import annotations

import json
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner, Result

from blocktwin import cli
from core.config import Invocation
from core.errors import UsageError
from tests.service.test_scenes import HERE, slope_district, survey
from tests.support.servers import settings
from twin.scenes.command import mesh
from twin.store import load_district

WHEN = "2026-05-01T08:00:00+08:00"


class Typed:
    """Runs the commands in this process, against the test's database."""

    def __init__(self, env: dict[str, str]) -> None:
        self._invocation = Invocation(config_path=None, verbose=0, env=env)

    def __call__(self, *words: str, fails: bool = False) -> Result:
        result = CliRunner().invoke(mesh, words, obj=self._invocation)
        if not fails:
            assert result.exit_code == 0, (result.output, result.exception)
        return result

    def json(self, *words: str) -> dict[str, object]:
        found: dict[str, object] = json.loads(self(*words, "--json").stdout)
        return found


@pytest.fixture
def typed(conn: psycopg.Connection, dsn: str) -> Typed:
    load_district(conn, slope_district())
    return Typed(settings(dsn))


def imported(typed: Typed, tmp_path: Path, rise: float, when: str, *more: str) -> Result:
    file = tmp_path / f"survey-{rise:g}.csv"
    file.write_bytes(survey(rise))
    said = ("--name", "东坡", "--frame", "EPSG:4490", "--space", HERE, "--surveyed-at", when)
    return typed("surface", "import", str(file), *said, *more)


def test_from_two_files_to_a_volume_and_a_slope(typed: Typed, tmp_path: Path) -> None:
    assert "would be kept" in imported(typed, tmp_path, 0, WHEN, "--dry-run").stdout
    assert "survey-" not in typed("surface", "list").stdout
    first = json.loads(imported(typed, tmp_path, 0, WHEN, "--json").stdout)
    assert (first["said"], first["facet_count"]) == ("kept", 288)
    assert "was there already" in imported(typed, tmp_path, 0, WHEN).stdout
    second = json.loads(imported(typed, tmp_path, 0.5, "2026-06-01T08:00:00Z", "--json").stdout)
    before, after = first["surface_id"], second["surface_id"]

    listed = typed("surface", "list", "--space", HERE).stdout.splitlines()
    assert [line.split()[0] for line in listed] == [after, before]
    assert "1985" not in typed("surface", "show", before).stdout
    assert typed.json("surface", "show", before)["space"] == HERE
    found = typed.json("volume", before, after)
    assert found["net_m3"] == pytest.approx(7_200, rel=1e-3)
    assert "7,200.0 m³" in typed("volume", before, after).stdout
    assert "26.57° from the horizontal" in typed("slope", "tilt-0").stdout
    assert typed.json("slope", "tilt-0")["aspect_deg"] == pytest.approx(180, abs=0.1)
    assert "outside the survey" in typed("slope", "tilt-1").stdout

    out = tmp_path / "slope.glb"
    assert "1 slope" in typed("surface", "export", after, "--out", str(out)).stdout
    assert out.read_bytes()[:4] == b"glTF"
    assert "would remove" in typed("surface", "remove", before, "--dry-run").stdout
    assert "removed" in typed("surface", "remove", before).stdout
    gone = typed("surface", "show", before, fails=True)
    assert isinstance(gone.exception, UsageError)


def test_a_block_is_written_and_its_file_judged(typed: Typed, tmp_path: Path) -> None:
    out = tmp_path / "block.glb"
    said = typed("block", HERE, "--out", str(out)).stdout
    assert "1 ground, 1 building" in said
    found = typed("check", str(out), "--open", "--json")
    meshes = json.loads(found.stdout)["meshes"]
    assert meshes[f"building:{HERE}-1"]["watertight"]
    strict = typed("check", str(out), fails=True)
    assert strict.exit_code == 1
    assert "face on one side only" in strict.stdout
    elsewhere = typed("block", HERE, "--out", str(tmp_path / "no" / "a.glb"), fails=True)
    assert "cannot be written" in str(elsewhere.exception)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("block", "nowhere", "--out", "a.glb"), "no space 'nowhere'"),
        (("slope", "nobody"), "no device 'nobody'"),
        (("volume", "a", "b"), "no surface 'a'"),
        (("surface", "export", "a", "--out", "a.glb"), "no surface 'a'"),
    ],
)
def test_what_is_not_there_is_a_usage_error(
    typed: Typed, words: tuple[str, ...], said: str
) -> None:
    error = typed(*words, fails=True).exception
    assert isinstance(error, UsageError)
    assert said in str(error)


@pytest.mark.parametrize(
    ("frame", "when", "said"),
    [("EPSG:1", WHEN, "--frame"), ("EPSG:4490", "2026-05-01", "--surveyed-at")],
)
def test_a_wrong_declaration_is_named(
    typed: Typed, tmp_path: Path, frame: str, when: str, said: str
) -> None:
    file = tmp_path / "a.csv"
    file.write_bytes(survey())
    words = ("--name", "x", "--frame", frame, "--space", HERE, "--surveyed-at", when)
    error = typed("surface", "import", str(file), *words, fails=True).exception
    assert said in str(error)


def test_the_command_line_knows_it() -> None:
    assert "surface" in CliRunner().invoke(cli, ["mesh", "--help"]).output
