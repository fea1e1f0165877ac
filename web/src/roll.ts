// Which alarms the list shows and in which order; pure, so that the order can be tested.
import type { Alarm, FieldName, Severity } from "./types.ts";

export interface Filter {
  /** Empty means all. */
  fields: ReadonlySet<FieldName>;
  severities: ReadonlySet<Severity>;
  /** Code of a space the alarm must lie in, or null. */
  within: string | null;
}

export const NO_FILTER: Filter = { fields: new Set(), severities: new Set(), within: null };

export function isFiltering(filter: Filter): boolean {
  return filter.fields.size > 0 || filter.severities.size > 0 || filter.within !== null;
}

export function passes(alarm: Alarm, filter: Filter): boolean {
  if (filter.fields.size > 0 && !filter.fields.has(alarm.field)) return false;
  if (filter.severities.size > 0 && !filter.severities.has(alarm.severity)) return false;
  const { within } = filter;
  return within === null || alarm.path.some((step) => step.code === within);
}

/** Shelved, suppressed or out of service: judged on, and in no colour and no total. */
export function isHidden(alarm: Alarm): boolean {
  return Boolean(alarm.hidden);
}

export function isUnacknowledged(alarm: Alarm): boolean {
  if (isHidden(alarm)) return false;
  return alarm.state === "unacknowledged" || alarm.state === "returned_unacknowledged";
}

/** Unacknowledged before the rest, then the worst, then the newest. */
export function byUrgency(a: Alarm, b: Alarm): number {
  return (
    Number(isUnacknowledged(b)) - Number(isUnacknowledged(a)) ||
    b.severity - a.severity ||
    b.raised_at.localeCompare(a.raised_at) ||
    a.alarm_id.localeCompare(b.alarm_id)
  );
}

export interface Roll {
  ids: string[];
  /** Open alarms that pass the filter and are not in `ids` while the order is held. */
  waiting: number;
  /** Open alarms the filter hides. */
  hidden: number;
}

/**
 * The rows to show. While `held` (a pointer or the focus is on the list) the rows of `shown` stay where
 * they are, closed ones too: a row must not slip under the hand that is about to press a button.
 */
export function roll(
  alarms: ReadonlyMap<string, Alarm>,
  filter: Filter,
  shown: readonly string[],
  held: boolean,
): Roll {
  const open = [...alarms.values()].filter((alarm) => alarm.state !== "closed" && !isHidden(alarm));
  const wanted = open.filter((alarm) => passes(alarm, filter)).sort(byUrgency);
  const hidden = open.length - wanted.length;
  const kept = shown.filter((id) => alarms.has(id));
  if (!held || kept.length === 0) {
    return { ids: wanted.map((alarm) => alarm.alarm_id), waiting: 0, hidden };
  }
  const there = new Set(kept);
  const waiting = wanted.filter((alarm) => !there.has(alarm.alarm_id)).length;
  return { ids: kept, waiting, hidden };
}
