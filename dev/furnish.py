"""Bring in what the demo's story can begin without: surveys of the slopes, and addresses.

A process of its own, so that a demo told to stop need not wait for it: what is kept so far stays,
and what was under way is undone by the database.
"""

from __future__ import annotations

import os
import sys
from contextlib import closing

from core.config import DatabaseConfig, Invocation
from core.db import pool
from core.errors import BlocktwinError
from simulators import terrain
from simulators.addresses import demo_addresses
from simulators.district import DEFAULT_SEED, demo_district
from twin.addresses.store import put as put_addresses


def main() -> None:
    """Furnish the database that the settings name."""
    invocation = Invocation(config_path=None, verbose=0, env=os.environ)
    database = invocation.load(DatabaseConfig).get(DatabaseConfig)
    with closing(pool.connect(database, autocommit=True, application_name="demo")) as conn:
        terrain.load(conn, demo_district(), DEFAULT_SEED)
        put_addresses(conn, demo_addresses())


if __name__ == "__main__":
    try:
        main()
    except BlocktwinError as error:
        sys.exit(f"error: {error}")
