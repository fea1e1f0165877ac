// The look into the past: times of the controls, and the desk as it was.
import { describe, expect, it } from "vitest";
import { asThen, EMPTY, thenOf, withAlarm, worstThen } from "../src/desk.ts";
import { signsThen } from "../src/map/overlays.ts";
import { fromField, fromSlider, notAhead, REACH_MIN, toField, toSlider } from "../src/past.ts";
import { Store } from "../src/store.ts";
import type { DeviceCollection } from "../src/types.ts";
import { alarm, district } from "./sample.ts";

const NOON = Date.parse("2026-07-01T12:00:00+08:00");

describe("the controls' times", () => {
  it("are the district's, whatever the desk's clock says", () => {
    expect(toField(NOON)).toBe("2026-07-01T12:00:00");
    expect(fromField("2026-07-01T12:00:00")).toBe(NOON);
    expect(fromField("2026-07-01T12:00")).toBe(NOON);
  });

  it("are none where the field holds none", () => {
    for (const text of ["", "2026-07-01", "gestern", "2026-13-01T00:00"]) expect(fromField(text)).toBeNull();
  });

  it("go to the slider and back by the minute", () => {
    for (const minutes of [-REACH_MIN, -61, -1]) {
      expect(toSlider(fromSlider(minutes, NOON), NOON)).toBe(minutes);
    }
    expect(toSlider(NOON - 5 * 86_400_000, NOON)).toBe(-REACH_MIN);
  });

  it("never lie ahead of the server's clock", () => {
    expect(notAhead(NOON + 60_000, NOON)).toBeLessThan(NOON);
    expect(fromSlider(0, NOON)).toBeLessThan(NOON);
    expect(notAhead(NOON - 60_000, NOON)).toBe(NOON - 60_000);
  });
});

describe("the desk of then", () => {
  const then = thenOf(district({ devices: { d1: [1, 3], d2: [2, 0], d0: [1, 4], d3: [1, 3] } }));

  it("shows counts and states of then, and keeps the alarms of now for now", () => {
    const desk = withAlarm(EMPTY, alarm());
    const shown = asThen(desk, then);
    expect(shown.totals).toBe(then.totals);
    expect(shown.spaces.get("b1")?.severity).toBe(3);
    expect(shown.alarms).toBe(desk.alarms);
  });

  it("lists the devices in alarm, the worst first, and nothing when no past is shown", () => {
    expect(worstThen(then)).toEqual([["d0", 4], ["d1", 3], ["d3", 3]]);
    expect(worstThen(null)).toEqual([]);
  });

  it("puts a sign on each of them that stands somewhere, without a ring", () => {
    const at = (id: string) => ({ type: "Feature", geometry: { type: "Point", coordinates: [114, 22] }, properties: { device_id: id } });
    const devices = { type: "FeatureCollection", features: [at("d1"), at("d2")] } as unknown as DeviceCollection;
    expect(signsThen(devices, then.devices).map((sign) => sign.properties)).toMatchObject([{ device_id: "d1", icon: "sign-3" }]);
  });

  it("is left again, and what came meanwhile is there", () => {
    const store = new Store();
    store.lookBack({ ...then, atMs: NOON });
    store.take(alarm({ alarm_id: "new" }));
    expect(store.shown.totals).toBe(then.totals);
    store.lookBack(null);
    expect(store.shown).toBe(store.desk);
    expect(store.shown.alarms.has("new")).toBe(true);
  });
});
