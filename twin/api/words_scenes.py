"""The bodies of scenes and surveys as types, for OpenAPI and the tests."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, Field

from core.model import Field as Duty
from core.model import SpaceKind
from twin.api.shapes import CODE, EARLIEST, LATEST
from twin.api.words import NO_NUL, Count, Word

Degrees = Annotated[float | None, Field(ge=0, le=360)]


class MeshFinding(Word):
    """Something a person should know of a mesh or a survey."""

    kind: str
    weight: Literal["error", "warning", "note"]
    detail: str
    count: Count
    about: str


class SceneOrigin(Word):
    """Where the model's zero is, EPSG:4490; x is east, y up, z south, metres."""

    lon: float
    lat: float
    height_m: float


class Footing(Word):
    """The facet under a device; null outside the survey, then `distance_m` is how far off it is."""

    slope_deg: Annotated[float | None, Field(ge=0, le=90, description="from the horizontal")]
    aspect_deg: Annotated[
        float | None, Field(ge=0, le=360, description="downslope, clockwise from north")
    ]
    ground_m: float | None
    distance_m: float | None


class SceneNode(Word):
    """A node of the GLB by its name; which members there are depends on `kind`."""

    name: str
    kind: Literal["ground", "building", "device", "slope"]
    title: str = ""
    title_en: str = ""
    space_code: str | None = None
    height_m: float | None = None
    placeholder: Annotated[bool, Field(description="drawn one storey high: no height known")] = (
        False
    )
    roof_m: float | None = None
    surface_id: str | None = None
    steepest_deg: float | None = None
    device_id: str | None = None
    device_kind: str | None = None
    kind_zh: str | None = None
    kind_en: str | None = None
    field: Duty | None = None
    lon: float | None = None
    lat: float | None = None
    at: Annotated[tuple[float, float, float] | None, Field(description="x, y, z")] = None
    floor_m: Annotated[float | None, Field(description="y of the ground under it")] = None
    facet: Footing | None = None


class SlopeClass(Word):
    """A class of steepness; the last has no end."""

    from_deg: float
    to_deg: float | None
    colour: str


class Scene(Word):
    """What stands in a space; `focus` is the building that was asked for."""

    space: str
    kind: SpaceKind
    name: str
    name_en: str
    focus: str | None
    surface: Annotated[str | None, Field(description="the survey that makes the ground")]
    source: Annotated[str | None, Field(description="who made that survey, or synthetic")]
    origin: SceneOrigin
    nodes: list[SceneNode]
    report: list[MeshFinding]
    legend: list[SlopeClass]


class Surface(Word):
    """A survey as it is listed; `surveyed_at` and the rest as declared at the import."""

    surface_id: str
    name: str
    space: str
    surveyed_at: datetime
    kind: Literal["dem", "points"]
    frame: str
    height_datum: str
    source: str
    file_name: str
    point_count: Count
    facet_count: Count
    area_m2: float
    west: float
    south: float
    east: float
    north: float
    lowest_m: float
    highest_m: float
    imported_at: datetime
    imported_by: str


class SurfaceList(Word):
    """The surveys, the newest first."""

    surfaces: list[Surface]


class SurfaceDetail(Surface):
    """A survey with its scene; `survey_report` is what was found at the import."""

    file_sha256: str
    survey_report: list[MeshFinding]
    origin: SceneOrigin
    nodes: list[SceneNode]
    report: list[MeshFinding]
    legend: list[SlopeClass]


def _plausible(when: datetime) -> datetime:
    if not EARLIEST <= when < LATEST:
        raise ValueError("must lie in the years 1970 to 2199")
    return when


Said = Annotated[str, Field(min_length=1, max_length=200, pattern=NO_NUL)]


class SurfaceDeed(Word):
    """What is declared of a survey; nothing of it can be told from the file."""

    name: Said
    frame: Annotated[Said, Field(description="coordinate system of x and y, e.g. EPSG:4547")]
    space: Annotated[str, Field(pattern=CODE, description="code of the space it lies in")]
    surveyed_at: Annotated[AwareDatetime, AfterValidator(_plausible)]
    height_datum: Annotated[Said, Field(description="what heights are counted from")] = "not said"
    source: Annotated[Said, Field(description="who measured, under which licence")] = "not said"
    file_name: Said = "survey"
    dry_run: bool = False


class SurfaceTaken(Word):
    """What an upload came to; with `known` the same survey was there already."""

    surface_id: str
    name: str
    space: str
    known: bool
    kept: bool
    point_count: Count
    facet_count: Count
    area_m2: float
    report: list[MeshFinding]


class VolumeChange(Word):
    """Between two surveys, over the ground both know; cut and fill are positive, m³."""

    before: str
    after: str
    cut_m3: float
    fill_m3: float
    net_m3: float
    least_m: Annotated[float, Field(description="smaller changes of height are not counted")]
    area_m2: float
    changed_m2: float
    before_m2: float
    after_m2: float
    lowered_m: float
    raised_m: float


class DeviceFacet(Word):
    """Where a device stands; angles are null outside every survey, and `reason` says why."""

    device_id: str
    name: str
    surface_id: str | None
    surveyed_at: datetime | None
    slope_deg: Annotated[float | None, Field(ge=0, le=90)]
    aspect_deg: Degrees
    ground_m: float | None
    distance_m: float | None
    reason: str | None
