// Addresses and places as the page tells them.
import { describe, expect, it } from "vitest";
import { askable, distance, distinct, position, type AddressMatch } from "../src/address.ts";
import { above, carrier, within, type Reason } from "../src/place.ts";
import { step } from "./sample.ts";

const match = (address: string, lon: number): AddressMatch => ({
  address,
  level: "door",
  score: 1,
  space_code: null,
  space_kind: null,
  lon,
  lat: 22.5,
  device_id: null,
  interpolated: false,
  why: { zh: "", en: "" },
  path: [],
});

describe("a search for addresses", () => {
  it("is not made for nothing, and never for more than the server takes", () => {
    expect(askable("  深 ")).toBe("");
    expect(askable(" 深南 ")).toBe("深南");
    expect(askable("长".repeat(500))).toHaveLength(200);
  });

  it("shows one place once, though two sources know it", () => {
    const found = [match("深南路1号", 114.1), match("深南路1号", 114.1), match("深南路1号", 114.2), match("深南路3号", 114.1)];
    expect(distinct(found, 8)).toHaveLength(3);
    expect(distinct(found, 2)).toHaveLength(2);
  });
});

describe("figures of a place", () => {
  it("say the longitude first, to a tenth of a metre", () => {
    expect(position(114.13, 22.5512349)).toBe("114.130000, 22.551235");
  });

  it("round a distance as people do", () => {
    expect([0.44, 9.96, 36.7, 999.4, 1240].map(distance)).toEqual(["0.4 m", "10.0 m", "37 m", "999 m", "1.2 km"]);
  });
});

describe("why a space looks as it does", () => {
  const reason = (over: Partial<Reason>): Reason => ({
    alarm_id: "a",
    severity: 3,
    state: "unacknowledged",
    rule_id: "r",
    rule_name: { zh: "规", en: "r" },
    device_id: "d1",
    device_name: "一号",
    gateway_id: "gw",
    quantity: "",
    value: null,
    threshold: null,
    unit: "",
    since: "2026-07-01T00:00:00Z",
    path: [step("block", "b1"), step("building", "h1")],
    ...over,
  });

  it("names the device, else its id, else the gateway", () => {
    expect(carrier(reason({}))).toBe("一号");
    expect(carrier(reason({ device_name: null }))).toBe("d1");
    expect(carrier(reason({ device_name: null, device_id: null }))).toBe("gw");
  });

  it("names the part inside, and not the space itself once more", () => {
    expect(within(reason({}), "b1")?.code).toBe("h1");
    expect(within(reason({}), "h1")).toBeNull();
    expect(within(reason({ path: [] }), "b1")).toBeNull();
  });

  it("leaves itself and repeated names out of its path", () => {
    const path = [step("district", "d"), { ...step("street", "s"), name: "名d" }, step("block", "b1")];
    expect(above(path, "b1").map((each) => each.code)).toEqual(["d"]);
  });
});
