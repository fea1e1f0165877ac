"""What the doctor makes of numbers."""

from __future__ import annotations

import pytest

from ingest import doctor_findings as judge
from ingest.doctor_findings import Finding, Level

GB = 1 << 30
OK, WARN, FAIL = Level.OK, Level.WARN, Level.FAIL


@pytest.mark.parametrize(
    ("finding", "level", "words"),
    [
        (judge.version(150_014), OK, "PostgreSQL 15.14"),
        (judge.version(140_003), FAIL, "PostgreSQL 14.3"),
        (judge.clock(0.2), OK, "0.200 s"),
        (judge.clock(-1.5), WARN, "1.500 s"),
        (judge.clock(61), FAIL, "61.000 s"),
        (judge.synchronised(0, 2500), OK, "0.003 s"),
        (judge.synchronised(5, 0), WARN, "nobody keeps"),
        (judge.space("disk", "/x", 50 * GB, 100 * GB), OK, "50.0 of 100.0 GB"),
        (judge.space("disk", "/x", 14 * GB, 100 * GB), WARN, "14%"),
        (judge.space("disk", "/x", 4 * GB, 100 * GB), FAIL, "4%"),
        (judge.growth(GB, None, GB), OK, "too few readings"),
        (judge.growth(GB, GB / 86_400, None), OK, "grows by 1.00 GB a day"),
        (judge.growth(GB, GB / 86_400, 100 * GB), OK, "full in 100 days"),
        (judge.growth(GB, GB / 86_400, 29 * GB), WARN, "full in 29 days"),
        (judge.growth(GB, GB / 86_400, 2 * GB), FAIL, "full in 2 days"),
        (judge.worker("w", 3, alive=True, behind=False), OK, "w runs"),
        (judge.worker("w", -0.2, alive=True, behind=False), OK, "committed 0 s ago"),
        (judge.worker("w", 301, alive=True, behind=False), WARN, "301 s ago"),
        (judge.worker("w", 3, alive=True, behind=True), WARN, "latest has not followed"),
        (judge.worker("w", 3, alive=False, behind=False), FAIL, "w does not run"),
        (judge.rollup("1m", None, 0), OK, "has no end yet"),
        (judge.rollup("1m", 200, 7), OK, "7 changed stretches"),
        (judge.rollup("1m", 200, 100_001), WARN, "100,001"),
        (judge.rollup("1m", 200, 5_000_001), FAIL, "5,000,001"),
        (judge.rejected(0, 4), OK, "4 rejects are open"),
        (judge.rejected(3, 4), WARN, "3 readings"),
        (judge.gateways(9, 0), OK, "0 of 9"),
        (judge.gateways(9, 2), WARN, "2 of 9"),
        (judge.deliveries(0, 0), OK, "0 notices wait"),
        (judge.deliveries(2, 301), WARN, "due since 301 s"),
        (judge.deliveries(2, 3601), FAIL, "3,601 s"),
        (judge.memory(4 * GB, 8 * GB), OK, "4,096 of 8,192 MB"),
        (judge.memory(GB // 4, 8 * GB), WARN, "256 of"),
        (judge.memory(GB // 16, 8 * GB), FAIL, "64 of"),
        (judge.open_files(1024), OK, "1,024"),
        (judge.open_files(256), WARN, "256"),
    ],
)
def test_a_number_has_its_level_and_a_remedy_where_one_is_due(
    finding: Finding, level: Level, words: str
) -> None:
    assert finding.level is level
    assert words in finding.text
    assert bool(finding.remedy) == (level is not OK)
    assert "\n" not in finding.text + finding.remedy


def test_settings_that_endanger_data_fail_and_slow_ones_warn() -> None:
    given = {
        "fsync": ("off", None), "full_page_writes": ("on", None),
        "synchronous_commit": ("off", None), "track_commit_timestamp": ("off", None),
        "shared_buffers": ("16384", 8192), "max_wal_size": ("2048", 1 << 20),
    }  # fmt: skip
    found = {finding.about: finding for finding in judge.settings(given)}
    assert {about: finding.level for about, finding in found.items()} == {
        "fsync": FAIL, "full_page_writes": OK, "synchronous_commit": WARN,
        "track_commit_timestamp": OK, "shared_buffers": WARN, "max_wal_size": OK,
    }  # fmt: skip
    assert "128 MB" in found["shared_buffers"].text
    assert "2,048 MB" in found["max_wal_size"].text


def test_the_edition_says_what_follows_from_it() -> None:
    old, edition = judge.timescaledb("2.18.2", "apache", "ours", preloaded=True)
    assert old.level is FAIL
    assert "blocktwin maintain" in edition.text
    assert "no compression" in edition.text
    fine, edition = judge.timescaledb("2.20.0-dev", "timescale", "continuous", preloaded=True)
    assert fine.level is OK
    assert "continuous aggregates, compression" in edition.text
    (absent,) = judge.timescaledb(None, "", "", preloaded=True)
    (idle,) = judge.timescaledb("2.19.3", "apache", "ours", preloaded=False)
    assert absent.level is idle.level is FAIL


def test_growth_is_measured_over_the_chunks_with_indexes() -> None:
    assert judge.growth_per_s([(1000, 50.0), (2000, 100.0)]) == 20.0
    assert judge.growth_per_s([(1000, 59.0)]) is None
    assert judge.growth_per_s([]) is None


def test_no_worker_at_all_is_a_finding() -> None:
    (finding,) = judge.workers([])
    assert finding.level is WARN
