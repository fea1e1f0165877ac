// The map's style: no tiles, no glyph server, every layer from our own GeoJSON; labels use the system's fonts.
import type { LayerSpecification, StyleSpecification, ExpressionSpecification } from "maplibre-gl";
import { FIELD_COLOUR } from "../signs.ts";
import { LADDER } from "../severity.ts";
import { FIELDS, type Severity } from "../types.ts";
import type { Palette } from "./palette.ts";

/** Below this zoom alarms are summed up by block, from it on they stand at their devices. */
export const DEVICE_ZOOM = 15;
export const BUILDING_ZOOM = 14.5;

export const SOURCES = [
  "areas",
  "area-labels",
  "blocks",
  "block-alarms",
  "block-signs",
  "buildings",
  "building-alarms",
  "devices",
  "gateways",
  "alarms",
  "alarms-nowhere",
  "pick",
] as const;
export type SourceName = (typeof SOURCES)[number];

const EMPTY = { type: "FeatureCollection" as const, features: [] };
const FONT = ["Noto Sans CJK SC", "Noto Sans SC", "PingFang SC", "Microsoft YaHei", "sans-serif"];

const bySeverity: ExpressionSpecification = [
  "match",
  ["get", "severity"],
  1,
  LADDER[1].colour,
  2,
  LADDER[2].colour,
  3,
  LADDER[3].colour,
  LADDER[4].colour,
];

const byField = [
  "match",
  ["get", "field"],
  ...FIELDS.slice(0, -1).flatMap((name) => [name, FIELD_COLOUR[name]]),
  FIELD_COLOUR.system,
] as unknown as ExpressionSpecification;

/** The dark of signs that stand on a disc of their field's colour. */
const INK = "#0b121a";

const isFresh: ExpressionSpecification = ["==", ["feature-state", "fresh"], 1];

export function buildStyle(palette: Palette): StyleSpecification {
  const sources: StyleSpecification["sources"] = {};
  for (const name of SOURCES) {
    sources[name] = { type: "geojson", data: EMPTY };
  }
  // 20,000 points need an index; the state of each is set by its id.
  sources["devices"] = { type: "geojson", data: EMPTY, promoteId: "device_id" };
  return {
    version: 8,
    name: "blocktwin",
    sources,
    layers: [
      { id: "ground", type: "background", paint: { "background-color": palette.ground } },
      ...blockLayers(palette),
      ...areaLayers(palette),
      ...buildingLayers(palette),
      ...deviceLayers(palette),
      ...labelLayers(palette),
      ...alarmLayers(palette),
    ],
  };
}

function blockLayers(palette: Palette): LayerSpecification[] {
  return [
    { id: "blocks", type: "fill", source: "blocks", paint: { "fill-color": palette.block } },
    {
      id: "block-lines",
      type: "line",
      source: "blocks",
      paint: {
        "line-color": palette.blockLine,
        "line-width": ["interpolate", ["linear"], ["zoom"], 12, 0.4, 16, 1.2],
      },
    },
    {
      id: "block-alarm-fill",
      type: "fill",
      source: "block-alarms",
      paint: { "fill-color": bySeverity, "fill-opacity": 0.34 },
    },
    {
      id: "block-alarm-pattern",
      type: "fill",
      source: "block-alarms",
      paint: { "fill-pattern": ["concat", "hatch-", ["to-string", ["get", "severity"]]] },
    },
    {
      id: "block-alarm-line",
      type: "line",
      source: "block-alarms",
      paint: {
        "line-color": bySeverity,
        "line-width": ["interpolate", ["linear"], ["zoom"], 11, 1, 14, 2, 17, 3.5],
      },
    },
  ];
}

function areaLayers(palette: Palette): LayerSpecification[] {
  return [
    {
      id: "community-lines",
      type: "line",
      source: "areas",
      filter: ["==", ["get", "kind"], "community"],
      paint: { "line-color": palette.community, "line-width": 0.8, "line-dasharray": [3, 2] },
    },
    {
      id: "street-lines",
      type: "line",
      source: "areas",
      filter: ["==", ["get", "kind"], "street"],
      paint: {
        "line-color": palette.street,
        "line-width": ["interpolate", ["linear"], ["zoom"], 10, 1, 15, 2.4],
      },
    },
  ];
}

function buildingLayers(palette: Palette): LayerSpecification[] {
  const height: ExpressionSpecification = ["coalesce", ["get", "height_m"], 6];
  return [
    {
      id: "buildings",
      type: "fill-extrusion",
      source: "buildings",
      minzoom: BUILDING_ZOOM,
      paint: {
        "fill-extrusion-color": palette.building,
        "fill-extrusion-height": height,
        "fill-extrusion-opacity": 0.75,
      },
    },
    {
      id: "building-alarms",
      type: "fill-extrusion",
      source: "building-alarms",
      minzoom: BUILDING_ZOOM,
      paint: {
        "fill-extrusion-color": bySeverity,
        "fill-extrusion-height": ["+", height, 0.5],
        "fill-extrusion-opacity": 0.85,
      },
    },
  ];
}

