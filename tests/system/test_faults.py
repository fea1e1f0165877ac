"""Faults at every place and at any moment: sent = stored + rejected + duplicates, nothing lost.

What is played stands in ``tests.support.faults``; more seeds: python -m tests.support.faults.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from dev.servers import PrivatePostgres
from tests.support.faults import FAULTS, Fault, Row, Stages, play_seeds, table

SEEDS = (1, 2)


@pytest.fixture(scope="module")
def report() -> Iterator[list[Row]]:
    found: list[Row] = []
    yield found
    sys.stdout.write("\n" + table(found) + "\n")


@pytest.fixture(scope="module")
def stages(postgres: PrivatePostgres, template_dsn: str) -> Iterator[Stages]:
    lent = Stages(postgres)
    yield lent
    lent.close()


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
async def test_every_reading_is_there_once_and_accounted_for(
    stages: Stages, report: list[Row], fault: Fault
) -> None:
    row = await play_seeds(stages, fault, SEEDS)
    report.append(row)
    assert row.lost == 0
    assert row.sent + row.again == row.stored + row.rejected + row.duplicates
