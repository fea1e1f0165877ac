"""What the default rules find in two recorded river stations, and what they find for nothing.

    python -m bench.rivers [FOLDER]

Replays the stations (15 min, 4 and 3 months, six quantities each) through the plausibility marks
and the real engine, under the rules that ship with the program. A technician went through the
readings and flagged those that were wrong. Told are:

- the share of flagged readings that the program would not have let pass: an alarm was active at
  them, or they were marked as out of range, a jump or stuck; and the share of flagged stretches;
- alarms that began within one reading of no flag, per sensor-month. They are told for series that
  the technician corrected (the recording has corrected values), and for the others apart: there an
  unusual reading without a flag may be one that nobody looked at.

Each detector is also played alone, at its default options, over all series.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from alerts.engine import Engine
from alerts.rulebook import read_packaged
from alerts.rules import Level, LoadedRule, Rule, Select, Text
from core.batch import Batch, of
from core.model import Field, Quality, TransitionKind
from core.registry import Registry, SeriesInfo
from ingest.check import tables_of
from ingest.quality import Delays, Marker

RECORDINGS = Path(__file__).parents[2] / "shared" / "data" / "river_water"
ALONE = ("seasonal", "change_point", "stuck", "drift")
"""Detectors that need no other series."""

STATIONS = ("FranklinBasin2020", "MainStreet2020")
COLUMNS = {
    "temp": ("water_quality", "water_temperature", 1.0),
    "cond": ("water_quality", "conductivity", 1.0),
    "ph": ("water_quality", "ph", 1.0),
    "do": ("water_quality", "dissolved_oxygen", 1.0),
    "turb": ("water_quality", "turbidity", 1.0),
    "stage": ("river_level", "level", 0.01),
}
MARKED = int(Quality.OUT_OF_RANGE | Quality.JUMP | Quality.STUCK)
_MONTH_S = 30.44 * 86_400
_STEP_S = 900.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """One sensor: its series, and what was read and flagged; ``checked``: somebody corrected it."""

    info: SeriesInfo
    at_us: Any
    value: Any
    flagged: Any
    checked: bool


def read(folder: Path) -> list[Recording]:
    """Read both stations."""
    found: list[Recording] = []
    for station in STATIONS:
        with gzip.open(folder / f"{station}.csv.gz", "rt", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        at_us = np.array([_micros(row["datetime"]) for row in rows], dtype=np.int64)
        for column, (kind, quantity, scale) in COLUMNS.items():
            found.append(
                Recording(
                    info=_series(len(found) + 1, station, kind, quantity),
                    at_us=at_us,
                    value=np.array([float(row[column]) * scale for row in rows]),
                    flagged=np.array([bool(row[f"{column}_qual"]) for row in rows]),
                    checked=any(row[f"{column}_cor"] for row in rows),
                )
            )
    return found


def _micros(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1e6)


def _series(series_id: int, station: str, kind: str, quantity: str) -> SeriesInfo:
    name = station.lower()
    return SeriesInfo(
        series_id=series_id,
        device_id=f"{name}-{kind}",
        quantity=quantity,
        kind=kind,
        field=Field.WATER,
        gateway_id=f"gw-{name}",
        interval_s=_STEP_S,
        spaces=(name,),
    )


def batches(recordings: Sequence[Recording], registry: Registry) -> list[Batch]:
    """Return the readings of each moment, marked as the worker would."""
    marker = Marker(tables_of(registry), Delays(late_s=86_400.0, clock_skew_s=300.0))
    columns = [
        (np.full(len(one.at_us), one.info.series_id), one.at_us, one.value) for one in recordings
    ]
    series, at_us, value = (np.concatenate(part) for part in zip(*columns, strict=True))
    low = tables_of(registry).low[series]
    high = tables_of(registry).high[series]
    outside = np.where((value < low) | (value > high), int(Quality.OUT_OF_RANGE), 0)
    order = np.lexsort((series, at_us))
    whole = of(series[order], at_us[order], at_us[order], value[order], outside[order])
    cuts = np.flatnonzero(np.diff(whole.observed_us)) + 1
    return [marker.mark(whole.take(part)) for part in np.split(np.arange(len(whole)), cuts)]


def play(recordings: Sequence[Recording], rules: Sequence[Rule]) -> dict[str, Any]:
    """Replay the readings under some rules; return shares, counts and a line for each sensor."""
    registry = Registry(one.info for one in recordings)
    rounds = batches(recordings, registry)
    loaded = [LoadedRule(rule=rule, version=1) for rule in rules]
    engine = Engine(loaded, registry, now_us=int(rounds[0].received_us[0]))
    begun: dict[int, list[int]] = {one.info.series_id: [] for one in recordings}
    spans: dict[int, list[tuple[int, int]]] = {number: [] for number in begun}
    since: dict[tuple[str, int], int] = {}
    marks: dict[int, list[int]] = {number: [] for number in begun}
    for batch in rounds:
        for number, at, bits in zip(
            batch.series.tolist(), batch.observed_us.tolist(), batch.quality.tolist(), strict=True
        ):
            if bits & MARKED:
                marks[number].append(at)
        for change in engine.process(batch):
            info = registry.find(f"{change.subject.partition(':')[2]}:{change.quantity}")
            if info is None:
                continue
            key = (change.rule_id, info.series_id)
            if change.kind is TransitionKind.RAISED:
                begun[info.series_id].append(change.at_us)
                since[key] = change.at_us
            elif change.kind is TransitionKind.RETURNED and key in since:
                spans[info.series_id].append((since.pop(key), change.at_us))
    end = int(rounds[-1].observed_us[-1]) + 1
    for (_, number), at in since.items():
        spans[number].append((at, end))
    lines = [_line(one, begun, spans, marks) for one in recordings]
    return {**_sum(lines), "sensors": lines}


def _line(
    one: Recording,
    begun: dict[int, list[int]],
    spans: dict[int, list[tuple[int, int]]],
    marks: dict[int, list[int]],
) -> dict[str, Any]:
    """Return what was found on one sensor."""
    number, flagged = one.info.series_id, one.flagged
    alarmed = np.zeros(len(flagged), dtype=np.bool_)
    for begin, end in spans[number]:
        alarmed |= (one.at_us >= begin) & (one.at_us < end)
    marked = np.isin(one.at_us, marks[number])
    near = flagged.copy()
    near[1:] |= flagged[:-1]
    near[:-1] |= flagged[1:]
    false = [at for at in begun[number] if not near[np.searchsorted(one.at_us, at)]]
    edges = np.flatnonzero(np.diff(np.r_[0, flagged.astype(np.int8), 0]))
    stretches = list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))
    seen = alarmed | marked
    return {
        "sensor": f"{one.info.device_id}:{one.info.quantity}",
        "checked": one.checked,
        "months": round(len(flagged) * _STEP_S / _MONTH_S, 2),
        "flagged": int(flagged.sum()),
        "found": int((flagged & seen).sum()),
        "found_by_alarm": int((flagged & alarmed).sum()),
        "stretches": len(stretches),
        "stretches_found": sum(bool(seen[a:b].any()) for a, b in stretches),
        "alarms": len(begun[number]),
        "false": len(false),
    }


def _sum(lines: Sequence[dict[str, Any]]) -> dict[str, Any]:
    def total(key: str, *, checked: bool | None = None) -> float:
        return float(
            sum(line[key] for line in lines if checked is None or line["checked"] is checked)
        )

    months, others = total("months", checked=True), total("months", checked=False)
    return {
        "flagged": total("flagged"),
        "share_found": round(total("found") / max(total("flagged"), 1), 3),
        "share_found_by_alarm": round(total("found_by_alarm") / max(total("flagged"), 1), 3),
        "stretches": total("stretches"),
        "share_of_stretches_found": round(total("stretches_found") / max(total("stretches"), 1), 3),
        "false_per_sensor_month": round(total("false", checked=True) / max(months, 1e-9), 2),
        "false_per_sensor_month_unchecked": round(
            total("false", checked=False) / max(others, 1e-9), 2
        ),
    }


def alone(detector: str) -> list[Rule]:
    """Return one rule for each quantity with a detector at its default options."""
    text = Text(zh="试", en="trial")
    return [
        Rule(
            id=f"trial-{quantity}",
            name=text,
            field=Field.WATER,
            select=Select(kind=(kind,), quantity=quantity),
            type="anomaly",
            detector=detector,
            advisory=True,
            levels=(Level(severity="blue", raise_at=4.0, clear_at=2.0),),
            advice=text,
            source="editable seed",
        )
        for kind, quantity, _ in COLUMNS.values()
    ]


def measure(folder: Path = RECORDINGS) -> dict[str, Any]:
    """Play the default rules, and each detector that needs no other series alone.

    The result has a ``reason`` instead of figures where the recordings are absent.
    """
    if not all((folder / f"{station}.csv.gz").is_file() for station in STATIONS):
        return {"reason": f"no recordings in {folder}"}
    recordings = read(folder)
    defaults = [rule for rule in read_packaged() if rule.type == "anomaly"]
    everything = [rule for rule in read_packaged() if rule.type != "missing"]
    detectors = {name: play(recordings, alone(name)) for name in ALONE}
    return {
        "default_rules": play(recordings, everything),
        "default_anomaly_rules": play(recordings, defaults),
        "detectors": {
            name: {key: value for key, value in found.items() if key != "sensors"}
            for name, found in detectors.items()
        },
    }


def table(result: dict[str, Any]) -> list[str]:
    """Return the figures as lines."""
    if "reason" in result:
        return [f"recorded rivers: {result['reason']}"]
    lines = ["recorded rivers: shares of what a technician flagged; false alarms a sensor-month"]
    heads = ("readings", "by alarm", "stretches", "false", "unchecked")
    lines.append(f"  {'':22}" + "".join(f"{head:>11}" for head in heads))
    played = {
        "all default rules": result["default_rules"],
        "default anomaly rules": result["default_anomaly_rules"],
    } | {f"{name} alone": found for name, found in result["detectors"].items()}
    for name, found in played.items():
        shares = ("share_found", "share_found_by_alarm", "share_of_stretches_found")
        line = "".join(f"{found[share]:>11.1%}" for share in shares)
        rates = ("false_per_sensor_month", "false_per_sensor_month_unchecked")
        line += "".join(f"{found[rate]:>11.2f}" for rate in rates)
        lines.append(f"  {name:22}{line}")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=RECORDINGS)
    result = measure(parser.parse_args().folder)
    print("\n".join(table(result)))
    print(json.dumps(result))


if __name__ == "__main__":
    main()
