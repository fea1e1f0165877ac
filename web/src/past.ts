// Times of the past as the controls hold them: the district's time (UTC+8, no summer time) and whole minutes. Pure.

const OFFSET_MS = 8 * 3_600_000;
const MINUTE_MS = 60_000;
/** How far the slider reaches, in minutes. */
export const REACH_MIN = 24 * 60;

/** `2026-07-01T13:05:09`, as a date-time field wants it. */
export function toField(ms: number): string {
  return new Date(ms + OFFSET_MS).toISOString().slice(0, 19);
}

/** The time a date-time field holds, with or without seconds; null when it is none. */
export function fromField(text: string): number | null {
  const ms = /^\d{4,}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?$/.test(text) ? Date.parse(`${text}+08:00`) : NaN;
  return Number.isNaN(ms) ? null : ms;
}

/** Where the slider stands for a time: minutes, 0 is now, the left end is `-REACH_MIN`. */
export function toSlider(ms: number, nowMs: number): number {
  const minutes = Math.round((ms - nowMs) / MINUTE_MS);
  return Math.max(-REACH_MIN, Math.min(0, minutes));
}

/** The time of a slider's place. */
export function fromSlider(minutes: number, nowMs: number): number {
  return notAhead(nowMs + minutes * MINUTE_MS, nowMs);
}

/** The server refuses the future, and its clock and ours differ by a little. */
export function notAhead(ms: number, nowMs: number): number {
  return Math.min(ms, nowMs - 2_000);
}