function deviceLayers(palette: Palette): LayerSpecification[] {
  return [
    {
      id: "devices",
      type: "circle",
      source: "devices",
      paint: {
        "circle-color": byField,
        // A device that reports is a disc in its field's colour, a silent one a grey ring.
        "circle-opacity": ["case", isFresh, 0.95, 0],
        "circle-radius": ["interpolate", ["linear"], ["zoom"], 11, 1.3, 13, 2.4, 15, 5, 16, 10, 18, 13],
        "circle-stroke-color": ["case", isFresh, palette.deviceEdge, palette.labelSoft],
        "circle-stroke-width": ["interpolate", ["linear"], ["zoom"], 11, 0.5, 14, 1, 16, 2],
      },
    },
    {
      id: "device-signs",
      type: "symbol",
      source: "devices",
      minzoom: 15.5,
      layout: {
        "icon-image": ["concat", "field-", ["get", "field"]],
        "icon-size": ["interpolate", ["linear"], ["zoom"], 15.5, 0.55, 16, 0.7, 18, 0.95],
        "icon-allow-overlap": true,
        "icon-ignore-placement": true,
      },
      paint: { "icon-color": ["case", isFresh, INK, palette.labelSoft] },
    },
    {
      id: "gateways",
      type: "symbol",
      source: "gateways",
      minzoom: 11.5,
      layout: {
        "icon-image": ["case", ["get", "offline"], "gateway-off", "gateway-on"],
        "icon-size": ["interpolate", ["linear"], ["zoom"], 11.5, 0.6, 16, 1],
        "icon-allow-overlap": true,
        "icon-ignore-placement": true,
        "text-field": ["step", ["zoom"], "", 14.5, ["get", "name"]],
        "text-font": FONT,
        "text-size": 12,
        "text-anchor": "top",
        "text-offset": [0, 0.9],
        "text-optional": true,
      },
      paint: textPaint(palette.labelSoft, palette),
    },
    {
      id: "pick",
      type: "circle",
      source: "pick",
      paint: {
        "circle-radius": 19,
        "circle-color": "rgba(0,0,0,0)",
        "circle-stroke-color": palette.pick,
        "circle-stroke-width": 3,
      },
    },
  ];
}

function labelLayers(palette: Palette): LayerSpecification[] {
  const label = (kind: string, minzoom: number, maxzoom: number, size: number): LayerSpecification => ({
    id: `${kind}-labels`,
    type: "symbol",
    source: "area-labels",
    filter: ["==", ["get", "kind"], kind],
    minzoom,
    maxzoom,
    layout: {
      "text-field": ["get", "label"],
      "text-font": FONT,
      "text-size": size,
      "text-max-width": 7,
      "text-padding": 2,
      // A name moves aside for an alarm's sign rather than vanish under it.
      "text-variable-anchor": ["center", "bottom", "top", "left", "right"],
      "text-radial-offset": 1,
    },
    paint: textPaint(kind === "street" ? palette.label : palette.labelSoft, palette),
  });
  return [label("community", 13, 24, 12), label("street", 10, 14.5, 15)];
}

function alarmLayers(palette: Palette): LayerSpecification[] {
  const sign = (source: SourceName, minzoom: number, maxzoom: number): LayerSpecification => ({
    id: source,
    type: "symbol",
    source,
    minzoom,
    maxzoom,
    layout: {
      "icon-image": ["get", "icon"],
      "icon-size": ["interpolate", ["linear"], ["zoom"], 11, 0.62, 14, 0.85, 17, 1.1],
      "icon-allow-overlap": true,
      "symbol-sort-key": ["get", "severity"],
      "text-field": ["case", [">", ["get", "open"], 1], ["to-string", ["get", "open"]], ""],
      "text-font": FONT,
      "text-size": 13,
      "text-anchor": "left",
      "text-offset": [1.1, 0],
      "text-allow-overlap": true,
    },
    paint: textPaint(palette.label, palette),
  });
  return [
    sign("block-signs", 0, DEVICE_ZOOM),
    sign("alarms", DEVICE_ZOOM, 24),
    sign("alarms-nowhere", 0, DEVICE_ZOOM),
  ];
}

function textPaint(
  colour: string,
  palette: Palette,
): { "text-color": string; "text-halo-color": string; "text-halo-width": number } {
  return { "text-color": colour, "text-halo-color": palette.halo, "text-halo-width": 1.6 };
}

/** Names of the images the style asks for, so that a test can compare them with those drawn. */
export function imageNames(): string[] {
  const steps: Severity[] = [1, 2, 3, 4];
  return [
    ...steps.flatMap((s) => [`hatch-${s}`, `sign-${s}`, `sign-${s}-new`]),
    ...FIELDS.map((name) => `field-${name}`),
    "gateway-on",
    "gateway-off",
  ];
}
