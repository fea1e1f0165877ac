"""Play one back-test in a process of its own: JSON on standard input, JSON on standard output.

The API uses it, so that its own loop stays free and a back-test that takes too long can be stopped.
"""

from __future__ import annotations

import os
import sys

import msgspec

from alerts.backtest.run import SLICE_S, Request, backtest
from core.config import DatabaseConfig
from core.db.pool import connect
from core.errors import BlocktwinError, UsageError


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """A request and the database it is asked of; the address may hold a password."""

    dsn: str
    connect_timeout_s: float
    request: Request


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """The answer as JSON, or in ``error`` why there is none; ``usage``: the asker can mend it."""

    answer: msgspec.Raw = msgspec.Raw(b"null")
    error: str = ""
    usage: bool = False


def play(job: Job) -> Reply:
    """Play a job; what goes wrong on purpose becomes part of the reply."""
    database = DatabaseConfig(
        dsn=job.dsn, connect_timeout_s=job.connect_timeout_s, statement_timeout_s=SLICE_S
    )
    try:
        name = "blocktwin serve backtest"
        with (
            connect(database, autocommit=True, application_name=name) as conn,
            connect(database, autocommit=True, application_name=name) as beside,
        ):
            answer = backtest(conn, job.request, beside=beside)
    except BlocktwinError as error:
        said = f"{error}; {error.remedy}" if error.remedy else str(error)
        return Reply(error=said, usage=isinstance(error, UsageError))
    return Reply(answer=msgspec.Raw(msgspec.json.encode(answer)))


if __name__ == "__main__":
    os.nice(10)  # a worker on the same machine goes first
    job = msgspec.json.decode(sys.stdin.buffer.read(), type=Job)
    sys.stdout.buffer.write(msgspec.json.encode(play(job)))
