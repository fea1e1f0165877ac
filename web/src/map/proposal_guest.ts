// A proposed map over the one in force: each change has its own colour, pattern and line, and words beside.
import type { ExpressionSpecification, LayerSpecification } from "maplibre-gl";
import { isShown, type Cell, type Change, type Finding, type Side } from "../proposal.ts";
import type { Guest } from "./guests.ts";
import type { Palette } from "./palette.ts";

const RATIO = 2;
const FILLED = ["block", "building"];
const CELLS = "proposal-cells";
const MARKS = "proposal-marks";

/** Colours of the changes: none of the ladder's four, so that no change is read as an alarm. */
export const CHANGE_COLOUR: Readonly<Record<Exclude<Change, "same">, string>> = {
  added: "#2fbf71",
  redrawn: "#b277ff",
  corrected: "#4fb3bf",
  gone: "#d05c9c",
  faulty: "#a06a3c",
};
/** Lines of the changes: whole, long dashes, dots, short dashes, dash and dot. */
export const CHANGE_DASH: Readonly<Record<Exclude<Change, "same">, readonly number[]>> = {
  added: [1, 0],
  redrawn: [6, 2],
  corrected: [1, 2],
  gone: [2, 2],
  faulty: [4, 1, 1, 1],
};
const CHANGES = ["added", "redrawn", "corrected", "gone", "faulty"] as const;

export class ProposalGuest implements Guest {
  readonly id = "proposal";
  readonly data: Record<string, readonly unknown[]> = { [CELLS]: [], [MARKS]: [] };
  readonly pressable = ["proposal-fill"];
  readonly hides = ["block-alarm-fill", "block-alarm-pattern", "block-alarm-line", "block-signs", "building-alarms", "buildings"];
  /** Called with the code of a changed cell that is pressed. */
  pressed: (code: string) => void = () => {};

  press(_layer: string, facts: Record<string, unknown>): void {
    this.pressed(String(facts["code"]));
  }

  images(): ReadonlyMap<string, ImageData> {
    return new Map(CHANGES.map((change) => [`change-${change}`, pattern(change)]));
  }

  layers(palette: Palette): LayerSpecification[] {
    const changed: ExpressionSpecification = ["!=", ["get", "change"], "same"];
    const area: ExpressionSpecification = ["in", ["get", "kind"], ["literal", FILLED]];
    // What a redrawn space was is an outline only: two fills over each other could not be told apart.
    const filled: ExpressionSpecification = ["!", ["all", ["==", ["get", "change"], "redrawn"], ["==", ["get", "part"], "before"]]];
    return [
      {
        id: "proposal-same",
        type: "line",
        source: CELLS,
        filter: ["==", ["get", "change"], "same"],
        paint: { "line-color": palette.community, "line-width": 0.7 },
      },
      {
        id: "proposal-fill",
        type: "fill",
        source: CELLS,
        filter: ["all", changed, area, filled],
        paint: { "fill-color": byChange(), "fill-opacity": 0.25 },
      },
      {
        id: "proposal-pattern",
        type: "fill",
        source: CELLS,
        filter: ["all", changed, area, filled],
        paint: { "fill-pattern": ["concat", "change-", ["get", "change"]] },
      },
      ...CHANGES.map((change) => line(change)),
      {
        id: "proposal-marks",
        type: "line",
        source: MARKS,
        paint: { "line-color": palette.pick, "line-width": 3.5 },
      },
    ];
  }
}

export { CELLS, MARKS };

/** The cells of one side, what stays first so that a change lies over it. */
export function sided(cells: readonly Cell[], side: Side): Cell[] {
  const shown = cells.filter((cell) => isShown(cell.properties, side));
  return shown.sort((a, b) => Number(a.properties.change !== "same") - Number(b.properties.change !== "same"));
}

/** The outlines of the spaces a finding names. */
export function marked(cells: readonly Cell[], finding: Pick<Finding, "codes">): Cell[] {
  const codes = new Set(finding.codes);
  return cells.filter((cell) => codes.has(cell.properties.code));
}

function line(change: (typeof CHANGES)[number]): LayerSpecification {
  const width = change === "added" ? 2.5 : 2;
  return {
    id: `proposal-${change}`,
    type: "line",
    source: CELLS,
    filter: ["==", ["get", "change"], change],
    layout: { "line-cap": change === "corrected" ? "round" : "butt" },
    paint: {
      "line-color": CHANGE_COLOUR[change],
      "line-width": ["case", ["==", ["get", "part"], "before"], 1.4, width],
      ...(change === "added" ? {} : { "line-dasharray": [...CHANGE_DASH[change]] }),
    },
  };
}

function byChange(): ExpressionSpecification {
  const pairs = CHANGES.flatMap((change) => [change, CHANGE_COLOUR[change]]);
  return ["match", ["get", "change"], ...pairs, "#888888"] as unknown as ExpressionSpecification;
}

/** Pluses for what comes, slanted lines for what moves, dots for words, crosses for what goes, waves for faults. */
function pattern(change: (typeof CHANGES)[number]): ImageData {
  const size = 14;
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = size * RATIO;
  const pen = canvas.getContext("2d");
  if (!pen) throw new Error("this browser gives no 2D canvas");
  pen.scale(RATIO, RATIO);
  pen.strokeStyle = pen.fillStyle = CHANGE_COLOUR[change];
  pen.lineWidth = 1.5;
  pen.stroke(new Path2D(PATTERN[change]));
  if (change === "corrected") pen.fill(new Path2D(PATTERN.corrected));
  return pen.getImageData(0, 0, canvas.width, canvas.height);
}

/** SVG paths in a 14 × 14 tile; the legend draws the same ones. */
export const PATTERN: Readonly<Record<(typeof CHANGES)[number], string>> = {
  added: "M7 4V10M4 7H10",
  redrawn: "M-2 16L16 -2M-9 9L9 -9M5 23L23 5",
  corrected: "M7 6a1 1 0 1 1 0 2a1 1 0 0 1 0-2z",
  gone: "M4 4L10 10M10 4L4 10",
  faulty: "M0 9L3.5 5L7 9L10.5 5L14 9",
};
