"""Put a block, or a slope, together: ground, buildings and instruments as named nodes.

What stands where comes in as outlines and positions in degrees, what comes out is nodes for
``glb.write``, the same nodes in words, and a report of what had to be assumed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import shapely

from geodata.mesh.drape import Ground
from geodata.mesh.facets import BOUNDS_DEG, Stand, classes, slopes
from geodata.mesh.glb import Material, Node, axes, write
from geodata.mesh.plane import Plane, plane_at
from geodata.mesh.solid import caps, raised
from geodata.mesh.tin import Surface, surface
from geodata.mesh.words import F8, I8, Finding, Mesh, MeshRefused, Weight

PLACEHOLDER_M = 3.0
"""How high a building is drawn whose height nobody gave: one storey, and marked."""

TALLEST_M = 1000.0
"""No building is higher; such a height is in another unit."""

MAX_FACES = 400_000
"""Of one scene; more is no view but a download."""

SLOPE_COLOURS = ("#e3ebdc", "#bcd3ab", "#93b884", "#a89a5c", "#a8744f", "#a0506a", "#74388a")
"""Of the classes of ``BOUNDS_DEG``, level first: apart from the alarm ladder's four colours, and
ever darker, so that they can be told without hue."""

GROUND = Material(name="ground", colour=(0.19, 0.23, 0.19, 1.0), both_sides=True)
BUILDING = Material(name="building", colour=(0.48, 0.53, 0.58, 1.0))
PLACEHOLDER = Material(name="building-without-height", colour=(0.48, 0.53, 0.58, 0.45))
SLOPE = Material(name="slope", colour=(1.0, 1.0, 1.0, 1.0), both_sides=True)
DEVICE = Material(name="device", colour=(0.8, 0.8, 0.8, 1.0))
_PIN_M = 0.6


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """A space to be drawn.

    Attributes:
        kind: ``building`` is extruded, anything else is ground.
        outline: shapely Polygon or MultiPolygon, degrees.
        height_m: roof above ground, None if unknown.
    """

    code: str
    kind: str
    name: str
    name_en: str
    outline: shapely.Geometry
    height_m: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """An instrument; ``height_m`` above ground, None if unknown; ``facts`` go into its words."""

    device_id: str
    lon: float
    lat: float
    height_m: float | None
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Terrain:
    """A survey: points (degrees and metres) as ``tin.surface`` takes them."""

    surface_id: str
    points: F8
    shape: tuple[int, int] | None = None

    def on(self, plane: Plane) -> Surface:
        """Return its surface in a plane."""
        metres = np.column_stack(
            [plane.metres(self.points[:, :2]), self.points[:, 2] - plane.height_m]
        )
        return surface(metres, shape=self.shape)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Nodes, what a page needs to know of each, and what was assumed."""

    plane: Plane
    nodes: tuple[Node, ...]
    words: tuple[dict[str, Any], ...]
    findings: tuple[Finding, ...]
    title: str

    def glb(self) -> bytes:
        """Return the scene as GLB."""
        return write(self.nodes, self.plane, title=self.title)

    def word(self) -> dict[str, Any]:
        """Return the scene in words, the same nodes as the GLB has."""
        return {
            "origin": {
                "lon": self.plane.lon,
                "lat": self.plane.lat,
                "height_m": self.plane.height_m,
            },
            "nodes": list(self.words),
            "report": [finding.word() for finding in self.findings],
        }


def block(bodies: Sequence[Body], pins: Sequence[Pin], terrain: Terrain | None = None) -> Scene:
    """Return the scene of spaces and what stands in them; buildings and pins stand on the terrain.

    Raises:
        MeshRefused: nothing to draw, or too much.
    """
    if not bodies:
        raise MeshRefused("there is no outline to draw")
    outlines = np.array([body.outline for body in bodies], dtype=object)
    bounds = shapely.total_bounds(outlines).reshape(2, 2)
    plane = plane_at(bounds, _lowest(terrain))
    flat = plane.outlines(outlines)
    made = _Making(plane)
    made.ground = made.terrain(terrain, shapely.union_all(flat))
    _add_bodies(made, bodies, flat)
    made.pins(pins)
    return made.scene(bodies[0].code)


