"""Ingest against its ceilings, all on this machine in one run; the last line is one JSON object.

    python bench/ingest.py [--quick] [--devices N] [--only PART ...]

Ours is `blocktwin ingest` with its defaults and the packaged rules, fed through the shipped
broker settings. Ratios hold from machine to machine, rates do not. How to read it stands in
docs/performance.md.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

# Run as a script, this folder would stand first and hide the package `ingest` behind this file.
sys.path[0] = str(Path(__file__).resolve().parent.parent)

from bench import keys, latency, outage, rates, table  # noqa: E402
from bench.ground import Ground, Sizes, ground, say  # noqa: E402

PARTS: dict[str, Callable[[Ground], dict[str, Any]]] = {
    "rates": rates.measure,
    "paced": latency.measure,
    "outage": outage.measure,
    "keys": keys.measure,
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Ingest against its ceilings.")
    parser.add_argument("--quick", action="store_true", help="only to see that everything runs")
    parser.add_argument("--devices", type=int, default=20_000, help="how many report in turn")
    parser.add_argument("--only", action="append", choices=PARTS, help="this part; may be repeated")
    options = parser.parse_args()
    sizes = Sizes.quick(options.devices) if options.quick else Sizes(devices=options.devices)
    result: dict[str, Any] = {
        "quick": options.quick,
        "devices": sizes.devices,
        "cores": os.cpu_count(),
        "load_average": [round(load, 2) for load in os.getloadavg()],
    }
    say("starting a private PostgreSQL and mosquitto")
    with ground(sizes) as servers:
        result["postgres"] = servers.settings()
        for name in options.only or PARTS:
            result[name] = PARTS[name](servers)
    say("\n" + table.render(result) + "\n")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
