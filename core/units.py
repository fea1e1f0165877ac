"""What is measured, in which unit, and by which kind of device: the tables, and unit conversion.

Unit codes are SenML's (RFC 8428 section 12.1, RFC 8798) where SenML has one, UCUM's otherwise.
What is plausible of a quantity is wide on purpose: a value beyond it is marked, never thrown away.
One device's own limits, where they differ, are read by ``core.plausible``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from core.model import Field

DAY_S = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantity:
    """What is measured: its one unit, what is plausible of it, and its names.

    Between two neighbours ``dt`` seconds apart, a change of up to ``jump + jump_per_s * dt`` is
    believed.

    Attributes:
        low: smallest plausible value; ``high`` the largest; both inclusive.
        jump: change between two neighbours that is believed however close they are; infinite for
            a quantity that may take any step.
        jump_per_s: change that is believed besides for each second between them.
        stuck_s: seconds the value may stay bit-identical while readings keep coming; infinite for
            a quantity that is constant by nature.
        rest: a value that may last for ever (a dry road, an empty lane); None if there is none.
    """

    unit: str
    low: float
    high: float
    jump: float
    jump_per_s: float
    stuck_s: float
    rest: float | None
    zh: str
    en: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceKind:
    """A kind of instrument: its field, what it measures, and its names."""

    field: Field
    quantities: tuple[str, ...]
    zh: str
    en: str


def _q(
    unit: str,
    between: tuple[float, float],
    zh: str,
    en: str,
    *,
    jump: tuple[float, float] = (math.inf, 0.0),
    stuck_s: float = math.inf,
    rest: float | None = None,
) -> Quantity:
    low, high = between
    at_once, per_s = jump
    return Quantity(
        unit=unit, low=low, high=high, jump=at_once, jump_per_s=per_s, stuck_s=stuck_s, rest=rest,
        zh=zh, en=en,
    )  # fmt: skip


# Steps and rates are editable seeds, several times beyond what nature does, unless a line says
# more. The same holds for how long a value may stay: long enough for the coarsest instrument of its
# kind in the quietest place. A quantity that people switch (mains, traffic) may take any step.
QUANTITIES: dict[str, Quantity] = {
    # fire
    "smoke_obscuration": _q(
        # Beyond three response values of the least sensitive detector at once (GB 4715-2024:
        # 0.3 dB/m = 6.67 %/m): rather an insect, steam or a cable than a fire, but judged as one.
        "%/m", (0, 100), "烟雾减光率", "smoke obscuration",
        jump=(20, 5), stuck_s=DAY_S, rest=0,
    ),
    "smoke_alarm": _q("1", (0, 1), "烟感报警", "smoke alarm"),
    "temperature": _q(
        # Heat detectors are tested at up to 30 K/min (EN 54-5); flames that reach one do 10 K/s.
        "Cel", (-40, 1200), "温度", "temperature", jump=(10, 10), stuck_s=DAY_S,
    ),
    "panel_fire": _q("1", (0, 1), "主机火警", "panel fire"),
    "panel_fault": _q("1", (0, 1), "主机故障", "panel fault"),
    # the other state bits of GB/T 26875.3-2011, 8.2.1.1 (system state), and of its transmission
    # device; bit 0 is "normal run", so its 0 is a panel under test
    "panel_running": _q("1", (0, 1), "主机正常运行", "panel in normal run"),
    "panel_shielded": _q("1", (0, 1), "主机屏蔽", "panel shielded"),
    "panel_supervised": _q("1", (0, 1), "主机监管", "panel supervisory signal"),
    "panel_started": _q("1", (0, 1), "主机启动", "panel started equipment"),
    "panel_feedback": _q("1", (0, 1), "主机反馈", "panel feedback"),
    "panel_delayed": _q("1", (0, 1), "主机延时", "panel delay running"),
    "panel_mains_fault": _q("1", (0, 1), "主机主电故障", "panel mains fault"),
    "panel_battery_fault": _q("1", (0, 1), "主机备电故障", "panel battery fault"),
    "panel_bus_fault": _q("1", (0, 1), "主机总线故障", "panel bus fault"),
    "panel_manual": _q("1", (0, 1), "主机手动", "panel in manual mode"),
    "panel_changed": _q("1", (0, 1), "主机配置改变", "panel configuration changed"),
    "panel_reset": _q("1", (0, 1), "主机复位", "panel reset"),
    "panel_link_lost": _q("1", (0, 1), "传输装置通信中断", "transmission device cut off"),
    "panel_line_fault": _q("1", (0, 1), "监测线路故障", "monitored line fault"),
    # water
    "flow": _q(
        "m3/s", (-5, 200), "流量", "flow", jump=(2, 0.5), stuck_s=DAY_S, rest=0,
    ),
    "depth": _q(
        # 3 m a minute; a false echo comes at once.
        "m", (0, 5), "积水深度", "water depth", jump=(0.3, 0.05), stuck_s=DAY_S, rest=0,
    ),
    "level": _q(
        "m", (-20, 100), "水位", "water level", jump=(0.5, 0.05), stuck_s=DAY_S,
    ),
    "rain_intensity": _q(
        "mm/h", (0, 400), "雨强", "rain intensity", jump=(200, 10), stuck_s=DAY_S / 4, rest=0,
    ),
    "water_temperature": _q(
        "Cel", (-5, 60), "水温", "water temperature", jump=(3, 0.1), stuck_s=DAY_S,
    ),
    "ph": _q("pH", (0, 14), "酸碱度", "pH", jump=(1, 0.05), stuck_s=DAY_S),
    "dissolved_oxygen": _q(
        # 0 is what the instrument shows in foul water.
        "mg/L", (0, 25), "溶解氧", "dissolved oxygen", jump=(3, 0.1), stuck_s=DAY_S, rest=0,
    ),
    "conductivity": _q(
        # The sea at the gauge is 50,000; the tide brings it in minutes.
        "uS/cm", (0, 60000), "电导率", "conductivity", jump=(5000, 500), stuck_s=DAY_S,
    ),
    "turbidity": _q(
        "NTU", (0, 4000), "浊度", "turbidity", jump=(500, 50), stuck_s=DAY_S,
    ),
    "ammonia_nitrogen": _q(
        # 0 is below what the instrument can tell.
        "mg/L", (0, 200), "氨氮", "ammonia nitrogen", jump=(10, 1), stuck_s=DAY_S, rest=0,
    ),
    # slope: rock may rest for days at the resolution of the instrument, and may fall in a second
    "tilt": _q("deg", (-90, 90), "倾角", "tilt", jump=(5, 1), stuck_s=7 * DAY_S),
    "displacement": _q(
        # Single satellite epochs jump by mm to cm, so 100 mm.
        "mm", (-10000, 10000), "位移", "displacement", jump=(100, 10), stuck_s=7 * DAY_S,
    ),
    "crack_width": _q(
        "mm", (0, 2000), "裂缝宽度", "crack width", jump=(20, 5), stuck_s=7 * DAY_S,
    ),
    "pore_pressure": _q(
        "kPa", (-100, 1000), "孔隙水压", "pore pressure", jump=(50, 5), stuck_s=7 * DAY_S,
    ),
    # traffic and charging areas
    "occupancy": _q(
        # A detector that is stuck "on" says 100 for hours.
        "%", (0, 100), "时间占有率", "time occupancy", stuck_s=DAY_S / 4, rest=0,
    ),
    "vehicle_flow": _q(
        "1/h", (0, 4000), "车流量", "vehicle flow", stuck_s=DAY_S / 2, rest=0,
    ),
    "speed": _q(
        # Many detectors repeat the last speed while no car comes.
        "km/h", (0, 200), "车速", "speed", stuck_s=DAY_S / 2, rest=0,
    ),
    "voltage": _q("V", (0, 500), "电压", "voltage", stuck_s=DAY_S / 4, rest=0),
    "current": _q("A", (0, 1000), "电流", "current", stuck_s=DAY_S, rest=0),
    "canary": _q("1", (0, 1), "巡检信号", "canary"),  # 1, then 0: a gateway's dead-man's signal
}  # fmt: skip


ON_ANY_DEVICE = frozenset({"canary"})
"""Quantities that no kind measures: a device of any kind may carry them besides its own."""


def _k(field: Field, quantities: str, zh: str, en: str) -> DeviceKind:
    return DeviceKind(field=field, quantities=tuple(quantities.split()), zh=zh, en=en)


DEVICE_KINDS: dict[str, DeviceKind] = {
    "smoke": _k(Field.FIRE, "smoke_obscuration smoke_alarm", "感烟探测器", "smoke detector"),
    "heat": _k(Field.FIRE, "temperature", "感温探测器", "heat detector"),
    "fire_panel": _k(
        Field.FIRE,
        "panel_fire panel_fault panel_running panel_shielded panel_supervised panel_started "
        "panel_feedback panel_delayed panel_mains_fault panel_battery_fault panel_bus_fault "
        "panel_manual panel_changed panel_reset panel_link_lost panel_line_fault",
        "火灾报警主机",
        "fire alarm panel",
    ),
    "outfall_flow": _k(Field.WATER, "flow", "排口流量计", "outfall flow meter"),
    "pipe_flow": _k(Field.WATER, "flow", "管网流量计", "pipe flow meter"),
    "waterlogging": _k(Field.WATER, "depth", "积水监测点", "waterlogging gauge"),
    "river_level": _k(Field.WATER, "level", "水位计", "level gauge"),
    "rain_gauge": _k(Field.WATER, "rain_intensity", "雨量计", "rain gauge"),
    "water_quality": _k(
        Field.WATER,
        "water_temperature ph dissolved_oxygen conductivity turbidity ammonia_nitrogen",
        "水质监测站",
        "water quality station",
    ),
    "tilt": _k(Field.SLOPE, "tilt", "倾角计", "tiltmeter"),
    "displacement": _k(Field.SLOPE, "displacement", "位移计", "displacement gauge"),
    "crack": _k(Field.SLOPE, "crack_width", "裂缝计", "crack gauge"),
    "pore_pressure": _k(Field.SLOPE, "pore_pressure", "孔隙水压计", "piezometer"),
    "geomagnetic": _k(
        Field.TRAFFIC, "occupancy vehicle_flow speed", "地磁车辆检测器", "geomagnetic detector"
    ),
    "charging_voltage": _k(
        Field.TRAFFIC, "voltage current", "充电区电压监测", "charging area voltage monitor"
    ),
}

_LINEAR: dict[tuple[str, str], tuple[float, float]] = {
    ("K", "Cel"): (1.0, -273.15),
    ("[degF]", "Cel"): (5 / 9, -160 / 9),
    ("l/s", "m3/s"): (1e-3, 0.0),
    ("m3/h", "m3/s"): (1 / 3600, 0.0),
    ("mm", "m"): (1e-3, 0.0),
    ("cm", "m"): (1e-2, 0.0),
    ("m", "mm"): (1e3, 0.0),
    ("cm", "mm"): (10.0, 0.0),
    ("mg/l", "mg/L"): (1.0, 0.0),
    ("mS/cm", "uS/cm"): (1e3, 0.0),
    ("S/m", "uS/cm"): (1e4, 0.0),
    ("rad", "deg"): (57.29577951308232, 0.0),
    ("Pa", "kPa"): (1e-3, 0.0),
    ("hPa", "kPa"): (0.1, 0.0),
    ("/", "%"): (100.0, 0.0),
    ("m/s", "km/h"): (3.6, 0.0),
    ("1/s", "1/h"): (3600.0, 0.0),
    ("1/min", "1/h"): (60.0, 0.0),
    ("mV", "V"): (1e-3, 0.0),
    ("mA", "A"): (1e-3, 0.0),
    ("m/h", "mm/h"): (1e3, 0.0),
    ("/", "1"): (1.0, 0.0),
    ("count", "1"): (1.0, 0.0),
}

UNITS: tuple[str, ...] = tuple(
    sorted({quantity.unit for quantity in QUANTITIES.values()} | {unit for unit, _ in _LINEAR})
)
"""Every unit that ``conversion`` can bring to some quantity's own."""


