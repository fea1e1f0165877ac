// Why a space looks as it does, as the server explains it, and what of that a small card has room for. Pure.
import type { AlarmStateName, Bilingual, PathStep, Severity } from "./types.ts";

export interface Reason {
  alarm_id: string;
  severity: Severity;
  state: AlarmStateName;
  rule_id: string;
  rule_name: Bilingual;
  device_id: string | null;
  device_name: string | null;
  gateway_id: string | null;
  quantity: string;
  value: number | null;
  threshold: number | null;
  unit: string;
  since: string;
  path: PathStep[];
}

export interface Part {
  code: string;
  kind: string;
  name: string;
  name_en: string;
  severity: number;
  open: number;
  stale: number;
}

export interface Reasons {
  code: string;
  kind: string;
  severity: number;
  open: number;
  unacknowledged: number;
  freshness: { fresh: number; stale: number; never: number };
  reasons: Reason[];
  stale_devices: { device_id: string; last_at: string }[];
  parts: Part[];
}

/** A space with the way to it from the district; what the card shows besides is not read. */
export interface SpaceFacts {
  code: string;
  kind: string;
  name: string;
  name_en: string;
  path: PathStep[];
}

/** The path without the space itself and without repeated names. */
export function above(path: readonly PathStep[], code: string): PathStep[] {
  return path.filter((step, at) => step.code !== code && step.name !== path[at - 1]?.name);
}

/** What carries the alarm, shortest name first known. */
export function carrier(reason: Reason): string {
  return reason.device_name ?? reason.device_id ?? reason.gateway_id ?? "";
}

/** The innermost place of a reason below the space that is explained; empty when it is the space itself. */
export function within(reason: Reason, code: string): PathStep | null {
  const last = reason.path.at(-1);
  return last && last.code !== code ? last : null;
}
