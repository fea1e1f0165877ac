from __future__ import annotations

import pytest

from core.config import load
from core.errors import ConfigInvalid
from ingest.config import IngestConfig


def loaded(**variables: str) -> IngestConfig:
    env = {f"BLOCKTWIN_INGEST__{key.upper()}": text for key, text in variables.items()}
    return load(None, {"ingest": IngestConfig}, env).get(IngestConfig)


def test_the_defaults_fit_together() -> None:
    config = loaded()
    assert config.shards is None
    assert config.drain_s < 10
    assert config.batch_s < config.receipt_every_s


def test_shards_are_given_as_a_list() -> None:
    assert loaded(shards='["00", "3f"]').shards == ["00", "3f"]


@pytest.mark.parametrize(
    "variables",
    [
        {"shards": '["40"]'},
        {"shards": '["0"]'},
        {"worker_id": "Worker"},
        {"worker_id": "import"},
        {"batch_readings": "0"},
        {"drain_s": "10"},
        {"late_s": "0"},
    ],
)
def test_what_cannot_work_is_refused(variables: dict[str, str]) -> None:
    with pytest.raises(ConfigInvalid):
        loaded(**variables)
