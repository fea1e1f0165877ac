// A device's twin: the form of its schema, the order of its rows, the traced network.
import { validateStyleMin } from "@maplibre/maplibre-gl-style-spec";
import { describe, expect, it } from "vitest";
import { DAY } from "../src/map/palette.ts";
import { buildStyle } from "../src/map/style.ts";
import { TraceGuest } from "../src/map/trace_guest.ts";
import { controlOf, settable, shown, typedOf, valueOf, type Schema } from "../src/schema_form.ts";
import { arrows, DEPTHS, stations, steps, traceBox, type Traced, type TracedNode } from "../src/trace.ts";
import { compass, names, tagOf, type Twin } from "../src/twin.ts";

describe("a control", () => {
  it.each<[Schema, string]>([
    [{ type: "number", minimum: 0 }, "number"],
    [{ type: ["integer", "null"] }, "number"],
    [{ type: "boolean" }, "choice"],
    [{ enum: ["a", 2] }, "choice"],
    [{ type: "string" }, "text"],
    [{ type: "object" }, "raw"],
    [{ type: ["string", "number"] }, "raw"],
    [{}, "raw"],
  ])("fits %j", (schema, kind) => expect(controlOf(schema).kind).toBe(kind));

  it("offers only what can be set", () => {
    const schema: Schema = { properties: { a: { side: "configuration" }, b: { side: "installation" }, c: {} } };
    expect(settable(schema).map(([name]) => name)).toEqual(["a"]);
    expect(settable({})).toEqual([]);
  });
});

describe("a typed value", () => {
  it.each<[string, Schema, unknown]>([
    [" 2.5 ", { type: "number" }, 2.5],
    ["30", { type: "integer", minimum: 1, maximum: 30 }, 30],
    ["true", { type: "boolean" }, true],
    ['"A1"', { enum: ["A1", "A2"] }, "A1"],
    ["  北门 ", { type: "string" }, "北门"],
    ['{"a":[1]}', {}, { a: [1] }],
  ])("%j of %j", (typed, schema, value) => expect(valueOf(typed, schema)).toEqual(value));

  it.each<[string, Schema, string]>([
    ["", { type: "number" }, "notNumber"],
    ["12 m", { type: "number" }, "notNumber"],
    ["Infinity", { type: "number" }, "notNumber"],
    ["1.5", { type: "integer" }, "notWhole"],
    ["0", { type: "number", minimum: 1 }, "tooSmall"],
    ["0", { type: "number", exclusiveMinimum: 0 }, "tooSmall"],
    ["9", { type: "number", maximum: 8 }, "tooLarge"],
    ["8", { type: "number", exclusiveMaximum: 8 }, "tooLarge"],
    ["长长", { type: "string", maxLength: 1 }, "tooLong"],
    ["", { type: "string", minLength: 1 }, "tooShort"],
    ["x", { type: "string", pattern: "^[0-9]+$" }, "notMatching"],
    ["{", {}, "notJson"],
  ])("%j of %j is refused", (typed, schema, word) => expect(() => valueOf(typed, schema)).toThrow(word));

  it("leaves a pattern to the server that this browser cannot read", () => {
    expect(valueOf("x", { type: "string", pattern: "(?<=" })).toBe("x");
  });

  it("stands in its control as it was typed", () => {
    for (const [value, schema] of [[2.5, { type: "number" }], ["A1", { enum: ["A1"] }], [false, { type: "boolean" }]] as const) {
      expect(valueOf(typedOf(value, schema), schema)).toBe(value);
    }
    expect(typedOf(undefined, { type: "number" })).toBe("");
  });

  it("is read as text or JSON", () => {
    expect([shown("a"), shown(1), shown({ a: 1 }), shown(null)]).toEqual(["a", "1", '{"a":1}', "—"]);
  });
});

describe("a twin", () => {
  const held = (value: unknown) => ({ value, at: "2026-07-01T00:00:00Z", by: "x" });
  const twin: Twin = {
    device_id: "d1",
    kind: "heat",
    installation: null,
    desired: { version: 7, values: { b: held(1), c: held(2) } },
    reported: { version: 2, values: { a: held(1), c: held(2) }, at: null },
    delta: { b: { desired: 1, reported: null, since: "2026-07-01T00:00:00Z" } },
  };

  it("lists what does not hold yet first", () => expect(names(twin)).toEqual(["b", "a", "c"]));
  it("is written against the version that was read", () => expect(tagOf(twin)).toBe('"7"'));
  it("faces a point of the compass", () => {
    expect([0, 22, 23, 131, 359, -90, 720].map(compass)).toEqual(["n", "n", "ne", "se", "n", "w", "n"]);
  });
});

describe("a trace", () => {
  const node = (name: string, depth: number, over: Partial<TracedNode> = {}): TracedNode => ({
    node: `node:${name}`, name, depth, lon: 114 + depth / 100, lat: 22, device_id: null, severity: 0, ...over,
  });
  const traced: Traced = {
    nodes: [node("a", 0), node("b", 1), node("c", 2, { lon: null, lat: null }), node("d", 9, { device_id: "dev", severity: 3 })],
    edges: [
      { from: "node:b", to: "node:a", kind: "drainage" },
      { from: "node:c", to: "node:b", kind: "drainage" },
      { from: "node:d", to: "node:b", kind: "drainage" },
      { from: "node:a", to: "node:a", kind: "drainage" },
      { from: "node:x", to: "node:a", kind: "drainage" },
    ],
    cut: false,
  };

  it("draws the edges whose ends have a place, along the flow", () => {
    expect(arrows(traced).map((edge) => edge.geometry.coordinates)).toEqual([
      [[114.01, 22], [114, 22]],
      [[114.09, 22], [114.01, 22]],
    ]);
  });

  it("numbers the nodes by steps, the first without a number", () => {
    const [start, next, last] = stations(traced).map((station) => station.properties);
    expect([start?.label, next?.label, last?.label]).toEqual(["", "1", "9"]);
    expect(last).toMatchObject({ depth: DEPTHS, device_id: "dev", severity: 3 });
  });

  it("lists what was reached, also what has no place", () => {
    expect(steps(traced).map((each) => each.name)).toEqual(["b", "c", "d"]);
  });

  it("spans what has a place, and nothing for a single point", () => {
    expect(traceBox(traced)).toEqual([114, 22, 114.09, 22]);
    expect(traceBox({ nodes: [node("a", 0)], edges: [], cut: false })).toBeNull();
  });

  it("asks the map for layers that are valid", () => {
    const guest = new TraceGuest();
    const style = buildStyle(DAY);
    for (const name of Object.keys(guest.data)) {
      style.sources[name] = { type: "geojson", data: { type: "FeatureCollection", features: [] } };
    }
    expect(validateStyleMin({ ...style, layers: [...style.layers, ...guest.layers(DAY)] })).toEqual([]);
  });
});
