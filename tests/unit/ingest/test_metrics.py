from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.model import Rejected, RejectReason
from ingest.accounts import Tally
from ingest.metrics import EDGES_S, InFlight, Metrics, quantile_from_text
from tests.support.ingesting import NOW_US, message


@given(st.lists(st.floats(0.002, 50), min_size=20, max_size=200), st.sampled_from([0.5, 0.99]))
def test_a_quantile_is_right_within_a_bucket(seconds: list[float], q: float) -> None:
    metrics = Metrics()
    metrics.commit_s.observe(np.array(seconds))
    read = quantile_from_text(metrics.text(), "blocktwin_ingest_commit_seconds", q)
    true = float(np.quantile(seconds, q, method="inverted_cdf"))
    assert read is not None
    assert true / 1.16 <= read <= true * 1.16


def test_arrays_add_up_and_clocks_ahead_count_as_zero() -> None:
    metrics = Metrics()
    metrics.alarm_s.observe(np.array([0.01, 0.02]))
    metrics.alarm_s.observe(np.array([-5.0]))
    metrics.alarm_s.observe(np.array([]))
    text = metrics.text()
    assert "blocktwin_alarm_commit_seconds_count 3.0" in text
    assert "blocktwin_alarm_commit_seconds_sum 0.03" in text


def test_a_value_on_an_edge_belongs_below_it() -> None:
    metrics = Metrics()
    metrics.commit_s.observe(np.array([EDGES_S[3]]))
    assert f'_bucket{{le="{EDGES_S[3]:.6g}"}} 1.0' in metrics.text()


def test_beyond_the_last_edge_the_quantile_is_that_edge() -> None:
    metrics = Metrics()
    metrics.commit_s.observe(np.array([1e6]))
    read = quantile_from_text(metrics.text(), "blocktwin_ingest_commit_seconds", 0.5)
    assert read == pytest.approx(EDGES_S[-1], rel=1e-3)


def test_an_empty_or_missing_histogram_has_no_quantile() -> None:
    text = Metrics().text()
    assert quantile_from_text(text, "blocktwin_ingest_commit_seconds", 0.5) is None
    assert quantile_from_text(text, "no_such", 0.5) is None


def test_the_counts_of_a_batch_show_by_result() -> None:
    metrics = Metrics()
    metrics.count(Tally(received=6, stored=3, rejected=2, duplicates=1, redelivered=4))
    text = metrics.text()
    assert 'blocktwin_ingest_readings_total{result="stored"} 3.0' in text
    assert 'blocktwin_ingest_readings_total{result="rejected"} 2.0' in text
    assert 'blocktwin_ingest_readings_total{result="duplicate"} 1.0' in text
    assert "blocktwin_ingest_redelivered_messages_total 4.0" in text


def test_what_was_rejected_shows_by_its_reason_and_a_batch_by_its_size() -> None:
    metrics = Metrics()
    rejected = [
        Rejected(
            reason=reason, detail="", topic="x", payload=b"", received_us=NOW_US, readings=number
        )
        for reason, number in ((RejectReason.BAD_TIME, 3), (RejectReason.BAD_TIME, 1))
    ]
    metrics.count(Tally(received=9, stored=5, rejected=4, duplicates=0, redelivered=0), rejected)
    text = metrics.text()
    assert 'blocktwin_ingest_rejected_readings_total{reason="bad_time"} 4.0' in text
    assert 'blocktwin_ingest_rejected_readings_total{reason="bad_unit"} 0.0' in text
    assert 'blocktwin_ingest_batch_readings_bucket{le="10.0"} 1.0' in text
    assert "blocktwin_ingest_batch_readings_sum 9.0" in text


def test_the_lag_is_the_age_of_the_oldest_message_that_is_not_committed() -> None:
    flow = InFlight()
    assert (flow.messages, flow.lag_s(NOW_US)) == (0, 0.0)
    flow.take([])
    flow.take([message(b"", received_us=NOW_US + n) for n in range(4)])
    flow.take([message(b"", received_us=NOW_US + 2_000_000)])
    assert (flow.messages, flow.lag_s(NOW_US + 3_000_000)) == (5, 3.0)
    flow.settle(3)  # a batch that was divided
    assert (flow.messages, flow.lag_s(NOW_US + 3_000_000)) == (2, 3.0)
    flow.settle(1)
    assert (flow.messages, flow.lag_s(NOW_US + 3_000_000)) == (1, 1.0)
    assert flow.lag_s(NOW_US) == 0.0  # the clock was set back
    flow.settle(1)
    assert (flow.messages, flow.lag_s(NOW_US + 9_000_000)) == (0, 0.0)


def test_a_counter_kept_elsewhere_is_looked_up_when_asked_for() -> None:
    metrics, there = Metrics(), [3]
    metrics.follow("blocktwin_test_things", "Things.", lambda: there[0])
    assert "# TYPE blocktwin_test_things_total counter" in metrics.text()
    there[0] = 4
    assert "\nblocktwin_test_things_total 4.0\n" in metrics.text()
