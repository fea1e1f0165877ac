// Alarms told before they are stored: shown only when the storing takes long, and gone when it is done.
import { describe, expect, it } from "vitest";
import { Provisionals } from "../src/provisional.ts";
import type { AlarmMessage, Provisional } from "../src/types.ts";
import { alarm } from "./sample.ts";

const told = (over: Partial<Provisional> = {}): Provisional => ({
  event_key: "k1",
  kind: "raised",
  rule_id: "fire-heat-fixed",
  name: { zh: "定温火警", en: "heat" },
  subject: "device:d1",
  field: "fire",
  severity: "orange",
  value: 80,
  threshold: 57,
  said: ["", ""],
  event_at: "2026-07-01T00:00:00+00:00",
  spaces: [],
  ...over,
});
const stored = (): AlarmMessage => ({ event: { kind: "raised" }, alarm: alarm() }) as unknown as AlarmMessage;

function stage() {
  const shown: string[] = [];
  const due: (() => void)[] = [];
  const held = new Provisionals((one) => shown.push(one.event_key), (run) => due.push(run));
  return { held, shown, wait: () => due.splice(0).forEach((run) => run()) };
}

describe("an alarm told before it is stored", () => {
  it("is shown when the storing takes long, and goes when it is done", () => {
    const { held, shown, wait } = stage();
    held.hear(told());
    expect([...held.shown.keys()]).toEqual([]);
    wait();
    expect(shown).toEqual(["k1"]);
    expect(held.shown.size).toBe(1);
    expect(held.stored(stored())).toBe(true);
    expect(held.shown.size).toBe(0);
  });

  it("is never shown when it is stored at once", () => {
    const { held, shown, wait } = stage();
    held.hear(told());
    expect(held.stored(stored())).toBe(false);
    wait();
    expect(shown).toEqual([]);
  });

  it("gives way to its own return", () => {
    const { held, wait } = stage();
    held.hear(told());
    wait();
    expect(held.hear(told({ kind: "returned", event_key: "k2" }))).toBe(true);
    expect(held.shown.size).toBe(0);
  });

  it("is shown once, at its latest level, when it got worse meanwhile", () => {
    const { held, shown, wait } = stage();
    held.hear(told());
    held.hear(told({ kind: "escalated", severity: "red", event_key: "k2" }));
    wait();
    expect(shown).toEqual(["k2"]);
    expect([...held.shown.values()].map((one) => one.severity)).toEqual(["red"]);
  });

  it("keeps no more than a hundred", () => {
    const { held, wait } = stage();
    for (let n = 0; n < 250; n += 1) {
      held.hear(told({ subject: `device:d${n}`, event_key: `k${n}` }));
      if (n % 50 === 0) wait();
    }
    wait();
    expect(held.shown.size).toBeLessThanOrEqual(100);
  });
});
