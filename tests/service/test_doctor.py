"""``blocktwin doctor`` on real servers, well and unwell."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from core.config import DatabaseConfig, MqttConfig
from dev.servers import PrivateMosquitto
from edge.config import AgentConfig
from ingest import doctor_broker, doctor_database, doctor_host
from ingest.doctor_findings import Finding, Level
from tests.support import servers
from tests.support.ingesting import register
from tests.support.servers import Runner
from tests.support.waiting import wait_until

Db = psycopg.Connection[Any]


def by_name(findings: list[Finding]) -> dict[str, Finding]:
    return {finding.about: finding for finding in findings}


def examined(dsn: str) -> dict[str, Finding]:
    return by_name(list(doctor_database.look(DatabaseConfig(dsn=dsn, connect_timeout_s=2))))


def mqtt(broker: PrivateMosquitto, user: str = "ingest", **more: Any) -> MqttConfig:
    given = {"password": broker.password(user), **more}
    return MqttConfig(host=broker.host, port=broker.port, username=user, **given)


def report(output: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(
        next(line for line in output.splitlines() if line.startswith("{"))
    )
    return found


def test_a_running_worker_is_seen_and_a_killed_one_fails(
    conn: Db, dsn: str, broker: PrivateMosquitto, run_blocktwin: Runner, tmp_path: Path
) -> None:
    register(conn, "gw-a", ["heat-1"])
    # The second is what an import leaves; no process is missing for it.
    conn.execute("INSERT INTO tally (worker_id) VALUES ('worker-0'), ('import')")
    env = servers.settings(dsn, broker, ingest__http_port=0, agent__spool_dir=str(tmp_path))
    worker = run_blocktwin("ingest", env=env)
    worker.wait_for("reading from the broker")
    doctor = run_blocktwin("doctor", "--json", env=env)
    # The test's own server runs without fsync, which is rightly a failure; nothing else is.
    assert doctor.wait(60) == 1, doctor.output()
    told = report(doctor.output())
    levels = {finding["about"]: finding["level"] for finding in told["findings"]}
    assert [about for about, level in levels.items() if level == "fail"] == ["fsync"]
    assert told["ok"] is False
    assert {"configuration", "broker", "subscription", "database", "clock", "postgresql",
            "timescaledb", "edition", "schema", "disk", "growth", "worker", "rollups", "rejected",
            "gateways", "notices", "ntp", "spool", "memory", "files"} <= levels.keys()  # fmt: skip
    assert levels["worker"] == levels["broker"] == levels["schema"] == "ok"

    worker.kill()
    wait_until(lambda: examined(dsn)["worker"].level is Level.FAIL, what="the worker's end")
    text = run_blocktwin("doctor", env=env)
    assert text.wait(60) == 1
    assert "fail  worker: worker-0 does not run" in text.output()
    assert "-> start it: systemctl start blocktwin-ingest" in text.output()


def test_what_waits_and_what_was_refused_is_counted(conn: Db, dsn: str) -> None:
    conn.execute(
        "INSERT INTO gateway_status VALUES ('gw-a', false, now(), '{}'),"
        " ('gw-b', true, now(), '{}');"
        "INSERT INTO rejected (received_at, topic, reason, detail, payload, readings) VALUES"
        " (now(), 'x', 'unparsable', 'no', '', 4),"
        " (now() - interval '2 hours', 'x', 'unparsable', 'no', '', 3);"
        "INSERT INTO rollup_dirty (from_at, to_at) VALUES (now(), now() + interval '1 minute');"
        "INSERT INTO reading SELECT 1, now() - n * interval '1 minute', now(), 20, 0"
        " FROM generate_series(1, 3000) n"
    )  # fmt: skip
    found = list(doctor_database.look(DatabaseConfig(dsn=dsn)))
    named = by_name(found)
    assert named["gateways"].text == "1 of 2 gateways are off line"
    assert named["rejected"].text.startswith("4 readings were rejected in the last hour; 2 rejects")
    waiting = [finding.text for finding in found if finding.about == "rollups"]
    assert len(waiting) == 3
    assert sum("; 1 changed stretches wait" in text for text in waiting) == 1
    assert "GB a day" in named["growth"].text
    assert named["worker"].text == "no worker has ever written"


def test_it_only_reads(conn: Db, dsn: str) -> None:
    before = conn.execute("SELECT pg_current_wal_lsn(), pg_snapshot_xmax(pg_current_snapshot())")
    was = before.fetchone()
    examined(dsn)
    after = conn.execute("SELECT pg_current_wal_lsn(), pg_snapshot_xmax(pg_current_snapshot())")
    assert was is not None
    assert (after.fetchone() or (None, None))[1] == was[1]


def test_a_database_without_our_schema_is_told_what_to_run(empty_dsn: str, dsn: str) -> None:
    bare = examined(empty_dsn)
    assert bare["timescaledb"].level is Level.FAIL
    assert "blocktwin db upgrade" in bare["timescaledb"].remedy
    with psycopg.connect(empty_dsn, autocommit=True) as conn:
        conn.execute("CREATE EXTENSION timescaledb")
    assert examined(empty_dsn)["schema"].remedy == "run: blocktwin db upgrade"
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute("DELETE FROM schema_migration WHERE version = 4")
    behind = examined(dsn)["schema"]
    assert behind.level is Level.FAIL
    assert "lacks 1 migrations" in behind.text


def test_a_database_that_is_away_or_refuses_is_one_finding(dsn: str, free_port: int) -> None:
    for wrong in (make_conninfo(dsn, port=str(free_port)), make_conninfo(dsn, user="nobody")):
        (finding,) = examined(wrong).values()
        assert finding.level is Level.FAIL
        assert finding.remedy


async def test_the_broker_lets_the_worker_in_and_keeps_its_limits_to_itself(
    broker: PrivateMosquitto,
) -> None:
    found = by_name(await doctor_broker.look(mqtt(broker)))
    assert found["broker"].level is found["subscription"].level is Level.OK
    assert found["broker queue"].level is Level.SKIP
    assert "max_queued_messages" in found["broker queue"].remedy


async def test_a_broker_that_tells_its_losses_is_believed(broker: PrivateMosquitto) -> None:
    acl = broker.folder / "acl"
    text = acl.read_text(encoding="utf-8")
    broker.stop()
    told = text.replace("user ingest\n", "user ingest\ntopic read $SYS/broker/#\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dev.servers._DEPLOY", _shipped(broker, told))
        broker.start()
    found = by_name(await doctor_broker.look(mqtt(broker)))
    assert found["broker queue"].level is Level.OK
    assert "dropped 0 messages" in found["broker queue"].text


def _shipped(broker: PrivateMosquitto, acl: str) -> Path:
    """A folder with the shipped settings and another access list; $SYS comes every second."""
    folder = broker.folder.parent / "deploy"
    folder.mkdir()
    (folder / "acl").write_text(acl, encoding="utf-8")
    shipped = Path(__file__).parents[2] / "deploy" / "mosquitto" / "mosquitto.conf"
    text = shipped.read_text(encoding="utf-8") + "\nsys_interval 1\n"
    (folder / "mosquitto.conf").write_text(text, encoding="utf-8")
    return folder


async def test_a_user_who_may_not_read_and_one_who_may_not_enter_are_failures(
    broker: PrivateMosquitto, free_port: int
) -> None:
    found = by_name(await doctor_broker.look(mqtt(broker, "gw-a")))
    assert found["broker"].level is Level.OK
    assert found["subscription"].level is Level.FAIL
    wrong = by_name(await doctor_broker.look(mqtt(broker, password="wrong")))
    assert wrong["broker"].level is Level.FAIL
    assert "wrong" not in wrong["broker"].text
    (away,) = await doctor_broker.look(MqttConfig(host="127.0.0.1", port=free_port))
    assert away.level is Level.FAIL


def test_this_machine_is_looked_at(tmp_path: Path) -> None:
    found = by_name(list(doctor_host.look(AgentConfig(spool_dir=str(tmp_path)))))
    assert {"ntp", "spool", "memory", "files"} == found.keys()
    assert str(tmp_path) in found["spool"].text
    gone = by_name(list(doctor_host.look(AgentConfig(spool_dir="/no/such"), tmp_path / "none")))
    assert gone["spool"].level is gone["memory"].level is Level.SKIP


def test_a_configuration_that_cannot_be_read_is_a_usage_error(
    run_blocktwin: Runner, tmp_path: Path
) -> None:
    path = tmp_path / "broken.toml"
    path.write_text("[database]\npool_size = 'many'\n", encoding="utf-8")
    doctor = run_blocktwin("--config", str(path), "doctor")
    assert doctor.wait(30) == 2
    assert "pool_size" in doctor.output()
