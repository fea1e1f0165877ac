// What the server saw in a map file, what a person says about it, and the question that follows. Pure.

export interface FieldFacts {
  name: string;
  /** text, whole, number or empty. */
  type: string;
  /** Rows with a value. */
  filled: number;
  samples: string[];
}

export interface LayerFacts {
  name: string;
  features: number;
  geometry_types: Record<string, number>;
  fields: FieldFacts[];
  crs: string;
}

export interface Inspection {
  name: string;
  driver: string;
  layers: LayerFacts[];
  encoding: { used: string; sure: boolean; candidates: [encoding: string, sample: string][]; remarks: string[] };
  /** What the file says, as text and as a name we know; what would fit its numbers; the evidence. */
  frame: { declared: string; named: string; possible: string[]; sentences: string[] };
  guess: { mapping: Partial<Record<Role, string>>; evidence: string[] };
}

export const ROLES = ["kind", "code", "name", "name_en", "parent", "height"] as const;
export type Role = (typeof ROLES)[number];

/** Systems that maps come in; a person may type any other name. */
export const FRAMES = [
  "EPSG:4490",
  "EPSG:4547",
  "EPSG:4526",
  "EPSG:4326",
  "EPSG:3857",
  "GCJ-02",
  "BD-09",
] as const;
export const ENCODINGS = ["UTF-8", "GB18030", "BIG5"] as const;

export interface Declared {
  /** Empty means all. */
  layers: readonly string[];
  frame: string;
  encoding: string;
  mapping: Partial<Record<Role, string>>;
  partial: boolean;
  /** Code of the space that the map is of; empty for the whole district. */
  within: string;
  origin: string;
  note: string;
}

export const UNDECLARED: Declared = {
  layers: [],
  frame: "",
  encoding: "",
  mapping: {},
  partial: true,
  within: "",
  origin: "",
  note: "",
};

/** Systems to offer: what the file says, what would fit its numbers, then the usual ones. */
export function offered(seen: Inspection): string[] {
  const { named, possible } = seen.frame;
  return [...new Set([...(named ? [named] : []), ...possible, ...FRAMES])];
}

/** `1,318 Polygon, 2 MultiPolygon`. */
export function shapes(layer: LayerFacts): string {
  return Object.entries(layer.geometry_types)
    .map(([kind, count]) => `${count.toLocaleString("en-US")} ${kind}`)
    .join(", ");
}

/** What each role is called in the question; the kind may be a field or one level for all. */
const ASKED: Readonly<Record<Role, string>> = {
  kind: "kind",
  code: "code_field",
  name: "name_field",
  name_en: "name_en_field",
  parent: "parent_field",
  height: "height_field",
};

/** Begins a choice of the kind that names one level for all, not a field. */
export const FIXED = "=";

/** The query of a proposal; what is not declared is left to the server. */
export function question(name: string, said: Declared): [string, string][] {
  const query: [string, string][] = [
    ["name", name],
    ["frame", said.frame.trim()],
    ["partial", String(said.partial)],
    ...said.layers.map((layer): [string, string] => ["layer", layer]),
  ];
  const tell = (key: string, value = ""): unknown => value.trim() && query.push([key, value.trim()]);
  for (const role of ROLES) {
    const chosen = said.mapping[role] ?? "";
    tell(ASKED[role], role === "kind" && chosen.startsWith(FIXED) ? chosen.slice(FIXED.length) : chosen);
  }
  tell("encoding", said.encoding);
  tell("within", said.within);
  tell("origin", said.origin);
  tell("note", said.note);
  return query;
}

/** Every field of the chosen layers, once. */
export function fieldNames(seen: Inspection, layers: readonly string[]): string[] {
  const chosen = seen.layers.filter((layer) => layers.length === 0 || layers.includes(layer.name));
  return [...new Set(chosen.flatMap((layer) => layer.fields.map((field) => field.name)))];
}
