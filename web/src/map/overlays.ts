// What the alarms add to the map: which blocks, buildings and points carry which sign. Pure.
import { isUnacknowledged } from "../roll.ts";
import type {
  Alarm,
  DeviceCollection,
  DeviceState,
  Feature,
  GatewayState,
  SpaceCollection,
  SpaceProperties,
} from "../types.ts";
import type { SpaceCount } from "../desk.ts";

type Point = { type: "Point"; coordinates: [number, number] };
export interface SignProperties {
  icon: string;
  severity: number;
  open: number;
  device_id: string;
  alarm_id: string;
  code: string;
}
export type Sign = Feature<Point, SignProperties>;
export type Marked = Feature<SpaceCollection["features"][number]["geometry"], SpaceProperties & { severity: number }>;

/** The sign of a severity; `fresh` adds the ring of what nobody has acknowledged. */
export function icon(severity: number, fresh: boolean): string {
  return fresh ? `sign-${severity}-new` : `sign-${severity}`;
}

/** The blocks that carry an open alarm, with its severity. */
export function markedBlocks(blocks: SpaceCollection, spaces: ReadonlyMap<string, SpaceCount>): Marked[] {
  const marked: Marked[] = [];
  for (const block of blocks.features) {
    const severity = spaces.get(block.properties.code)?.severity ?? 0;
    if (severity > 0) marked.push({ ...block, properties: { ...block.properties, severity } });
  }
  return marked;
}

/** One sign in the middle of each marked block. */
export function blockSigns(marked: readonly Marked[], spaces: ReadonlyMap<string, SpaceCount>): Sign[] {
  return marked.map(({ properties: { code, lon, lat, severity } }) => {
    const count = spaces.get(code);
    return point(lon, lat, {
      icon: icon(severity, (count?.unacknowledged ?? 0) > 0),
      severity,
      open: count?.open ?? 0,
      code,
      device_id: "",
      alarm_id: "",
    });
  });
}

/** The buildings that carry an open alarm, by the alarms' own paths. */
export function markedBuildings(buildings: SpaceCollection, open: readonly Alarm[]): Marked[] {
  const worst = new Map<string, number>();
  for (const alarm of open) {
    const building = alarm.path.find((step) => step.kind === "building");
    if (building) worst.set(building.code, Math.max(worst.get(building.code) ?? 0, alarm.severity));
  }
  return buildings.features.flatMap((building) => {
    const severity = worst.get(building.properties.code);
    return severity ? [{ ...building, properties: { ...building.properties, severity } }] : [];
  });
}

/** One sign for each place with open alarms: the worst one's, and how many there are. */
export function alarmSigns(open: readonly Alarm[]): Sign[] {
  const places = new Map<string, Alarm[]>();
  for (const alarm of open) {
    if (alarm.lon === null || alarm.lat === null) continue;
    const there = places.get(alarm.subject);
    if (there) there.push(alarm);
    else places.set(alarm.subject, [alarm]);
  }
  return [...places.values()].map((alarms) => {
    const worst = alarms.reduce((a, b) => (b.severity > a.severity ? b : a));
    return point(worst.lon ?? 0, worst.lat ?? 0, {
      icon: icon(worst.severity, alarms.some(isUnacknowledged)),
      severity: worst.severity,
      open: alarms.length,
      device_id: worst.device_id ?? "",
      alarm_id: worst.alarm_id,
      code: "",
    });
  });
}

/** One sign for each device that was in alarm at a past time. Who had acknowledged is not known of the past. */
export function signsThen(devices: DeviceCollection, states: ReadonlyMap<string, DeviceState>): Sign[] {
  return devices.features.flatMap(({ properties: { device_id }, geometry: { coordinates } }) => {
    const severity = states.get(device_id)?.[1] ?? 0;
    const sign = { icon: icon(severity, false), severity, open: 1, device_id, alarm_id: "", code: "" };
    return severity > 0 ? [point(...coordinates, sign)] : [];
  });
}

/** Open alarms that no block sums up and that would else be unseen from afar: gateways, unplaced devices. */
export function outsideBlocks(open: readonly Alarm[]): Alarm[] {
  return open.filter((alarm) => !alarm.path.some((step) => step.kind === "block"));
}

export function gatewayPoints(
  gateways: readonly GatewayState[],
): Feature<Point, { gateway_id: string; name: string; offline: boolean }>[] {
  return gateways.map(({ gateway_id, name, lon, lat, online }) => ({
    type: "Feature",
    geometry: { type: "Point", coordinates: [lon, lat] },
    properties: { gateway_id, name, offline: online === false },
  }));
}

/** West, south, east, north of all outlines, or null when there are none. */
export function extent(spaces: SpaceCollection): [number, number, number, number] | null {
  let [west, south, east, north] = [Infinity, Infinity, -Infinity, -Infinity];
  const visit = (part: unknown): void => {
    if (!Array.isArray(part)) return;
    const [lon, lat] = part as unknown[];
    if (typeof lon === "number" && typeof lat === "number") {
      west = Math.min(west, lon);
      east = Math.max(east, lon);
      south = Math.min(south, lat);
      north = Math.max(north, lat);
    } else {
      for (const inner of part) visit(inner);
    }
  };
  for (const feature of spaces.features) visit(feature.geometry.coordinates);
  return west < east ? [west, south, east, north] : null;
}

function point(lon: number, lat: number, properties: SignProperties): Sign {
  return { type: "Feature", geometry: { type: "Point", coordinates: [lon, lat] }, properties };
}
