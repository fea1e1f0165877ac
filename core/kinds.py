"""What may be said of each kind of device, as JSON Schemas (draft 2020-12): the tables. Pure.

A schema describes the ``attributes`` of a device. Three keywords of ours stand in a property
besides the standard's: ``unit``, a UCUM code; ``side``, which is ``installation`` for a fact of the
mounting and ``configuration`` for what can be set; ``titleEn``, where ``title`` is Chinese.
Attributes that a schema does not name are allowed unless it says ``additionalProperties: false``.

Bounds are wide: they catch a slip of unit, not a bad choice. Numbers without a clause beside them
are editable seeds. Checking is ``twin.kinds``' work, since jsonschema is a package of the server.
"""

from __future__ import annotations

from typing import Any

from core.units import DEVICE_KINDS

Schema = dict[str, Any]

DRAFT = "https://json-schema.org/draft/2020-12/schema"

INSTALLATION, CONFIGURATION = "installation", "configuration"


def _number(zh: str, en: str, unit: str, low: float, high: float) -> Schema:
    return {
        "type": "number", "title": zh, "titleEn": en, "unit": unit,
        "minimum": low, "maximum": high, "side": INSTALLATION,
    }  # fmt: skip


def _text(zh: str, en: str, longest: int = 200) -> Schema:
    return {
        "type": "string", "title": zh, "titleEn": en, "maxLength": longest, "side": INSTALLATION,
    }  # fmt: skip


def _time(zh: str, en: str) -> Schema:
    return _text(zh, en, 40) | {"format": "date-time"}


def _day(zh: str, en: str) -> Schema:
    return _text(zh, en, 10) | {"format": "date"}


def _choice(zh: str, en: str, *words: str) -> Schema:
    return {"enum": list(words), "title": zh, "titleEn": en, "side": INSTALLATION}


def _set(schema: Schema) -> Schema:
    """Return the same as something that can be set on the device."""
    return schema | {"side": CONFIGURATION}


_COMMON: dict[str, Schema] = {
    "serial": _text("出厂编号", "serial number", 64),
    "vendor": _text("生产厂家", "vendor", 100),
    "model": _text("型号", "model", 100),
    "installed_at": _time("安装时间", "installed at"),
    "calibrated_on": _day("检定日期", "calibrated on"),
    "calibration_due": _day("检定到期", "calibration due"),
    "mounting_height_m": _number("安装高度", "mounting height", "m", -100, 700),
    "threshold_note": _text("阈值说明", "note on thresholds", 1000),
    "note": _text("备注", "note", 1000),
    "interval_s": _set(_number("上报间隔", "reporting interval", "s", 0.1, 604_800)),
    "sample_interval_s": _set(_number("采样间隔", "sampling interval", "s", 0.001, 86_400)),
    "enabled": {
        "type": "boolean", "title": "启用", "titleEn": "enabled", "side": CONFIGURATION,
    },
}  # fmt: skip

