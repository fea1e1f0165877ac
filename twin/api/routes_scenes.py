"""Blocks and slopes in three dimensions: scenes, GLBs, surveys and what changed between them."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
from collections.abc import Callable
from functools import partial
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Path, Query, Request, Response

from core.db import pool
from core.errors import MissingPrerequisite, UsageError
from geodata import frames
from twin.api.answers import GZIP_LEVEL, Encoded, json_reply, reply
from twin.api.problems import Refused
from twin.api.runtime import Runtime, identity, of
from twin.api.shapes import ID, DeviceId, SpaceCode, SpaceFilter, refusals
from twin.api.words_scenes import (
    DeviceFacet,
    Scene,
    SurfaceDeed,
    SurfaceDetail,
    SurfaceList,
    SurfaceTaken,
    VolumeChange,
)
from twin.scenes import scenes, surfaces
from twin.scenes.extra import needed
from twin.scenes.surfaces import Conn, Deed

router = APIRouter(prefix="/api/v1", tags=["scenes"])

GLB = "model/gltf-binary"
T = TypeVar("T")


class GlbResponse(Response):
    """A GLB, so that OpenAPI names its media type."""

    media_type = GLB


SurfaceId = Annotated[str, Path(pattern=ID)]
_SurfaceQuery = Annotated[str, Query(pattern=ID, description="surface id")]
_HAD: dict[int | str, dict[str, Any]] = {
    200: {"model": SurfaceTaken, "description": "it was there already, or a dry run"}
}
_HELD: dict[int | str, dict[str, Any]] = {304: {"description": "the client has this already"}}


@router.get(
    "/spaces/{code}/scene",
    response_model=Scene,
    response_model_exclude_unset=True,
    responses=_HELD | refusals(401, 404, 422, 503),
)
async def space_scene(request: Request, code: SpaceCode) -> Response:
    """Return what stands in a space, node by node; of a building, its block."""
    key, make = _scene(code)
    return reply(request, await _kept(request, "words", key, make), tag=True)


@router.get(
    "/spaces/{code}/scene.glb",
    responses=_HELD | refusals(401, 404, 422, 503),
    response_class=GlbResponse,
)
async def space_glb(request: Request, code: SpaceCode) -> Response:
    """Return the same as glTF 2.0, its nodes named as the scene's."""
    key, make = _scene(code)
    return reply(request, await _kept(request, "glb", key, make), media_type=GLB, tag=True)


@router.get("/surfaces", response_model=SurfaceList, responses=refusals(401, 404, 422, 503))
async def surface_list(request: Request, space: SpaceFilter = None) -> Response:
    """Return the surveys of slopes, the newest first."""
    if space is not None and of(request).live.current().topology.index(space) is None:
        raise Refused(404, f"there is no space {space!r}")
    found = await _worked(request, lambda conn: surfaces.listed(conn, space))
    return json_reply({"surfaces": found})


@router.post(
    "/surfaces",
    response_model=SurfaceTaken,
    status_code=201,
    responses=_HAD | refusals(401, 403, 404, 413, 422, 503),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/octet-stream": {"schema": {"type": "string"}}},
        }
    },
)
async def surface_import(request: Request, said: Annotated[SurfaceDeed, Query()]) -> Response:
    """Keep a survey; the body is an ESRI ASCII grid or a list of x, y, z."""
    try:
        known = frames.frame(said.frame)
    except frames.FrameUnknown as error:
        raise Refused(422, f"frame: {error}") from error
    deed = Deed(
        name=said.name,
        space=said.space,
        surveyed_at=said.surveyed_at,
        height_datum=said.height_datum,
        source=said.source,
        file_name=said.file_name,
    )
    data, actor = await request.body(), identity(request).name
    taken = await _worked(
        request,
        lambda conn: surfaces.take(conn, data, known, deed, actor=actor, dry_run=said.dry_run),
    )
    kept = not taken.known and not said.dry_run
    names = ("surface_id", "name", "space", "point_count", "facet_count", "area_m2")
    word = {name: taken.row[name] for name in names}
    word |= {"known": taken.known, "kept": kept, "report": [f.word() for f in taken.findings]}
    return json_reply(word, status=201 if kept else 200)


