from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.accounts import Tally
from ingest.metrics import EDGES_S, Metrics, quantile_from_text


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
