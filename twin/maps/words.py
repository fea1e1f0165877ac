"""Proposals and versions as plain JSON, the same for the command line and the API. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
import numpy as np
import shapely

from geodata.maps.model import Cells, Shapes
from twin.maps.in_force import InForce
from twin.maps.judge import Judged
from twin.maps.proposals import Applied

Row = dict[str, Any]

_NODES = {"device": "device_id", "gateway": "gateway_id"}


def proposal(row: Row) -> Row:
    """Return a proposal with its report; who moves is told of devices and gateways apart."""
    return row | moves(row["moves"])


def version(row: Row) -> Row:
    """Return a version with what it did."""
    return row | moves(row["moves"])


def applied(done: Applied, *, dry_run: bool) -> Row:
    """Return what an application or a rollback did."""
    row: Row = msgspec.to_builtins(done)
    return row | moves(row["moves"]) | {"dry_run": dry_run}


def moves(rows: Iterable[Row]) -> Row:
    """Return who gets another owner: ``moves`` of devices, ``gateway_moves`` of gateways."""
    found: Row = {"moves": [], "gateway_moves": []}
    for row in rows:
        word = {
            _NODES[row["node"]]: row["node_id"],
            "from": row["from_code"],
            "to": row["to_code"],
            "how": row["how"],
            "note": row["note"],
        }
        found["moves" if row["node"] == "device" else "gateway_moves"].append(word)
    return found


def features(judged: Judged, current: InForce) -> Row:
    """Return a proposal as GeoJSON: what is the same once, what changes before and after."""
    fresh, at = judged.usable, current.index()
    changes = {one.code: "redrawn" for one in judged.diff.changed}
    changes |= {one.code: "redrawn" for one in judged.diff.redrawn}
    changes |= dict.fromkeys(judged.diff.added, "added")
    redrawn = {one.code for one in judged.diff.redrawn}
    found: list[Row] = []
    for code in [*redrawn, *judged.diff.gone]:
        change = "redrawn" if code in redrawn else "gone"
        found.append(_feature(current.cells, at[code], change, "before"))
    found += [
        _feature(fresh, i, changes.get(code, "same"), "after") for i, code in enumerate(fresh.codes)
    ]
    found += [_feature(judged.cells, i, "faulty", "after") for i in _unusable(judged)]
    return {"type": "FeatureCollection", "features": found}


def _unusable(judged: Judged) -> Iterator[int]:
    """Places of cells that could not be compared but can be drawn."""
    known = set(judged.usable.codes)
    shapes: Shapes = judged.cells.outlines
    drawable = np.isin(shapely.get_type_id(shapes), (3, 6)) & ~shapely.is_empty(shapes)
    return (i for i, code in enumerate(judged.cells.codes) if drawable[i] and code not in known)


def _feature(cells: Cells, i: int, change: str, part: str) -> Row:
    return {
        "type": "Feature",
        "geometry": msgspec.Raw(str(shapely.to_geojson(cells.outlines[i])).encode()),
        "properties": {
            "code": cells.codes[i],
            "kind": str(cells.kinds[i]),
            "name": cells.names[i],
            "name_en": cells.names_en[i],
            "parent": cells.parents[i] or None,
            "change": change,
            "part": part,
        },
    }
