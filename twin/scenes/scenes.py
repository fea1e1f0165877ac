"""Scenes of what is in the database: a block, a slope, and where a device stands on one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import shapely

from core.units import DEVICE_KINDS
from geodata.mesh import scene
from geodata.mesh.facets import Footing
from geodata.mesh.plane import plane_at
from geodata.mesh.scene import Body, Pin, Scene, Terrain
from geodata.mesh.words import Finding, MeshRefused, Weight
from twin.scenes.surfaces import (
    HIDDEN,
    Conn,
    NoTerrain,
    Row,
    SpaceUnknown,
    SurfaceUnknown,
    one,
    rows,
    surface,
    terrain,
)

MAX_BODIES = 2_500
"""Blocks and buildings of one scene; a community has some hundreds."""

MAX_PINS = 2_500
TRIED_SURVEYS = 20
"""Surveys over one place that are looked at, the newest first."""

ROUND_M = 30.0
"""How far around a survey its sensors are shown."""

_METRE_DEG = 1 / 111_195


class TooLarge(NoTerrain):
    """The space holds more than a scene may."""


class DeviceUnknown(NoTerrain):
    """No device has this id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A scene and what it is of.

    Attributes:
        facts: members of the answer beside the scene's own.
    """

    scene: Scene
    facts: Row

    def word(self) -> Row:
        """Return the scene in the API's words."""
        return self.facts | self.scene.word() | {"legend": scene.legend()}


def of_space(conn: Conn, code: str) -> Told:
    """Return the scene of a space; of a building, the scene of its block.

    Raises:
        SpaceUnknown: there is none with this code.
        TooLarge: it holds too much for one scene, or nothing that can be drawn.
    """
    asked = found = one(conn, "space", code=code)
    if found is not None and found["kind"] == "building" and found["parent"]:
        found = one(conn, "space", code=found["parent"])
    if asked is None or found is None:
        raise SpaceUnknown(f"there is no space {code!r}")
    bodies = _bodies(conn, found["code"])
    pins = _pins(rows(conn, "devices", code=found["code"], limit=MAX_PINS + 1))
    over, source, findings = _terrain_over(conn, bodies)
    try:
        made = scene.block(bodies, pins, over)
    except MeshRefused as error:
        raise TooLarge(f"{code}: {error}") from error
    facts = {
        "space": found["code"],
        "kind": found["kind"],
        "name": found["name"],
        "name_en": found["name_en"],
        "focus": code if code != found["code"] else None,
        "surface": over.surface_id if over is not None else None,
        "source": source,
    }
    return Told(scene=_with(made, findings), facts=facts)


def of_surface(conn: Conn, surface_id: str) -> Told:
    """Return the scene of a survey with the sensors on and around it.

    Raises:
        SurfaceUnknown: there is none.
        TooLarge: it has more facets than a scene may.
    """
    row = surface(conn, surface_id)
    margin = ROUND_M * _METRE_DEG
    box = {
        "west": row["west"] - margin,
        "east": row["east"] + margin,
        "south": row["south"] - margin,
        "north": row["north"] + margin,
    }
    pins = _pins(rows(conn, "devices_in_box", limit=MAX_PINS + 1, **box))
    try:
        made = scene.slope(terrain(row), pins, title=row["name"])
    except MeshRefused as error:
        raise TooLarge(f"{surface_id}: {error}") from error
    facts = {key: value for key, value in row.items() if key not in HIDDEN}
    facts["survey_report"] = facts.pop("report")
    return Told(scene=made, facts=facts)


def facet_of(conn: Conn, device_id: str) -> Row:
    """Return the facet a device stands on, by the newest survey over its place.

    Outside every survey the angles are None and ``reason`` says how far off the nearest one is.

    Raises:
        DeviceUnknown: there is none.
    """
    device = one(conn, "device", device=device_id)
    if device is None:
        raise DeviceUnknown(f"there is no device {device_id!r}")
    lon, lat = device["lon"], device["lat"]
    here = {"west": lon, "east": lon, "south": lat, "north": lat}
    over = [row["surface_id"] for row in rows(conn, "over_box", limit=TRIED_SURVEYS, **here)]
    near = one(conn, "nearest", lon=lon, lat=lat) if not over else None
    best: Row | None = None
    for surface_id in [*over, *([near["surface_id"]] if near else [])]:
        word = _stand(surface(conn, surface_id), lon, lat)
        if best is None or (word["distance_m"] or 0) < (best["distance_m"] or 0):
            best = word
        if word["slope_deg"] is not None:
            break
    return {"device_id": device_id, "name": device["name"]} | (best or _NO_SURVEY)


