"""The rehearsal: back up while readings come in, restore elsewhere, count; and what is refused."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest
from msgspec.structs import replace
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from core import batch as batches
from core.config import DatabaseConfig
from core.db import backup_dump, backup_manifest, backup_restore
from core.db.backup_manifest import BackupBroken, Manifest, Place
from core.db.backup_programs import environment, find
from core.db.migrate import edition
from core.errors import MissingPrerequisite, UsageError
from dev.servers import PrivateMosquitto, PrivatePostgres
from ingest import writer
from tests.support import servers
from tests.support.ingesting import Sender, readings, register
from tests.support.servers import Program, Runner
from tests.support.waiting import eventually, wait_until

Db = psycopg.Connection[Any]


def silent(_: str) -> None:
    """Tell nobody."""


@pytest.fixture
def world(conn: Db) -> Db:
    """Readings of five days, an alarm, a reject, and the registry they belong to."""
    register(conn, "gw-a", ["heat-1", "heat-2"])
    conn.execute(
        "INSERT INTO reading SELECT n % 2 + 1, now() - n * interval '1 minute', now(), 20, 0"
        " FROM generate_series(1, 7200) n"
    )
    conn.execute(
        "INSERT INTO rule (rule_id, version, body, sha256) VALUES ('heat', 1, '{}', 'x');"
        "INSERT INTO alarm (alarm_id, rule_id, rule_version, subject, device_id, gateway_id, field,"
        " quantity, severity, peak_severity, state, latch, value, threshold, raised_at,"
        " detected_at, asked_at, last_event_id) VALUES"
        " ('00000000-0000-0000-0000-000000000001', 'heat', 1, 'heat-1', 'heat-1', 'gw-a',"
        " 'fire', 'temperature', 3, 3, 'unacknowledged', true, 60, 57, now(), now(), now(), 1);"
        "INSERT INTO alarm_event (alarm_id, kind, at, event_at, actor, severity, state) VALUES"
        " ('00000000-0000-0000-0000-000000000001', 'raised', now(), now(), 'engine', 3,"
        " 'unacknowledged');"
        "INSERT INTO rejected (received_at, topic, reason, detail, payload, readings) VALUES"
        " (now(), 'x', 'unparsable', 'no JSON', '\\x00ff', 1);"
    )
    return conn


@contextmanager
def writing(dsn: str) -> Iterator[list[int]]:
    """Store ten readings in each transaction, as the worker does; the list counts them."""
    stop, stored = threading.Event(), [0]

    def work() -> None:
        newest = np.full(10, writer.NEVER, dtype=np.int64)
        with psycopg.connect(dsn) as conn:
            writer.prepare(conn)
            observed_us = time.time_ns() // 1000
            while not stop.is_set():
                at = observed_us + np.arange(10) * 1000
                batch = batches.of([1] * 10, at, at, [21.0] * 10, [0] * 10)
                stored[0] += writer.write(conn, batch, newest).stored
                writer.advance(newest, batch)
                conn.commit()
                observed_us += 10_000

    thread = threading.Thread(target=work, name="writer")
    thread.start()
    try:
        wait_until(lambda: stored[0] > 0)
        yield stored
    finally:
        stop.set()
        thread.join()


def count(conn: Db, table: str = "reading") -> int:
    row = conn.execute(psycopg.sql.SQL("SELECT count(*) FROM {}").format(
        psycopg.sql.Identifier(table))).fetchone()  # fmt: skip
    assert row is not None
    return int(row[0])


def fresh(server: PrivatePostgres, name: str) -> str:
    server.drop_database(name)
    return server.create_database(name)


def taken(dsn: str, path: Path) -> tuple[Place, Manifest]:
    place = Place(path)
    return place, backup_dump.backup(DatabaseConfig(dsn=dsn), place, jobs=1, tell=silent)


def ended(program: Program) -> str:
    assert program.wait(120) == 0, program.output()
    return program.output()


def last_json(text: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(
        next(line for line in reversed(text.splitlines()) if line.startswith("{"))
    )
    return found


@pytest.mark.parametrize(("name", "jobs"), [("kept.dump", "1"), ("kept", "2")])
async def test_a_backup_under_load_restores_on_another_server_and_works_on(
    world: Db, dsn: str, tmp_path: Path, run_blocktwin: Runner, broker: PrivateMosquitto,
    name: str, jobs: str,
) -> None:  # fmt: skip
    path = str(tmp_path / name)
    before = count(world)
    with writing(dsn) as stored:
        program = run_blocktwin(
            "db", "backup", path, "--jobs", jobs, "--json", env=servers.settings(dsn)
        )
        wait_until(lambda: not program.running, 60, what="the end of the backup")
        during = stored[0]
    told = last_json(ended(program))
    assert before < told["rows"]["reading"] <= before + during <= count(world)
    assert told["rows"]["reading"] < count(world)
    assert told["chunks"]["reading"] >= 5

    with servers.running_postgres() as elsewhere:
        into = elsewhere.create_database("into")
        ended(run_blocktwin("db", "restore", path, "--into", into, "--yes"))
        with psycopg.connect(into, autocommit=True) as conn:
            assert {table: count(conn, table) for table in told["rows"]} == told["rows"]
            await worked_on(conn, into, run_blocktwin, broker)


async def worked_on(conn: Db, dsn: str, run: Runner, broker: PrivateMosquitto) -> None:
    """The restored store is a store: chunks, keys, alarms, and a worker that writes."""
    assert conn.execute("SELECT alarm_id::text, value FROM alarm").fetchall() == [
        ("00000000-0000-0000-0000-000000000001", 60.0)
    ]
    wanted = {"reading_key", "reading_when", "alarm_open", "rejected_open"}
    named = conn.execute("SELECT indexname FROM pg_indexes WHERE schemaname = 'public'").fetchall()
    assert wanted <= {row[0] for row in named}
    row = conn.execute("SELECT series_id, observed_at FROM reading LIMIT 1").fetchone()
    assert row is not None
    with pytest.raises(psycopg.errors.UniqueViolation):
        conn.execute("INSERT INTO reading VALUES (%s, %s, now(), 1, 0)", row)
    drop = "SELECT drop_chunks('reading', now() - interval '3 days')"
    assert conn.execute(drop).fetchall()
    conn.execute("INSERT INTO reading VALUES (1, now() - interval '40 days', now(), 1, 0)")
    ended(run("db", "status", env=servers.settings(dsn)))

    env = servers.settings(dsn, broker, ingest__http_port=0, ingest__batch_s=0.02)
    worker = run("ingest", env=env)
    worker.wait_for("reading from the broker")
    sender = Sender(
        host=broker.host, port=broker.port, gateway="gw-a", password=broker.password("gw-a")
    )
    start_s = time.time()
    sender.offer(readings("heat-2", [start_s + n / 100 for n in range(50)]))
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(sender.run(), name="sender")
        await eventually(lambda: not sender.pending, 20, what="all receipted")
        sender.finish(task)
    newer = "SELECT count(*) FROM reading WHERE series_id = 2 AND observed_at >= to_timestamp(%s)"
    assert conn.execute(newer, [start_s - 0.001]).fetchone() == (50,)
    assert worker.stop()


def test_another_database_of_the_same_server_takes_it_too(
    world: Db, dsn: str, tmp_path: Path, postgres: PrivatePostgres
) -> None:
    place, manifest = taken(dsn, tmp_path / "a")
    cfg = DatabaseConfig(dsn=fresh(postgres, "beside"))
    try:
        told: list[str] = []
        do = backup_restore.plan(cfg, manifest)
        backup_restore.restore(cfg, place, manifest, do, tell=told.append)
        with psycopg.connect(cfg.dsn) as conn:
            assert backup_dump.count_rows(conn) == backup_dump.count_rows(world) == manifest.rows
        assert told[-1] == "counting"
    finally:
        postgres.drop_database("beside")


def test_a_restore_that_lacks_a_row_is_found_out(world: Db, dsn: str, tmp_path: Path) -> None:
    _, manifest = taken(dsn, tmp_path / "a")
    world.execute("DELETE FROM rejected")
    with pytest.raises(backup_restore.RestoreIncomplete, match="rejected: 0 instead of 1 rows"):
        backup_restore.compare(world, manifest)


@pytest.mark.parametrize("name", ["a.dump", "a"])
@pytest.mark.parametrize("harm", ["truncated", "corrupted", "missing"])
def test_a_damaged_dump_is_refused_before_anything_is_touched(
    world: Db, dsn: str, tmp_path: Path, name: str, harm: str
) -> None:
    place, manifest = taken(dsn, tmp_path / name)
    victim = place.dump if place.single else max(
        place.dump.iterdir(), key=lambda path: path.stat().st_size
    )  # fmt: skip
    body = victim.read_bytes()
    half = len(body) // 2
    if harm == "missing":
        victim.unlink()
    elif harm == "truncated":
        victim.write_bytes(body[:half])
    else:
        victim.write_bytes(body[:half] + bytes([body[half] ^ 1]) + body[half + 1 :])
    with pytest.raises(BackupBroken, match="is damaged"):
        backup_manifest.check(place, manifest)


def test_a_database_that_holds_something_is_refused(world: Db, dsn: str, tmp_path: Path) -> None:
    _, manifest = taken(dsn, tmp_path / "a")
    with pytest.raises(UsageError, match="is not empty") as caught:
        backup_restore.plan(DatabaseConfig(dsn=dsn), manifest)
    assert "createdb" in caught.value.remedy


def test_a_target_that_cannot_hold_it_is_refused_with_what_to_do(
    world: Db, dsn: str, tmp_path: Path, empty_dsn: str
) -> None:
    _, manifest = taken(dsn, tmp_path / "a")
    cfg = DatabaseConfig(dsn=empty_dsn)
    for other, words in (
        (replace(manifest, timescaledb="2.1.0"), "TimescaleDB 2.1.0; this server offers"),
        (replace(manifest, postgresql=99), "is of PostgreSQL 99"),
        (replace(manifest, pg_dump=99), "pg_restore of PostgreSQL 99"),
    ):
        with pytest.raises(MissingPrerequisite, match=words) as caught:
            backup_restore.plan(cfg, other)
        assert caught.value.remedy
    do = backup_restore.plan(cfg, replace(manifest, owner="nobody-here"))
    assert do.owners is False


def test_the_apache_edition_does_not_take_what_needs_the_community_edition(
    world: Db, dsn: str, tmp_path: Path, empty_dsn: str
) -> None:
    if edition(world)[1] != "apache":
        pytest.skip("this server runs the Community edition")
    place, manifest = taken(dsn, tmp_path / "a")
    manifest, cfg = replace(manifest, edition="community"), DatabaseConfig(dsn=empty_dsn)
    do = backup_restore.plan(cfg, manifest)
    # Only with the extension there does the server tell its edition; then it is known beforehand.
    with pytest.raises(MissingPrerequisite, match="Community edition"):
        backup_restore.restore(cfg, place, manifest, do, tell=silent)
    with pytest.raises(MissingPrerequisite, match="Community edition"):
        backup_restore.plan(cfg, manifest)


def test_somebody_who_may_not_restore_is_told_so(
    world: Db, dsn: str, tmp_path: Path, empty_dsn: str
) -> None:
    _, manifest = taken(dsn, tmp_path / "a")
    world.execute("DROP ROLE IF EXISTS plain; CREATE ROLE plain LOGIN PASSWORD 'plain-word'")
    plain = make_conninfo(empty_dsn, user="plain", password="plain-word")
    with pytest.raises(MissingPrerequisite, match="no superuser") as caught:
        backup_restore.plan(DatabaseConfig(dsn=plain), manifest)
    assert "superuser" in caught.value.remedy


def test_nothing_half_written_remains_of_a_backup_that_fails(
    world: Db, dsn: str, tmp_path: Path
) -> None:
    world.execute("DROP ROLE IF EXISTS reader; CREATE ROLE reader LOGIN PASSWORD 'reader-word'")
    reader = make_conninfo(dsn, user="reader", password="reader-word")
    with pytest.raises(MissingPrerequisite, match="refused"):
        taken(reader, tmp_path / "a")
    assert list(tmp_path.iterdir()) == []


def test_a_backup_that_is_interrupted_leaves_nothing_and_no_program_behind(
    world: Db, dsn: str, tmp_path: Path, run_blocktwin: Runner
) -> None:
    # A lock that pg_dump has to wait for holds the backup in the middle.
    with psycopg.connect(dsn) as blocking:
        blocking.execute("LOCK TABLE space IN ACCESS EXCLUSIVE MODE")
        program = run_blocktwin("db", "backup", str(tmp_path / "a"), env=servers.settings(dsn))
        program.wait_for("copying")
        waits = (
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND application_name = 'pg_dump'"
        )
        wait_until(lambda: world.execute(waits).fetchone() == (1,))
        assert program.stop()
        wait_until(lambda: world.execute(waits).fetchone() == (0,))
    assert program.exit_code == 130
    assert [path.name for path in tmp_path.iterdir() if path.name != "programs"] == []


def test_a_backup_never_overwrites_one(world: Db, dsn: str, tmp_path: Path) -> None:
    taken(dsn, tmp_path / "a")
    with pytest.raises(UsageError, match="is there already"):
        taken(dsn, tmp_path / "a")


def test_files_are_for_their_owner_alone(world: Db, dsn: str, tmp_path: Path) -> None:
    for name in ("a", "b.dump"):
        place, _ = taken(dsn, tmp_path / name)
        paths = [place.path, place.manifest, *place.path.rglob("*")]
        assert [path for path in paths if path.stat().st_mode & 0o077] == []


def test_a_password_goes_by_the_environment_and_never_by_an_argument(
    dsn: str, run_blocktwin: Runner, tmp_path: Path
) -> None:
    told = environment(
        "postgresql://u:s3cret@h:1/d?sslmode=require", {"BLOCKTWIN_X": "y", "A": "b"}
    )
    assert told == {
        "A": "b", "PGUSER": "u", "PGPASSWORD": "s3cret", "PGHOST": "h", "PGPORT": "1",
        "PGDATABASE": "d", "PGSSLMODE": "require",
    }  # fmt: skip
    unsafe = make_conninfo(dsn, password="s3cret")
    program = run_blocktwin("db", "restore", str(tmp_path), "--into", unsafe)
    assert program.wait(30) == 2
    assert "PGPASSFILE" in program.output()
    assert "s3cret" not in program.output()


def test_restore_takes_its_target_from_a_configuration_file(
    world: Db, dsn: str, empty_dsn: str, tmp_path: Path, run_blocktwin: Runner
) -> None:
    taken(dsn, tmp_path / "a.dump")
    config = tmp_path / "elsewhere.toml"
    config.write_text(f'[database]\ndsn = "{empty_dsn}"\n', encoding="utf-8")
    words = ("db", "restore", str(tmp_path / "a.dump"), "--into", str(config))
    env = servers.settings(dsn)
    asked = run_blocktwin(*words, env=env)
    assert asked.wait(30) == 2
    assert "--yes" in asked.output()
    told = ended(run_blocktwin(*words, "--dry-run", env=env))
    name = conninfo_to_dict(empty_dsn)["dbname"]
    assert f"would restore into {name}" in told
    with psycopg.connect(empty_dsn) as conn:
        assert conn.execute("SELECT FROM pg_extension WHERE extname = 'timescaledb'").rowcount == 0


def test_the_oldest_program_that_is_new_enough_is_taken(tmp_path: Path) -> None:
    for major in (13, 16, 17):
        program = tmp_path / str(major) / "bin" / "pg_dump"
        program.parent.mkdir(parents=True)
        program.write_text(f"#!/bin/sh\necho 'pg_dump (PostgreSQL) {major}.2'\n", encoding="utf-8")
        program.chmod(0o755)
    assert find("pg_dump", 15, tmp_path, path="").major == 16
    assert find("pg_dump", 17, tmp_path, path="").path == tmp_path / "17" / "bin" / "pg_dump"
    with pytest.raises(MissingPrerequisite, match="only that of PostgreSQL 17") as caught:
        find("pg_dump", 18, tmp_path, path="")
    assert "postgresql-client-18" in caught.value.remedy
