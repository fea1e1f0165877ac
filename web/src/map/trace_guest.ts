// A traced network over the map: lines with arrow heads along the flow, discs numbered by steps.
import type { ExpressionSpecification, LayerSpecification } from "maplibre-gl";
import { DEPTHS } from "../trace.ts";
import type { Guest } from "./guests.ts";
import type { Palette } from "./palette.ts";

const RATIO = 2;
export const EDGES = "trace-edges";
export const NODES = "trace-nodes";
const FONT = ["Noto Sans CJK SC", "Noto Sans SC", "PingFang SC", "Microsoft YaHei", "sans-serif"];

export class TraceGuest implements Guest {
  readonly id = "trace";
  readonly data: Record<string, readonly unknown[]> = { [EDGES]: [], [NODES]: [] };
  readonly pressable = ["trace-nodes"];
  /** Called with the device of a disc that is pressed. */
  pressed: (device: string) => void = () => {};

  press(_layer: string, facts: Record<string, unknown>): void {
    if (facts["device_id"]) this.pressed(String(facts["device_id"]));
  }

  images(palette: Palette): ReadonlyMap<string, ImageData> {
    return new Map([[`trace-arrow-${palette.label}`, arrow(palette)]]);
  }

  layers(palette: Palette): LayerSpecification[] {
    // Nearer steps are drawn stronger.
    const strength: ExpressionSpecification = ["interpolate", ["linear"], ["get", "depth"], 1, 1, DEPTHS, 0.55];
    const width: ExpressionSpecification = ["interpolate", ["linear"], ["get", "depth"], 1, 4.5, DEPTHS, 2];
    return [
      {
        id: "trace-casing",
        type: "line",
        source: EDGES,
        layout: { "line-cap": "round" },
        paint: { "line-color": palette.halo, "line-width": ["+", width, 3] },
      },
      {
        id: "trace-lines",
        type: "line",
        source: EDGES,
        layout: { "line-cap": "round" },
        paint: { "line-color": palette.label, "line-width": width, "line-opacity": strength },
      },
      {
        id: "trace-arrows",
        type: "symbol",
        source: EDGES,
        layout: {
          "symbol-placement": "line-center",
          "icon-image": `trace-arrow-${palette.label}`,
          "icon-allow-overlap": true,
          "icon-ignore-placement": true,
          "icon-rotation-alignment": "map",
        },
      },
      {
        id: "trace-nodes",
        type: "circle",
        source: NODES,
        paint: {
          "circle-radius": ["case", ["==", ["get", "depth"], 0], 12, 9],
          "circle-color": palette.halo,
          "circle-stroke-color": palette.label,
          "circle-stroke-width": ["case", ["==", ["get", "depth"], 0], 4, 2],
        },
      },
      {
        id: "trace-numbers",
        type: "symbol",
        source: NODES,
        layout: { "text-field": ["get", "label"], "text-font": FONT, "text-size": 11, "text-allow-overlap": true },
        paint: { "text-color": palette.label },
      },
      {
        id: "trace-names",
        type: "symbol",
        source: NODES,
        minzoom: 14.5,
        layout: {
          "text-field": ["get", "name"],
          "text-font": FONT,
          "text-size": 12,
          "text-anchor": "top",
          "text-offset": [0, 1],
          "text-optional": true,
        },
        paint: { "text-color": palette.label, "text-halo-color": palette.halo, "text-halo-width": 1.8 },
      },
    ];
  }
}

/** A head that points along the line: MapLibre turns it, right is forward. */
function arrow(palette: Palette): ImageData {
  const size = 18;
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = size * RATIO;
  const pen = canvas.getContext("2d");
  if (!pen) throw new Error("this browser gives no 2D canvas");
  pen.scale(RATIO, RATIO);
  const head = new Path2D("M4 2L16 9L4 16L7.5 9Z");
  pen.lineJoin = "round";
  pen.lineWidth = 3;
  pen.strokeStyle = palette.halo;
  pen.stroke(head);
  pen.fillStyle = palette.label;
  pen.fill(head);
  return pen.getImageData(0, 0, canvas.width, canvas.height);
}
