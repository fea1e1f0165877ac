// What feeds a device and what it feeds: the traced network as arrows on the map and as a list. Pure.
import type { Feature } from "./types.ts";

export type Direction = "up" | "down";
export const RELATIONS = ["drainage", "power", "gateway"] as const;
export type Relation = (typeof RELATIONS)[number];

export interface TracedNode {
  node: string;
  lon: number | null;
  lat: number | null;
  name: string;
  depth: number;
  device_id?: string | null;
  severity?: number | null;
}

export interface TracedEdge {
  from: string;
  to: string;
  kind: string;
}

export interface Traced {
  nodes: TracedNode[];
  edges: TracedEdge[];
  /** True when the server's limit or depth kept some out. */
  cut: boolean;
}

type Point = { type: "Point"; coordinates: [number, number] };
type Line = { type: "LineString"; coordinates: [number, number][] };
export type TraceEdge = Feature<Line, { depth: number; kind: string }>;
export type TraceNode = Feature<Point, { depth: number; label: string; name: string; device_id: string; severity: number }>;

/** Steps drawn in different strength; what lies further looks like the last. */
export const DEPTHS = 5;

/** The edges whose both ends have a place, from what feeds to what is fed. */
export function arrows(traced: Traced): TraceEdge[] {
  const byNode = new Map(traced.nodes.map((node) => [node.node, node]));
  return traced.edges.flatMap(({ from, to, kind }) => {
    const [a, b] = [byNode.get(from), byNode.get(to)];
    if (!a || !b || !placed(a) || !placed(b) || same(a, b)) return [];
    const depth = Math.min(Math.max(a.depth, b.depth), DEPTHS);
    const coordinates: [number, number][] = [[a.lon, a.lat], [b.lon, b.lat]];
    return [{ type: "Feature" as const, geometry: { type: "LineString" as const, coordinates }, properties: { depth, kind } }];
  });
}

/** A disc for each node with a place; its number is how many steps away it is. */
export function stations(traced: Traced): TraceNode[] {
  return traced.nodes.filter(placed).map(({ lon, lat, depth, name, node, device_id, severity }) => ({
    type: "Feature",
    geometry: { type: "Point", coordinates: [lon, lat] },
    properties: {
      depth: Math.min(depth, DEPTHS),
      label: depth === 0 ? "" : String(depth),
      name: name || node,
      device_id: device_id ?? "",
      severity: severity ?? 0,
    },
  }));
}

/** West, south, east, north of what has a place; null for less than two of them. */
export function traceBox(traced: Traced): [number, number, number, number] | null {
  const there = traced.nodes.filter(placed);
  if (there.length < 2) return null;
  const [lons, lats] = [there.map((node) => node.lon), there.map((node) => node.lat)];
  return [Math.min(...lons), Math.min(...lats), Math.max(...lons), Math.max(...lats)];
}

/** The nodes reached, step by step, without the one that was asked about. */
export function steps(traced: Traced): TracedNode[] {
  return traced.nodes.filter((node) => node.depth > 0).sort((a, b) => a.depth - b.depth || a.node.localeCompare(b.node));
}

type Placed = TracedNode & { lon: number; lat: number };

function placed(node: TracedNode): node is Placed {
  return node.lon !== null && node.lat !== null;
}

function same(a: Placed, b: Placed): boolean {
  return a.lon === b.lon && a.lat === b.lat;
}
