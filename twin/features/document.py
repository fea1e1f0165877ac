"""What is said about the service itself: landing page, conformance, collections, API definition."""

from __future__ import annotations

import html
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from core.version import version
from twin.features.collections import COLLECTIONS, Collection
from twin.features.conformance import CLASSES
from twin.features.crs import CRS84, SUPPORTED
from twin.features.query import DEFAULT_LIMIT, MAX_LIMIT

Row = dict[str, Any]

JSON = "application/json"
GEOJSON = "application/geo+json"
OPENAPI = "application/vnd.oai.openapi+json;version=3.0"
HTML = "text/html"
PROBLEM = "application/problem+json"

_TITLE = "blocktwin: 区块孪生 the block twin"
_DESCRIPTION = "Spaces, devices and alarms of a city district as OGC API - Features. Times are UTC."


def link(href: str, rel: str, media: str, title: str = "") -> Row:
    """Return a link with its relation and media type."""
    return {"href": href, "rel": rel, "type": media} | ({"title": title} if title else {})


def landing(base: str) -> Row:
    """Return the landing page; ``base`` is the address of the service without a final slash."""
    return {
        "title": _TITLE,
        "description": _DESCRIPTION,
        "links": [
            link(f"{base}/", "self", JSON, "this document"),
            link(f"{base}/api", "service-desc", OPENAPI, "the API definition"),
            link(f"{base}/api.html", "service-doc", HTML, "the API definition for people"),
            link(f"{base}/conformance", "conformance", JSON, "conformance classes"),
            link(f"{base}/collections", "data", JSON, "the collections"),
        ],
    }


def conformance() -> Row:
    """Return the conformance classes; each requirement of them has a test."""
    return {"conformsTo": list(CLASSES)}


def collection(base: str, one: Collection, box: list[float] | None, since: datetime | None) -> Row:
    """Return what is said of a collection.

    Args:
        base: address of the service.
        one: the collection.
        box: west, south, east, north in degrees; None if nothing in it stands anywhere.
        since: the first time in it; None if it has none.
    """
    start = since.astimezone(UTC).isoformat().replace("+00:00", "Z") if since else None
    extent: Row = {"temporal": {"interval": [[start, None]]}}
    if box is not None:
        extent["spatial"] = {"bbox": [box], "crs": CRS84.uri}
    here = f"{base}/collections/{one.name}"
    return {
        "id": one.name,
        "title": one.title,
        "description": f"{one.description}. Time: {one.temporal}.",
        "itemType": "feature",
        "extent": extent,
        "crs": list(SUPPORTED),
        "storageCrs": CRS84.uri,
        "links": [
            link(here, "self", JSON, one.title),
            link(f"{here}/items", "items", GEOJSON, one.title),
        ],
    }


def collections(base: str, words: Iterable[Row]) -> Row:
    """Return the list of collections."""
    links = [link(f"{base}/collections", "self", JSON, "the collections")]
    return {"links": links, "crs": list(SUPPORTED), "collections": list(words)}


def definition(base: str) -> Row:
    """Return the OpenAPI 3.0 definition of the service."""
    paths: Row = {
        "/": _get("landing", "What is here", {JSON: _OBJECT}),
        "/conformance": _get("conformance", "The conformance classes", {JSON: _OBJECT}),
        "/api": _get("definition", "This definition", {OPENAPI: _OBJECT}),
        "/api.html": _get("definitionPage", "This definition for people", {HTML: _TEXT}),
        "/collections": _get("collections", "The collections", {JSON: _OBJECT}),
    }
    for one in COLLECTIONS.values():
        here = f"/collections/{one.name}"
        word = one.name.title().replace("-", "")
        paths[here] = _get(f"describe{word}", one.title, {JSON: _OBJECT})
        paths[f"{here}/items"] = _get(
            f"get{word}",
            one.description,
            {GEOJSON: _OBJECT},
            [_shared("limit"), _shared("after"), _shared("bbox"), _shared("bbox-crs"),
             _shared("datetime"), _shared("crs"), *_filters(one)],
        )  # fmt: skip
        paths[f"{here}/items/{{featureId}}"] = _get(
            f"get{word}Feature",
            f"One of: {one.title}",
            {GEOJSON: _OBJECT},
            [_shared("featureId"), _shared("crs")],
            missing=True,
        )
    return {
        "openapi": "3.0.3",
        "info": {"title": _TITLE, "description": _DESCRIPTION, "version": version()},
        "servers": [{"url": base}],
        "paths": paths,
        "security": [{"bearer": []}, {"basic": []}, {"cookie": []}],
        "components": {
            "parameters": _PARAMETERS,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "basic": {"type": "http", "scheme": "basic"},
                "cookie": {"type": "apiKey", "in": "cookie", "name": "bt_session"},
            },
            "schemas": {"Problem": _PROBLEM_SCHEMA},
        },
    }


