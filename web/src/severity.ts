// The national four-colour ladder: name, roman level, colour and shape of each step, so that no sign rests on colour alone.
import type { Severity } from "./types.ts";

export interface Step {
  key: "blue" | "yellow" | "orange" | "red";
  roman: "Ⅳ" | "Ⅲ" | "Ⅱ" | "Ⅰ";
  colour: string;
  /** Ink that reads on `colour` (contrast at least 4.5). */
  ink: string;
  shape: "circle" | "square" | "diamond" | "triangle";
}

export const LADDER: Readonly<Record<Severity, Step>> = {
  1: { key: "blue", roman: "Ⅳ", colour: "#3d8bff", ink: "#04122b", shape: "circle" },
  2: { key: "yellow", roman: "Ⅲ", colour: "#ffd400", ink: "#2b2300", shape: "square" },
  3: { key: "orange", roman: "Ⅱ", colour: "#ff8a1f", ink: "#2b1200", shape: "diamond" },
  4: { key: "red", roman: "Ⅰ", colour: "#ff4b42", ink: "#1d0200", shape: "triangle" },
};

/** From this step on a new alarm is shown over the map, announced and, if wanted, sounded. */
export const SEVERE: Severity = 3;

/** SVG path of a step's shape in a 24 × 24 box. */
export const SHAPE_PATH: Readonly<Record<Step["shape"], string>> = {
  circle: "M12 2a10 10 0 1 1 0 20a10 10 0 1 1 0-20z",
  square: "M4 3h16a1.5 1.5 0 0 1 1.5 1.5v15a1.5 1.5 0 0 1-1.5 1.5h-16a1.5 1.5 0 0 1-1.5-1.5v-15a1.5 1.5 0 0 1 1.5-1.5z",
  diamond: "M12 .6L23.4 12L12 23.4L.6 12z",
  triangle: "M12 .8L23.6 22.4H.4z",
};

export function isSeverity(value: number): value is Severity {
  return value === 1 || value === 2 || value === 3 || value === 4;
}

/** Contrast ratio of two `#rrggbb` colours after WCAG 2. */
export function contrast(one: string, other: string): number {
  const [dark, light] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return ((light ?? 0) + 0.05) / ((dark ?? 0) + 0.05);
}

function luminance(colour: string): number {
  const [r, g, b] = [1, 3, 5].map((at) => {
    const part = parseInt(colour.slice(at, at + 2), 16) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * (r ?? 0) + 0.7152 * (g ?? 0) + 0.0722 * (b ?? 0);
}
