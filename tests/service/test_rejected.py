from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, LiteralString

import psycopg
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import blocktwin
from core import senml
from core.config import DatabaseConfig, Invocation
from core.db.migrate import migrations, upgrade
from core.errors import DatabaseAway, UsageError
from core.model import Channel, Quality, Reading
from ingest import belated, rejected_retry
from ingest.check import check
from ingest.config import IngestConfig
from ingest.decode import decode
from ingest.message import Message
from ingest.rejected_choice import Choice
from ingest.rejected_retry import Report, Retry, drop
from ingest.store import Store, Work
from tests.support.ingesting import EPOCH, NOW_S, NOW_US, message, readings, register
from tests.support.servers import settings as environment

DAY_US = 86_400_000_000
CONFIG = IngestConfig()


@pytest.fixture
def store(dsn: str) -> Iterator[Store]:
    store = Store(DatabaseConfig(dsn=dsn), "worker-0", lambda *_: None)
    yield store
    store.close()


def take_in(conn: psycopg.Connection[Any], store: Store, messages: Sequence[Message]) -> None:
    """What the worker does with messages, with the registry of now."""
    judge = belated.judge_of(conn, CONFIG)
    decoded = decode(messages, judge.tables.series, judge.tables.units)
    checked = check(decoded, messages, judge.tables, judge.limits)
    store.commit(Work(batch=checked.batch, rejected=checked.rejected, received=checked.received))


def packed(batch: Sequence[Reading], seq: int = 1, **labels: Any) -> Message:
    return message(senml.pack(batch, seq=seq, epoch=EPOCH, low=1), **labels)


def retry(conn: psycopg.Connection[Any], choice: Choice = Choice(), **more: Any) -> Report:  # noqa: B008
    judge = belated.judge_of(conn, CONFIG)
    usual: dict[str, Any] = {"conn": conn, "judge": judge, "now_us": lambda: NOW_US + DAY_US}
    return Retry(**usual | more).run(choice)


def sums(conn: psycopg.Connection[Any]) -> tuple[int, ...]:
    row = conn.execute(
        "SELECT sum(received)::int, sum(stored)::int, sum(rejected)::int, sum(duplicates)::int"
        " FROM tally"
    ).fetchone()
    assert row is not None
    return tuple(row)


def one(conn: psycopg.Connection[Any], query: LiteralString) -> Any:
    row = conn.execute(query).fetchone()
    assert row is not None
    return row[0] if len(row) == 1 else row


def open_readings(conn: psycopg.Connection[Any]) -> int:
    return int(
        one(conn, "SELECT coalesce(sum(readings), 0) FROM rejected WHERE resolved_at IS NULL")
    )


def test_what_a_device_sent_before_it_was_registered_is_stored_afterwards(
    conn: psycopg.Connection[Any], store: Store
) -> None:
    take_in(conn, store, [packed(readings("heat-9", [NOW_S - 3, NOW_S - 2, NOW_S - 1], 21.5))])
    assert sums(conn) == (3, 0, 3, 0)
    register(conn, "gw-a", ["heat-9"])
    report = retry(conn, Choice(device="heat-9"))
    assert (report.rejects, report.stored, report.duplicates, report.still.total()) == (3, 3, 0, 0)
    assert sums(conn) == (3, 3, 0, 0)
    rows = conn.execute(
        "SELECT value, quality, (extract(epoch FROM received_at) * 1000000)::bigint FROM reading"
    ).fetchall()
    assert rows == [(21.5, int(Quality.BACKFILLED), NOW_US)] * 3
    resolved = conn.execute("SELECT DISTINCT resolution, resolved_at IS NULL FROM rejected")
    assert resolved.fetchall() == [("stored", False)]
    assert retry(conn).rejects == 0


