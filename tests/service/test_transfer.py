from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, LiteralString

import psycopg
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest
from click.testing import CliRunner, Result

import blocktwin
from core.config import Invocation
from core.db import registry as registries
from core.errors import Permanent, UsageError
from core.model import Quality
from dev.servers import PrivatePostgres
from tests.support.ingesting import register
from tests.support.servers import TEMPLATE, own_database
from tests.support.servers import settings as environment
from twin.history.resolution import Level
from twin.history.transfer_out import Span, blocks

HEAD = "device,quantity,time,value,unit,quality\n"
Run = Callable[..., Result]


def runner(dsn: str) -> Run:
    """Call ``blocktwin reading …`` on a database."""
    env = environment(dsn)

    def call(*words: str | Path) -> Result:
        invocation = Invocation(config_path=None, verbose=0, env=env)
        argv = ["reading", *map(str, words)]
        found = CliRunner().invoke(blocktwin.cli, argv, obj=invocation, env=env)
        if found.exception is not None and not isinstance(found.exception, SystemExit):
            raise found.exception
        assert found.exit_code in {0, 1}, found.output
        return found

    return call


@pytest.fixture
def run(dsn: str) -> Run:
    return runner(dsn)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "may.csv"


def rows(count: int, device: str = "heat-1") -> str:
    """One reading a minute, from the first of May on."""
    return "".join(
        f"{device},temperature,2026-05-{1 + n // 1440:02}T{n // 60 % 24:02}:{n % 60:02}:00Z,"
        f"{20 + n % 10 / 10},,\n"
        for n in range(count)
    )


def imported(run: Run, file: Path, *words: str) -> dict[str, Any]:
    result = run("import", file, "--json", *words)
    found: dict[str, Any] = json.loads(result.stdout)
    assert result.exit_code == bool(found["rejected"])
    assert found["read"] == found["stored"] + found["rejected"] + found["duplicates"]
    return found


def counts(found: dict[str, Any]) -> tuple[int, int, int]:
    return found["stored"], found["rejected"], found["duplicates"]


def one(conn: psycopg.Connection[Any], query: LiteralString) -> Any:
    row = conn.execute(query).fetchone()
    assert row is not None
    return row[0] if len(row) == 1 else row


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as opened:
        return list(csv.DictReader(opened))


def test_a_file_is_stored_as_backfill_and_the_second_time_is_all_duplicates(
    conn: psycopg.Connection[Any], run: Run, file: Path
) -> None:
    register(conn, "gw-a", ["heat-1"])
    file.write_text(HEAD + rows(2000))
    assert counts(imported(run, file)) == (2000, 0, 0)
    assert counts(imported(run, file)) == (0, 0, 2000)
    assert one(conn, "SELECT count(*), min(quality), max(quality) FROM reading") == (
        2000, Quality.BACKFILLED, Quality.BACKFILLED,
    )  # fmt: skip
    tally = one(conn, "SELECT worker_id, received, stored, rejected, duplicates FROM tally")
    assert tally == ("import", 4000, 2000, 0, 2000)
    assert one(conn, "SELECT observed_at::text, value FROM latest") == (
        "2026-05-02 09:19:00+00", 20.9,
    )  # fmt: skip


def test_lines_are_judged_as_readings_of_the_wire_are(
    conn: psycopg.Connection[Any], run: Run, file: Path
) -> None:
    register(conn, "gw-a", ["heat-1"])
    file.write_text(
        HEAD
        + "heat-1,temperature,2026-05-01T00:00:00Z,300,K,\n"  # 26.85 Cel
        + "heat-1,temperature,2026-05-01T00:01:00Z,5000,,64\n"  # out of range
        + "heat-1,temperature,2026-05-01T00:02:00Z,1,furlong,\n"
        + "heat-1,humidity,2026-05-01T00:02:00Z,1,,\n"
        + "heat-2,temperature,2026-05-01T00:02:00Z,1,,\n"
        + "Heat 2,temperature,2026-05-01T00:02:00Z,1,,\n"
        + "heat-1,temperature,1980-01-06T00:00:00Z,1,,\n"
        + "heat-1,temperature,2099-01-06T00:00:00Z,1,,\n"
        + "heat-1,temperature,2026-05-01T00:03:00Z,NaN,,\n"
        + "heat-1,temperature,2026-05-01 00:03:00,1,,\n"
        + "heat-1,temperature,2026-05-01T00:03:00Z,1\n"
    )
    found = imported(run, file)
    assert counts(found) == (2, 9, 0)
    assert found["reasons"] == {
        "bad_unit": 1, "unknown_quantity": 1, "unknown_device": 1, "bad_name": 1, "bad_time": 3,
        "bad_value": 1, "unparsable": 1,
    }  # fmt: skip
    stored = conn.execute("SELECT value, quality FROM reading ORDER BY observed_at").fetchall()
    assert stored == [
        (pytest.approx(26.85), Quality.BACKFILLED),
        (5000.0, Quality.BACKFILLED | Quality.SIMULATED | Quality.OUT_OF_RANGE),
    ]
    places = conn.execute("SELECT topic, reason FROM rejected ORDER BY topic").fetchall()
    assert ("import/may.csv:6", "unknown_device") in places
    assert len({place for place, _ in places}) == 9


