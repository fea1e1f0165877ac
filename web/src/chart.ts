// The pure parts of the reading chart: breaks where data is missing, what is doubtful, and how far the axis goes.
import type { Readings, Threshold } from "./types.ts";

export type Column = (number | null)[];

/** Bits that say how a reading came, not that it is wrong: backfilled, simulated and late. */
const HARMLESS = 16 | 64 | 256;
const BITS = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512];

export interface Span {
  hours: number;
  word: "chart.minutes" | "chart.hour" | "chart.six" | "chart.day" | "chart.week" | "chart.month" | "chart.year";
}

export const SPANS: readonly Span[] = [
  { hours: 1 / 6, word: "chart.minutes" },
  { hours: 1, word: "chart.hour" },
  { hours: 6, word: "chart.six" },
  { hours: 24, word: "chart.day" },
  { hours: 24 * 7, word: "chart.week" },
  { hours: 24 * 30, word: "chart.month" },
  { hours: 24 * 365, word: "chart.year" },
];

/** How often a chart of so many hours is fetched anew: when it moved by about a pixel, 5 s to 10 min. */
export function refreshMs(hours: number): number {
  return Math.min(Math.max((hours * 3_600_000) / 1000, 5000), 600_000);
}

/** How many points a plot of so many device pixels can show: more would blur the envelope into the line. */
export function pointsFor(pixels: number): number {
  return Math.round(Math.min(Math.max(pixels, 400), 2000));
}

/** A point is marked when fewer of its readings than this count in its values. */
const MOSTLY = 0.9;

/** Columns of one length; where `at` is a gap between points, the others are null. */
export interface Plot {
  /** Seconds since the epoch; of a point its middle. */
  t: number[];
  /** Index into the answer's columns, null in a gap. */
  at: Column;
  high: Column;
  low: Column;
  line: Column;
  /** Where a mark stands: a doubtful reading, or a point more than a tenth of whose readings do not count. */
  marks: Column;
}

/**
 * The columns to draw. A line across a time without readings would claim what nobody measured, so it is
 * broken where two neighbours lie more than `gapMs` further apart than their width. `highest` draws the
 * greatest of a point instead of the mean, for what is only ever on or off.
 */
export function plot(readings: Readings, gapMs: number, highest = false): Plot {
  const out: Plot = { t: [], at: [], high: [], low: [], line: [], marks: [] };
  const width = readings.step_s * 1000;
  let last = -Infinity;
  readings.t.forEach((begin, i) => {
    const ms = begin + width / 2;
    if (last > -Infinity && ms - last > gapMs + width) push(out, (last + ms) / 2, null, {});
    push(out, ms, i, width === 0 ? single(readings, i) : point(readings, i, highest));
    last = ms;
  });
  return out;
}

type Drawn = Partial<Record<"high" | "low" | "line" | "marks", number | null>>;

function single({ v, q }: Readings, i: number): Drawn {
  const value = v?.[i] ?? null;
  return isDoubtful(q?.[i] ?? 0) ? { marks: value } : { line: value };
}

function point({ min, max, mean, good }: Readings, i: number, highest: boolean): Drawn {
  const line = (highest ? max : mean)?.[i] ?? null;
  return { high: max?.[i] ?? null, low: min?.[i] ?? null, line, marks: isThin(good?.[i] ?? 1) ? line : null };
}

/** Tell whether too few of a point's readings count in its values. */
export function isThin(good: number): boolean {
  return good < MOSTLY;
}

export function isDoubtful(quality: number): boolean {
  return (quality & ~HARMLESS) !== 0;
}

/** The quality bits set, smallest first. */
export function bits(quality: number): number[] {
  return BITS.filter((bit) => (quality & bit) !== 0);
}

/** Least and greatest of the axis: all readings, and those limits that are not absurdly far away. */
export function axis({ min, max }: Extremes, limits: readonly Threshold[]): [number, number] {
  let low = min ?? 0;
  let high = max ?? 1;
  if (min === null || max === null) {
    const raises = limits.map((limit) => limit.raise);
    low = Math.min(0, ...raises);
    high = Math.max(1, ...raises);
  }
  const reach = Math.max(high - low, Math.abs(high) * 0.5, 1e-9) * 4;
  for (const { raise } of limits) {
    if (raise > high && raise - high <= reach) high = raise;
    if (raise < low && low - raise <= reach) low = raise;
  }
  const room = (high - low || Math.abs(high) || 1) * 0.08;
  return [low - room, high + room];
}

export interface Extremes {
  n: number;
  min: number | null;
  max: number | null;
  last: number | null;
}

/** How many readings a window holds, and their extremes. */
export function extremes({ t, v, min, max, last, count }: Readings): Extremes {
  const lows = known(min ?? v);
  const highs = known(max ?? v);
  return {
    n: count ? count.reduce((sum, n) => sum + n, 0) : t.length,
    min: lows.length ? Math.min(...lows) : null,
    max: highs.length ? Math.max(...highs) : null,
    last: known(last ?? v).at(-1) ?? null,
  };
}

/** The column that a key moves the reading finger to: the next one that is no gap, or where it was. */
export function stepTo({ at }: Plot, from: number | null, by: 1 | -1): number | null {
  let next = from === null ? (by > 0 ? 0 : at.length - 1) : from + by;
  while (next >= 0 && next < at.length && at[next] === null) next += by;
  return next >= 0 && next < at.length ? next : from;
}

function known(values: Column | undefined): number[] {
  return (values ?? []).filter((v): v is number => v !== null && Number.isFinite(v));
}

function push(out: Plot, ms: number, at: number | null, drawn: Drawn): void {
  out.t.push(ms / 1000);
  out.at.push(at);
  for (const name of ["high", "low", "line", "marks"] as const) out[name].push(drawn[name] ?? null);
}