def test_latest_and_the_marks_of_the_rollups_follow(
    conn: psycopg.Connection[Any], store: Store
) -> None:
    take_in(conn, store, [packed(readings("heat-9", [NOW_S - 200, NOW_S], 21.5))])
    register(conn, "gw-a", ["heat-9"])
    conn.execute("DELETE FROM rollup_dirty")
    retry(conn)
    assert one(conn, "SELECT extract(epoch FROM observed_at)::float8 FROM latest") == NOW_S
    series, begin, end = one(
        conn,
        "SELECT series_id, extract(epoch FROM from_at)::float8, extract(epoch FROM to_at)::float8"
        " FROM rollup_dirty",
    )
    assert series == one(conn, "SELECT series_id FROM series")
    assert begin <= NOW_S - 200
    assert NOW_S < end <= NOW_S + 60


def test_latest_does_not_move_backwards(conn: psycopg.Connection[Any], store: Store) -> None:
    take_in(conn, store, [packed(readings("heat-9", [NOW_S - 100], 1.0))])
    register(conn, "gw-a", ["heat-9"])
    take_in(conn, store, [packed(readings("heat-9", [NOW_S], 2.0), seq=2)])
    store.flush_latest()
    retry(conn)
    assert one(conn, "SELECT value FROM latest") == 2.0
    assert one(conn, "SELECT count(*) FROM reading") == 2


def test_what_came_again_meanwhile_is_a_duplicate(
    conn: psycopg.Connection[Any], store: Store
) -> None:
    take_in(conn, store, [packed(readings("heat-9", [NOW_S], 1.0))])
    take_in(conn, store, [packed(readings("heat-9", [NOW_S - 5], 3.0), seq=2)])
    take_in(conn, store, [packed(readings("heat-9", [NOW_S - 5], 4.0), seq=3)])
    register(conn, "gw-a", ["heat-9"])
    take_in(conn, store, [packed(readings("heat-9", [NOW_S], 2.0), seq=4)])
    report = retry(conn)
    assert (report.stored, report.duplicates) == (1, 2)
    assert sums(conn) == (4, 2, 0, 2)
    found = conn.execute("SELECT value FROM reading ORDER BY observed_at").fetchall()
    assert found == [(3.0,), (2.0,)]
    resolutions = conn.execute("SELECT resolution FROM rejected ORDER BY rejected_id").fetchall()
    assert resolutions == [("duplicate",), ("stored",), ("duplicate",)]
    store.flush_latest()
    assert one(conn, "SELECT value FROM latest") == 2.0


def test_what_is_still_bad_stays_and_says_why_today(
    conn: psycopg.Connection[Any], store: Store
) -> None:
    strange = [replace(r, unit="furlong") for r in readings("heat-9", [NOW_S])]
    take_in(conn, store, [packed([*strange, *readings("heat-8", [NOW_S])])])
    register(conn, "gw-a", ["heat-9"])
    report = retry(conn)
    assert dict(report.still) == {"bad_unit": 1, "unknown_device": 1}
    assert sums(conn) == (2, 0, 2, 0)
    rows = conn.execute("SELECT reason, device FROM rejected WHERE resolved_at IS NULL ORDER BY 1")
    assert rows.fetchall() == [("bad_unit", "heat-9"), ("unknown_device", "heat-8")]


def test_a_message_refused_as_a_whole_is_divided(
    conn: psycopg.Connection[Any], store: Store
) -> None:
    """As when the extra for CBOR was missing: it counted as one reading and held three."""
    register(conn, "gw-a", ["heat-9"])
    pack = senml.encode_cbor(
        [
            senml.Record(bn="heat-9:", bt=NOW_S, n="temperature", v=20.0),
            senml.Record(n="temperature", t=1.0, vs="hot"),
            senml.Record(n="humidity", t=1.0, v=40.0),
        ]
    )
    take_in(conn, store, [message(b"\xa0" + pack, content_type="application/senml+cbor")])
    conn.execute("UPDATE rejected SET payload = %s", (pack,))
    report = retry(conn)
    assert (report.rejects, report.stored) == (1, 1)
    assert dict(report.still) == {"bad_value": 1, "unknown_quantity": 1}
    assert sums(conn) == (3, 1, 2, 0)
    assert open_readings(conn) == 2
    assert one(conn, "SELECT resolution FROM rejected WHERE reason = 'unparsable'") == "stored"
    again = retry(conn)
    assert (again.rejects, again.stored) == (2, 0)
    assert open_readings(conn) == 2


