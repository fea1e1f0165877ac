"""Instruments and quantities as SensorThings says them, out of the tables of ``core.units``."""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec

from core.units import DEVICE_KINDS, QUANTITIES, Quantity

_QUDT = "http://qudt.org/vocab/quantitykind/"

# Editable seeds: the QUDT quantity kind that fits; what has none is named by ourselves.
_DEFINITIONS = {
    "temperature": "Temperature",
    "water_temperature": "Temperature",
    "flow": "VolumeFlowRate",
    "depth": "Depth",
    "level": "Height",
    "ph": "Acidity",
    "conductivity": "ElectricConductivity",
    "turbidity": "Turbidity",
    "tilt": "PlaneAngle",
    "displacement": "Displacement",
    "crack_width": "Width",
    "pore_pressure": "Pressure",
    "speed": "Speed",
    "voltage": "Voltage",
    "current": "ElectricCurrent",
}
_UCUM = {"pH": "[pH]", "NTU": "{NTU}"}
"""Where SenML's code of a unit is not UCUM's."""
_UNIT_NAMES = {
    "1": "one",
    "%": "percent",
    "%/m": "percent per metre",
    "Cel": "degree Celsius",
    "m3/s": "cubic metre per second",
    "m": "metre",
    "mm": "millimetre",
    "mm/h": "millimetre per hour",
    "pH": "pH",
    "mg/L": "milligram per litre",
    "uS/cm": "microsiemens per centimetre",
    "NTU": "nephelometric turbidity unit",
    "deg": "degree",
    "kPa": "kilopascal",
    "1/h": "per hour",
    "km/h": "kilometre per hour",
    "V": "volt",
    "A": "ampere",
}


def quantities() -> list[dict[str, Any]]:
    """Return every quantity as an ObservedProperty, with its unit."""
    return [_quantity(name, known) for name, known in QUANTITIES.items()]


def kinds() -> list[dict[str, Any]]:
    """Return every kind of device as a Sensor."""
    return [
        {
            "id": name,
            "name": f"{known.en} {known.zh}",
            "description": f"kind of instrument in the field {known.field}",
            "metadata": _metadata(name),
            "properties": {"field": str(known.field), "zh": known.zh, "en": known.en},
        }
        for name, known in DEVICE_KINDS.items()
    ]


@cache
def parameters() -> dict[str, str]:
    """Return what the relations are given in every statement.

    Made at the first question: own kinds of devices are known by then.
    """
    return {
        "quantities": msgspec.json.encode(quantities()).decode(),
        "kinds": msgspec.json.encode(kinds()).decode(),
    }


def _quantity(name: str, known: Quantity) -> dict[str, Any]:
    kind = _DEFINITIONS.get(name)
    return {
        "id": name,
        "name": name,
        "definition": f"{_QUDT}{kind}" if kind else f"urn:blocktwin:quantity:{name}",
        "description": f"{known.en} {known.zh}",
        "properties": {
            "zh": known.zh,
            "en": known.en,
            "unit": known.unit,
            "low": known.low,
            "high": known.high,
        },
        "symbol": known.unit,
        "unit_name": _UNIT_NAMES.get(known.unit, known.unit),
        "uom": f"http://unitsofmeasure.org/ucum.html#{_UCUM.get(known.unit, known.unit)}",
    }


def _metadata(kind: str) -> str:
    rows = "".join(
        f"<li>{QUANTITIES[q].en} {QUANTITIES[q].zh}: {QUANTITIES[q].low:g} to "
        f"{QUANTITIES[q].high:g} {QUANTITIES[q].unit}</li>"
        for q in DEVICE_KINDS[kind].quantities
    )
    return f"<h1>{DEVICE_KINDS[kind].en} {DEVICE_KINDS[kind].zh}</h1><ul>{rows}</ul>"
