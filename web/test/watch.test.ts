// The pure parts of the alarm desk: what can be done to an alarm, and a trial of a rule as discs on the map.
import { afterEach, describe, expect, it } from "vitest";
import { rankOf, tried } from "../src/alarms_api.ts";
import { deedsOf } from "../src/deeds.ts";
import { setLang } from "../src/i18n.ts";
import { DAY } from "../src/map/palette.ts";
import { TrialGuest, trialFeatures } from "../src/map/trial_guest.ts";
import { NO_FILTER, isUnacknowledged, roll } from "../src/roll.ts";
import { sayOf } from "../src/words/watch.ts";
import { alarm } from "./sample.ts";

afterEach(() => setLang("zh"));

describe("what can be done to an alarm", () => {
  it("is nothing once it is closed", () => {
    expect(deedsOf(alarm({ state: "closed" }))).toEqual([]);
  });

  it("offers every way out of sight while it is in sight, and only the way back while it is not", () => {
    expect(deedsOf(alarm())).toEqual(["assign", "shelve", "suppress", "out-of-service"]);
    expect(deedsOf(alarm({ life_safety: true }))).toEqual(["assign", "shelve", "out-of-service"]);
    expect(deedsOf(alarm({ hidden: "shelved" }))).toEqual(["assign", "unshelve"]);
    expect(deedsOf(alarm({ hidden: "suppressed" }))).toEqual(["assign", "unsuppress"]);
    expect(deedsOf(alarm({ hidden: "out_of_service" }))).toEqual(["assign", "in-service"]);
  });
});

describe("a hidden alarm", () => {
  it("waits for nobody and stands in no list of open ones", () => {
    const hidden = alarm({ alarm_id: "h", hidden: "shelved" });
    expect(isUnacknowledged(hidden)).toBe(false);
    const desk = new Map([alarm(), hidden].map((one) => [one.alarm_id, one]));
    expect(roll(desk, NO_FILTER, [], false)).toEqual({ ids: ["a1"], waiting: 0, hidden: 0 });
  });
});

describe("a trial on the map", () => {
  const device = (id: string, alarms: number) =>
    ({ device_id: id, name: id, lon: 114, lat: 22.5, space: "", alarms, worst: "yellow" }) as const;

  it("puts the most frequent device on top, and larger", () => {
    const found = trialFeatures([device("often", 16), device("once", 1)]) as { properties: { device_id: string; size: number } }[];
    expect(found.map((one) => one.properties.device_id)).toEqual(["once", "often"]);
    expect(found.map((one) => one.properties.size)).toEqual([9, 21]);
  });

  it("colours a disc by the name that the server gives the worst, and leaves out what has no place", () => {
    const [disc] = new TrialGuest().layers(DAY);
    expect(JSON.stringify(disc?.paint)).toContain('"yellow","#ffd400"');
    expect(trialFeatures([{ ...device("lost", 1), lon: null, lat: null }])).toEqual([]);
    expect([rankOf("blue"), rankOf("red"), rankOf("mauve")]).toEqual([1, 4, 0]);
  });

  it("picks the chosen rule out of a text with several, and takes a text of another rule as it is", () => {
    const text = '[[rule]]\nid = "a"\n[[rule]]\nid = "b.c"\n';
    expect(tried("b.c", text)).toEqual({ toml: text, rule_id: "b.c" });
    expect(tried("b", text)).toEqual({ toml: text });
    expect(tried("b", "")).toEqual({ rule_id: "b" });
  });
});

describe("sayOf", () => {
  it("names what it knows and leaves the rest readable", () => {
    expect(sayOf("level.micro_station")).toBe("微型消防站");
    expect(sayOf("level.sea_rescue")).toBe("sea rescue");
  });
});
