// From the JSON Schema of a kind of device to the controls of a form, and from what was typed to a value. Pure.

export interface Schema {
  type?: string | string[];
  title?: string;
  description?: string;
  enum?: readonly unknown[];
  const?: unknown;
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: number;
  exclusiveMaximum?: number;
  multipleOf?: number;
  minLength?: number;
  maxLength?: number;
  pattern?: string;
  properties?: Record<string, Schema>;
  /** Ours: `title` is Chinese, this is English. */
  titleEn?: string;
  /** Ours: a UCUM code. */
  unit?: string;
  /** Ours: a fact of the mounting, or what can be set. */
  side?: "installation" | "configuration";
}

export type Control =
  | { kind: "choice"; options: readonly string[] }
  | { kind: "number"; whole: boolean; min: number | null; max: number | null; step: number | null }
  | { kind: "text"; most: number | null; pattern: string | null }
  | { kind: "raw" };

/** How one property is asked for; what no control fits is typed as JSON. */
export function controlOf(schema: Schema): Control {
  const type = typeOf(schema);
  if (schema.enum) return { kind: "choice", options: schema.enum.map((value) => JSON.stringify(value)) };
  if (type === "boolean") return { kind: "choice", options: ["true", "false"] };
  if (type === "number" || type === "integer") {
    return {
      kind: "number",
      whole: type === "integer",
      min: schema.minimum ?? schema.exclusiveMinimum ?? null,
      max: schema.maximum ?? schema.exclusiveMaximum ?? null,
      step: schema.multipleOf ?? null,
    };
  }
  if (type === "string") return { kind: "text", most: schema.maxLength ?? null, pattern: schema.pattern ?? null };
  return { kind: "raw" };
}

/** The properties that can be set, in the schema's order. */
export function settable(schema: Schema): [name: string, schema: Schema][] {
  return Object.entries(schema.properties ?? {}).filter(([, one]) => one.side === "configuration");
}

/** What a typed text means; throws a `TypeError` whose message is the word of what is wrong. */
export function valueOf(typed: string, schema: Schema): unknown {
  const control = controlOf(schema);
  const text = typed.trim();
  if (control.kind === "number") return numberOf(text, control, schema);
  if (control.kind === "text") return textOf(text, schema);
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw new TypeError("notJson");
  }
}

/** How a value stands in its control. */
export function typedOf(value: unknown, schema: Schema): string {
  if (value === undefined || value === null) return "";
  const { kind } = controlOf(schema);
  return kind === "number" || kind === "text" ? String(value) : JSON.stringify(value);
}

/** A value as people read it: text bare, everything else as JSON. */
export function shown(value: unknown): string {
  if (value === undefined || value === null) return "—";
  return typeof value === "string" ? value : JSON.stringify(value);
}

function numberOf(text: string, control: Extract<Control, { kind: "number" }>, schema: Schema): number {
  // An empty field is no zero.
  const value = text === "" ? NaN : Number(text);
  if (!Number.isFinite(value)) throw new TypeError("notNumber");
  if (control.whole && !Number.isInteger(value)) throw new TypeError("notWhole");
  const below = schema.minimum !== undefined && value < schema.minimum;
  const atMost = schema.exclusiveMinimum !== undefined && value <= schema.exclusiveMinimum;
  if (below || atMost) throw new TypeError("tooSmall");
  const above = schema.maximum !== undefined && value > schema.maximum;
  const atLeast = schema.exclusiveMaximum !== undefined && value >= schema.exclusiveMaximum;
  if (above || atLeast) throw new TypeError("tooLarge");
  return value;
}

function textOf(text: string, schema: Schema): string {
  if (schema.maxLength !== undefined && [...text].length > schema.maxLength) throw new TypeError("tooLong");
  if (schema.minLength !== undefined && [...text].length < schema.minLength) throw new TypeError("tooShort");
  // A pattern that this browser cannot read is the server's to check.
  const pattern = schema.pattern === undefined ? null : compiled(schema.pattern);
  if (pattern && !pattern.test(text)) throw new TypeError("notMatching");
  return text;
}

function compiled(pattern: string): RegExp | null {
  try {
    return new RegExp(pattern, "u");
  } catch {
    return null;
  }
}

/** The one type besides null. */
function typeOf({ type }: Schema): string | undefined {
  if (!Array.isArray(type)) return type;
  const real = type.filter((name) => name !== "null");
  return real.length === 1 ? real[0] : undefined;
}
