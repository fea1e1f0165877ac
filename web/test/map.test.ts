// The map's style after the style specification, and what the alarms put on it.
import { describe, expect, it } from "vitest";
import { validateStyleMin } from "@maplibre/maplibre-gl-style-spec";
import { alarmSigns, blockSigns, extent, gatewayPoints, markedBlocks, markedBuildings, outsideBlocks } from "../src/map/overlays.ts";
import { DAY, NIGHT } from "../src/map/palette.ts";
import { buildStyle, imageNames } from "../src/map/style.ts";
import { contrast, LADDER } from "../src/severity.ts";
import { FIELD_COLOUR } from "../src/signs.ts";
import type { SpaceCollection } from "../src/types.ts";
import { alarm, step } from "./sample.ts";

function spaces(...codes: string[]): SpaceCollection {
  return {
    type: "FeatureCollection",
    features: codes.map((code, i) => ({
      type: "Feature",
      id: code,
      geometry: { type: "Polygon", coordinates: [[[i, 0], [i + 1, 0], [i + 1, 1], [i, 0]]] },
      properties: { code, kind: "block", name: code, name_en: "", parent: null, height_m: 9, source: "synthetic", lon: i + 0.5, lat: 0.5 },
    })),
  };
}

describe("the style", () => {
  it.each([["night", NIGHT], ["day", DAY]] as const)("is valid by %s", (_, palette) => {
    expect(validateStyleMin(buildStyle(palette))).toEqual([]);
  });

  it("asks for nothing from outside: no tiles, no glyphs, no sprite", () => {
    const style = buildStyle(NIGHT);
    expect(style.glyphs).toBeUndefined();
    expect(style.sprite).toBeUndefined();
    expect(Object.values(style.sources).every((source) => source.type === "geojson")).toBe(true);
    expect(JSON.stringify(style)).not.toMatch(/https?:/);
  });

  it("draws each step by another hatch and sign", () => {
    expect(new Set(imageNames()).size).toBe(imageNames().length);
    expect(imageNames()).toContain("hatch-4");
  });
});

describe("colours", () => {
  it.each(Object.values(LADDER))("$key carries a numeral that can be read", ({ colour, ink }) => {
    expect(contrast(colour, ink)).toBeGreaterThan(4.5);
  });

  it("the labels can be read, by night and by day", () => {
    for (const { label, labelSoft, halo } of [NIGHT, DAY]) {
      expect(contrast(label, halo)).toBeGreaterThan(7);
      expect(contrast(labelSoft, halo)).toBeGreaterThan(4.5);
    }
  });

  it("no field wears a colour of the ladder", () => {
    const steps = Object.values(LADDER).map(({ colour }) => colour);
    expect(Object.values(FIELD_COLOUR).filter((colour) => steps.includes(colour))).toEqual([]);
  });
});

describe("overlays", () => {
  const counts = new Map([
    ["b1", { severity: 3, open: 2, unacknowledged: 0, devices: 3 }],
    ["b2", { severity: 0, open: 0, unacknowledged: 0, devices: 3 }],
  ]);

  it("mark only blocks with open alarms, by the server's word", () => {
    const marked = markedBlocks(spaces("b1", "b2", "b3"), counts);
    expect(marked.map((block) => block.properties.code)).toEqual(["b1"]);
    expect(blockSigns(marked, counts)[0]?.properties).toMatchObject({ icon: "sign-3", open: 2, code: "b1" });
  });

  it("mark a building by its worst alarm", () => {
    const inside = (severity: 2 | 4) => alarm({ severity, path: [step("block", "b1"), step("building", "h1")] });
    const marked = markedBuildings(spaces("h1", "h2"), [inside(2), inside(4)]);
    expect(marked.map(({ properties }) => [properties.code, properties.severity])).toEqual([["h1", 4]]);
  });

  it("put one sign on a place: the worst, ringed while any is unacknowledged", () => {
    const signs = alarmSigns([
      alarm({ alarm_id: "x", severity: 4, state: "acknowledged" }),
      alarm({ alarm_id: "y", severity: 2 }),
      alarm({ alarm_id: "z", subject: "device:d2", lon: null }),
    ]);
    expect(signs.map((sign) => sign.properties)).toMatchObject([{ icon: "sign-4-new", open: 2, alarm_id: "x" }]);
  });

  it("find the alarms no block sums up", () => {
    const gateway = alarm({ alarm_id: "g", subject: "gateway:gw-01", path: [step("street", "s1")] });
    expect(outsideBlocks([alarm(), gateway]).map((a) => a.alarm_id)).toEqual(["g"]);
  });

  it("show a gateway as offline only when it is said to be", () => {
    const gateway = { gateway_id: "g", name: "g", lon: 1, lat: 2, at: null };
    const points = gatewayPoints([{ ...gateway, online: null }, { ...gateway, online: false }]);
    expect(points.map((point) => point.properties.offline)).toEqual([false, true]);
  });
});

describe("extent", () => {
  it("spans all outlines, longitude first", () => expect(extent(spaces("a", "b"))).toEqual([0, 0, 2, 1]));
  it("of nothing is null", () => expect(extent(spaces())).toBeNull());
});
