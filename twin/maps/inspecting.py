"""What was seen in a file, with the mapping that its field names suggest: as JSON and as text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from geodata.maps import fields
from geodata.maps.inspection import Inspection

SHOWN = 6
"""Coordinate systems named on a line; JSON has all."""


def word(found: Inspection) -> dict[str, Any]:
    """Return it as plain JSON."""
    guess = fields.guess(found)
    row: dict[str, Any] = msgspec.to_builtins(found.as_json())
    mapping = msgspec.to_builtins(guess.mapping)
    return row | {"guess": {"mapping": mapping, "evidence": list(guess.evidence)}}


def lines(found: Inspection) -> Iterator[str]:
    """Yield it for the terminal."""
    yield f"{found.name}: {found.driver}, {found.size:,} bytes, SHA-256 {found.sha256}"
    for layer in found.layers:
        types = ", ".join(f"{n:,} {kind}" for kind, n in layer.geometry_types.items()) or "empty"
        yield f"layer {layer.name}: {layer.features:,} features ({types})"
        for field in layer.fields:
            samples = ", ".join(field.samples)
            yield f"  {field.name:16} {field.type:7} {field.filled:>7,} filled  {samples}"
    text = found.encoding
    yield f"encoding: {text.used or 'not known'}"
    yield from (f"  {remark}" for remark in text.remarks)
    yield from (f"  as {name} it reads {sample}" for name, sample in text.candidates)
    frame = found.frame
    yield f"coordinate system: {frame.declared or 'the file names none'}"
    yield from (f"  {sentence}" for sentence in frame.sentences)
    if frame.possible:
        more = len(frame.possible) - SHOWN
        rest = f" and {more} more" if more > 0 else ""
        yield f"  it could be {', '.join(frame.possible[:SHOWN])}{rest}"
    yield "fields by their names (say otherwise with --code, --name, … or --mapping):"
    yield from (f"  {sentence}" for sentence in fields.guess(found).evidence)
