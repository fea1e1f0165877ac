import { describe, expect, it } from "vitest";
import { axis, bits, extremes, isDoubtful, plot } from "../src/chart.ts";
import type { Readings, Threshold } from "../src/types.ts";

const readings = (t: number[], v: (number | null)[], q: number[]): Readings => ({
  device_id: "d", quantity: "temperature", unit: "Cel", t, v, q, truncated: false,
});
const limit = (raise: number): Threshold => ({
  rule_id: "r", name: { zh: "", en: "" }, type: "high", severity: 4, raise, clear: raise,
});

describe("plot", () => {
  it("breaks the line where data is missing, and only there", () => {
    const { t, good } = plot(readings([0, 10_000, 60_000], [1, 2, 3], [0, 0, 0]), 35_000);
    expect(t).toEqual([0, 10, 35, 60]);
    expect(good).toEqual([1, 2, null, 3]);
  });

  it("keeps doubtful readings out of the line and shows them apart", () => {
    const { good, doubtful } = plot(readings([0, 1000, 2000], [1, 900, 2], [64, 1, 16]), 5000);
    expect(good).toEqual([1, null, 2]);
    expect(doubtful).toEqual([null, 900, null]);
  });
});

it("simulated and backfilled are no reason to doubt", () => {
  expect([0, 16, 64, 80, 1, 65].map(isDoubtful)).toEqual([false, false, false, false, true, true]);
  expect(bits(65)).toEqual([1, 64]);
});

describe("axis", () => {
  it("takes in a limit that is near and leaves one that would flatten the curve", () => {
    expect(axis([25, 27], [limit(57)])[1]).toBeGreaterThan(57);
    expect(axis([25, 27], [limit(5000)])[1]).toBeLessThan(100);
  });

  it("stands without readings and with flat ones", () => {
    for (const values of [[], [null], [5, 5]]) {
      const [low, high] = axis(values, []);
      expect(high).toBeGreaterThan(low);
    }
  });
});

it("extremes skip gaps", () => {
  expect(extremes([null, 3, 1, null])).toEqual({ n: 2, min: 1, max: 3, last: 1 });
  expect(extremes([])).toEqual({ n: 0, min: null, max: null, last: null });
});
