"""The alarm engine and all that hangs on it, at scale; the last line is one JSON object.

    python bench/alerts.py [--only PART ...]

Each part is a module beside this one with ``measure() -> dict``; it gives its own table as
``table(result)``. How to read them stands in docs/performance.md.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
from pathlib import Path
from typing import Any

# Run as a script, this folder would stand first and hide packages behind files of the same name.
sys.path[0] = str(Path(__file__).resolve().parent.parent)

from bench.ground import say  # noqa: E402

PARTS = ("engine", "detectors", "fires", "rivers", "desk", "backtest", "alerts_pipeline")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Alarms, at scale.")
    parser.add_argument("--only", action="append", choices=PARTS, help="this part; may be repeated")
    chosen = parser.parse_args().only or PARTS
    result: dict[str, Any] = {
        "cores": os.cpu_count(),
        "load_average": [round(load, 2) for load in os.getloadavg()],
    }
    tables: list[str] = []
    for part in chosen:
        module = importlib.import_module(f"bench.{part}")
        say(f"measuring: {part}")
        result[part] = module.measure()
        tables += ["", *module.table(result[part])]
    say(f"\n{result['cores']} cores, load average at the start {result['load_average']}")
    say("\n".join(tables))
    print(json.dumps(result))


if __name__ == "__main__":
    main()
