from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import psycopg
import pytest

from core import batch as batches
from core.config import DatabaseConfig
from core.errors import DatabaseAway
from core.model import Field, Rejected, RejectReason, Severity, Transition, TransitionKind
from dev.servers import PrivatePostgres
from ingest import accounts
from ingest.accounts import GatewayWord, LedgerStale, Tally
from ingest.ledger import Committed, Draft
from ingest.store import BatchRefused, Store, Work
from tests.support.ingesting import EPOCH, NOW_US

KEY = ("gw-a", EPOCH)
TRANSITION = Transition(
    rule_id="r", rule_version=1, subject="device:heat-1", field=Field.FIRE,
    kind=TransitionKind.RAISED, severity=Severity.RED, at_us=NOW_US, value=1.0, threshold=0.5,
    quantity="temperature", latch=False,
)  # fmt: skip


def ignore(_conn: psycopg.Connection[Any], _transitions: Sequence[Transition], _us: int) -> None:
    """Stands where alarms are written, in tests that are not about them."""


@pytest.fixture
def store(dsn: str) -> Iterator[Store]:
    store = Store(DatabaseConfig(dsn=dsn), "worker-0", ignore)
    yield store
    store.close()


def rejected(readings: int = 1, **labels: Any) -> Rejected:
    usual: dict[str, Any] = {
        "reason": RejectReason.BAD_UNIT,
        "detail": "furlongs",
        "topic": "bt/v1/00/gw-a/live",
        "payload": b"[1]",
        "received_us": NOW_US,
        "readings": readings,
    }
    return Rejected(**usual | labels)


def work(seconds: range = range(3), seq: int = 1, version: int = 0, **labels: Any) -> Work:
    """Readings of one series in the message ``seq``; its ledger was read at ``version``."""
    observed = [NOW_US + second * 1_000_000 for second in seconds]
    n = len(observed)
    batch = batches.of([1] * n, observed, [NOW_US] * n, [1.0] * n, [0] * n)
    draft = Draft({KEY: Committed(seq, version=version)}, frozenset())
    more: dict[str, Any] = {"batch": batch, "received": n, "draft": draft}
    return Work(**more | labels)


def tally(conn: psycopg.Connection[Any]) -> tuple[int, ...]:
    row = conn.execute(
        "SELECT received, stored, rejected, duplicates, redelivered FROM tally"
    ).fetchone()
    return tuple(row) if row else (0, 0, 0, 0, 0)


def count(conn: psycopg.Connection[Any]) -> int:
    row = conn.execute("SELECT count(*) FROM reading").fetchone()
    assert row is not None
    return int(row[0])


def test_the_sums_are_kept_with_the_rows(store: Store, conn: psycopg.Connection[Any]) -> None:
    store.commit(work())
    outcome = store.commit(
        work(range(1, 5), seq=2, version=1, received=6, rejected=[rejected(2)], redelivered=3)
    )
    assert outcome.tally == Tally(received=6, stored=2, rejected=2, duplicates=2, redelivered=3)
    assert tally(conn) == (9, 5, 2, 2, 3)
    assert count(conn) == 5
    assert accounts.load_spools(conn) == {KEY: Committed(2, version=2)}


def test_rejects_are_kept_with_all_that_is_known(
    store: Store, conn: psycopg.Connection[Any]
) -> None:
    ugly = rejected(detail="a\0b\ud800", topic="t\0", payload=b"\0\xff")
    store.commit(Work(rejected=[ugly], received=1))
    row = conn.execute("SELECT reason, detail, topic, payload, readings FROM rejected").fetchone()
    assert row == ("bad_unit", "a\ufffdb\\ud800", "t\ufffd", b"\0\xff", 1)


def test_the_last_word_of_a_gateway_is_kept(store: Store, conn: psycopg.Connection[Any]) -> None:
    words = [
        GatewayWord(gateway="gw-a", online=online, at_us=NOW_US, report={"online": online})
        for online in (True, False)
    ]
    store.commit(Work(words=words))
    assert conn.execute("SELECT gateway_id, online FROM gateway_status").fetchall() == [
        ("gw-a", False)
    ]


def test_what_is_refused_leaves_nothing_behind(store: Store, conn: psycopg.Connection[Any]) -> None:
    bad = work(received=3 + 2**40, rejected=[rejected(2**40)])
    with pytest.raises(BatchRefused):
        store.commit(bad)
    assert (count(conn), tally(conn)) == (0, (0, 0, 0, 0, 0))
    store.commit(work())
    assert tally(conn) == (3, 3, 0, 0, 0)