def page(base: str) -> str:
    """Return the definition as a page for people."""
    rows = []
    for path, operations in definition(base)["paths"].items():
        operation = operations["get"]
        names = [p.get("name") or p["$ref"].rpartition("/")[2] for p in operation["parameters"]]
        cells = (f"GET {base}{path}", operation["summary"], ", ".join(names))
        rows.append("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in cells) + "</tr>")
    parameters = "".join(
        f"<dt>{html.escape(name)}</dt><dd>{html.escape(parameter['description'])}</dd>"
        for name, parameter in _PARAMETERS.items()
    )
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{html.escape(_TITLE)}</title>'
        f"<h1>{html.escape(_TITLE)}</h1><p>{html.escape(_DESCRIPTION)}</p>"
        f'<p><a href="{html.escape(base)}/api">OpenAPI 3.0 (JSON)</a></p>'
        "<table><tr><th>Operation</th><th>What it gives</th><th>Parameters</th></tr>"
        f"{''.join(rows)}</table><h2>Parameters</h2><dl>{parameters}</dl></html>"
    )


_OBJECT: Row = {"type": "object"}
_TEXT: Row = {"type": "string"}
_URI = {"type": "string", "format": "uri", "enum": list(SUPPORTED), "default": CRS84.uri}
_PROBLEM_SCHEMA: Row = {
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": _TEXT,
        "title": _TEXT,
        "status": {"type": "integer"},
        "detail": _TEXT,
    },
}


def _query(name: str, description: str, schema: Row) -> Row:
    return {
        "name": name,
        "in": "query",
        "required": False,
        "description": description,
        "schema": schema,
        "style": "form",
        "explode": False,
    }


_PARAMETERS: dict[str, Row] = {
    "limit": _query(
        "limit",
        "how many features at most; more than the maximum is cut to it",
        {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT},
    ),
    "after": _query("after", "where the page before ended; only as a next link gives it", _TEXT),
    "bbox": _query(
        "bbox",
        "lower and upper corner; only what intersects the box. West of more than east crosses "
        "the antimeridian",
        {"type": "array", "minItems": 4, "maxItems": 6, "items": {"type": "number"}},
    ),
    "bbox-crs": _query("bbox-crs", "system and axis order of bbox", _URI),
    "datetime": _query(
        "datetime",
        "a time, or an interval like 2026-07-01T00:00:00Z/.. ; only what intersects it",
        _TEXT,
    ),
    "crs": _query("crs", "system and axis order of the coordinates in the answer", _URI),
    "featureId": {
        "name": "featureId",
        "in": "path",
        "required": True,
        "description": "id of the feature",
        "schema": _TEXT,
    },
}


def _shared(name: str) -> Row:
    return {"$ref": f"#/components/parameters/{name}"}


def _filters(one: Collection) -> list[Row]:
    return [
        _query(
            name,
            known.description,
            _TEXT if known.values is None else {"type": "string", "enum": list(known.values)},
        )
        for name, known in one.filters.items()
    ]


def _get(
    operation: str,
    summary: str,
    content: dict[str, Row],
    parameters: list[Row] | None = None,
    *,
    missing: bool = False,
) -> Row:
    responses = {
        "200": {
            "description": summary,
            "content": {media: {"schema": schema} for media, schema in content.items()},
        }
    }
    refusals = {
        "400": "a parameter is unknown or cannot be used",
        "401": "not logged in",
        "503": "the database is away; try again after Retry-After seconds",
    } | ({"404": "there is no such feature"} if missing else {})
    problem = {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for status, description in sorted(refusals.items()):
        responses[status] = {"description": description, "content": problem}
    form = _query("f", "only json is offered", {"type": "string", "enum": ["json", "geojson"]})
    return {
        "get": {
            "operationId": operation,
            "summary": summary,
            "parameters": [*(parameters or []), form],
            "responses": responses,
        }
    }
