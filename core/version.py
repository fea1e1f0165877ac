"""The version of the installed distribution."""

from __future__ import annotations

from functools import cache
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed


@cache
def version() -> str:
    """Return the installed version, or ``0+source`` in a tree that nobody has installed."""
    try:
        return installed("blocktwin")
    except PackageNotFoundError:
        return "0+source"
