"""The demo district, drawn once for all tests that only look at it."""

from __future__ import annotations

import pytest

from core.model import District
from simulators.district import demo_district


@pytest.fixture(scope="session")
def district() -> District:
    return demo_district()
