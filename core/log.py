"""Set up the standard library's logging: text for people, JSON lines for a collector."""

from __future__ import annotations

import json
import logging
import traceback
from datetime import UTC, datetime
from typing import TextIO

from core.config import LogConfig


class Lines(logging.Formatter):
    """One line a record for people: time (UTC), level, logger, message."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def formatTime(  # noqa: N802 (the library's name)
        self,
        record: logging.LogRecord,
        datefmt: str | None = None,  # noqa: ARG002 (the library's signature)
    ) -> str:
        """Return when the record was made, RFC 3339 in UTC."""
        return _time(record)


class JsonLines(logging.Formatter):
    """One JSON object a line: time (UTC), level, logger, message, and the trace if there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line of JSON."""
        line = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["trace"] = "".join(traceback.format_exception(*record.exc_info))
        return json.dumps(line, ensure_ascii=False)


def setup(cfg: LogConfig, stream: TextIO, *, verbose: int = 0) -> None:
    """Send all logging to ``stream``, and nowhere else, at the configured level.

    Args:
        cfg: the section ``[log]``.
        stream: where to; usually standard error.
        verbose: how often ``-v`` was given; any goes before the configured level.
    """
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines() if cfg.json else Lines())
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel("DEBUG" if verbose else cfg.level.upper())


def _time(record: logging.LogRecord) -> str:
    when = datetime.fromtimestamp(record.created, UTC)
    return when.isoformat(timespec="milliseconds").replace("+00:00", "Z")