_OWN: dict[str, dict[str, Schema]] = {
    # fire
    "smoke": {
        "floor": {"type": "integer", "title": "楼层", "titleEn": "storey", "side": INSTALLATION},
        "detector": _choice("探测原理", "principle", "photoelectric", "ionisation", "aspirating"),
        "coverage_m2": _number("保护面积", "area covered", "m2", 1, 500),
        # Response values as GB 4715-2024 counts them, decibels per metre.
        "sensitivity_db_m": _set(_number("响应阈值", "response value", "dB/m", 0.01, 1.0)),
        "buzzer": _set(
            {"type": "boolean", "title": "蜂鸣器", "titleEn": "buzzer", "side": CONFIGURATION}
        ),
    },
    "heat": {
        "floor": {"type": "integer", "title": "楼层", "titleEn": "storey", "side": INSTALLATION},
        # The classes of ISO 7240-5 (A1 to G), of which GB 4716 has the same letters.
        "response_class": _choice(
            "响应类别", "response class", "A1", "A2", "B", "C", "D", "E", "F", "G"
        ),
        "coverage_m2": _number("保护面积", "area covered", "m2", 1, 200),
        "static_threshold_cel": _set(_number("定温阈值", "static threshold", "Cel", 40, 200)),
    },
    "fire_panel": {
        "loops": {
            "type": "integer", "title": "回路数", "titleEn": "loops", "minimum": 1, "maximum": 1000,
            "side": INSTALLATION,
        },
        "protocol": _text("通信协议", "protocol", 60),
        "delay_s": _set(_number("报警延时", "alarm delay", "s", 0, 600)),
    },
    # water
    "outfall_flow": {
        "outfall_code": _text("排口编码", "outfall code", 64),
        "pipe_diameter_mm": _number("管径", "pipe diameter", "mm", 50, 10_000),
        "bottom_m": _number("管底标高", "invert level", "m", -50, 700),
        "low_flow_cutoff_m3_s": _set(_number("小信号切除", "low flow cut-off", "m3/s", 0, 1)),
    },
    "pipe_flow": {
        "pipe_diameter_mm": _number("管径", "pipe diameter", "mm", 50, 10_000),
        "pipe_material": _text("管材", "pipe material", 60),
        "buried_m": _number("埋深", "depth of cover", "m", 0, 60),
        "sewer": _choice("排水性质", "sewer", "storm", "foul", "combined"),
        "low_flow_cutoff_m3_s": _set(_number("小信号切除", "low flow cut-off", "m3/s", 0, 1)),
    },
    "waterlogging": {
        "range_m": _number("量程", "range", "m", 0.1, 10),
        "ground_level_m": _number("地面标高", "ground level", "m", -50, 700),
        "lower_m": _number("低于测点", "lower than its neighbour", "m", -5, 5),
        "storage": _number("蓄水系数", "storage factor", "1", 0, 100),
        "zero_offset_m": _set(_number("零点修正", "zero offset", "m", -1, 1)),
    },
    "river_level": {
        "range_m": _number("量程", "range", "m", 0.1, 100),
        "gauge_zero_m": _number("水尺零点高程", "gauge zero", "m", -50, 700),
        "zero_offset_m": _set(_number("零点修正", "zero offset", "m", -5, 5)),
    },
    "rain_gauge": {
        "resolution_mm": _number("分辨力", "resolution", "mm", 0.01, 5),
        "orifice_mm": _number("承雨口内径", "orifice diameter", "mm", 50, 500),
    },
    "water_quality": {
        "probes": {
            "type": "array", "items": {"type": "string", "maxLength": 60}, "maxItems": 30,
            "title": "探头", "titleEn": "probes", "side": INSTALLATION,
        },
        "cleaning_interval_s": _set(_number("清洗间隔", "cleaning interval", "s", 60, 604_800)),
    },
    # slope
    "tilt": {
        "range_deg": _number("量程", "range", "deg", 0.1, 180),
        "azimuth_deg": _number("X 轴方位角", "azimuth of the x axis", "deg", 0, 360),
        "centre_m": _number("距坡心", "distance from the slope's centre", "m", 0, 10_000),
        "trigger_deg": _set(_number("触发阈值", "trigger", "deg", 0.001, 90)),
    },
    "displacement": {
        "range_mm": _number("量程", "range", "mm", 1, 100_000),
        "principle": _choice(
            "测量原理", "principle", "gnss", "wire", "radar", "laser", "inclinometer"
        ),
        "centre_m": _number("距坡心", "distance from the slope's centre", "m", 0, 10_000),
        "trigger_mm": _set(_number("触发阈值", "trigger", "mm", 0.01, 10_000)),
    },
    "crack": {
        "range_mm": _number("量程", "range", "mm", 1, 5_000),
        "initial_width_mm": _number("初始缝宽", "initial width", "mm", 0, 5_000),
        "centre_m": _number("距坡心", "distance from the slope's centre", "m", 0, 10_000),
    },
    "pore_pressure": {
        "range_kpa": _number("量程", "range", "kPa", 1, 10_000),
        "depth_m": _number("埋设深度", "depth", "m", 0, 200),
        "centre_m": _number("距坡心", "distance from the slope's centre", "m", 0, 10_000),
    },
    # traffic and charging areas
    "geomagnetic": {
        "lane": {
            "type": "integer", "title": "车道", "titleEn": "lane", "minimum": 1, "maximum": 20,
            "side": INSTALLATION,
        },
        "direction_deg": _number("行车方向", "driving direction", "deg", 0, 360),
        "along_m": _number("沿路距离", "distance along the road", "m", 0, 1_000_000),
        "free_kmh": _number("自由流车速", "free flow speed", "km/h", 1, 200),
        "sensitivity": _set(
            {
                "type": "integer", "title": "灵敏度", "titleEn": "sensitivity",
                "minimum": 1, "maximum": 10, "side": CONFIGURATION,
            }
        ),
    },
    "charging_voltage": {
        "feeder_ohm": _number("馈线电阻", "feeder resistance", "Ohm", 0, 100),
        "rated_a": _number("额定电流", "rated current", "A", 1, 10_000),
        "phases": {"enum": [1, 3], "title": "相数", "titleEn": "phases", "side": INSTALLATION},
        "trip_a": _set(_number("跳闸电流", "trip current", "A", 0.1, 10_000)),
    },
}  # fmt: skip


def common_properties() -> dict[str, Schema]:
    """Return what may be said of a device of any kind; a copy."""
    return {name: dict(schema) for name, schema in _COMMON.items()}


def schema_of(kind: str) -> Schema:
    """Return the schema of a built-in kind.

    Raises:
        KeyError: if there is no such kind.
    """
    known = DEVICE_KINDS[kind]
    return {
        "$schema": DRAFT,
        "$id": f"urn:blocktwin:kind:{kind}",
        "title": known.zh,
        "titleEn": known.en,
        "type": "object",
        "properties": common_properties() | _OWN.get(kind, {}),
    }


KINDS: dict[str, Schema] = {kind: schema_of(kind) for kind in DEVICE_KINDS}
"""The schemas of the built-in kinds."""
