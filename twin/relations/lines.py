"""Read a network from a map layer of lines: each line is a pipe or cable, its ends are nodes.

Ends that lie within a tolerance of each other are one node; an end within the tolerance of a device
is that device. A point layer may give the nodes their ids and names. The flow goes as the line was
digitised, unless a field says that it goes the other way. Whether the result is a network at all is
judged in ``check``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from core.errors import MissingPrerequisite, UsageError
from geodata.frames import OutOfFrame
from geodata.placement import METRES_PER_DEGREE
from twin.relations.model import (
    MAX_EDGES,
    NetworkNode,
    RefMalformed,
    RelationEdge,
    RelationFinding,
    RelationTable,
    parse_ref,
)
from twin.relations.tables import ToDegrees

F8 = npt.NDArray[np.float64]
IX = npt.NDArray[np.intp]

MAX_TOLERANCE_M = 100.0

MAPS = (".gpkg", ".geojson", ".fgb", ".kml", ".dxf", ".shp", ".gdb")
"""Endings of the maps that are read. GDAL would read more, among it files that only point to others
on this machine or on the network."""

_POINTS_ELSEWHERE = (b"<OGRVRT", b"<VRTDataset")
_HEAD_BYTES = 65_536
_LONGEST_TEXT = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class LineOptions:
    """How a layer is to be read.

    Attributes:
        layer: its name; None takes the only one with lines.
        tolerance_m: ends nearer to each other than this are one node, in chains.
        name_field: attribute with the name of a pipe; None: no names.
        direction_field: attribute that says which way it flows; None: as digitised.
        reversed_value: the value of it, as text, that means against the digitised direction.
        node_layer: points that are the nodes; None: the ends of the lines alone.
        node_id_field: attribute of the points with their ids; needed with ``node_layer``.
    """

    layer: str | None = None
    tolerance_m: float = 0.5
    name_field: str | None = None
    direction_field: str | None = None
    reversed_value: str = "1"
    node_layer: str | None = None
    node_id_field: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchors:
    """Places that an end may be; ``refs`` are texts such as ``device:ID``, ``at`` degrees."""

    refs: tuple[str, ...]
    at: F8


@dataclass(frozen=True, slots=True, kw_only=True)
class _Layer:
    shapes: npt.NDArray[np.object_]
    fields: Mapping[str, npt.NDArray[Any]]

    def text(self, field: str, index: int) -> str:
        value = self.fields[field][index]
        return "" if value is None or value != value else str(value).strip()  # noqa: PLR0124 - NaN


def read_lines(
    path: Path,
    options: LineOptions,
    devices: Anchors,
    *,
    prefix: str,
    to_degrees: ToDegrees,
) -> RelationTable:
    """Read a layer of lines as a network.

    Args:
        path: a map, of one of ``MAPS``.
        options: how.
        devices: devices that ends may be; the nearest within the tolerance is taken.
        prefix: of the ids of nodes that have none: ``PREFIX-00001`` and so on, from west to east.
        to_degrees: brings the file's coordinates to EPSG:4490.

    Raises:
        MissingPrerequisite: pyogrio is not installed.
        UsageError: the file cannot be read, or lacks what the options name.
    """
    if not 0 < options.tolerance_m <= MAX_TOLERANCE_M:
        raise UsageError(
            f"a tolerance of {options.tolerance_m:g} m is not usable",
            remedy=f"give more than 0 and at most {MAX_TOLERANCE_M:g} metres",
        )
    _refuse_foreign(path)
    layer = _layer(path, options.layer, "LineString")
    _need_fields(path, layer, (options.name_field, options.direction_field))
    lines, rows, findings = _lines(layer)
    ends = _degrees(path, lines, rows, to_degrees)
    points, unusable = _points(path, options, to_degrees)
    refs, nodes = _snap(ends, (points, devices), options.tolerance_m, prefix)
    edges = [
        _edge(layer, options, row, begin, end)
        for row, begin, end in zip(rows, refs[0::2], refs[1::2], strict=True)
    ]
    return RelationTable(
        nodes=nodes,
        edges=tuple(edges),
        source=path.name,
        findings=(*findings, *unusable),
    )


def _degrees(
    path: Path, lines: npt.NDArray[np.object_], rows: list[int], to_degrees: ToDegrees
) -> F8:
    """Return the ends of the lines in degrees."""
    if not len(lines):
        return np.empty((0, 2))
    try:
        return to_degrees(_ends(lines))
    except OutOfFrame as error:
        raise UsageError(
            f"{path.name} feature {rows[error.row // 2]}: {error.reason}", remedy=error.remedy
        ) from error


def _edge(layer: _Layer, options: LineOptions, row: int, begin: str, end: str) -> RelationEdge:
    flips = options.direction_field is not None and (
        layer.text(options.direction_field, row - 1) == options.reversed_value
    )
    upstream, downstream = (end, begin) if flips else (begin, end)
    name = layer.text(options.name_field, row - 1) if options.name_field else ""
    return RelationEdge(
        upstream=upstream, downstream=downstream, name=name[:_LONGEST_TEXT], row=row
    )


def _refuse_foreign(path: Path) -> None:
    if path.suffix.lower() not in MAPS:
        raise UsageError(
            f"a file that ends in {path.suffix or 'nothing'} is not read as a map",
            remedy=f"give one of {', '.join(MAPS)}; tables end in .csv or .json",
        )
    if path.is_file():
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
        if any(word in head for word in _POINTS_ELSEWHERE):
            raise UsageError(
                f"{path.name} holds no map but points to other files", remedy="give the map itself"
            )


def _layer(path: Path, name: str | None, wanted: str) -> _Layer:
    """Read one layer; without a name the only one whose geometries are of the wanted type."""
    try:
        import pyogrio
        import shapely
    except ModuleNotFoundError as error:
        raise MissingPrerequisite(
            f"reading map layers needs the Python package {error.name}",
            remedy="install it: pip install 'blocktwin[gis]'",
        ) from error
    try:
        layers = {str(layer): str(kind) for layer, kind in pyogrio.list_layers(path)}
        if name is None:
            fit = [layer for layer, kind in layers.items() if wanted in kind]
            name = fit[0] if len(fit) == 1 else None
        if name not in layers:
            raise UsageError(
                f"{path.name}: which layer holds the {wanted}s is not clear",
                remedy=f"name one of: {', '.join(layers) or 'it has none'}",
            )
        meta, _, shapes, columns = pyogrio.raw.read(
            path, layer=name, max_features=MAX_EDGES + 1, force_2d=True
        )
    except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError) as error:
        raise UsageError(
            f"{path.name} cannot be read as a map: {error}",
            remedy="give a GeoPackage, a Shapefile, GeoJSON, or another file that GDAL reads",
        ) from error
    if shapes is None or len(shapes) > MAX_EDGES:
        raise UsageError(
            f"{path.name}: layer {name!r} "
            + ("has no geometry" if shapes is None else f"has more than {MAX_EDGES:,} features"),
            remedy="choose another layer, or divide it into several sets",
        )
    fields = dict(zip([str(field) for field in meta["fields"]], columns, strict=True))
    return _Layer(shapes=np.asarray(shapely.from_wkb(shapes)), fields=fields)


def _need_fields(path: Path, layer: _Layer, names: Sequence[str | None]) -> None:
    for name in names:
        if name is not None and name not in layer.fields:
            raise UsageError(
                f"{path.name}: the layer has no field {name!r}",
                remedy=f"its fields are: {', '.join(layer.fields) or 'none'}",
            )


def _lines(
    layer: _Layer,
) -> tuple[npt.NDArray[np.object_], list[int], list[RelationFinding]]:
    """Return the usable lines, their rows, and what is wrong with the others."""
    import shapely

    shapes = shapely.line_merge(layer.shapes)
    usable = (shapely.get_type_id(shapes) == 1) & (shapely.length(shapes) > 0)
    findings = [
        RelationFinding(
            kind="malformed",
            error=True,
            detail=f"feature {row} is no single line with a beginning and an end",
            rows=(row,),
        )
        for row in (np.flatnonzero(~usable) + 1).tolist()
    ]
    # A merge may turn a line round; one part needs none, so its own direction is kept.
    parts = shapely.get_num_geometries(layer.shapes)
    own = np.where(parts == 1, shapely.get_geometry(layer.shapes, 0), shapes)
    return own[usable], (np.flatnonzero(usable) + 1).tolist(), findings


def _ends(lines: npt.NDArray[np.object_]) -> F8:
    """Return first and last point of each line, in turn."""
    import shapely

    first, last = shapely.get_point(lines, 0), shapely.get_point(lines, -1)
    xy: F8 = np.empty((2 * len(lines), 2))
    xy[0::2], xy[1::2] = shapely.get_coordinates(first), shapely.get_coordinates(last)
    return xy


def _points(
    path: Path, options: LineOptions, to_degrees: ToDegrees
) -> tuple[Anchors, list[RelationFinding]]:
    """Read the points that name the nodes; those whose id cannot be one are findings."""
    if options.node_layer is None:
        return Anchors(refs=(), at=np.empty((0, 2))), []
    if options.node_id_field is None:
        raise UsageError(
            "a layer of nodes was named, but not the field with their ids",
            remedy="name it: --node-id-field FIELD",
        )
    import shapely

    layer = _layer(path, options.node_layer, "Point")
    _need_fields(path, layer, (options.node_id_field,))
    usable = shapely.get_type_id(layer.shapes) == 0
    refs, kept, findings = [], [], []
    for index in range(len(layer.shapes)):
        text = f"node:{layer.text(options.node_id_field, index)}"
        try:
            parse_ref(text)
        except RefMalformed as error:
            reason = str(error)
        else:
            reason = "" if usable[index] else f"{text} is no point"
        if reason:
            detail = f"{options.node_layer} feature {index + 1}: {reason}"
            findings.append(RelationFinding(kind="malformed", error=True, detail=detail))
            continue
        refs.append(text)
        kept.append(index)
    xy = shapely.get_coordinates(layer.shapes[kept]) if kept else np.empty((0, 2))
    return Anchors(refs=tuple(refs), at=to_degrees(xy) if kept else xy), findings


def _snap(
    ends: F8, anchors: Sequence[Anchors], tolerance_m: float, prefix: str
) -> tuple[list[str], tuple[NetworkNode, ...]]:
    """Say of each end which node it is; return the references and the network nodes among them.

    Points of the node layer come before devices, and both before ends that only have each other.
    """
    scale = _scale(ends)
    refs: list[str | None] = [None] * len(ends)
    places: dict[str, list[float]] = {}
    for group in anchors:
        for end, index in _nearest(ends * scale, group.at * scale, tolerance_m).items():
            if refs[end] is None:
                refs[end] = group.refs[index]
                places[group.refs[index]] = group.at[index].tolist()
    left = np.array([i for i, ref in enumerate(refs) if ref is None], dtype=np.intp)
    for number, members in enumerate(_clusters(ends[left], scale, tolerance_m), start=1):
        ref = f"node:{prefix}-{number:05d}"
        places[ref] = ends[left[members]].mean(axis=0).tolist()
        for member in left[members].tolist():
            refs[member] = ref
    nodes = tuple(
        NetworkNode(node_id=ref[5:], sort="pipe_end", name="", lon=at[0], lat=at[1])
        for ref, at in places.items()
        if ref.startswith("node:")
    )
    return [ref for ref in refs if ref is not None], nodes


def _scale(degrees: F8) -> F8:
    """Metres per degree of longitude and latitude in the middle of the points."""
    middle = float(degrees[:, 1].mean()) if len(degrees) else 0.0
    return np.array([METRES_PER_DEGREE * np.cos(np.radians(middle)), METRES_PER_DEGREE])


def _nearest(points: F8, targets: F8, tolerance_m: float) -> dict[int, int]:
    """Return for each point that has a target within the tolerance the nearest one; metres."""
    import shapely

    if not len(points) or not len(targets):
        return {}
    tree = shapely.STRtree(shapely.points(targets))
    point, target = tree.query_nearest(
        shapely.points(points), max_distance=tolerance_m, all_matches=False
    )
    return dict(zip(point.tolist(), target.tolist(), strict=True))


def _clusters(degrees: F8, scale: F8, tolerance_m: float) -> list[IX]:
    """Group points that are within the tolerance of each other, in chains; from west to east."""
    import shapely

    if not len(degrees):
        return []
    points = shapely.points(degrees * scale)
    one, other = shapely.STRtree(points).query(points, predicate="dwithin", distance=tolerance_m)
    group = np.arange(len(points))
    changed = True
    while changed:
        lowest = group.copy()
        np.minimum.at(lowest, one, group[other])
        lowest = lowest[lowest]
        changed = not np.array_equal(lowest, group)
        group = lowest
    members = [np.flatnonzero(group == label) for label in np.unique(group)]
    return sorted(members, key=lambda m: tuple(degrees[m].mean(axis=0).tolist()))