def test_refused_lines_can_be_retried_once_their_device_is_registered(
    conn: psycopg.Connection[Any], run: Run, file: Path, dsn: str
) -> None:
    file.write_text(HEAD + rows(3) + "heat-1,temperature,never,1,,\nheat-1\n")
    assert counts(imported(run, file)) == (0, 5, 0)
    register(conn, "gw-a", ["heat-1"])
    before = conn.execute("SELECT reason, detail FROM rejected WHERE reason <> 'unknown_device'")
    kept = before.fetchall()
    invocation = Invocation(config_path=None, verbose=0, env=environment(dsn))
    words = ["ingest", "rejected", "retry", "--all", "--json"]
    found = CliRunner().invoke(blocktwin.cli, words, obj=invocation, env=environment(dsn))
    report = json.loads(found.stdout)
    assert (report["stored"], report["still_rejected"]) == (3, {"bad_time": 1, "unparsable": 1})
    left = conn.execute("SELECT reason, detail FROM rejected WHERE resolved_at IS NULL").fetchall()
    assert left == kept
    assert counts(imported(run, file)) == (0, 2, 3)
    books = one(conn, "SELECT sum(received)::int, sum(stored)::int, sum(rejected)::int FROM tally")
    assert books == (10, 3, 4)


def test_a_dry_run_tells_the_same_and_changes_nothing(
    conn: psycopg.Connection[Any], run: Run, file: Path
) -> None:
    register(conn, "gw-a", ["heat-1"])
    file.write_text(HEAD + rows(10))
    imported(run, file)
    file.write_text(HEAD + rows(30) + rows(2, "heat-2"))
    dry = imported(run, file, "--dry-run")
    assert one(conn, "SELECT count(*) FROM reading") == 10
    assert one(conn, "SELECT count(*) FROM rejected") == 0
    wet = imported(run, file)
    assert counts(dry) == counts(wet) == (20, 2, 10)
    assert "dry run, nothing stored" in run("import", file, "--dry-run").stdout


def test_the_report_names_the_first_line_of_each_reason(
    conn: psycopg.Connection[Any], run: Run, file: Path
) -> None:
    register(conn, "gw-a", ["heat-1"])
    file.write_text(HEAD + rows(2) + rows(2, "heat-2"))
    text = run("import", file).stdout
    assert "unknown_device: 2, first may.csv:4: heat-2:temperature: " in text
    assert "4 read = 2 stored + 2 rejected + 0 duplicates" in text


