// Draws the map's images on a canvas: hatches for blocks, ladder signs, field signs, gateways.
import type { Map as Chart } from "maplibre-gl";
import { FIELD_PATH, GATEWAY_PATH } from "../signs.ts";
import { LADDER, SHAPE_PATH } from "../severity.ts";
import { FIELDS, type Severity } from "../types.ts";
import type { Palette } from "./palette.ts";

const RATIO = 2;
const INK = "#0b121a";

type Draw = (pen: CanvasRenderingContext2D) => void;

function paint(size: number, draw: Draw): ImageData {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = size * RATIO;
  const pen = canvas.getContext("2d");
  if (!pen) throw new Error("this browser gives no 2D canvas");
  pen.scale(RATIO, RATIO);
  draw(pen);
  return pen.getImageData(0, 0, canvas.width, canvas.height);
}

/** One hatch a step: dots, falling lines, crossed lines, dense rising lines; they differ without colour. */
function hatch(severity: Severity): ImageData {
  const colour = LADDER[severity].colour;
  return paint(12, (pen) => {
    pen.strokeStyle = pen.fillStyle = colour;
    pen.globalAlpha = 0.75;
    pen.lineWidth = severity === 4 ? 2.6 : 1.4;
    if (severity === 1) {
      pen.beginPath();
      pen.arc(3, 3, 1.2, 0, 7);
      pen.arc(9, 9, 1.2, 0, 7);
      pen.fill();
      return;
    }
    for (const shift of [-12, 0, 12]) {
      if (severity !== 4) line(pen, shift, 0, shift + 12, 12);
      if (severity !== 2) line(pen, shift + 12, 0, shift, 12);
    }
  });
}

function line(pen: CanvasRenderingContext2D, x1: number, y1: number, x2: number, y2: number): void {
  pen.beginPath();
  pen.moveTo(x1, y1);
  pen.lineTo(x2, y2);
  pen.stroke();
}

/** The step's shape with its numeral; what nobody has acknowledged carries a white ring. */
function sign(severity: Severity, fresh: boolean): ImageData {
  const step = LADDER[severity];
  return paint(36, (pen) => {
    pen.translate(6, 6);
    const shape = new Path2D(SHAPE_PATH[step.shape]);
    pen.lineJoin = "round";
    if (fresh) {
      pen.strokeStyle = "#ffffff";
      pen.lineWidth = 8;
      pen.stroke(shape);
    }
    pen.strokeStyle = INK;
    pen.lineWidth = fresh ? 3.5 : 2.5;
    pen.stroke(shape);
    pen.fillStyle = step.colour;
    pen.fill(shape);
    pen.fillStyle = step.ink;
    pen.font = "800 13px sans-serif";
    pen.textAlign = "center";
    pen.fillText(step.roman, 12, step.shape === "triangle" ? 19.5 : 16.6);
  });
}

function fieldSign(path: string): ImageData {
  return paint(24, (pen) => {
    pen.fillStyle = INK;
    pen.fill(new Path2D(path), "evenodd");
  });
}

function gateway(colour: string, halo: string, off: boolean): ImageData {
  return paint(24, (pen) => {
    const box = new Path2D(GATEWAY_PATH);
    pen.lineWidth = 4;
    pen.strokeStyle = halo;
    pen.stroke(box);
    pen.fillStyle = colour;
    pen.fill(box, "evenodd");
    if (!off) return;
    for (const [ink, width] of [[halo, 6], ["#ff8a1f", 3]] as const) {
      pen.strokeStyle = ink;
      pen.lineWidth = width;
      line(pen, 3, 3, 21, 21);
    }
  });
}

/** Everything the style asks for, by name. */
export function images(palette: Palette): Map<string, ImageData> {
  const all = new Map<string, ImageData>();
  for (const severity of [1, 2, 3, 4] as const) {
    all.set(`hatch-${severity}`, hatch(severity));
    all.set(`sign-${severity}`, sign(severity, false));
    all.set(`sign-${severity}-new`, sign(severity, true));
  }
  for (const field of FIELDS) all.set(`field-${field}`, fieldSign(FIELD_PATH[field]));
  all.set("gateway-on", gateway(palette.gateway, palette.halo, false));
  all.set("gateway-off", gateway(palette.gateway, palette.halo, true));
  return all;
}

export function addImages(chart: Chart, palette: Palette): void {
  for (const [name, image] of images(palette)) {
    if (chart.hasImage(name)) chart.removeImage(name);
    // A field's sign takes its colour from the device's state, so it is drawn as a mask.
    chart.addImage(name, image, { pixelRatio: RATIO, sdf: name.startsWith("field-") });
  }
}