def test_bytes_that_are_no_pack_stay_as_they_are(
    conn: psycopg.Connection[Any], store: Store
) -> None:
    take_in(conn, store, [message(b"\x00\xff{[", content_type="x"), message(b"{}")])
    before = conn.execute("SELECT * FROM rejected ORDER BY 1").fetchall()
    report = retry(conn)
    assert dict(report.still) == {"unparsable": 2}
    assert conn.execute("SELECT * FROM rejected ORDER BY 1").fetchall() == before
    assert one(conn, "SELECT content_type FROM rejected ORDER BY rejected_id LIMIT 1") == "x"


def test_a_time_that_would_be_read_as_relative_now_is_not_believed(
    conn: psycopg.Connection[Any], store: Store
) -> None:
    pack = b'[{"n":"heat-9:temperature","t":-2e9,"v":1}]'
    take_in(conn, store, [message(pack)])
    register(conn, "gw-a", ["heat-9"])
    report = retry(conn)
    assert (report.stored, report.still.total()) == (0, 1)


def test_a_reading_that_the_store_refuses_does_not_block_its_neighbours(
    conn: psycopg.Connection[Any], store: Store
) -> None:
    times = [NOW_S - n for n in range(9)]
    take_in(conn, store, [packed(readings("heat-9", times, 1.0))])
    register(conn, "gw-a", ["heat-9"])
    conn.execute("ALTER TABLE reading ADD CONSTRAINT no_two CHECK (value <> 2)")
    conn.execute(
        "UPDATE rejected SET payload = replace(convert_from(payload, 'UTF8'), '1.0', '2.0')::bytea"
        " WHERE rejected_id = (SELECT min(rejected_id) + 4 FROM rejected)"
    )
    report = retry(conn)
    assert (report.rejects, report.stored, dict(report.still)) == (9, 8, {"unknown_device": 1})
    assert sums(conn) == (9, 8, 1, 0)


def test_batches_are_bounded_and_each_is_looked_at_once(
    conn: psycopg.Connection[Any], store: Store
) -> None:
    take_in(conn, store, [packed(readings("heat-9", [NOW_S - n for n in range(25)]))])
    take_in(conn, store, [packed(readings("heat-8", [NOW_S - n for n in range(5)]), seq=2)])
    register(conn, "gw-a", ["heat-9"])
    steps: list[int] = []
    judge = belated.judge_of(conn, CONFIG)
    work = Retry(conn=conn, judge=judge, now_us=lambda: NOW_US, rows=10)
    report = work.run(Choice(), lambda so_far: steps.append(so_far.rejects))
    assert steps == [10, 20, 30]
    assert (report.stored, report.still.total()) == (25, 5)