def slope(terrain: Terrain, pins: Sequence[Pin], *, title: str = "") -> Scene:
    """Return the scene of a surveyed surface, its facets coloured by steepness.

    Raises:
        MeshRefused: the points make no surface, or one with too many facets.
    """
    finite = terrain.points[np.isfinite(terrain.points).all(axis=1)]
    if not len(finite):
        raise MeshRefused("the survey has no height")
    made = _Making(plane_at(finite[:, :2], _lowest(terrain)))
    made.ground = made.terrain(terrain, None)
    footing = made.ground.footing
    assert footing is not None
    degrees = slopes(footing.mesh)
    made.add(
        Node(
            name=f"slope:{terrain.surface_id}",
            mesh=footing.mesh,
            material=SLOPE,
            colours=_painted(classes(degrees)),
            extras={"kind": "slope", "surface_id": terrain.surface_id},
        ),
        {
            "kind": "slope",
            "surface_id": terrain.surface_id,
            "title": title,
            "steepest_deg": round(float(degrees.max()), 2),
        },
    )
    made.pins(pins)
    return made.scene(title or terrain.surface_id)


def legend() -> list[dict[str, Any]]:
    """Return the classes of steepness: from, to (None for the last) and colour."""
    edges = [0.0, *BOUNDS_DEG, None]
    return [
        {"from_deg": low, "to_deg": high, "colour": colour}
        for low, high, colour in zip(edges[:-1], edges[1:], SLOPE_COLOURS, strict=True)
    ]


def stand_word(stand: Stand, plane: Plane | None = None) -> dict[str, Any]:
    """Return where a point stands in the API's words; None where it is outside."""
    height = stand.height_m
    if height is not None and plane is not None:
        height += plane.height_m
    return {
        "slope_deg": _rounded(stand.slope_deg, 2),
        "aspect_deg": _rounded(stand.aspect_deg, 1),
        "ground_m": _rounded(height, 3),
        "distance_m": _rounded(stand.away_m if np.isfinite(stand.away_m) else None, 2),
    }


class _Making:
    """A scene in the making."""

    def __init__(self, plane: Plane) -> None:
        self.plane = plane
        self.ground = Ground()
        self.findings: list[Finding] = []
        self._nodes: list[Node] = []
        self._words: list[dict[str, Any]] = []
        self._faces = 0

    def terrain(self, terrain: Terrain | None, within: shapely.Geometry | None) -> Ground:
        """Return the ground that a survey makes, flat without one."""
        if terrain is None:
            return Ground()
        made = terrain.on(self.plane)
        self.findings += made.findings
        return Ground(made.mesh, within=within)

    def add(self, node: Node, word: dict[str, Any]) -> None:
        """Take a node and its words."""
        self._faces += len(node.mesh.faces)
        if self._faces > MAX_FACES:
            raise MeshRefused(
                f"the scene has more than {MAX_FACES:,} faces: ask for a smaller space"
            )
        self._nodes.append(node)
        self._words.append({"name": node.name, **word})

    def pins(self, pins: Sequence[Pin]) -> None:
        """Stand the instruments on the ground."""
        if not pins:
            return
        places = self.plane.metres(np.array([[pin.lon, pin.lat] for pin in pins]))
        ground = self.ground.heights(places)
        stands = self.ground.footing.stands(places) if self.ground.footing else [None] * len(pins)
        for pin, place, floor, stand in zip(pins, places, ground, stands, strict=True):
            up = floor + (pin.height_m or 0.0)
            at = (float(place[0]), float(place[1]), float(up))
            node = Node(
                name=f"device:{pin.device_id}",
                mesh=_PIN,
                material=DEVICE,
                at=at,
                extras={"kind": "device", "device_id": pin.device_id},
            )
            word = {
                "kind": "device",
                "device_id": pin.device_id,
                "lon": pin.lon,
                "lat": pin.lat,
                "height_m": pin.height_m,
                "at": [round(float(v), 3) for v in axes(np.array([at]))[0]],
                "floor_m": round(float(floor), 3),
                "facet": stand_word(stand, self.plane) if stand is not None else None,
                **pin.facts,
            }
            self.add(node, word)
        unknown = sum(pin.height_m is None for pin in pins)
        if unknown:
            self.findings.append(
                Finding(
                    kind="missing_height",
                    weight=Weight.NOTE,
                    count=unknown,
                    about="devices",
                    detail=f"{unknown} devices have no height: they are drawn on the ground",
                )
            )

    def scene(self, title: str) -> Scene:
        return Scene(
            plane=self.plane,
            nodes=tuple(self._nodes),
            words=tuple(self._words),
            findings=tuple(self.findings),
            title=title,
        )


