"""The commands `map …` as a person types them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import psycopg
import pytest

from geodata.frames import frame
from geodata.maps import write
from tests.service.test_map_versions import BLOCKS, LEFT, RIGHT, moved_border
from tests.support.maps import content
from tests.support.servers import Runner, settings
from tests.support.small_district import small_district
from twin.store import load_district


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "街区.gpkg"
    write.write(path, content(moved_border()).cells, format="gpkg", frame=frame("EPSG:4547"))
    return path


@pytest.fixture
def env(dsn: str) -> dict[str, str]:
    with psycopg.connect(dsn, autocommit=True) as conn:
        load_district(conn, small_district())
    found: dict[str, str] = settings(dsn)
    return found


def said(run: Runner, *words: str, env: dict[str, str] | None = None, code: int = 0) -> str:
    program = run("map", *words, env=env)
    assert program.wait(60) == code, program.output()
    text: str = program.output()
    assert "Traceback" not in text
    return text


def json_of(text: str) -> Any:
    """The JSON of an output that may begin with lines of progress."""
    return json.loads(text.splitlines()[-1])


def test_from_a_file_to_a_map_in_force_and_back(
    run_blocktwin: Runner, env: dict[str, str], file: Path, tmp_path: Path
) -> None:
    picture = tmp_path / "diff.png"
    dry = said(run_blocktwin, "import", str(file), "--partial", "--frame", "EPSG:4547",
               "--dry-run", env=env)  # fmt: skip
    assert "dry run, nothing is kept" in dry
    text = said(
        run_blocktwin, "import", str(file), "--partial", "--frame", "EPSG:4547",
        "--origin", "survey office", "--picture", str(picture), env=env,
    )  # fmt: skip
    assert "proposal 1 (open)" in text
    assert f"~ {LEFT}" in text
    assert "blocktwin map apply 1 --accept-warnings" in text
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert "warnings that nobody has accepted" in said(run_blocktwin, "apply", "1", env=env, code=1)
    done = json_of(said(run_blocktwin, "apply", "1", "--accept-warnings", "--json", env=env))
    assert sorted(done["redrawn"]) == [LEFT, RIGHT]
    assert "applied by" in said(run_blocktwin, "diff", "1", env=env)
    assert "version 3 would be in force" in said(
        run_blocktwin, "rollback", "2", "--dry-run", env=env
    )
    assert "version 3 is in force" in said(run_blocktwin, "rollback", "2", "--note", "x", env=env)
    line = json_of(said(run_blocktwin, "versions", "--json", env=env))
    assert [one["version_id"] for one in line] == [3, 2, 1]
    assert "rollback of 2" in said(run_blocktwin, "versions", "3", env=env)
    listed = json_of(said(run_blocktwin, "list", "--json", env=env))
    assert [(one["proposal_id"], one["state"]) for one in listed] == [(1, "applied")]


def test_a_part_taken_for_the_whole_is_said_loudly_and_cannot_be_applied(
    run_blocktwin: Runner, env: dict[str, str], file: Path
) -> None:
    text = said(run_blocktwin, "import", str(file), "--frame", "EPSG:4547", "--apply",
                env=env, code=1)  # fmt: skip
    assert f"ends {len(BLOCKS) - 2} of {len(BLOCKS)} blocks" in text
    assert "--partial" in text
    assert "not applied" in text
    assert "is withdrawn" in said(run_blocktwin, "withdraw", "1", env=env)


def test_a_file_is_looked_at_without_a_database(run_blocktwin: Runner, file: Path) -> None:
    text = said(run_blocktwin, "inspect", str(file))
    assert "2 Polygon" in text or "2 MultiPolygon" in text
    found = json_of(said(run_blocktwin, "inspect", str(file), "--json"))
    assert found["guess"]["mapping"]["code"] == "code"


def test_without_a_frame_the_evidence_is_given(
    run_blocktwin: Runner, env: dict[str, str], file: Path
) -> None:
    text = said(run_blocktwin, "import", str(file), env=env, code=2)
    assert "4547" in text


def test_the_map_in_force_is_exported_and_comes_in_the_same(
    run_blocktwin: Runner, env: dict[str, str], tmp_path: Path
) -> None:
    out = tmp_path / "out.zip"
    words = ("export", "--format", "shp", "--frame", "EPSG:4547", "--encoding", "GBK",
             "--kind", "block", "--out", str(out))  # fmt: skip
    assert "12 spaces" in said(run_blocktwin, *words, env=env)
    assert "is there already" in said(run_blocktwin, *words, env=env, code=2)
    text = said(run_blocktwin, "import", str(out), "--frame", "EPSG:4547", "--encoding", "GBK",
                "--json", env=env)  # fmt: skip
    assert json_of(text)["diff"]["counts"]["same"] == 12
