"""The alarm engine and all that hangs on it, at scale; the last line is one JSON object.

    python bench/alerts.py [--only PART ...]

Each part is a module beside this one with ``measure() -> dict``; it may give a table of its own as
``table(result)``. How to read them stands in docs/performance.md.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

# Run as a script, this folder would stand first and hide packages behind files of the same name.
sys.path[0] = str(Path(__file__).resolve().parent.parent)

from bench.ground import say  # noqa: E402

PARTS = ("engine", "detectors", "fires", "rivers", "desk", "backtest", "alerts_pipeline")


def lines(result: object, path: str = "") -> Iterator[str]:
    """Yield one line for each figure, named by its place."""
    if isinstance(result, Mapping):
        for key, value in result.items():
            yield from lines(value, f"{path} {key}")
    elif isinstance(result, list):
        for number, value in enumerate(result):
            yield from lines(value, f"{path} {number}")
    else:
        shown = f"{result:,.4g}" if isinstance(result, float) else str(result)
        yield f"  {path.strip():60} {shown}"


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
        table = getattr(module, "table", lines)
        tables += ["", part, *table(result[part])]
    say(f"\n{result['cores']} cores, load average at the start {result['load_average']}")
    say("\n".join(tables))
    print(json.dumps(result))


if __name__ == "__main__":
    main()
