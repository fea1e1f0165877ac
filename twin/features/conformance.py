"""What is claimed of OGC API - Features, requirement by requirement; each has a test of its name.

Identifiers are those of OGC 17-069r4 (Part 1: Core, 1.0.1) and OGC 18-058 (Part 2: Coordinate
Reference Systems by Reference, 1.0).
"""

from __future__ import annotations

PART_1 = "http://www.opengis.net/spec/ogcapi-features-1/1.0"
PART_2 = "http://www.opengis.net/spec/ogcapi-features-2/1.0"

CLASSES: dict[str, tuple[str, ...]] = {
    f"{PART_1}/conf/core": (
        "/req/core/root-op",
        "/req/core/root-success",
        "/req/core/api-definition-op",
        "/req/core/api-definition-success",
        "/req/core/conformance-op",
        "/req/core/conformance-success",
        "/req/core/http",
        "/req/core/query-param-unknown",
        "/req/core/query-param-invalid",
        "/req/core/crs84",
        "/req/core/fc-md-op",
        "/req/core/fc-md-success",
        "/req/core/fc-md-links",
        "/req/core/fc-md-items",
        "/req/core/fc-md-items-links",
        "/req/core/fc-md-extent",
        "/req/core/sfc-md-op",
        "/req/core/sfc-md-success",
        "/req/core/fc-op",
        "/req/core/fc-limit-definition",
        "/req/core/fc-limit-response-1",
        "/req/core/fc-bbox-definition",
        "/req/core/fc-bbox-response",
        "/req/core/fc-time-definition",
        "/req/core/fc-time-response",
        "/req/core/fc-response",
        "/req/core/fc-links",
        "/req/core/fc-rel-type",
        "/req/core/fc-timeStamp",
        "/req/core/fc-numberMatched",
        "/req/core/fc-numberReturned",
        "/req/core/f-op",
        "/req/core/f-success",
        "/req/core/f-links",
    ),
    f"{PART_1}/conf/geojson": ("/req/geojson/definition", "/req/geojson/content"),
    f"{PART_1}/conf/oas30": (
        "/req/oas30/oas-definition-1",
        "/req/oas30/oas-definition-2",
        "/req/oas30/oas-impl",
        "/req/oas30/completeness",
        "/req/oas30/exceptions-codes",
        "/req/oas30/security",
    ),
    f"{PART_2}/conf/crs": (
        "/req/crs/crs-uri",
        "/req/crs/fc-md-crs-list",
        "/req/crs/fc-md-storageCrs",
        "/req/crs/fc-md-storageCrs-valid-value",
        "/req/crs/fc-md-crs-list-global",
        "/req/crs/fc-bbox-crs-definition",
        "/req/crs/fc-bbox-crs-valid-value",
        "/req/crs/fc-bbox-crs-valid-defaultValue",
        "/req/crs/fc-bbox-crs-action",
        "/req/crs/fc-crs-definition",
        "/req/crs/fc-crs-valid-value",
        "/req/crs/fc-crs-default-value",
        "/req/crs/fc-crs-action",
        "/req/crs/geojson",
        "/req/crs/ogc-crs-header",
        "/req/crs/ogc-crs-header-value",
    ),
}
"""Conformance class -> its requirements."""