def test_a_file_that_breaks_off_keeps_what_came_before(
    conn: psycopg.Connection[Any], run: Run, file: Path
) -> None:
    register(conn, "gw-a", ["heat-1"])
    whole = gzip.compress((HEAD + rows(30_000)).encode())
    packed = file.with_suffix(".csv.gz")
    packed.write_bytes(whole[: len(whole) * 3 // 4])
    with pytest.raises(UsageError, match="cut off or damaged after line"):
        run("import", packed)
    stored = one(conn, "SELECT count(*) FROM reading")
    assert 0 < stored < 30_000
    packed.write_bytes(whole)
    assert counts(imported(run, packed)) == (30_000 - stored, 0, stored)


def test_rows_that_the_database_refuses_are_named_by_line(
    conn: psycopg.Connection[Any], run: Run, file: Path
) -> None:
    register(conn, "gw-a", ["heat-1"])
    conn.execute("ALTER TABLE reading ADD CONSTRAINT cold CHECK (value < 20.5)")
    file.write_text(HEAD + rows(10))
    with pytest.raises(Permanent, match=r"may\.csv: the database refuses rows from line 2 on"):
        run("import", file)
    assert one(conn, "SELECT count(*) FROM tally") == 0


def test_what_is_imported_marks_the_rollups_of_its_series_alone(
    conn: psycopg.Connection[Any], run: Run, file: Path
) -> None:
    register(conn, "gw-a", ["heat-1", "heat-2"])
    file.write_text(HEAD + rows(100, "heat-2"))
    imported(run, file)
    assert one(conn, "SELECT series_id, from_at::text, to_at::text FROM rollup_dirty") == (
        one(conn, "SELECT series_id FROM series WHERE device_id = 'heat-2'"),
        "2026-05-01 00:00:00+00", "2026-05-01 01:40:00+00",
    )  # fmt: skip


@pytest.mark.parametrize("name", ["out.csv", "out.csv.gz", "out.parquet"])
def test_an_export_imported_elsewhere_gives_the_same_readings(
    conn: psycopg.Connection[Any],
    run: Run,
    file: Path,
    name: str,
    postgres: PrivatePostgres,
) -> None:
    register(conn, "gw-a", ["heat-1", "heat-2"])
    file.write_text(HEAD + rows(1500) + rows(700, "heat-2"))
    imported(run, file)
    out = file.with_name(name)
    found = json.loads(run("export", out, "--json").stdout)
    assert (found["rows"], found["series"], found["left_out"]) == (2200, 2, [])
    with (
        own_database(postgres, TEMPLATE) as elsewhere,
        psycopg.connect(elsewhere, autocommit=True) as other,
    ):
        register(other, "gw-b", ["heat-2", "heat-1"])
        assert counts(imported(runner(elsewhere), out)) == (2200, 0, 0)
        query: LiteralString = (
            "SELECT device_id, quantity, observed_at, value, quality"
            " FROM reading JOIN series USING (series_id) ORDER BY 1, 2, 3"
        )
        assert other.execute(query).fetchall() == conn.execute(query).fetchall()


def test_rows_come_by_series_and_time_and_within_the_span(
    conn: psycopg.Connection[Any], run: Run, file: Path
) -> None:
    register(conn, "gw-a", ["heat-2", "heat-1"])
    file.write_text(HEAD + rows(3000) + rows(3000, "heat-2"))
    imported(run, file)
    out = file.with_name("out.csv")
    run("export", out, "--from", "2026-05-01T23:58:00Z", "--to", "2026-05-02T08:02:00+08:00")
    minutes = ["05-01T23:58", "05-01T23:59", "05-02T00:00", "05-02T00:01"]
    assert [(row["device"], row["time"][5:16]) for row in table(out)] == [
        (device, minute) for device in ("heat-2", "heat-1") for minute in minutes
    ]
    run("export", out, "--force", "--device", "heat-1", "--from", "2026-05-03T01:59:00Z")
    assert [row["time"] for row in table(out)] == ["2026-05-03T01:59:00.000000Z"]


def test_only_accepted_readings_are_exported(
    conn: psycopg.Connection[Any], run: Run, file: Path
) -> None:
    register(conn, "gw-a", ["heat-1"])
    bad = "heat-1,temperature,2026-05-01T01:00:00Z,5000,,\n"
    file.write_text(HEAD + rows(5) + bad)
    imported(run, file)
    out = file.with_name("out.csv")
    for words, expected in (
        ((), 6),
        (("--accept", "all"), 6),
        (("--accept", "backfilled"), 5),
        (("--accept", "good"), 0),
    ):
        run("export", out, "--force", *words)
        assert len(table(out)) == expected
    with pytest.raises(UsageError, match="rollups leave out"):
        run("export", out, "--force", "--resolution", "1h", "--accept", "good")


def test_rollups_are_exported_with_mean_and_counts(
    conn: psycopg.Connection[Any], run: Run, file: Path
) -> None:
    register(conn, "gw-a", ["heat-1"])
    bad = "heat-1,temperature,2026-05-01T05:00:00Z,5000,,\n"
    file.write_text(HEAD + rows(120) + bad)
    imported(run, file)
    out = file.with_name("out.csv")
    found = json.loads(run("export", out, "--resolution", "1h", "--json").stdout)
    assert found["left_out"][0] == "out_of_range"
    first, _, last = table(out)
    assert (first["count"], first["good"], first["min"], first["max"]) == (
        "60",
        "60",
        "20.0",
        "20.9",
    )
    assert float(first["mean"]) == pytest.approx(20.45)
    assert (last["count"], last["good"], last["min"], last["mean"]) == ("1", "0", "", "")
    parquet = file.with_name("out.parquet")
    run("export", parquet, "--resolution", "1d")
    [day] = pq.read_table(parquet).to_pylist()
    assert (day["count"], day["good"], day["max"]) == (121, 120, 20.9)


def test_standard_output_gets_the_rows_and_nothing_else(
    conn: psycopg.Connection[Any], run: Run, file: Path
) -> None:
    register(conn, "gw-a", ["heat-1"])
    file.write_text(HEAD + rows(3))
    imported(run, file)
    found = run("export", "-")
    assert found.stdout.count("\n") == 4
    assert "3 rows of 1 series" in found.stderr


def test_an_export_does_not_overwrite_and_leaves_nothing_half_written(
    conn: psycopg.Connection[Any], run: Run, file: Path
) -> None:
    register(conn, "gw-a", ["heat-1"])
    file.write_text("mine")
    with pytest.raises(UsageError, match="there already"):
        run("export", file)
    with pytest.raises(UsageError, match="which format"):
        run("export", file.with_suffix(".xlsx"))
    with pytest.raises(UsageError, match="no registered series has the device"):
        run("export", file, "--force", "--device", "heat-9")
    assert file.read_text() == "mine"
    assert list(file.parent.iterdir()) == [file]


def test_a_long_export_is_not_ended_by_the_time_limit_of_statements(
    conn: psycopg.Connection[Any], dsn: str, file: Path
) -> None:
    """Compared with the limit itself, because a statement that lasts would make the test last."""
    register(conn, "gw-a", ["heat-1"])
    file.write_text(HEAD + rows(1440))
    imported(runner(dsn), file)
    with psycopg.connect(dsn, autocommit=True) as own:
        own.execute("SET statement_timeout = 10")
        series = [registries.load(own).by_id[1]]
        found = sum(len(block) for block, _ in blocks(own, series, Span(level=Level.RAW)))
        assert found == 1440
        assert one(own, "SHOW statement_timeout") == "0"
