"""Maps and what stands in them, at scale; the last line is one JSON object.

    python bench/map.py [--only PART ...]

Each part is a module beside this one with ``measure(ground) -> dict``; it prints its own table, or
gives it as ``table(result)`` for the end. How to read it stands in docs/performance.md.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

# Run as a script, this folder would stand first and hide packages behind files of the same name.
sys.path[0] = str(Path(__file__).resolve().parent.parent)

import psycopg  # noqa: E402

from bench.ground import say  # noqa: E402
from core.db.migrate import upgrade  # noqa: E402
from dev.servers import PrivatePostgres  # noqa: E402

PARTS = ("placing", "sensorthings", "features")


@dataclass(frozen=True, slots=True)
class MapGround:
    """A private server; every part takes databases of its own."""

    folder: Path
    postgres: PrivatePostgres

    def fresh(self, name: str) -> str:
        """Return the connection string of a new, migrated database of that name."""
        dsn = self.postgres.create_database(name)
        with psycopg.connect(dsn, autocommit=True) as conn:
            upgrade(conn)
        return dsn


def main() -> None:
    """Measure and print."""
    known = [name for name in PARTS if importlib.util.find_spec(f"bench.{name}") is not None]
    parser = argparse.ArgumentParser(description="Maps and what stands in them, at scale.")
    parser.add_argument("--only", action="append", choices=known, help="this part; may be repeated")
    chosen = parser.parse_args().only or known
    parts: dict[str, ModuleType] = {
        name: importlib.import_module(f"bench.{name}") for name in chosen
    }
    result: dict[str, Any] = {
        "cores": os.cpu_count(),
        "load_average": [round(load, 2) for load in os.getloadavg()],
    }
    say("starting a private PostgreSQL")
    with tempfile.TemporaryDirectory(prefix="blocktwin-bench-", dir="/var/tmp") as name:
        folder = Path(name)
        folder.chmod(0o755)
        postgres = PrivatePostgres(folder / "postgres")
        postgres.start()
        try:
            for part, module in parts.items():
                result[part] = module.measure(MapGround(folder, postgres))
        finally:
            postgres.stop()
    say(f"\n{result['cores']} cores, load average at the start {result['load_average']}")
    for part, module in parts.items():
        if hasattr(module, "table"):
            say("\n" + "\n".join(module.table(result[part])))
    print(json.dumps(result))


if __name__ == "__main__":
    main()