def test_bytes_of_one_transaction_are_bounded(
    conn: psycopg.Connection[Any], store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    take_in(conn, store, [message(b"x" * 900) for _ in range(6)])
    monkeypatch.setattr(rejected_retry, "BYTES", 2000)
    steps: list[int] = []
    work = Retry(conn=conn, judge=belated.judge_of(conn, CONFIG), now_us=lambda: NOW_US)
    work.run(Choice(), lambda so_far: steps.append(so_far.rejects))
    assert steps == [3, 6]


def test_rejects_of_an_older_schema_are_named_by_their_sentence(empty_dsn: str) -> None:
    shipped = migrations()
    with psycopg.connect(empty_dsn, autocommit=True) as own:
        upgrade(own, [m for m in shipped if m.version < 4])
        own.execute(
            "INSERT INTO rejected (received_at, topic, reason, detail, payload, readings) VALUES"
            " (now(), 't', 'unknown_device', 'heat-9:temperature: the device is not registered',"
            " '[]', 1), (now(), 't', 'unparsable', 'not JSON: x', 'x', 1)"
        )
        upgrade(own, shipped)
        rows = own.execute("SELECT device, quantity FROM rejected ORDER BY rejected_id").fetchall()
    assert rows == [("heat-9", "temperature"), (None, None)]


def test_a_dry_run_tells_the_same_and_changes_nothing(
    conn: psycopg.Connection[Any], store: Store
) -> None:
    take_in(conn, store, [packed(readings("heat-9", [NOW_S, NOW_S - 1, NOW_S]))])
    take_in(conn, store, [packed(readings("heat-8", [NOW_S]), seq=2)])
    register(conn, "gw-a", ["heat-9"])
    before = conn.execute("SELECT * FROM rejected ORDER BY 1").fetchall()
    dry = retry(conn, dry=True)
    assert conn.execute("SELECT * FROM rejected ORDER BY 1").fetchall() == before
    assert one(conn, "SELECT count(*) FROM reading") == 0
    assert one(conn, "SELECT count(*) FROM tally WHERE worker_id = 'retry'") == 0
    assert dry == retry(conn)
    assert (dry.stored, dry.duplicates, dry.still.total()) == (2, 1, 1)


def test_two_retries_at_once_take_each_reject_once(
    conn: psycopg.Connection[Any], store: Store, dsn: str
) -> None:
    times = [NOW_S - n for n in range(400)]
    take_in(conn, store, [packed(readings("heat-9", times))])
    register(conn, "gw-a", ["heat-9"])
    reports: list[Report] = []

    def run() -> None:
        with psycopg.connect(dsn, autocommit=True) as own:
            reports.append(retry(own, rows=7))

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    reports.append(retry(conn))
    assert sum(report.stored for report in reports) == 400
    assert sum(report.duplicates for report in reports) == 0
    assert sums(conn) == (400, 400, 0, 0)


def test_rejects_that_another_transaction_holds_are_left_to_it(
    conn: psycopg.Connection[Any], store: Store, dsn: str
) -> None:
    take_in(conn, store, [packed(readings("heat-9", [NOW_S, NOW_S - 1]))])
    register(conn, "gw-a", ["heat-9"])
    with psycopg.connect(dsn) as other:
        other.execute("SELECT FROM rejected ORDER BY rejected_id LIMIT 1 FOR UPDATE")
        assert retry(conn).stored == 1
    assert retry(conn).stored == 1


def test_a_worker_may_store_the_same_readings_at_the_same_time(
    conn: psycopg.Connection[Any], store: Store, dsn: str
) -> None:
    """The two lock the same keys in other orders; who has to give way comes again."""
    devices = [f"heat-{n}" for n in range(1, 7)]
    rounds = 30
    for seq in range(1, rounds + 1):
        batch = [r for device in devices for r in readings(device, [NOW_S + seq, NOW_S - seq])]
        take_in(conn, store, [packed(batch, seq=seq)])
    register(conn, "gw-a", devices)

    def come_again() -> None:
        with psycopg.connect(dsn, autocommit=True) as own:
            for seq in range(1, rounds + 1):
                batch = [r for d in devices for r in readings(d, [NOW_S - seq, NOW_S + seq])]
                while True:
                    with suppress(DatabaseAway):
                        take_in(own, store, [packed(batch, seq=seq)])
                        break

    worker = threading.Thread(target=come_again)
    worker.start()
    report = retry(conn, rows=10)
    worker.join(timeout=60)
    assert not worker.is_alive()
    sent = 2 * len(devices) * rounds
    assert report.stored + report.duplicates == sent
    assert one(conn, "SELECT count(*) FROM reading") == sent
    assert sums(conn) == (2 * sent, sent, 0, sent)


def test_dropped_rejects_stay_in_the_table_and_are_not_tried_again(
    conn: psycopg.Connection[Any], store: Store
) -> None:
    take_in(conn, store, [packed(readings("heat-9", [NOW_S, NOW_S - 1]))])
    take_in(conn, store, [packed(readings("heat-8", [NOW_S]), seq=2)])
    assert drop(conn, Choice(device="heat-9"), dry=True) == (2, 2)
    assert open_readings(conn) == 3
    assert drop(conn, Choice(device="heat-9"), dry=False) == (2, 2)
    assert one(conn, "SELECT count(*) FROM rejected") == 3
    register(conn, "gw-a", ["heat-9", "heat-8"])
    assert retry(conn).stored == 1
    assert sums(conn) == (3, 1, 2, 0)


@pytest.mark.parametrize(
    ("choice", "found"),
    [
        (Choice(reason="unknown_device"), 2),
        (Choice(reason="unparsable"), 1),
        (Choice(gateway="gw-b"), 1),
        (Choice(device="heat-8"), 1),
        (Choice(topic="bt/v1/"), 3),
        (Choice(topic="else"), 0),
        (Choice(device="heat-8", gateway="gw-b"), 0),
    ],
)
def test_filters(conn: psycopg.Connection[Any], store: Store, choice: Choice, found: int) -> None:
    take_in(
        conn,
        store,
        [
            packed(readings("heat-8", [NOW_S])),
            packed(readings("heat-9", [NOW_S]), gateway="gw-b"),
            message(b"nonsense"),
        ],
    )
    assert retry(conn, choice, dry=True).rejects == found
    assert drop(conn, choice, dry=True)[0] == found


DEVICES = ("heat-1", "heat-2", "heat-3")
STEP = st.one_of(
    st.tuples(st.just("register"), st.sampled_from(DEVICES), st.just(0)),
    st.tuples(st.just("retry"), st.sampled_from((*DEVICES, "")), st.just(0)),
    st.tuples(st.just("send"), st.sampled_from(DEVICES), st.integers(0, 8)),
    st.tuples(st.just("furlongs"), st.sampled_from(DEVICES), st.integers(0, 8)),
    st.tuples(st.just("text"), st.sampled_from(DEVICES), st.integers(0, 8)),
    st.tuples(st.just("noise"), st.just(""), st.just(0)),
)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=st.lists(STEP, max_size=25))
def test_every_reading_sent_is_stored_or_openly_rejected_or_a_duplicate(
    conn: psycopg.Connection[Any], store: Store, steps: list[tuple[str, str, int]]
) -> None:
    conn.execute("TRUNCATE reading, latest, rejected, tally, series, device, uplink CASCADE")
    store.close()  # what it knows of newest readings is gone, too
    sent = 0
    registered: set[str] = set()
    for seq, (kind, device, second) in enumerate(steps, start=1):
        if kind == "register":
            register(conn, "gw-a", {device} - registered)
            registered.add(device)
        elif kind == "retry":
            retry(conn, Choice(device=device or None), rows=3)
        else:
            sent += _send(conn, store, seq, kind, device, second)
        stored = one(conn, "SELECT count(*) FROM reading")
        books = sums(conn) if sent else (0, 0, 0, 0)
        assert books == (sent, stored, open_readings(conn), sent - stored - open_readings(conn))
    retry(conn)
    expected = {row[0] for row in conn.execute("SELECT device_id FROM device")}
    left = {
        row[0]
        for row in conn.execute(
            "SELECT DISTINCT device FROM rejected"
            " WHERE resolved_at IS NULL AND reason = 'unknown_device'"
        )
    }
    assert not left & expected