@router.get("/surfaces/volume", response_model=VolumeChange, responses=refusals(401, 404, 422, 503))
async def surface_volume(
    request: Request,
    before: _SurfaceQuery,
    after: _SurfaceQuery,
    least_m: Annotated[float, Query(ge=0, le=100)] = 0.0,
) -> Response:
    """Return what was cut and filled between two surveys."""
    _, _, found = await _worked(
        request, lambda conn: surfaces.volume(conn, before, after, least_m=least_m)
    )
    return json_reply({"before": before, "after": after} | found.word())


@router.get(
    "/surfaces/{surface_id}",
    response_model=SurfaceDetail,
    response_model_exclude_unset=True,
    responses=_HELD | refusals(401, 404, 422, 503),
)
async def surface_scene(request: Request, surface_id: SurfaceId) -> Response:
    """Return a survey with what was found in it and the sensors on it, node by node."""
    key, make = _slope(surface_id)
    return reply(request, await _kept(request, "words", key, make), tag=True)


@router.get(
    "/surfaces/{surface_id}/mesh.glb",
    responses=_HELD | refusals(401, 404, 422, 503),
    response_class=GlbResponse,
)
async def surface_glb(request: Request, surface_id: SurfaceId) -> Response:
    """Return the survey as glTF 2.0, its facets coloured by steepness."""
    key, make = _slope(surface_id)
    return reply(request, await _kept(request, "glb", key, make), media_type=GLB, tag=True)


@router.get(
    "/devices/{device_id}/facet",
    response_model=DeviceFacet,
    responses=refusals(401, 404, 422, 503),
)
async def device_facet(request: Request, device_id: DeviceId) -> Response:
    """Return slope angle and aspect of the facet that a device stands on."""
    return json_reply(await _worked(request, lambda conn: scenes.facet_of(conn, device_id)))


_Make = Callable[[Conn], scenes.Told]


def _scene(code: str) -> tuple[tuple[str, str], _Make]:
    return ("space", code), lambda conn: scenes.of_space(conn, code)


def _slope(surface_id: str) -> tuple[tuple[str, str], _Make]:
    return ("surface", surface_id), lambda conn: scenes.of_surface(conn, surface_id)


async def _kept(request: Request, form: str, key: tuple[str, str], make: _Make) -> Encoded:
    """Return a scene's words or GLB; both stand until the registry or a survey changes."""
    runtime = of(request)
    runtime.live.current()
    async with runtime.connection() as conn:
        cursor = await conn.execute(surfaces.SQL["stamp"])
        row = await cursor.fetchone()
    stamp = row[0] if row is not None else ""
    whole = ("scene", form, *key, runtime.live.version, stamp)
    return await runtime.cache.get(whole, partial(_made, request, form, make))


async def _made(request: Request, form: str, make: _Make) -> Any:
    told = await _worked(request, make)
    if form == "words":
        return told.word()
    return await asyncio.to_thread(_packed, told)


def _packed(told: scenes.Told) -> Encoded:
    data = told.scene.glb()
    return Encoded(
        body=data,
        compressed=gzip.compress(data, GZIP_LEVEL, mtime=0),
        etag=f'W/"{hashlib.sha256(data).hexdigest()[:32]}"',
    )


async def _worked(request: Request, work: Callable[[Conn], T]) -> T:
    """Run it in a thread on a connection of its own; say what went wrong in HTTP's words."""
    runtime = of(request)
    async with runtime.looking_back:
        try:
            return await asyncio.to_thread(_run, runtime, work)
        except (surfaces.SurfaceUnknown, surfaces.SpaceUnknown, scenes.DeviceUnknown) as error:
            raise Refused(404, str(error)) from error
        except MissingPrerequisite as error:
            raise Refused(503, f"{error}; {error.remedy}") from error
        except UsageError as error:
            raise Refused(422, str(error)) from error


def _run(runtime: Runtime, work: Callable[[Conn], T]) -> T:
    with (
        needed(),
        pool.connect(
            runtime.database, autocommit=True, application_name="blocktwin serve scene"
        ) as conn,
    ):
        return work(conn)
