// The pure parts of the reading chart: breaks where data is missing, what is doubtful, and how far the axis goes.
import type { Readings, Threshold } from "./types.ts";

export type Column = (number | null)[];

/** Bits that say where a reading comes from, not that it is wrong: backfilled and simulated. */
const HARMLESS = 16 | 64;

export interface Plot {
  /** Seconds since the epoch. */
  t: number[];
  good: Column;
  doubtful: Column;
}

/**
 * The columns to draw. A line across a time without readings would claim what nobody measured, so it is
 * broken where two readings lie more than `gapMs` apart.
 */
export function plot(readings: Readings, gapMs: number): Plot {
  const out: Plot = { t: [], good: [], doubtful: [] };
  let last = -Infinity;
  readings.t.forEach((ms, i) => {
    if (last > -Infinity && ms - last > gapMs) push(out, (last + ms) / 2, null, null);
    const value = readings.v[i] ?? null;
    const wrong = isDoubtful(readings.q[i] ?? 0);
    push(out, ms, wrong ? null : value, wrong ? value : null);
    last = ms;
  });
  return out;
}

export function isDoubtful(quality: number): boolean {
  return (quality & ~HARMLESS) !== 0;
}

/** The quality bits set, smallest first. */
export function bits(quality: number): number[] {
  return [1, 2, 4, 8, 16, 32, 64, 128].filter((bit) => (quality & bit) !== 0);
}

/** Least and greatest of the axis: all readings, and those limits that are not absurdly far away. */
export function axis(values: Column, limits: readonly Threshold[]): [number, number] {
  const known = values.filter((v): v is number => v !== null && Number.isFinite(v));
  let low = Math.min(...known);
  let high = Math.max(...known);
  if (known.length === 0) {
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

export function extremes(values: Column): Extremes {
  const known = values.filter((v): v is number => v !== null);
  return {
    n: known.length,
    min: known.length ? Math.min(...known) : null,
    max: known.length ? Math.max(...known) : null,
    last: known.at(-1) ?? null,
  };
}

function push(out: Plot, ms: number, good: number | null, doubtful: number | null): void {
  out.t.push(ms / 1000);
  out.good.push(good);
  out.doubtful.push(doubtful);
}
