"""What the detectors cost and find: time of a round and bytes at the size of a district; a score.

    python -m bench.detectors [SERIES]

For the cost every series gives one reading a round, among neighbours, gauges and upstream series on
a grid; the best of several warm rounds is reported, in processor time of one core.

For the score made-up series with known faults (spike, shift, unrest, frozen value, lost course of
the day) are judged at the default options and level 4, and scored as the Numenta Anomaly Benchmark
does (standard profile: a window is a tenth of the series shared by its faults, the first 15 % are
not scored, early detection counts more, each false alarm costs up to 0.11). The threshold is not
chosen on the labels, as that benchmark does.
"""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

import msgspec
import numpy as np

from alerts.detectors import DETECTORS
from alerts.judges import Board
from core.model import Field
from core.registry import Registry, SeriesInfo

_ROUNDS = 80
_STEP_US = 60_000_000
_T0_US = 1_790_006_400_000_000


def district(size: int) -> Registry:
    """Return flow meters on a square grid 400 m apart, each fed by its western neighbour."""
    side = int(np.ceil(np.sqrt(size)))
    series = [
        SeriesInfo(
            series_id=n + 1,
            device_id=f"pipe-{n}",
            quantity="flow",
            kind="pipe_flow",
            field=Field.WATER,
            gateway_id=f"gw-{n // 200}",
            interval_s=60.0,
            lon=113.8 + 0.004 * (n % side),
            lat=22.4 + 0.004 * (n // side),
        )
        for n in range(size)
    ]
    gauges = [
        SeriesInfo(
            series_id=size + 1 + n,
            device_id=f"rain-{n}",
            quantity="rain_intensity",
            kind="rain_gauge",
            field=Field.WATER,
            gateway_id="gw-rain",
            interval_s=60.0,
            lon=series[one].lon,
            lat=series[one].lat,
        )
        for n, one in enumerate(range(0, size, 100))
    ]
    drains = {f"device:pipe-{n}": (f"device:pipe-{n + 1}",) for n in range(size - 1)}
    return Registry([*series, *gauges], drains=drains)


def measure(size: int = 240_000) -> dict[str, Any]:
    """Measure what all detectors cost over ``size`` series, and what they find in made-up ones."""
    return {"series": size, "cost": cost(size), "sanity": sanity()}


def table(result: dict[str, Any]) -> list[str]:
    """Return the figures as lines."""
    lines = [f"detectors, one reading of each of {result['series']:,} series, one core"]
    lines.append(f"  {'':16}{'ms a round':>12}{'ns a reading':>14}{'bytes':>8}")
    for name, row in result["cost"].items():
        figures = f"{row['round_ms']:>12}{row['per_reading_ns']:>14}{row['bytes']:>8}"
        lines.append(f"  {name:16}{figures}")
    lines.append("detectors on made-up series with faults, level 4: share of the faults hit")
    heads = "".join(f"{fault:>13}" for fault in FAULTS)
    lines.append(f"  {'':16}{'score':>7}{heads}{'false/month':>13}")
    for name, row in result["sanity"].items():
        hit = "".join(f"{row['hit'][fault]:>13.0%}" for fault in FAULTS)
        lines.append(f"  {name:16}{row['score']:>7}{hit}{row['false_per_series_month']:>13}")
    return lines


def cost(size: int, names: tuple[str, ...] = tuple(DETECTORS)) -> dict[str, Any]:
    """Measure each detector over ``size`` series; times in ms, on one core.

    Returns:
        name -> ``round_ms`` (best of the last ten), ``per_reading_ns``, ``bytes``, ``begin_s``.
    """
    registry = district(size)
    return {name: _one(name, registry, size) for name in names}


def _one(name: str, registry: Registry, size: int) -> dict[str, float]:
    chance = np.random.default_rng(1)
    kind = DETECTORS[name]
    begin = time.process_time()
    options = msgspec.convert({"warm": 10}, kind.Options)
    judge = kind(options, [registry.by_id[n + 1] for n in range(size)], registry, [4.0, 6.0])
    begin_s = time.process_time() - begin
    row = np.arange(size)
    level = 1.0 + chance.random(registry.size)
    board = Board(at_us=np.zeros(registry.size, dtype=np.int64), value=np.zeros(registry.size))
    learn = np.ones(size, dtype=np.bool_)
    took = []
    for step in range(_ROUNDS):
        if step == _ROUNDS // 2:
            _age(judge)
        at_us = _T0_US + step * _STEP_US
        board.at_us[:] = at_us
        board.value[:] = level + 0.02 * chance.standard_normal(registry.size)
        board.value[size + 1 :] = 5.0  # it rains, so that the runoff is judged
        value, when = board.value[1 : size + 1].copy(), np.full(size, at_us)
        begin = time.process_time()
        judge.judge(row, when, value, learn, board)
        took.append(time.process_time() - begin)
    best = min(took[-10:])
    return {
        "round_ms": round(best * 1e3, 1),
        "per_reading_ns": round(best / size * 1e9),
        "bytes": round(judge.nbytes / size),
        "begin_s": round(begin_s, 2),
    }


def _age(judge: Any) -> None:
    """Give every series the tail of twenty thousand readings: in the first hundreds every other
    reading is among the largest, which costs several times as much as later."""
    judge.tail.top[:] = np.linspace(3.5, 6.0, judge.tail.top.shape[1])
    judge.tail.begin[:], judge.tail.count[:] = 3.5, judge.tail.top.shape[1]
    judge.tail.seen[:] = 20_000


FAULTS = ("spike", "shift", "unrest", "frozen", "lost_course")


def sanity(copies: int = 12, steps: int = 4000, seed: int = 1) -> dict[str, Any]:
    """Score the detectors that need no other series on made-up series with known faults.

    Returns:
        name -> ``score`` (0: says nothing, 100: perfect), share of windows hit by fault, and false
        alarms a series-month.
    """
    chance = np.random.default_rng(seed)
    made = [(fault, *_made(fault, steps, chance)) for fault in FAULTS for _ in range(copies)]
    names = ("seasonal", "change_point", "stuck", "drift")
    return {name: _scored(name, made, steps) for name in names}


def _made(fault: str, steps: int, chance: Any) -> tuple[Any, list[int]]:
    """Return a series at 5 min with two faults, and where these begin."""
    course = np.sin(2 * np.pi * np.arange(steps) / 288)
    noise = np.zeros(steps)
    for n in range(1, steps):
        noise[n] = 0.7 * noise[n - 1] + 0.1 * chance.standard_normal()
    value = 10.0 + course + noise
    begins = [
        int(chance.integers(steps // 3, steps // 2)),
        int(chance.integers(2 * steps // 3, steps - 400)),
    ]
    for begin in begins:
        part = slice(begin, begin + 60)
        if fault == "spike":
            value[begin : begin + 3] += 2.5
        elif fault == "shift":
            value[begin:] += 1.5
        elif fault == "unrest":
            value[part] += 0.8 * chance.standard_normal(60)
        elif fault == "frozen":
            value[part] = value[begin]
        else:
            value[begin : begin + 288] -= course[begin : begin + 288]
    return value, begins


def _scored(name: str, made: list[tuple[str, Any, list[int]]], steps: int) -> dict[str, Any]:
    registry = Registry(
        SeriesInfo(
            series_id=n + 1, device_id=f"made-{n}", quantity="level", kind="river_level",
            field=Field.WATER, gateway_id="gw", interval_s=300.0,
        )
        for n in range(len(made))
    )  # fmt: skip
    kind = DETECTORS[name]
    judge = kind(msgspec.convert({}, kind.Options), list(registry.by_id.values()), registry, [4.0])
    board = Board(at_us=np.zeros(registry.size, dtype=np.int64), value=np.zeros(registry.size))
    row, active = np.arange(len(made)), np.zeros(len(made), dtype=np.bool_)
    begun: list[list[int]] = [[] for _ in made]
    values = np.array([value for _, value, _ in made])
    for step in range(steps):
        when = np.full(len(made), _T0_US + step * 300_000_000)
        said = judge.judge(row, when, values[:, step], ~active, board)
        for one in np.flatnonzero(~active & (said >= 4.0)):
            begun[one].append(step)
        active = (said >= 4.0) | (active & ~(said < 2.0))
    return _marks(made, begun, steps)


def _marks(
    made: list[tuple[str, Any, list[int]]], begun: list[list[int]], steps: int
) -> dict[str, Any]:
    """Return the score of where alarms began, as the benchmark would."""
    total, hit, false = 0.0, dict.fromkeys(FAULTS, 0), 0
    width, probation = steps // 10 // 2, min(round(0.15 * steps), 750)
    for (fault, _, begins), alarms in zip(made, begun, strict=True):
        scored = [at for at in alarms if at >= probation]
        windows = [(begin - width // 2, begin + width // 2) for begin in begins]
        for left, right in windows:
            inside = [at for at in scored if left <= at <= right]
            total += _weight((inside[0] - right) / width) if inside else -1.0
            hit[fault] += bool(inside)
        for at in scored:
            if not any(left <= at <= right for left, right in windows):
                false += 1
                ended = [right for _, right in windows if right < at]
                far = (at - max(ended)) / width if ended else 3.0
                total += 0.11 * _weight(far)
    count = 2 * len(made)
    perfect, null = count * _weight(-1.0), -float(count)
    months = len(made) * steps * 300.0 / (30.44 * 86_400)
    share = {fault: round(n / (count / len(FAULTS)), 2) for fault, n in hit.items()}
    return {
        "score": round(100 * (total - null) / (perfect - null), 1),
        "hit": share,
        "false_per_series_month": round(false / months, 2),
    }


def _weight(place: float) -> float:
    """Return the benchmark's weight: near 1 at the left edge, 0 at the right one, -1 far behind."""
    return float(2.0 / (1.0 + np.exp(5.0 * min(place, 3.0))) - 1.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("series", type=int, nargs="?", default=240_000)
    result = measure(parser.parse_args().series)
    print("\n".join(table(result)))
    print(json.dumps(result))


if __name__ == "__main__":
    main()
