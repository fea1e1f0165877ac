// A device as installed, as wished for, and as it says it is; the shapes of the server's answers. Pure.

export interface Held {
  value: unknown;
  at: string;
  by: string;
}

export interface Installation {
  serial: string;
  vendor: string;
  model: string;
  from_at: string | null;
  to_at: string | null;
  reason: string;
  by: string;
}

export interface Stood {
  lon: number;
  lat: number;
  space: string | null;
  gateway_id: string;
  from_at: string | null;
  to_at: string | null;
  reason: string;
  by: string;
}

export interface Twin {
  device_id: string;
  kind: string;
  installation: Installation | null;
  desired: { version: number; values: Record<string, Held> };
  reported: { version: number; values: Record<string, Held>; at: string | null };
  delta: Record<string, { desired: unknown; reported: unknown; since: string }>;
}

export interface DeviceHistory {
  installations: Installation[];
  places: Stood[];
  more: boolean;
}

export interface Facet {
  surface_id: string | null;
  surveyed_at: string | null;
  slope_deg: number | null;
  aspect_deg: number | null;
  distance_m: number | null;
  reason: string | null;
}

/** Every name that either side holds, wished-for ones that do not hold yet first. */
export function names(twin: Twin): string[] {
  const all = new Set([...Object.keys(twin.desired.values), ...Object.keys(twin.reported.values)]);
  const waits = (name: string): number => Number(name in twin.delta);
  return [...all].sort((a, b) => waits(b) - waits(a) || a.localeCompare(b));
}

/** The entity tag of the wishes, as If-Match takes it. */
export function tagOf(twin: Twin): string {
  return `"${twin.desired.version}"`;
}

const POINTS = ["n", "ne", "e", "se", "s", "sw", "w", "nw"] as const;

/** The point of the compass a bearing is nearest to. */
export function compass(bearing: number): (typeof POINTS)[number] {
  return POINTS[Math.round((((bearing % 360) + 360) % 360) / 45) % 8] ?? "n";
}
