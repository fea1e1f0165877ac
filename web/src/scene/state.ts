// What the desk knows, told of a scene: which building and which instrument is in what state. Pure.
import type { Word } from "../i18n.ts";
import { isUnacknowledged } from "../roll.ts";
import type { Alarm, DeviceState, Freshness } from "../types.ts";
import type { DeviceNode, SlopeClass } from "./types.ts";

export interface Worst {
  severity: number;
  open: number;
  unacknowledged: number;
}

/** Open alarms by the building they lie in. */
export function byBuilding(alarms: Iterable<Alarm>): Map<string, Worst> {
  const found = new Map<string, Worst>();
  for (const alarm of alarms) {
    if (alarm.state === "closed") continue;
    const code = alarm.path.find((step) => step.kind === "building")?.code;
    if (!code) continue;
    const known = found.get(code) ?? { severity: 0, open: 0, unacknowledged: 0 };
    found.set(code, {
      severity: Math.max(known.severity, alarm.severity),
      open: known.open + 1,
      unacknowledged: known.unacknowledged + (isUnacknowledged(alarm) ? 1 : 0),
    });
  }
  return found;
}

export interface PinState {
  fresh: Freshness;
  severity: number;
}

/** The state of an instrument; one the desk has not heard of has never reported. */
export function pinState(id: string, devices: ReadonlyMap<string, DeviceState>): PinState {
  const told = devices.get(id);
  return { fresh: told?.[0] ?? 0, severity: told?.[1] ?? 0 };
}

/** Instruments for the list: what alarms first, then by name. */
export function ordered(nodes: readonly DeviceNode[], devices: ReadonlyMap<string, DeviceState>): DeviceNode[] {
  const level = (node: DeviceNode): number => pinState(node.device_id, devices).severity;
  return [...nodes].sort((a, b) => level(b) - level(a) || a.title.localeCompare(b.title, "zh-CN", { numeric: true }));
}

/** How many first signs all titles share, up to a word's end: in a list they say nothing. */
export function sharedStart(titles: readonly string[]): number {
  const [first = "", ...others] = titles;
  let length = others.length ? first.length : 0;
  for (const title of others) {
    let same = 0;
    while (same < length && title[same] === first[same]) same += 1;
    length = same;
  }
  // A number that begins alike is not cut in two.
  while (length > 0 && /[0-9]/.test(first[length - 1] ?? "")) length -= 1;
  return length;
}

/** The nearest point within reach of a press, or null; points off the screen are null. */
export function nearest(
  points: readonly ([x: number, y: number] | null)[],
  x: number,
  y: number,
  reach: number,
): number | null {
  let best: number | null = null;
  let least = reach * reach;
  points.forEach((point, index) => {
    if (!point) return;
    const far = (point[0] - x) ** 2 + (point[1] - y) ** 2;
    if (far <= least) [best, least] = [index, far];
  });
  return best;
}

/** Degrees from the horizontal of a facet with this normal (y up). */
export function steepness(x: number, y: number, z: number): number {
  return (Math.atan2(Math.hypot(x, z), Math.abs(y)) * 180) / Math.PI;
}

/** Where a facet falls to, degrees clockwise from north; null on the level. Z is south. */
export function aspect(x: number, y: number, z: number): number | null {
  if (steepness(x, y, z) < 0.01) return null;
  const sign = y < 0 ? -1 : 1;
  return ((Math.atan2(x * sign, -z * sign) * 180) / Math.PI + 360) % 360;
}

const WINDS = ["n", "ne", "e", "se", "s", "sw", "w", "nw"] as const;

/** The word of a direction, degrees clockwise from north. */
export function wind(degrees: number): Word {
  const index = Math.round((((degrees % 360) + 360) % 360) / 45) % 8;
  return `scene.${WINDS[index] ?? "n"}`;
}

/** A class of steepness in figures. */
export function range({ from_deg, to_deg }: SlopeClass): string {
  return to_deg === null ? `≥ ${from_deg}°` : `${from_deg}–${to_deg}°`;
}