def test_alarms_are_written_in_the_same_transaction(
    dsn: str, conn: psycopg.Connection[Any]
) -> None:
    seen: list[Transition] = []

    def apply(own: psycopg.Connection[Any], transitions: Sequence[Transition], _us: int) -> None:
        own.execute("INSERT INTO store_fact VALUES ('alarm', 'raised')")
        seen.extend(transitions)
        if len(seen) == 1:
            raise psycopg.errors.ForeignKeyViolation("no such device")

    store = Store(DatabaseConfig(dsn=dsn), "worker-0", apply)
    try:
        with pytest.raises(BatchRefused):
            store.commit(work(transitions=[TRANSITION]))
        assert count(conn) == 0
        store.commit(work(transitions=[TRANSITION]))
        assert conn.execute("SELECT value FROM store_fact WHERE key = 'alarm'").fetchall()
        assert count(conn) == 3
    finally:
        store.close()


@pytest.mark.parametrize("arrived", [True, False])
def test_a_commit_without_an_answer_is_neither_lost_nor_doubled(
    store: Store, conn: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch, arrived: bool
) -> None:
    inner = store.open()
    commit = inner.commit

    def breaks() -> None:
        if arrived:
            commit()
        inner.close()
        raise psycopg.OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(inner, "commit", breaks)
    piece = work()
    with pytest.raises(DatabaseAway):
        store.commit(piece)
    assert count(conn) == (3 if arrived else 0)
    outcome = store.commit(piece)
    assert outcome.tally == Tally(received=3, stored=3)
    assert (count(conn), tally(conn)) == (3, (3, 3, 0, 0, 0))
    store.commit(work(range(3, 6), seq=2, version=1))
    assert tally(conn) == (6, 6, 0, 0, 0)


def test_rows_of_somebody_else_are_duplicates(store: Store, conn: psycopg.Connection[Any]) -> None:
    store.open()
    other = Store(DatabaseConfig(dsn=conn.info.dsn), "worker-1", ignore)
    other.commit(work(range(2)))
    other.close()
    unnumbered = work(range(4), draft=Draft({}, frozenset()))
    assert store.commit(unnumbered).tally == Tally(received=4, stored=2, duplicates=2)


@pytest.mark.parametrize("version", [0, 1])
def test_a_spool_that_another_worker_has_written_is_read_again_first(
    store: Store, conn: psycopg.Connection[Any], version: int
) -> None:
    """Once when both have never heard of it, once when both know the same of it."""
    other = Store(DatabaseConfig(dsn=conn.info.dsn), "worker-1", ignore)
    if version:
        store.commit(work(range(1), seq=1))
    other.commit(work(range(1, 3), seq=2, version=version))
    other.close()
    before = (count(conn), tally(conn))
    with pytest.raises(LedgerStale) as stale:
        store.commit(work(range(3, 6), seq=3, version=version))
    assert (count(conn), tally(conn)) == before
    known = store.load_spools(stale.value.keys)
    assert known == {KEY: Committed(2, version=version + 1)}
    store.commit(work(range(3, 6), seq=3, version=known[KEY].version))
    assert count(conn) == before[0] + 3


def test_a_second_worker_of_the_same_name_has_to_wait(
    store: Store, conn: psycopg.Connection[Any]
) -> None:
    store.open()
    patient = DatabaseConfig(dsn=conn.info.dsn, statement_timeout_s=0.2)
    twin = Store(patient, "worker-0", ignore)
    with pytest.raises(DatabaseAway):
        twin.open()
    store.close()
    twin.open()
    twin.close()


def test_breaking_the_connection_ends_a_wait_at_once(
    store: Store, conn: psycopg.Connection[Any]
) -> None:
    inner = store.open()
    store.abort()
    with pytest.raises(psycopg.OperationalError):
        inner.execute("SELECT 1")
    with pytest.raises(DatabaseAway):
        store.commit(work())
    store.commit(work())
    assert tally(conn) == (3, 3, 0, 0, 0)


def test_a_killed_database_is_away_and_then_goes_on(
    store: Store, dsn: str, postgres: PrivatePostgres
) -> None:
    store.commit(work())
    postgres.kill()
    try:
        piece = work(range(3, 6), seq=2, version=1)
        for _ in range(2):
            with pytest.raises(DatabaseAway):
                store.commit(piece)
    finally:
        postgres.start()
    store.commit(piece)
    with psycopg.connect(dsn) as conn:
        assert (count(conn), tally(conn)) == (6, (6, 6, 0, 0, 0))