def conversion(unit: str, quantity: str) -> tuple[float, float] | None:
    """Return (scale, offset) that brings ``unit`` to the quantity's own unit, or None if none does.

    The result is ``value * scale + offset``.

    Raises:
        KeyError: if the quantity is unknown.

    Example:
        >>> conversion("cm", "depth"), conversion("Cel", "temperature"), conversion("V", "depth")
        ((0.01, 0.0), (1.0, 0.0), None)
    """
    own = QUANTITIES[quantity].unit
    return (1.0, 0.0) if unit == own else _LINEAR.get((unit, own))


_FORECAST_UNITS = {
    "threshold": "min",
    "inverse_velocity": "min",
    "tangent_angle": "deg",
    "tilt_rate": "deg/h",
}


def judged_unit(quantity: str, rule_type: str, forecast: str = "") -> str:
    """Return the unit of an alarm's value and limit.

    A rule on missing or stuck data compares seconds, one on a rise or fall change per minute, one
    on an anomaly a score, one on a forecast a time or what that forecast measures, and every other
    the quantity itself.

    Args:
        quantity: quantity id; "" where the rule has none.
        rule_type: the rule's ``type``.
        forecast: the rule's ``forecast``.

    Example:
        >>> judged_unit("temperature", "high"), judged_unit("temperature", "rise")
        ('Cel', 'Cel/min')
        >>> judged_unit("", "missing"), judged_unit("depth", "missing"), judged_unit("gone", "high")
        ('s', 's', '')
        >>> judged_unit("depth", "forecast", "threshold"), judged_unit("depth", "anomaly")
        ('min', '1')
    """
    if rule_type in {"missing", "gateway_offline", "stuck"}:
        return "s"
    if rule_type in {"anomaly", "all", "any"}:
        return "1"
    if rule_type == "forecast":
        return _FORECAST_UNITS.get(forecast, "")
    if quantity not in QUANTITIES:
        return ""
    unit = QUANTITIES[quantity].unit
    return f"{unit}/min" if rule_type in {"rise", "fall"} else unit