_NO_SURVEY: Row = {
    "surface_id": None,
    "surveyed_at": None,
    "slope_deg": None,
    "aspect_deg": None,
    "ground_m": None,
    "distance_m": None,
    "reason": "no surface is surveyed",
}


def _stand(row: Row, lon: float, lat: float) -> Row:
    try:
        ground = terrain(row)
        plane = plane_at(ground.points[np.isfinite(ground.points[:, 2]), :2])
        made = ground.on(plane)
    except MeshRefused as error:
        return _NO_SURVEY | {"surface_id": row["surface_id"], "reason": str(error)}
    stand = Footing(made.mesh).stands(plane.metres(np.array([[lon, lat]])))[0]
    word = scene.stand_word(stand, plane)
    reason = None
    if stand.facet is None:
        reason = f"it stands {word['distance_m']:.1f} m outside the survey {row['surface_id']}"
    elif stand.aspect_deg is None:
        reason = "the facet is level: it falls nowhere"
    return word | {
        "surface_id": row["surface_id"],
        "surveyed_at": row["surveyed_at"],
        "reason": reason,
    }


def _bodies(conn: Conn, code: str) -> list[Body]:
    found = rows(conn, "bodies", code=code, limit=MAX_BODIES + 1)
    if len(found) > MAX_BODIES:
        raise TooLarge(
            f"{code} holds more than {MAX_BODIES:,} blocks and buildings",
            remedy="ask for a smaller space, such as a block",
        )
    if not found:
        raise TooLarge(f"{code} holds no block and no building: there is nothing to draw")
    shapes = shapely.from_geojson(np.array([row["outline"] for row in found], dtype=object))
    return [
        Body(
            code=row["code"],
            kind=row["kind"],
            name=row["name"],
            name_en=row["name_en"],
            outline=shape,
            height_m=row["height_m"],
        )
        for row, shape in zip(found, shapes, strict=True)
    ]


def _pins(found: Sequence[Row]) -> list[Pin]:
    if len(found) > MAX_PINS:
        raise TooLarge(
            f"more than {MAX_PINS:,} devices stand there", remedy="ask for a smaller space"
        )
    return [
        Pin(
            device_id=row["device_id"],
            lon=row["lon"],
            lat=row["lat"],
            height_m=row["height_m"],
            facts={
                "field": row["field"],
                "device_kind": row["kind"],
                "kind_zh": DEVICE_KINDS[row["kind"]].zh,
                "kind_en": DEVICE_KINDS[row["kind"]].en,
                "title": row["name"],
                "title_en": "",
                "space_code": row["space"],
            },
        )
        for row in found
    ]


def _terrain_over(
    conn: Conn, bodies: Sequence[Body]
) -> tuple[Terrain | None, str | None, list[Finding]]:
    """Return the survey that covers most of the outlines, the newest of such, and a note of others.

    Its source comes with it.
    """
    outlines = np.array([body.outline for body in bodies], dtype=object)
    west, south, east, north = shapely.total_bounds(outlines).tolist()
    box = {"west": west, "south": south, "east": east, "north": north}
    ids = [row["surface_id"] for row in rows(conn, "over_box", limit=TRIED_SURVEYS, **box)]
    whole = shapely.union_all(outlines)
    for number, surface_id in enumerate(ids):
        try:
            row = surface(conn, surface_id)
            found = terrain(row)
        except (MeshRefused, SurfaceUnknown):
            continue
        if not shapely.contains_xy(whole, found.points[:, 0], found.points[:, 1]).any():
            continue
        rest = len(ids) - number - 1
        detail = (
            f"drawn on survey {surface_id}, the newest that covers most; {rest} others lie here too"
        )
        note = Finding(kind="other_surveys", weight=Weight.NOTE, detail=detail, count=rest)
        return found, row["source"], [note] if rest else []
    return None, None, []


def _with(made: Scene, findings: Sequence[Finding]) -> Scene:
    return Scene(
        plane=made.plane,
        nodes=made.nodes,
        words=made.words,
        findings=(*made.findings, *findings),
        title=made.title,
    )
