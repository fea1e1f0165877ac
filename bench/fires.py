"""The recorded fires through the packaged rules: seconds from ignition to alarm, by fuel and place.

    python bench/alerts.py --only fires

Each of the twelve thermocouples of a compartment is a heat detector, at default settings.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from alerts.engine import Engine
from alerts.rulebook import read_packaged
from alerts.rules import LoadedRule
from core.model import Severity, Transition, TransitionKind
from tests.support.fires import RECORDINGS, Channel, Fires

FUELS = {
    "100kWSB": "gas, 100 kW sand burner",
    "100kW": "gas, 100 kW",
    "250kW": "gas, 250 kW",
    "500kW": "gas, 500 kW",
    "Overstuffed": "overstuffed chair",
    "RedAccent": "accent chair",
}
HEIGHTS = {"ceil": "ceiling", "0p9m": "0.9 m below", "1p5m": "1.5 m below"}
RULES = ("fire-heat-fixed", "fire-heat-rise")


@dataclass(slots=True)
class Heard:
    """What the rules said of one replay; seconds after ignition."""

    first: dict[Channel, float] = field(default_factory=dict)
    red: dict[str, float] = field(default_factory=dict)
    before: dict[Channel, int] = field(default_factory=lambda: defaultdict(int))
    by_rule: dict[str, int] = field(default_factory=lambda: defaultdict(int))


def measure() -> dict[str, Any]:
    """Replay; the result has a ``reason`` instead of figures where the recordings are absent."""
    if not RECORDINGS.exists():
        return {"reason": f"no recordings in {RECORDINGS}"}
    return {"every second": _figures(1), "every 10 s": _figures(10)}


def table(result: dict[str, Any]) -> list[str]:
    """Return the figures as lines."""
    if "reason" in result:
        return [f"recorded fires: {result['reason']}"]
    lines = []
    for pace, found in result.items():
        lines.append(f"recorded fires, a reading {pace}: s from ignition to the first alarm")
        lines.append(f"  {'':26}{'fires':>6}{'raised':>8}{'median':>8}{'worst':>8}")
        for name, row in (*found["fuels"].items(), *found["heights"].items()):
            figures = f"{row['median_s']:>8}{row['worst_s']:>8}"
            lines.append(f"  {name:26}{row['count']:>6}{row['raised']:>8}{figures}")
        lines.append(
            f"  before ignition: {found['before_sound']} alarms of sound sensors, "
            f"{found['before_broken']} of broken ones ({found['broken_sensors']})"
        )
        lines.append(
            f"  red by a second detector: {found['red']} of {found['fires']} fires, "
            f"median {found['red_after_first_s']} s after the first alarm"
        )
    return lines


def _figures(every: int) -> dict[str, Any]:
    fires = Fires(every=every)
    heard = _replay(fires)
    first_of: dict[str, float] = {}
    for (experiment, _), seconds in heard.first.items():
        first_of[experiment] = min(seconds, first_of.get(experiment, seconds))
    fuels: dict[str, list[str]] = defaultdict(list)
    for experiment in fires.ignited_us:
        fuels[experiment.split("_")[0]].append(experiment)
    heights = {
        said: [one for one in fires.channels.values() if one[1].endswith(f"{height}_C")]
        for height, said in HEIGHTS.items()
    }
    quiet = {channel: fires.is_quiet(channel) for channel in fires.before}
    broken = [channel for channel, sound in quiet.items() if not sound]
    return {
        "fires": len(fires.ignited_us),
        "sensors": len(fires.channels),
        "fuels": {
            FUELS[fuel]: _row([first_of.get(one) for one in named])
            for fuel, named in sorted(fuels.items())
        }
        | {"all fires": _row([first_of.get(one) for one in fires.ignited_us])},
        "heights": {
            f"each sensor, {said}": _row([heard.first.get(one) for one in channels])
            for said, channels in heights.items()
        },
        "before_sound": sum(n for one, n in heard.before.items() if quiet[one]),
        "before_broken": sum(n for one, n in heard.before.items() if not quiet[one]),
        "broken_sensors": ", ".join(sorted({column for _, column in broken})),
        "red": len(heard.red),
        "red_after_first_s": median(heard.red[one] - first_of[one] for one in heard.red),
        "by_rule": dict(heard.by_rule),
    }


def _replay(fires: Fires) -> Heard:
    rules = [LoadedRule(rule=one, version=1) for one in read_packaged() if one.id in RULES]
    engine = Engine(rules, fires.registry, now_us=int(fires.batch.observed_us.min()))
    heard = Heard()
    for part in fires.parts(5000):
        _note(fires, engine.process(part), heard)
    return heard


def _note(fires: Fires, said: Iterable[Transition], heard: Heard) -> None:
    for transition in said:
        channel = fires.channel(transition.subject)
        seconds = (transition.at_us - fires.ignited_us[channel[0]]) / 1e6
        if transition.kind is TransitionKind.RAISED and seconds < 0:
            heard.before[channel] += 1
        elif transition.kind is TransitionKind.RAISED:
            heard.first.setdefault(channel, seconds)
            heard.by_rule[transition.rule_id] += 1
        if transition.severity is Severity.RED and seconds >= 0:
            heard.red.setdefault(channel[0], seconds)


def _row(seconds: Iterable[float | None]) -> dict[str, Any]:
    every = list(seconds)
    known = [one for one in every if one is not None]
    return {
        "count": len(every),
        "raised": len(known),
        "median_s": round(median(known), 1) if known else None,
        "worst_s": round(max(known), 1) if known else None,
    }
