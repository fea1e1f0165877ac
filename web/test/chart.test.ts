import { describe, expect, it } from "vitest";
import { axis, bits, extremes, isDoubtful, plot, pointsFor, refreshMs, SPANS, stepTo } from "../src/chart.ts";
import { tick, width } from "../src/format.ts";
import type { Readings, Threshold } from "../src/types.ts";

const plain: Readings = {
  device_id: "d", quantity: "temperature", unit: "Cel", resolution: "raw", step_s: 0, level: "raw",
  complete: true, truncated: false, because: null, left_out: [], t: [],
};
const readings = (t: number[], v: (number | null)[], q: number[]): Readings => ({ ...plain, t, v, q });
const points = (t: number[], mean: (number | null)[], good: number[] = mean.map(() => 1)): Readings => ({
  ...plain, resolution: "1m", step_s: 60, level: "1m", t, mean, good,
  min: mean.map((v) => (v === null ? null : v - 1)), max: mean.map((v) => (v === null ? null : v + 2)),
  last: mean, count: mean.map(() => 6),
});
const limit = (raise: number): Threshold => ({
  rule_id: "r", name: { zh: "", en: "" }, type: "high", severity: 4, raise, clear: raise,
});
const sums = (min: number | null, max: number | null) => ({ n: 0, min, max, last: null });

describe("single readings", () => {
  it("break the line where data is missing, and only there", () => {
    const { t, line, at } = plot(readings([0, 10_000, 60_000], [1, 2, 3], [0, 0, 0]), 35_000);
    expect(t).toEqual([0, 10, 35, 60]);
    expect(line).toEqual([1, 2, null, 3]);
    expect(at).toEqual([0, 1, null, 2]);
  });

  it("keep doubtful ones out of the line and mark them", () => {
    const { line, marks, high, low } = plot(readings([0, 1000, 2000], [1, 900, 2], [64, 1, 16]), 5000);
    expect(line).toEqual([1, null, 2]);
    expect(marks).toEqual([null, 900, null]);
    expect([...high, ...low].every((v) => v === null)).toBe(true);
  });
});

describe("points", () => {
  it("stand in the middle of their time, with their envelope", () => {
    const { t, line, low, high } = plot(points([0, 60_000], [20, 21]), 35_000);
    expect(t).toEqual([30, 90]);
    expect([low, line, high]).toEqual([[19, 20], [20, 21], [22, 23]]);
  });

  it("are joined when they touch and broken where some are missing", () => {
    expect(plot(points([0, 60_000, 120_000], [1, 1, 1]), 35_000).t).toHaveLength(3);
    expect(plot(points([0, 180_000], [1, 1]), 35_000).line).toEqual([1, null, 1]);
  });

  it("are marked when many readings of theirs do not count, and leave a hole when none does", () => {
    const { line, marks } = plot(points([0, 60_000, 120_000, 180_000], [1, 2, null, 4], [1, 0.5, 0, 0.95]), 35_000);
    expect(line).toEqual([1, 2, null, 4]);
    expect(marks).toEqual([null, 2, null, null]);
  });

  it("of a switch show whether it was on at all", () => {
    expect(plot(points([0], [0.1]), 35_000, true).line).toEqual([2.1]);
  });
});

it("how a reading came is no reason to doubt it", () => {
  expect([0, 16, 64, 80, 256, 1, 65, 512].map(isDoubtful)).toEqual([false, false, false, false, false, true, true, true]);
  expect(bits(65)).toEqual([1, 64]);
  expect(bits(768)).toEqual([256, 512]);
});

describe("axis", () => {
  it("takes in a limit that is near and leaves one that would flatten the curve", () => {
    expect(axis(sums(25, 27), [limit(57)])[1]).toBeGreaterThan(57);
    expect(axis(sums(25, 27), [limit(5000)])[1]).toBeLessThan(100);
  });

  it("stands without readings and with flat ones", () => {
    for (const found of [sums(null, null), sums(5, 5)]) {
      const [low, high] = axis(found, []);
      expect(high).toBeGreaterThan(low);
    }
  });
});

describe("extremes", () => {
  it("of readings skip what has no value", () => {
    expect(extremes(readings([1, 2, 3, 4], [null, 3, 1, null], []))).toEqual({ n: 4, min: 1, max: 3, last: 1 });
    expect(extremes(plain)).toEqual({ n: 0, min: null, max: null, last: null });
  });

  it("of points are those of all readings in them", () => {
    expect(extremes(points([0, 60_000], [5, 7]))).toEqual({ n: 12, min: 4, max: 9, last: 7 });
  });
});

describe("reading off by key", () => {
  const shown = plot(readings([0, 10_000, 60_000], [1, 2, 3], [0, 0, 0]), 35_000);

  it("goes from reading to reading over the gap", () => {
    expect(stepTo(shown, 1, 1)).toBe(3);
    expect(stepTo(shown, 3, -1)).toBe(1);
  });

  it("begins at the end that is nearest and stays at the ends", () => {
    expect([stepTo(shown, null, 1), stepTo(shown, null, -1)]).toEqual([0, 3]);
    expect([stepTo(shown, 0, -1), stepTo(shown, 3, 1)]).toEqual([0, 3]);
    expect(stepTo(plot(plain, 1), null, 1)).toBe(null);
  });
});

it("no more points are asked for than a plot can show, and never more than 2,000", () => {
  expect([0, 360, 720.4, 9000].map(pointsFor)).toEqual([400, 400, 720, 2000]);
});

it("longer spans are fetched less often", () => {
  const waits = SPANS.map(({ hours }) => refreshMs(hours));
  expect(waits).toEqual([...waits].sort((a, b) => a - b));
  expect([waits[0], waits.at(-1)]).toEqual([5000, 600_000]);
});

it("a width is told in the largest whole unit", () => {
  expect([20, 60, 90, 300, 21_600, 172_800].map((s) => width(s, "zh"))).toEqual([
    "20 秒", "1 分钟", "90 秒", "5 分钟", "6 小时", "2 天",
  ]);
  expect(width(300, "en")).toBe("5 min");
});

it("an axis tells hours, days or months of the district's time", () => {
  const at = Date.parse("2026-06-30T20:05:00Z") / 1000;
  expect([24, 24 * 7, 24 * 365].map((hours) => tick(at, hours))).toEqual(["04:05", "07-01", "2026-07"]);
});
