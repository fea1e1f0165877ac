// Proposals of maps: what stands in the way, what is drawn, and the question a person's words make.
import { validateStyleMin } from "@maplibre/maplibre-gl-style-spec";
import { describe, expect, it } from "vitest";
import { placeInFile, sentences } from "../src/finding_text.ts";
import { setLang } from "../src/i18n.ts";
import { fieldNames, FRAMES, offered, question, shapes, UNDECLARED, type Inspection } from "../src/inspection.ts";
import { DAY } from "../src/map/palette.ts";
import { CHANGE_COLOUR, CHANGE_DASH, marked, PATTERN, ProposalGuest, sided } from "../src/map/proposal_guest.ts";
import { buildStyle } from "../src/map/style.ts";
import {
  boxOf,
  boxOfChanges,
  bytes,
  byWeight,
  mover,
  obstacle,
  told,
  weigh,
  type Cell,
  type Change,
  type Finding,
  type Proposal,
} from "../src/proposal.ts";
import { LADDER } from "../src/severity.ts";

const finding = (weight: Finding["weight"], kind: string): Finding => ({
  kind, weight, codes: [], detail: "", where: "", mend: "", area_m2: null, at: null,
});

const proposal = (over: Partial<Proposal>): Proposal => ({
  proposal_id: 1, state: "open", made_at: "", made_by: "", note: "", file: { name: "f" }, partial: true,
  against: 3, in_force: 3, errors: 0, warnings: 0, diff: { counts: { added: 0, redrawn: 0, changed: 0, gone: 0, same: 0 }, lineages: [] },
  current: true, within: null,
  findings: [], moves: [], gateway_moves: [], settled_at: null, settled_by: null, settled_note: "", version_id: null, replaced_by: null,
  ...over,
});

const cell = (code: string, change: Change, part: "before" | "after", x = 0): Cell => ({
  type: "Feature",
  geometry: { type: "Polygon", coordinates: [[[x, 0], [x + 1, 0], [x + 1, 1], [x, 0]]] },
  properties: { code, kind: "block", name: code, name_en: "", change, part },
});

describe("what stands in the way of a proposal", () => {
  it.each<[string, Partial<Proposal>, boolean, ReturnType<typeof obstacle>]>([
    ["nothing", {}, false, null],
    ["errors, accepted or not", { errors: 1, warnings: 1 }, true, "errors"],
    ["warnings that nobody accepted", { warnings: 2 }, false, "warnings"],
    ["no warning that was accepted", { warnings: 2 }, true, null],
    ["another map in force", { current: false }, true, "stale"],
    ["that it is settled", { state: "withdrawn" }, true, "settled"],
  ])("%s", (_, over, accepted, wanted) => expect(obstacle(proposal(over), accepted)).toBe(wanted));
});

describe("findings", () => {
  const all = [finding("note", "a"), finding("error", "b"), finding("warning", "c"), finding("error", "d")];
  it("stand the worst first, else in the server's order", () => {
    expect(byWeight(all).map((each) => each.kind)).toEqual(["b", "d", "c", "a"]);
  });
  it("speak the chosen language, and English where a report has no Chinese", () => {
    const both = { ...finding("error", "gap"), detail: "a gap", detail_zh: "有空隙", mend: "fill it", mend_zh: "请补绘" };
    const old = { ...finding("error", "gap"), detail: "a gap", mend: "fill it" };
    expect(sentences(both)).toEqual({ detail: "有空隙", mend: "请补绘" });
    expect(sentences(old)).toEqual({ detail: "a gap", mend: "fill it" });
    expect(placeInFile("layer blocks, feature 12")).toBe("图层 blocks 第 12 个要素");
    expect(placeInFile("layer 街区")).toBe("图层 街区");
    setLang("en");
    expect(sentences(both)).toEqual({ detail: "a gap", mend: "fill it" });
    expect(placeInFile("layer blocks, feature 12")).toBe("layer blocks, feature 12");
    setLang("zh");
  });
  it("are counted by weight", () => expect(weigh(all)).toEqual({ error: 2, warning: 1, note: 1 }));
});

