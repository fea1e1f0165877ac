"""The commands ``map frames``, ``map convert`` and ``map fit``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from core.errors import UsageError
from twin.maps.command_frames import convert_command, fit_command, frames_command

POINTS = """name,x,y,east,north
a,1000,2000,505000,2494000
b,17000,4000,521000,2496000
c,13000.01,16000,517000,2508000
d,-1000,18000.0,503000,2510000
"""


def run(command: object, *words: str) -> Result:
    return CliRunner().invoke(command, words)  # type: ignore[arg-type]


def refused(command: object, *words: str) -> UsageError:
    result = run(command, *words)
    assert isinstance(result.exception, UsageError), result.output
    return result.exception


def test_the_list_names_systems_with_their_accuracy() -> None:
    assert "0.001 m" in run(frames_command).output
    rows = json.loads(run(frames_command, "--json").output)
    assert {"EPSG:4490", "GCJ-02", "BD-09", "EPSG:3857"} <= {row["codes"][0] for row in rows}
    assert any("EPSG:4547" in row["codes"] for row in rows)


def test_a_point_is_converted() -> None:
    words = ("--from", "EPSG:4490", "--to", "EPSG:4547", "114.1315", "22.5484")
    assert run(convert_command, *words).output == "513526.1531 2494532.9540\n"
    held = json.loads(run(convert_command, "--json", *words).output)
    assert held["to"] == "EPSG:4547"
    assert held["x"] == pytest.approx(513526.1531, abs=1e-3)


def test_the_points_of_a_csv_are_converted_and_its_columns_kept(tmp_path: Path) -> None:
    path, out = tmp_path / "p.csv", tmp_path / "q.csv"
    path.write_text("id,经度,纬度\n007,114.1315,22.5484\n", encoding="utf-8-sig")
    words = ("--from", "gcj02", "--to", "wgs84", str(path), "--out", str(out))
    assert run(convert_command, *words).exit_code == 0
    lines = out.read_text("utf-8").splitlines()
    assert lines[0] == "id,经度,纬度,x EPSG:4326,y EPSG:4326"
    assert lines[1].startswith("007,114.1315,22.5484,114.126")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("lon,lat\n114,x\n", "line 2, lat: 'x' is no number"),
        ("lon,lat\n114,22\n200,22\n", "line 3: "),
        ("lon,lat\n114\n", "line 2 has 1 columns"),
        ("a,b\n1,2\n", "none of the columns"),
        ("", "is empty"),
    ],
)
def test_a_wrong_csv_is_refused_naming_the_line(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "p.csv"
    path.write_text(text)
    assert says in str(refused(convert_command, "--from", "4490", "--to", "4547", str(path)))


def test_a_fit_is_written_and_converts(tmp_path: Path) -> None:
    points, out = tmp_path / "c.csv", tmp_path / "local.toml"
    points.write_text(POINTS)
    result = run(fit_command, str(points), "--out", str(out))
    assert result.exit_code == 0
    assert "RMS 0.00" in result.output
    words = ("--from", str(out), "--to", "EPSG:4547", "1000", "2000")
    x, y = run(convert_command, *words).output.split()
    assert (float(x), float(y)) == pytest.approx((505000, 2494000), abs=0.01)


def test_the_residuals_of_a_fit_are_json(tmp_path: Path) -> None:
    points = tmp_path / "c.csv"
    points.write_text(POINTS)
    held = json.loads(run(fit_command, str(points), "--json").output)
    assert [row["name"] for row in held["residuals"]] == ["a", "b", "c", "d"]
    assert held["redundancy"] == 4


def test_points_that_do_not_fit_are_shown_and_no_file_is_written(tmp_path: Path) -> None:
    points, out = tmp_path / "c.csv", tmp_path / "local.toml"
    points.write_text(POINTS.replace("13000.01", "13900"))
    wrong = refused(fit_command, str(points), "--out", str(out))
    assert "RMS" in str(wrong)
    assert "point c" in wrong.remedy
    assert not out.exists()


def test_what_is_no_control_point_is_refused(tmp_path: Path) -> None:
    points = tmp_path / "c.csv"
    points.write_text("name,x,y,east\n")
    assert "no column 'north'" in str(refused(fit_command, str(points)))
    points.write_text(POINTS.splitlines()[0] + "\na,1,2,3,inf\nb,100,200,300,400\n")
    assert "not finite" in str(refused(fit_command, str(points)))
    assert "cannot be read" in str(refused(fit_command, str(tmp_path / "none.csv")))
