// Draws the signs that stand in a scene: an instrument by its field and state, a building's worst alarm.
import { FIELD_COLOUR, FIELD_PATH } from "../signs.ts";
import { isSeverity, LADDER, SHAPE_PATH } from "../severity.ts";
import type { FieldName, Severity } from "../types.ts";
import type { PinState } from "./state.ts";

/** Pixels of a sign's box on the screen; it is drawn at twice that. */
export const PIN_SIZE = 38;
export const ALARM_SIZE = 50;
const RATIO = 2;
const INK = "#0b121a";
const STALE = "#7d8894";

/** What tells two signs apart; equal keys look the same, so that they share one texture. */
export function pinKey(field: FieldName, { fresh, severity }: PinState, chosen: boolean): string {
  return `${field}/${fresh}/${severity}/${chosen ? 1 : 0}`;
}

export function pinPicture(field: FieldName, state: PinState, chosen: boolean): HTMLCanvasElement {
  return isSeverity(state.severity)
    ? alarmPin(field, state.severity, chosen)
    : calmPin(field, state.fresh === 1, chosen);
}

/** The ladder's sign over a building. */
export function roofPicture(severity: Severity, unacknowledged: boolean): HTMLCanvasElement {
  return paint(ALARM_SIZE, (pen) => {
    pen.translate(9, 8);
    pen.scale(1.33, 1.33);
    ladder(pen, severity, unacknowledged);
  });
}

function paint(size: number, draw: (pen: CanvasRenderingContext2D) => void): HTMLCanvasElement {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = size * RATIO;
  const pen = canvas.getContext("2d");
  if (!pen) throw new Error("this browser gives no 2D canvas");
  pen.scale(RATIO, RATIO);
  draw(pen);
  return canvas;
}

/** A disc with the field's sign; one that does not report is grey, its rim broken. */
function calmPin(field: FieldName, reports: boolean, chosen: boolean): HTMLCanvasElement {
  return paint(PIN_SIZE, (pen) => {
    tip(pen, PIN_SIZE / 2, 27, chosen);
    disc(pen, PIN_SIZE / 2, 15, 12, reports ? FIELD_COLOUR[field] : STALE, chosen, !reports);
    pen.translate(PIN_SIZE / 2 - 8, 7);
    pen.scale(16 / 24, 16 / 24);
    pen.fillStyle = INK;
    pen.fill(new Path2D(FIELD_PATH[field]), "evenodd");
  });
}

/** The ladder's shape with its numeral, and the field's sign in a corner. */
function alarmPin(field: FieldName, severity: Severity, chosen: boolean): HTMLCanvasElement {
  return paint(ALARM_SIZE, (pen) => {
    tip(pen, ALARM_SIZE / 2, 36, chosen);
    pen.save();
    pen.translate(9, 5);
    pen.scale(1.33, 1.33);
    ladder(pen, severity, chosen);
    pen.restore();
    disc(pen, 41, 9, 8.5, FIELD_COLOUR[field], false, false);
    pen.translate(41 - 6, 9 - 6);
    pen.scale(0.5, 0.5);
    pen.fillStyle = INK;
    pen.fill(new Path2D(FIELD_PATH[field]), "evenodd");
  });
}

/** The point at the bottom of the box, where the instrument is. */
function tip(pen: CanvasRenderingContext2D, x: number, y: number, chosen: boolean): void {
  const box = y > 30 ? ALARM_SIZE : PIN_SIZE;
  pen.beginPath();
  pen.moveTo(x - 5, y - 3);
  pen.lineTo(x + 5, y - 3);
  pen.lineTo(x, box - 1);
  pen.closePath();
  pen.fillStyle = chosen ? "#ffffff" : INK;
  pen.fill();
}

function disc(
  pen: CanvasRenderingContext2D,
  x: number,
  y: number,
  radius: number,
  colour: string,
  chosen: boolean,
  broken: boolean,
): void {
  pen.beginPath();
  pen.arc(x, y, radius, 0, 7);
  pen.fillStyle = colour;
  pen.fill();
  pen.lineWidth = chosen ? 3.5 : 2;
  pen.strokeStyle = chosen ? "#ffffff" : INK;
  pen.setLineDash(broken ? [3.5, 3] : []);
  pen.stroke();
  pen.setLineDash([]);
}

function ladder(pen: CanvasRenderingContext2D, severity: Severity, ring: boolean): void {
  const step = LADDER[severity];
  const shape = new Path2D(SHAPE_PATH[step.shape]);
  pen.lineJoin = "round";
  for (const [width, colour] of ring ? ([[6, "#ffffff"], [3, INK]] as const) : ([[2.5, INK]] as const)) {
    pen.lineWidth = width;
    pen.strokeStyle = colour;
    pen.stroke(shape);
  }
  pen.fillStyle = step.colour;
  pen.fill(shape);
  pen.fillStyle = step.ink;
  pen.font = "800 13px sans-serif";
  pen.textAlign = "center";
  pen.fillText(step.roman, 12, step.shape === "triangle" ? 19.5 : 16.6);
}
