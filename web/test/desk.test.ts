import { describe, expect, it } from "vitest";
import { EMPTY, foundBy, isCall, loaded, MAX_ALARMS, withAlarm, withBeat, withDelta } from "../src/desk.ts";
import type { AlarmEvent } from "../src/types.ts";
import { alarm, district } from "./sample.ts";

const NOW = Date.parse("2026-07-01T00:00:05+00:00");

describe("loading", () => {
  it("replaces what was there and learns the server's clock", () => {
    const desk = loaded(EMPTY, district(), [alarm()], NOW);
    expect(desk.loaded).toBe(true);
    expect(desk.skewMs).toBe(5000);
    expect([...desk.alarms.keys()]).toEqual(["a1"]);
    expect(desk.spaces.get("b1")?.devices).toBe(4);
    expect(desk.devices.get("d1")).toEqual([1, 3]);
  });

  it("drops alarms the server no longer lists", () => {
    const before = withAlarm(EMPTY, alarm({ alarm_id: "gone", event_id: 4 }));
    expect([...loaded(before, district(), [], NOW).alarms.keys()]).toEqual([]);
  });

  it("keeps events that arrived while the lists were under way", () => {
    const early = withAlarm(EMPTY, alarm({ state: "acknowledged", event_id: 12 }));
    const both = withAlarm(early, alarm({ alarm_id: "newborn", event_id: 11 }));
    const desk = loaded(both, district(), [alarm()], NOW);
    expect(desk.alarms.get("a1")?.state).toBe("acknowledged");
    expect(desk.alarms.has("newborn")).toBe(true);
  });
});

describe("one alarm", () => {
  it("never goes back to an older word", () => {
    const desk = withAlarm(EMPTY, alarm({ state: "closed", event_id: 20 }));
    expect(withAlarm(desk, alarm({ event_id: 19 })).alarms.get("a1")?.state).toBe("closed");
  });

  it("forgets old closed alarms, never open ones, at the bound", () => {
    const alarms = new Map(
      Array.from({ length: MAX_ALARMS }, (_, i) => {
        const id = `n${i}`;
        return [id, alarm({ alarm_id: id, event_id: i, state: i % 2 ? "closed" : "acknowledged" })];
      }),
    );
    const { alarms: kept } = withAlarm({ ...EMPTY, alarms }, alarm());
    const open = [...kept.values()].filter((a) => a.state !== "closed");
    expect(open.length).toBe(MAX_ALARMS / 2 + 1);
    expect(kept.size).toBe(open.length + 200);
    expect(kept.has(`n${MAX_ALARMS - 1}`)).toBe(true);
  });
});

describe("deltas and beats", () => {
  it("change only what they name", () => {
    const desk = loaded(EMPTY, district(), [alarm()], NOW);
    const next = withDelta(
      desk,
      { at: "2026-07-01T00:00:12+00:00", devices: { d2: [2, 0] }, spaces: { b1: [0, 0, 0] }, totals: district().totals },
      NOW + 2000,
    );
    expect(next.devices.get("d1")).toEqual([1, 3]);
    expect(next.devices.get("d2")).toEqual([2, 0]);
    expect(next.spaces.get("b1")).toEqual({ severity: 0, open: 0, unacknowledged: 0, devices: 4 });
    expect(desk.devices.has("d2")).toBe(false);
  });

  it("note when the server was last heard", () => {
    const beat = { at: "2026-07-01T00:00:05+00:00", readings_per_s: 1, received: 1, stored: 1, rejected: 0, duplicates: 0, open: 0 };
    expect(withBeat(EMPTY, beat, NOW).heardMs).toBe(NOW);
    expect(withBeat(EMPTY, beat, NOW).skewMs).toBe(0);
  });
});

describe("what calls", () => {
  const event = (kind: AlarmEvent["kind"]): AlarmEvent => ({
    event_id: 1, kind, at: "", event_at: "", actor: "", severity: 3, state: "unacknowledged", value: 1, note: "",
  });

  it.each([
    ["raised", 3, "unacknowledged", true],
    ["escalated", 4, "unacknowledged", true],
    ["raised", 2, "unacknowledged", false],
    ["eased", 3, "unacknowledged", false],
    ["raised", 4, "acknowledged", false],
    ["closed", 4, "closed", false],
  ] as const)("%s at level %s and %s: %s", (kind, severity, state, calls) => {
    expect(isCall({ event: event(kind), alarm: alarm({ severity, state }) }, 3)).toBe(calls);
  });

  it("is also found by a reload after an outage, but not at the first load", () => {
    const first = loaded(EMPTY, district(), [alarm()], NOW);
    expect(foundBy(EMPTY, first, 3)).toEqual([]);
    const missed = [alarm({ alarm_id: "b", severity: 4 }), alarm({ alarm_id: "c", severity: 1 })];
    const after = loaded(first, district(), [alarm(), ...missed], NOW);
    expect(foundBy(first, after, 3).map((a) => a.alarm_id)).toEqual(["b"]);
  });
});