def _send(
    conn: psycopg.Connection[Any], store: Store, seq: int, kind: str, device: str, second: int
) -> int:
    """Send one message; return how many readings it counts as."""
    times = [NOW_S - second, NOW_S - 20 + second]
    batch = readings(device, times)
    if kind == "noise":
        take_in(conn, store, [message(b"noise")])
        return 1
    if kind == "furlongs":
        batch[0] = replace(batch[0], unit="furlong")
    payload = senml.pack(batch, seq=seq, epoch=EPOCH, low=1)
    if kind == "text":
        payload = payload.replace(b'"v":20.0', b'"vs":"warm"', 1)
    take_in(conn, store, [message(payload, channel=Channel.BACKFILL)])
    return 2


# The commands.


@pytest.fixture
def run(dsn: str) -> Callable[..., str]:
    env = environment(dsn)

    def call(*words: str, exit_code: int = 0) -> str:
        invocation = Invocation(config_path=None, verbose=0, env=env)
        found = CliRunner().invoke(
            blocktwin.cli, ["ingest", "rejected", *words], obj=invocation, env=env
        )
        if found.exception is not None and not isinstance(found.exception, SystemExit):
            raise found.exception
        assert found.exit_code == exit_code, found.output
        return found.stdout

    return call


def test_the_overview_groups_by_reason_and_device(
    conn: psycopg.Connection[Any], store: Store, run: Callable[..., str]
) -> None:
    assert run("list") == "nothing\n"
    times = [NOW_S - n for n in range(3)]
    take_in(conn, store, [packed(readings("heat-9", times)), message(b"no\x1bise")])
    lines = run("list").splitlines()
    assert len(lines) == 3
    assert lines[1].split()[:3] == ["unknown_device", "heat-9", "3"]
    assert "unparsable" in lines[2]
    found = json.loads(run("list", "--json"))
    assert [(row["reason"], row["readings"]) for row in found] == [
        ("unknown_device", 3),
        ("unparsable", 1),
    ]
    assert "raise --limit" in run("list", "--limit", "1")
    assert len(json.loads(run("list", "--each", "--json"))) == 4
    assert "heat-9" not in run("list", "--each", "--reason", "unparsable")


