"""``docs/quality.md`` says what the program does: every bit, every quantity, every mask."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from core import model
from core.model import Quality
from core.units import QUANTITIES

PAGE = (Path(__file__).parents[3] / "docs" / "quality.md").read_text(encoding="utf-8")
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE.splitlines()
    if line.startswith("| ")
]


def number(value: float | None) -> str:
    return "–" if value is None or math.isinf(value) else f"{value:g}"


def test_every_bit_has_its_row() -> None:
    shown = {cells[0]: cells[1] for cells in ROWS if cells[0].isdigit()}
    assert shown == {str(int(bit)): f"`{bit.name.lower()}`" for bit in Quality if bit.name}


@pytest.mark.parametrize("quantity", sorted(QUANTITIES))
def test_every_quantity_has_its_row(quantity: str) -> None:
    known = QUANTITIES[quantity]
    limited = math.isfinite(known.jump)
    assert [cells for cells in ROWS if cells[0] == f"`{quantity}`"] == [[
        f"`{quantity}`",
        known.unit,
        f"{known.low:g} to {known.high:g}",
        number(known.jump),
        number(known.jump_per_s) if limited else "–",
        f"{known.stuck_s / 3600:g} h" if math.isfinite(known.stuck_s) else "–",
        number(known.rest),
    ]]  # fmt: skip


@pytest.mark.parametrize(
    "mask", ["NOT_IN_ROLLUPS", "NEVER_JUDGED", "NEVER_ALARMS", "ONLY_RAISES", "NO_MEASURE"]
)
def test_every_mask_names_its_bits(mask: str) -> None:
    (cells,) = [cells for cells in ROWS if f"`{mask}`" in cells[0]]
    bits = {f"`{bit.name.lower()}`" for bit in getattr(model, mask) if bit.name}
    assert {word.strip(",") for word in cells[1].split() if word.startswith("`")} == bits