def _add_bodies(made: _Making, bodies: Sequence[Body], flat: Any) -> None:
    for body, outline in zip(bodies, flat, strict=True):
        if body.kind != "building":
            mesh, findings = made.ground.laid(outline, body.code)
            made.findings += findings
            if made.ground.footing is None:
                _add(made, body, "ground", mesh, GROUND)
            else:
                _add(made, body, "ground", mesh, SLOPE, colours=_painted(classes(slopes(mesh))))
    houses = [i for i, body in enumerate(bodies) if body.kind == "building"]
    floors = caps(flat[houses], [0.0] * len(houses)) if houses else []
    for i, floor in zip(houses, floors, strict=True):
        _add_building(made, bodies[i], floor)


def _add_building(made: _Making, body: Body, floor: Mesh) -> None:
    """Extrude a footprint from the lowest ground under its corners to the roof over their mean."""
    if not len(floor.faces):
        made.findings.append(
            _warn("no_area", f"the footprint of {body.code} has no area; left out", body.code)
        )
        return
    height, placeholder = _height(made, body)
    ground = made.ground.heights(floor.points[:, :2])
    solid = raised(floor, float(ground.min()), float(ground.mean()) + height)
    _add(
        made,
        body,
        "building",
        solid,
        PLACEHOLDER if placeholder else BUILDING,
        placeholder=placeholder,
        roof_m=round(float(ground.mean()) + height, 3),
    )


def _height(made: _Making, body: Body) -> tuple[float, bool]:
    """Return the height to draw, and whether it is only a placeholder."""
    height = body.height_m
    if height is None or not np.isfinite(height):
        detail = f"{body.code} has no height: drawn {PLACEHOLDER_M:g} m high and marked"
        made.findings.append(_warn("missing_height", detail, body.code))
        return PLACEHOLDER_M, True
    if not 0 < height <= TALLEST_M:
        detail = (
            f"{body.code} is said to be {height:g} m high, which no building is: drawn "
            f"{PLACEHOLDER_M:g} m high and marked"
        )
        made.findings.append(_warn("implausible_height", detail, body.code))
        return PLACEHOLDER_M, True
    return height, False


def _add(
    made: _Making,
    body: Body,
    kind: str,
    mesh: Mesh,
    material: Material,
    *,
    colours: Any = None,
    **more: Any,
) -> None:
    facts = {"kind": kind, "space_code": body.code, "height_m": body.height_m, **more}
    name = f"{kind}:{body.code}"
    node = Node(name=name, mesh=mesh, material=material, colours=colours, extras=facts)
    made.add(node, {**facts, "title": body.name, "title_en": body.name_en})


def _lowest(terrain: Terrain | None) -> float:
    """The origin's height: a whole metre at or under the survey's lowest point."""
    if terrain is None:
        return 0.0
    return float(np.floor(np.nanmin(terrain.points[:, 2])))


def _painted(numbers: I8) -> Any:
    """Return linear colours (0 to 255) for classes: glTF's vertex colours are not sRGB."""
    srgb = np.array([[int(c[i : i + 2], 16) / 255 for i in (1, 3, 5)] for c in SLOPE_COLOURS])
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    table = np.column_stack([np.round(linear * 255), np.full(len(linear), 255)]).astype(np.uint8)
    return table[numbers]


def _warn(kind: str, detail: str, about: str) -> Finding:
    return Finding(kind=kind, weight=Weight.WARNING, detail=detail, count=1, about=about)


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(float(value), digits)


def _octahedron() -> Mesh:
    points = np.array(
        [[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]], dtype=np.float64
    )
    faces = np.array(
        [[0, 2, 4], [2, 1, 4], [1, 3, 4], [3, 0, 4], [2, 0, 5], [1, 2, 5], [3, 1, 5], [0, 3, 5]]
    )
    return Mesh(points=points * _PIN_M, faces=faces)


_PIN = _octahedron()
