"""Block maps: inspect a file, propose, apply, roll back, export."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable
from functools import partial as bound
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import psycopg
from fastapi import APIRouter, Query, Request, Response
from fastapi import Path as InPath

from core.db import pool
from core.errors import BlocktwinError, MissingPrerequisite, UsageError
from core.model import SpaceKind
from geodata.frames import frame as frame_of
from twin.api.answers import GEOJSON, GeoJson, encode, json_reply, reply
from twin.api.problems import Refused
from twin.api.runtime import Runtime, identity, of
from twin.api.shapes import SpaceKinds, refusals
from twin.api.words_maps import (
    SAFE_NAME,
    Application,
    Declared,
    LookedAt,
    MapApplied,
    MapVersion,
    Proposal,
    ProposalFeatures,
    ProposalList,
    ProposalState,
    Rollback,
    Said,
    VersionList,
    Withdrawal,
)
from twin.maps import history, inspecting, intake, outgoing, pictures, proposals, words
from twin.maps.refusals import NoSuchProposal, NoSuchVersion, NotPossible
from twin.versions import MapBusy

router = APIRouter(prefix="/api/v1/maps", tags=["maps"])

T = TypeVar("T")
Work = Callable[[psycopg.Connection[Any]], T]

RETRY_AFTER_S = 5
_CHANGING = refusals(401, 403, 404, 409, 413, 422, 503)
_UPLOAD = {"requestBody": {"content": {"application/octet-stream": {}}, "required": True}}
_SUFFIXES = {"gpkg": ".gpkg", "shp": ".zip", "geojson": ".geojson", "kml": ".kml", "dxf": ".dxf"}

Number = Annotated[int, InPath(ge=1, le=2_147_483_647)]
FileName = Annotated[str, Query(pattern=SAFE_NAME, description="of the file, with its ending")]
Limit = Annotated[int, Query(ge=1, le=1000)]


@router.post(
    "/inspect", response_model=LookedAt, responses=refusals(401, 403, 413, 422, 503),
    openapi_extra=_UPLOAD,
)  # fmt: skip
async def inspect(
    request: Request, name: FileName, layer: Said = "", encoding: Said = ""
) -> Response:
    """Say what the file in the body holds; nothing is kept."""

    def look(path: Path) -> dict[str, Any]:
        return inspecting.word(intake.look(path, layer=layer, encoding=encoding))

    return json_reply(await _with_file(request, name, look))


@router.post(
    "/proposals", response_model=Proposal, status_code=201,
    responses=refusals(401, 403, 413, 422, 503), openapi_extra=_UPLOAD,
)  # fmt: skip
async def propose(request: Request, declared: Annotated[Declared, Query()]) -> Response:
    """Check the file in the body and compare it with the map in force; keep it as a proposal.

    The proposal is kept also when its report has errors; only then it can never be applied.
    """
    runtime, who = of(request), identity(request).name
    asked = intake.Asked(
        layers=tuple(declared.layer),
        encoding=declared.encoding,
        kind=declared.kind,
        code=declared.code_field,
        name=declared.name_field,
        name_en=declared.name_en_field,
        parent=declared.parent_field,
        height=declared.height_field,
        origin=declared.origin,
    )

    def make(path: Path) -> dict[str, Any]:
        content = intake.read_map(path, frame_of(declared.frame), asked)
        with _connected(runtime) as conn:
            made = proposals.draft(
                conn, content, partial=declared.partial, within=declared.within or None
            )
            number = proposals.keep(conn, made, who, declared.note)
            return words.proposal(proposals.show(conn, number))

    return json_reply(await _with_file(request, declared.name, make), status=201)


@router.get("/proposals", response_model=ProposalList, responses=refusals(401, 422, 503))
async def listed(
    request: Request, state: ProposalState | None = None, limit: Limit = 100
) -> Response:
    """Return proposals, the newest first."""
    rows = await _work(request, bound(proposals.listed, state=state, limit=limit))
    return json_reply({"proposals": rows})


@router.get(
    "/proposals/{proposal_id}", response_model=Proposal, responses=refusals(401, 404, 422, 503)
)
async def show(request: Request, proposal_id: Number) -> Response:
    """Return a proposal with its report, its diff and who gets another owner."""
    row = await _work(request, bound(proposals.show, proposal_id=proposal_id))
    return json_reply(words.proposal(row))


@router.get(
    "/proposals/{proposal_id}/features", response_model=ProposalFeatures,
    responses=refusals(401, 404, 422, 503), response_class=GeoJson,
)  # fmt: skip
async def features(request: Request, proposal_id: Number) -> Response:
    """Return a proposal as GeoJSON: what changes before and after, what is the same once."""

    def draw(conn: psycopg.Connection[Any]) -> dict[str, Any]:
        return words.features(*proposals.judged_of(conn, proposal_id))

    content = await _judge(request, draw)
    return reply(request, await asyncio.to_thread(encode, content), media_type=GEOJSON)


@router.get(
    "/proposals/{proposal_id}/picture.png",
    responses={200: {"content": {"image/png": {}}}, **refusals(401, 404, 422, 503)},
    response_class=Response,
)
async def picture(
    request: Request,
    proposal_id: Number,
    width_px: Annotated[int, Query(ge=640, le=4000)] = pictures.WIDTH_PX,
) -> Response:
    """Return a proposal as a picture, before beside after."""

    def draw(conn: psycopg.Connection[Any]) -> bytes:
        judged, current = proposals.judged_of(conn, proposal_id)
        return pictures.draw(judged, current, width_px=width_px)

    png = await _judge(request, draw)
    return Response(png, media_type="image/png", headers={"Cache-Control": "no-store"})


@router.post("/proposals/{proposal_id}/apply", response_model=MapApplied, responses=_CHANGING)
async def apply(request: Request, proposal_id: Number, body: Application | None = None) -> Response:
    """Bring a proposal into force, whole or not at all."""
    asked = body or Application()
    done = await _work(
        request,
        bound(
            proposals.apply,
            proposal_id=proposal_id,
            by=identity(request).name,
            note=asked.note,
            accept_warnings=asked.accept_warnings,
            dry_run=asked.dry_run,
        ),
    )
    return json_reply(words.applied(done, dry_run=asked.dry_run))


@router.post(
    "/proposals/{proposal_id}/again", response_model=Proposal, status_code=201, responses=_CHANGING
)
async def again(request: Request, proposal_id: Number) -> Response:
    """Compare an open proposal with the map in force now; the new one takes its place."""
    who = identity(request).name

    def make(conn: psycopg.Connection[Any]) -> dict[str, Any]:
        return proposals.show(conn, proposals.again(conn, proposal_id, by=who))

    return json_reply(words.proposal(await _judge(request, make)), status=201)


@router.post("/proposals/{proposal_id}/withdraw", response_model=Proposal, responses=_CHANGING)
async def withdraw(
    request: Request, proposal_id: Number, body: Withdrawal | None = None
) -> Response:
    """Take an open proposal back; it stays on record."""
    note, who = body.note if body is not None else "", identity(request).name

    def take_back(conn: psycopg.Connection[Any]) -> dict[str, Any]:
        proposals.withdraw(conn, proposal_id, by=who, note=note)
        return proposals.show(conn, proposal_id)

    return json_reply(words.proposal(await _work(request, take_back)))


@router.get("/versions", response_model=VersionList, responses=refusals(401, 422, 503))
async def versions(request: Request, limit: Limit = 100) -> Response:
    """Return the versions of the map, the newest first."""
    return json_reply({"versions": await _work(request, bound(history.listed, limit=limit))})


@router.get(
    "/versions/{version_id}", response_model=MapVersion, responses=refusals(401, 404, 422, 503)
)
async def version(request: Request, version_id: Number) -> Response:
    """Return a version with what it did to each code and who got another owner."""
    row = await _work(request, bound(history.show, version=version_id))
    return json_reply(words.version(row))


@router.post("/versions/{version_id}/rollback", response_model=MapApplied, responses=_CHANGING)
async def rollback(request: Request, version_id: Number, body: Rollback | None = None) -> Response:
    """Bring back what was in force before a version, as a new version."""
    asked = body or Rollback()
    done = await _work(
        request,
        bound(
            history.rollback,
            version=version_id,
            by=identity(request).name,
            note=asked.note,
            dry_run=asked.dry_run,
        ),
    )
    return json_reply(words.applied(done, dry_run=asked.dry_run))


@router.get(
    "/export",
    responses={200: {"content": {"application/octet-stream": {}}}, **refusals(401, 422, 503)},
    response_class=Response,
)
async def export(
    request: Request,
    format: Literal["gpkg", "shp", "geojson", "kml", "dxf"] = "geojson",  # noqa: A002 - the query's own word
    frame: Annotated[str, Query(max_length=200)] = "EPSG:4490",
    encoding: Said = "UTF-8",
    kind: SpaceKinds = None,
) -> Response:
    """Return the map in force as a file; a Shapefile comes zipped."""
    kinds = [SpaceKind(word) for word in kind.split(",")] if kind else []
    name = f"map{_SUFFIXES[format]}"

    def make(conn: psycopg.Connection[Any]) -> bytes:
        with tempfile.TemporaryDirectory(prefix="blocktwin-map-") as folder:
            out = Path(folder) / name
            outgoing.export(
                conn, out, format_=format, frame=frame_of(frame), encoding=encoding, kinds=kinds
            )
            return out.read_bytes()

    body = await _judge(request, make)
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return Response(body, media_type="application/octet-stream", headers=headers)


async def _with_file(request: Request, name: str, work: Callable[[Path], T]) -> T:
    """Put the body into a folder of its own under a safe name, and work on it in a thread."""
    body = await request.body()
    if not body:
        raise Refused(422, "the body is empty; send the file as the body")

    def run() -> T:
        with tempfile.TemporaryDirectory(prefix="blocktwin-map-") as folder:
            path = Path(folder) / _safe(name)
            path.write_bytes(body)
            return work(path)

    return await _in_turn(of(request), run)


def _safe(name: str) -> str:
    """The name as a file of one folder: no way out of it, and no longer than any system takes."""
    plain = name.lstrip(".") or "map"
    while len(plain.encode()) > 200:
        plain = plain[1:]
    return plain


async def _work(request: Request, work: Work[T]) -> T:
    """Work on a connection of its own; how many wait for the database is bounded."""
    runtime = of(request)
    runtime.live.current()
    async with runtime.changes:
        return await asyncio.to_thread(_answered, lambda: _on_connection(runtime, work))


async def _judge(request: Request, work: Work[T]) -> T:
    """Work that takes as much as an import does."""
    runtime = of(request)
    return await _in_turn(runtime, lambda: _on_connection(runtime, work))


async def _in_turn(runtime: Runtime, work: Callable[[], T]) -> T:
    runtime.live.current()
    if runtime.imports.locked():
        raise Refused(
            503,
            "other maps are being read; try again in a moment",
            headers={"Retry-After": str(RETRY_AFTER_S)},
        )
    async with runtime.imports:
        return await asyncio.to_thread(_answered, work)


def _on_connection(runtime: Runtime, work: Work[T]) -> T:
    with _connected(runtime) as conn:
        return work(conn)


def _connected(runtime: Runtime) -> psycopg.Connection[Any]:
    return pool.connect(runtime.database, autocommit=True, application_name="blocktwin serve map")


def _answered(work: Callable[[], T]) -> T:
    """Turn what went wrong into the refusal that says so."""
    try:
        return work()
    except (NoSuchProposal, NoSuchVersion) as error:
        raise Refused(404, str(error)) from error
    except NotPossible as error:
        raise Refused(409, _sentence(error)) from error
    except MapBusy as error:
        headers = {"Retry-After": str(RETRY_AFTER_S)}
        raise Refused(503, _sentence(error), headers=headers) from error
    except MissingPrerequisite as error:
        raise Refused(503, _sentence(error)) from error
    except UsageError as error:
        raise Refused(422, _sentence(error)) from error


def _sentence(error: BlocktwinError) -> str:
    return f"{error}; {error.remedy}" if error.remedy else str(error)
