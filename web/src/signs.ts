// The pictures of the fields and of the tools, as SVG paths in a 24 × 24 box; page and map draw the same ones.
import type { FieldName } from "./types.ts";

export const FIELD_PATH: Readonly<Record<FieldName, string>> = {
  fire: "M12.6 2c.6 3.2 5.9 6 5.9 11.6A6.5 6.5 0 0 1 12 20.4a6.5 6.5 0 0 1-6.5-6.8c0-2.6 1.3-4.6 2.8-6.2.1 1.6.7 2.7 1.7 3.3C9.6 7.6 10.7 4.4 12.6 2zM12 18.6a2.9 2.9 0 0 0 2.9-3c0-1.7-1.2-2.6-2.3-4-.9 1.3-3.5 2.2-3.5 4.3A2.8 2.8 0 0 0 12 18.6z",
  water: "M12 2.2c3.3 4.3 6.6 7.9 6.6 12A6.6 6.6 0 0 1 12 21a6.6 6.6 0 0 1-6.6-6.8c0-4.1 3.3-7.7 6.6-12zM8 14.4c.3 2.1 1.6 3.5 3.6 3.9v-1.5c-1.2-.3-2-1.2-2.2-2.4z",
  slope: "M2 20.5L9.4 6.2l3.5 5.2 2.7-3.2L22 20.5zM9.3 9.9l-1.5 2.9 1.6 1 1.5-1.3z",
  traffic: "M6.2 5h11.6l2.4 6.2V19h-2.7v-2H6.5v2H3.8v-7.8zM7.6 7l-1.4 3.8h11.6L16.4 7zM7 12.6a1.3 1.3 0 1 0 .01 2.6a1.3 1.3 0 0 0-.01-2.6zM17 12.6a1.3 1.3 0 1 0 .01 2.6a1.3 1.3 0 0 0-.01-2.6z",
  system: "M11 3h2v5.2a4 4 0 0 1 1.8 1l4.3-2.5 1 1.7-4.3 2.5a4 4 0 0 1 0 2.2l4.3 2.5-1 1.7-4.3-2.5a4 4 0 0 1-1.8 1V21h-2v-5.2a4 4 0 0 1-1.8-1l-4.3 2.5-1-1.7 4.3-2.5a4 4 0 0 1 0-2.2L3.9 8.4l1-1.7 4.3 2.5a4 4 0 0 1 1.8-1z",
};

/** Colours of the fields: kept apart from the ladder's four, so that a field is never read as a level. */
export const FIELD_COLOUR: Readonly<Record<FieldName, string>> = {
  fire: "#e58fb4",
  water: "#5fd0d8",
  slope: "#b9c77a",
  traffic: "#b79cf2",
  system: "#b4c0cc",
};

/** A gateway: a box with two antennas; the map strikes it through when it is offline. */
export const GATEWAY_PATH = "M4 12h16v8H4zM7 15.2h2v2H7zM7.3 12L5.1 4.3l1.9-.6L9.4 12zM16.7 12l2.2-7.7-1.9-.6L14.6 12z";

export const TOOL_PATH = {
  close: "M6.4 5L12 10.6 17.6 5 19 6.4 13.4 12 19 17.6 17.6 19 12 13.4 6.4 19 5 17.6 10.6 12 5 6.4z",
  soundOn: "M4 9v6h4l5 4V5L8 9zM15.5 8.5a5 5 0 0 1 0 7l1.3 1.3a6.9 6.9 0 0 0 0-9.6zM18.3 5.7a8.9 8.9 0 0 1 0 12.6l1.3 1.3a10.7 10.7 0 0 0 0-15.2z",
  soundOff: "M4 9v6h4l5 4V5L8 9zM16 9.4l1.3-1.3L19.5 10.3l2.2-2.2 1.3 1.3-2.2 2.2 2.2 2.2-1.3 1.3-2.2-2.2-2.2 2.2-1.3-1.3 2.2-2.2z",
  sun: "M12 7a5 5 0 1 1 0 10a5 5 0 1 1 0-10zM11 1.5h2v3h-2zM11 19.5h2v3h-2zM1.5 11h3v2h-3zM19.5 11h3v2h-3zM4 5.4L5.4 4l2.1 2.1-1.4 1.4zM16.5 17.9l1.4-1.4L20 18.6 18.6 20zM4 18.6l2.1-2.1 1.4 1.4L5.4 20zM16.5 6.1L18.6 4 20 5.4l-2.1 2.1z",
  moon: "M13 3a9 9 0 1 0 8 12.7A8 8 0 0 1 13 3z",
  half: "M12 3a9 9 0 1 1 0 18a9 9 0 1 1 0-18zM12 5v14a7 7 0 0 0 0-14z",
  plus: "M11 5h2v6h6v2h-6v6h-2v-6H5v-2h6z",
  minus: "M5 11h14v2H5z",
  home: "M4 4h6v2H6v4H4zM14 4h6v6h-2V6h-4zM4 14h2v4h4v2H4zM18 14h2v6h-6v-2h4z",
  cube: "M12 2.5l8.5 4.8v9.4L12 21.5l-8.5-4.8V7.3zM12 4.8L6.6 7.9 12 11l5.4-3.1zM5.5 9.6v6l5.5 3.1v-6z",
  dots: "M7 5.5a2.5 2.5 0 1 1 0 5a2.5 2.5 0 1 1 0-5zM17 8.5a2.5 2.5 0 1 1 0 5a2.5 2.5 0 1 1 0-5zM9.5 14.5a2.5 2.5 0 1 1 0 5a2.5 2.5 0 1 1 0-5z",
  legend: "M4 5h4v4H4zM10 6h10v2H10zM4 10.5h4v4H4zM10 11.5h10v2H10zM4 16h4v4H4zM10 17h10v2H10z",
  find: "M10.5 3.5a7 7 0 0 1 5.5 11.3l4.7 4.8-1.4 1.4-4.8-4.7A7 7 0 1 1 10.5 3.5zm0 2a5 5 0 1 0 0 10a5 5 0 0 0 0-10z",
  up: "M12 8l7 7-1.4 1.4L12 10.8 6.4 16.4 5 15z",
  down: "M12 16l-7-7 1.4-1.4L12 13.2l5.6-5.6L19 9z",
  out: "M5 4h8v2H7v12h6v2H5zM16 7.6L20.4 12 16 16.4 14.6 15l2-2H10v-2h6.6l-2-2z",
  clock: "M12 2.5a9.5 9.5 0 1 1 0 19a9.5 9.5 0 0 1 0-19zM12 4.5a7.5 7.5 0 1 0 0 15a7.5 7.5 0 0 0 0-15zM11 7h2v4.4l3.2 3.2-1.4 1.4L11 12.2z",
  layers: "M12 3l9.5 5-9.5 5-9.5-5zM4.6 11.4L12 15.3l7.4-3.9 2.1 1.1-9.5 5-9.5-5zM4.6 15.9L12 19.8l7.4-3.9 2.1 1.1-9.5 5-9.5-5z",
  bars: "M4 20V11h4v9zM10 20V4h4v16zM16 20v-6h4v6z",
  warn: "M12 2.5L23 21.5H1zM11 9v6h2V9zM11 17v2h2v-2z",
} as const;

export type Tool = keyof typeof TOOL_PATH;
