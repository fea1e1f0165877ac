"""Fixtures that every test folder shares: a real PostgreSQL, a real broker, real processes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from dev import places
from dev.servers import PrivateMosquitto, PrivatePostgres
from tests.support import servers


@pytest.fixture(scope="session")
def postgres() -> Iterator[PrivatePostgres]:
    """A PostgreSQL with TimescaleDB for the whole session."""
    with servers.running_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def template_dsn(postgres: PrivatePostgres) -> str:
    """A migrated database that nobody writes to; ``dsn`` is cloned from it."""
    dsn = postgres.create_database(servers.TEMPLATE)
    servers.migrate(dsn)
    return dsn


@pytest.fixture
def dsn(postgres: PrivatePostgres, template_dsn: str) -> Iterator[str]:
    """A migrated database of this test alone."""
    del template_dsn
    if not postgres.running:
        postgres.start()
    with servers.own_database(postgres, servers.TEMPLATE) as own:
        yield own


@pytest.fixture
def empty_dsn(postgres: PrivatePostgres) -> Iterator[str]:
    """An empty database of this test alone."""
    with servers.own_database(postgres, "template0") as own:
        yield own


@pytest.fixture
def conn(dsn: str) -> Iterator[psycopg.Connection]:
    """An autocommit connection to the test's database."""
    with psycopg.connect(dsn, autocommit=True) as open_conn:
        yield open_conn


@pytest.fixture
def broker() -> Iterator[PrivateMosquitto]:
    """A mosquitto with the shipped settings; users ingest, gw-a, gw-b, gw-01 to gw-12."""
    with servers.running_broker() as running:
        yield running


@pytest.fixture
def free_port() -> int:
    """A TCP port of the loopback interface that nobody listens on."""
    return places.free_port()


@pytest.fixture
def run_blocktwin(tmp_path: Path) -> Iterator[servers.Runner]:
    """Start ``python -m blocktwin …``; ended, and its output printed, when the test is over."""
    folder = tmp_path / "programs"
    folder.mkdir()
    runner = servers.Runner(folder)
    yield runner
    runner.close()