describe("the cells drawn", () => {
  const cells = [cell("r", "redrawn", "before"), cell("r", "redrawn", "after", 5), cell("a", "added", "after", 2), cell("g", "gone", "before", 3), cell("s", "same", "after", 9)];

  it("are those of the asked side, what stays on both, changes last", () => {
    const codes = (side: "both" | "before" | "after") => sided(cells, side).map((each) => each.properties.code);
    expect(codes("both")).toEqual(["s", "r", "r", "a", "g"]);
    expect(codes("before")).toEqual(["s", "r", "g"]);
    expect(codes("after")).toEqual(["s", "r", "a"]);
  });

  it("are called reworded when there is no outline from before", () => {
    const words = told([cell("r", "redrawn", "before"), cell("r", "redrawn", "after"), cell("w", "redrawn", "after")]);
    expect(words.map((each) => each.properties.change)).toEqual(["redrawn", "redrawn", "corrected"]);
  });

  it("span what changes, not the whole map", () => {
    expect(boxOfChanges(cells)).toEqual([0, 0, 6, 1]);
    expect(boxOfChanges([cell("s", "same", "after")])).toBeNull();
  });

  it("span the spaces a finding names, in one part or many", () => {
    const many: Cell = { ...cell("m", "added", "after"), geometry: { type: "MultiPolygon", coordinates: [[[[7, 7], [8, 8], [7, 8], [7, 7]]], [[[1, 1], [2, 2], [1, 2], [1, 1]]]] } };
    expect(boxOf([...cells, many], new Set(["m"]))).toEqual([1, 1, 8, 8]);
    expect(marked(cells, { codes: ["r"] })).toHaveLength(2);
  });
});

describe("the changes on the map", () => {
  it("differ by colour, by pattern and by line, and none looks like an alarm", () => {
    for (const table of [CHANGE_COLOUR, PATTERN, CHANGE_DASH]) {
      const values = Object.values(table).map(String);
      expect(new Set(values).size).toBe(values.length);
    }
    const ladder = Object.values(LADDER).map((step) => step.colour);
    expect(Object.values(CHANGE_COLOUR).filter((colour) => ladder.includes(colour))).toEqual([]);
  });

  it("ask the map for layers that are valid", () => {
    const guest = new ProposalGuest();
    const style = buildStyle(DAY);
    for (const name of Object.keys(guest.data)) {
      style.sources[name] = { type: "geojson", data: { type: "FeatureCollection", features: [] } };
    }
    expect(validateStyleMin({ ...style, layers: [...style.layers, ...guest.layers(DAY)] })).toEqual([]);
  });

  it("hide only layers that the page has", () => {
    const known = new Set(buildStyle(DAY).layers.map((layer) => layer.id));
    expect(new ProposalGuest().hides.filter((layer) => !known.has(layer))).toEqual([]);
  });
});

describe("small words", () => {
  it("name who moves and how large a file is", () => {
    expect(mover({ device_id: "d", from: null, to: null })).toBe("d");
    expect(mover({ gateway_id: "g", from: null, to: "b" })).toBe("g");
    expect([900, 20_480, 5_500_000].map(bytes)).toEqual(["900 B", "20 KiB", "5.2 MiB"]);
  });
});


describe("what a person says of a file", () => {
  const field = (name: string) => ({ name, type: "text", filled: 1, samples: [] });
  const layer = (name: string, ...fields: string[]) => ({ name, features: 3, geometry_types: { Polygon: 1318, MultiPolygon: 2 }, fields: fields.map(field), crs: "" });
  const seen: Inspection = {
    name: "f.gpkg", driver: "GPKG", layers: [layer("a", "code", "name"), layer("b", "name", "h")],
    encoding: { used: "UTF-8", sure: true, candidates: [], remarks: [] },
    frame: { declared: "x", named: "EPSG:4526", possible: ["EPSG:4547", "EPSG:4526"], sentences: [] },
    guess: { mapping: {}, evidence: [] },
  };

  it("begins without a frame, whatever the file says, and offers the file's first", () => {
    expect(UNDECLARED.frame).toBe("");
    expect(offered(seen).slice(0, 2)).toEqual(["EPSG:4526", "EPSG:4547"]);
    expect(new Set(offered(seen)).size).toBe(offered(seen).length);
    expect(offered(seen)).toEqual(expect.arrayContaining([...FRAMES]));
  });

  it("offers the fields of the chosen layers, once", () => {
    expect(fieldNames(seen, [])).toEqual(["code", "name", "h"]);
    expect(fieldNames(seen, ["b"])).toEqual(["name", "h"]);
    expect(shapes(seen.layers[0]!)).toBe("1,318 Polygon, 2 MultiPolygon");
  });

  it("becomes a question in which nothing stands that was not said", () => {
    expect(question("f.gpkg", { ...UNDECLARED, frame: " EPSG:4547 " })).toEqual([
      ["name", "f.gpkg"],
      ["frame", "EPSG:4547"],
      ["partial", "true"],
    ]);
  });

  it("names every layer, the fields by their roles, and one level for all as such", () => {
    const mapping = { code: "BM", parent: "", kind: "=block" };
    const said = { ...UNDECLARED, layers: ["a", "b"], frame: "GCJ-02", encoding: "GB18030", mapping, partial: false, origin: " me " };
    expect(question("f", said).slice(2)).toEqual([
      ["partial", "false"],
      ["layer", "a"],
      ["layer", "b"],
      ["kind", "block"],
      ["code_field", "BM"],
      ["encoding", "GB18030"],
      ["origin", "me"],
    ]);
  });
});
