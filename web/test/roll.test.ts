import { describe, expect, it } from "vitest";
import { byUrgency, isFiltering, NO_FILTER, passes, roll, type Filter } from "../src/roll.ts";
import type { Alarm } from "../src/types.ts";
import { alarm } from "./sample.ts";

const all = (...alarms: Alarm[]): Map<string, Alarm> => new Map(alarms.map((a) => [a.alarm_id, a]));
const filter = (over: Partial<Filter>): Filter => ({ ...NO_FILTER, ...over });

describe("the order", () => {
  it("puts what nobody has acknowledged first, then the worst, then the newest", () => {
    const alarms = [
      alarm({ alarm_id: "acked-red", severity: 4, state: "acknowledged" }),
      alarm({ alarm_id: "blue", severity: 1 }),
      alarm({ alarm_id: "old-red", severity: 4, raised_at: "2026-07-01T00:00:00+00:00" }),
      alarm({ alarm_id: "new-red", severity: 4, raised_at: "2026-07-01T00:00:05+00:00" }),
      alarm({ alarm_id: "returned", severity: 2, state: "returned_unacknowledged" }),
    ];
    const order = alarms.sort(byUrgency).map((a) => a.alarm_id);
    expect(order).toEqual(["new-red", "old-red", "returned", "blue", "acked-red"]);
  });
});

describe("the filter", () => {
  it("lets all pass when empty", () => {
    expect(passes(alarm(), NO_FILTER)).toBe(true);
    expect(isFiltering(NO_FILTER)).toBe(false);
  });

  it("joins field, level and place by and", () => {
    const both = filter({ fields: new Set(["fire"]), severities: new Set([3]), within: "b1" });
    expect(passes(alarm(), both)).toBe(true);
    expect(passes(alarm({ field: "water" }), both)).toBe(false);
    expect(passes(alarm({ severity: 4 }), both)).toBe(false);
    expect(passes(alarm({ path: [] }), both)).toBe(false);
  });
});

describe("the roll", () => {
  it("hides closed alarms and counts those the filter hides", () => {
    const alarms = all(alarm(), alarm({ alarm_id: "w", field: "water" }), alarm({ alarm_id: "x", state: "closed" }));
    const shown = roll(alarms, filter({ fields: new Set(["fire"]) }), [], false);
    expect(shown).toEqual({ ids: ["a1"], waiting: 0, hidden: 1 });
  });

  it("keeps every row in its place while held, closed ones too, and counts what waits", () => {
    const alarms = all(
      alarm({ alarm_id: "second", state: "closed" }),
      alarm({ alarm_id: "first", severity: 1 }),
      alarm({ alarm_id: "new", severity: 4 }),
    );
    const held = roll(alarms, NO_FILTER, ["first", "second"], true);
    expect(held).toEqual({ ids: ["first", "second"], waiting: 1, hidden: 0 });
    expect(roll(alarms, NO_FILTER, held.ids, false).ids).toEqual(["new", "first"]);
  });

  it("fills an empty list even while held", () => {
    expect(roll(all(alarm()), NO_FILTER, [], true).ids).toEqual(["a1"]);
  });
});
