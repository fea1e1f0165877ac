"""Log lines as people and collectors read them."""

import io
import json
import logging
import re
from collections.abc import Iterator

import pytest

from core.config import LogConfig
from core.log import setup


@pytest.fixture(autouse=True)
def _root_logger_is_put_back() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def lines(cfg: LogConfig, verbose: int = 0) -> list[str]:
    stream = io.StringIO()
    setup(cfg, io.StringIO())
    setup(cfg, stream, verbose=verbose)
    log = logging.getLogger("blocktwin.test")
    log.debug("small")
    log.info("broker %s is back", "gw")
    try:
        int("boom")
    except ValueError:
        log.exception("failed")
    return stream.getvalue().splitlines()


def test_text_lines_carry_utc_time_level_and_logger_once() -> None:
    pattern = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z INFO blocktwin\.test: broker gw is back"
    found = lines(LogConfig())
    assert re.fullmatch(pattern, found[0])
    assert found[-1].startswith("ValueError: ")
    assert sum("is back" in line for line in found) == 1


def test_json_lines_are_one_object_each_with_the_trace_inside() -> None:
    first, second = (json.loads(line) for line in lines(LogConfig(json=True)))
    assert first["message"] == "broker gw is back"
    assert (first["level"], first["logger"]) == ("info", "blocktwin.test")
    assert first["time"].endswith("Z")
    assert "ValueError: " in second["trace"]


def test_level_hides_and_verbose_shows() -> None:
    assert not any("is back" in line for line in lines(LogConfig(level="error")))
    assert any("small" in line for line in lines(LogConfig(level="error"), verbose=1))