def test_unknown_devices_are_listed_with_what_is_needed_to_register_them(
    conn: psycopg.Connection[Any], store: Store, run: Callable[..., str]
) -> None:
    register(conn, "gw-a", ["heat-1"])
    other = Reading(device="heat-1", quantity="humidity", observed_s=NOW_S, value=40.0)
    warm = [replace(r, unit="K") for r in readings("heat-9", [NOW_S, NOW_S - 1], 294.5)]
    take_in(conn, store, [packed([other, *warm]), packed(warm, seq=2, gateway="gw-b")])
    found = json.loads(run("list", "--unknown", "--json"))
    assert [(row["device"], row["quantity"], row["readings"]) for row in found] == [
        ("heat-1", "humidity", 1),
        ("heat-9", "temperature", 4),
    ]
    assert found[1]["gateways"] == ["gw-a", "gw-b"]
    assert (found[1]["value"], found[1]["unit"]) == (294.5, "K")
    assert [row["device_registered"] for row in found] == [True, False]
    register(conn, "gw-a", ["heat-9"])
    assert "registered now: retry" in run("list", "--unknown")


def test_show_escapes_what_a_terminal_would_act_on(
    conn: psycopg.Connection[Any], store: Store, run: Callable[..., str]
) -> None:
    take_in(conn, store, [message(b"\x1b[2J" + b"x" * 5000, content_type="a\x1b")])
    number = str(one(conn, "SELECT rejected_id FROM rejected"))
    text = run("show", number)
    assert "\x1b" not in text
    assert r"\x1b[2J" in text
    assert "908 more bytes" in text
    assert "more bytes" not in run("show", number, "--full")
    row = json.loads(run("show", number, "--json"))
    assert row["payload_base64"].startswith("G1syS")
    assert row["records"] is None


def test_show_decodes_a_reading(
    conn: psycopg.Connection[Any], store: Store, run: Callable[..., str]
) -> None:
    take_in(conn, store, [packed(readings("heat-9", [NOW_S], 21.5))])
    number = str(one(conn, "SELECT rejected_id FROM rejected"))
    assert "heat-9:temperature  21.5  at 1790000000.000000" in run("show", number)
    with pytest.raises(UsageError, match="no reject 99"):
        run("show", "99")


def test_retry_and_drop_ask_what_is_meant(
    conn: psycopg.Connection[Any], store: Store, run: Callable[..., str]
) -> None:
    take_in(conn, store, [packed(readings("heat-9", [NOW_S]))])
    register(conn, "gw-a", ["heat-9"])
    for words in (("retry",), ("retry", "--all", "--device", "heat-9"), ("drop",)):
        with pytest.raises(UsageError, match="say which rejects"):
            run(*words)
    assert "dry run" in run("retry", "--all", "--dry-run")
    found = json.loads(run("retry", "--device", "heat-9", "--json"))
    assert found == {
        "rejects": 1, "stored": 1, "duplicates": 0, "still_rejected": {}, "dry_run": False,
    }  # fmt: skip
    assert json.loads(run("drop", "--device", "heat-9", "--json"))["rejects"] == 0
    run("list", "--since", "yesterday", exit_code=2)
