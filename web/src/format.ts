// Numbers, times and durations as people read them. Times are the district's (UTC+8), whatever the desk's clock says.
import type { Lang } from "./i18n.ts";

export const ZONE = "Asia/Shanghai";

const CLOCK = new Intl.DateTimeFormat("en-GB", {
  timeZone: ZONE,
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
});
const DAY = new Intl.DateTimeFormat("en-CA", { timeZone: ZONE, month: "2-digit", day: "2-digit" });

/** `03:12:09` in the district's time. */
export function clock(at: string | number | Date): string {
  return CLOCK.format(new Date(at));
}

/** `03:12:09` today, `07-01 03:12:09` on another day. */
export function moment(at: string, nowMs: number): string {
  const day = DAY.format(new Date(at));
  return day === DAY.format(new Date(nowMs)) ? clock(at) : `${day} ${clock(at)}`;
}

const DATE = new Intl.DateTimeFormat("en-CA", { timeZone: ZONE, year: "numeric", month: "2-digit", day: "2-digit" });

/** `2026-07-01`: for what lies years back. */
export function day(at: string): string {
  return DATE.format(new Date(at));
}

/** A span in at most two units: `8 秒`, `3 分 05 秒`, `2 时 10 分`, `4 天 3 时`. Negative spans are 0. */
export function span(seconds: number, lang: Lang): string {
  const s = Math.max(0, Math.floor(seconds));
  const [day, hour, minute, second] = lang === "zh" ? ["天", "时", "分", "秒"] : ["d", "h", "min", "s"];
  const two = (n: number): string => String(n).padStart(2, "0");
  if (s < 60) return `${s} ${second}`;
  if (s < 3600) return `${Math.floor(s / 60)} ${minute} ${two(s % 60)} ${second}`;
  if (s < 86400) return `${Math.floor(s / 3600)} ${hour} ${two(Math.floor((s % 3600) / 60))} ${minute}`;
  return `${Math.floor(s / 86400)} ${day} ${Math.floor((s % 86400) / 3600)} ${hour}`;
}

const WIDTHS = [
  [86400, "天", "d"],
  [3600, "小时", "h"],
  [60, "分钟", "min"],
  [1, "秒", "s"],
] as const;

/** How long a point of a chart is: `5 分钟`, `6 h`; in the largest unit that gives a whole number. */
export function width(seconds: number, lang: Lang): string {
  const [unit, zh, en] = WIDTHS.find(([size]) => seconds >= size && seconds % size === 0) ?? WIDTHS[3];
  return `${seconds / unit} ${lang === "zh" ? zh : en}`;
}

const MINUTE = new Intl.DateTimeFormat("en-GB", { timeZone: ZONE, hour: "2-digit", minute: "2-digit" });
const MONTH = new Intl.DateTimeFormat("en-CA", { timeZone: ZONE, year: "numeric", month: "2-digit" });

/** A tick of a time axis over so many hours: `03:12`, `07-01`, `2026-07`. */
export function tick(seconds: number, hours: number): string {
  const at = new Date(seconds * 1000);
  return (hours <= 24 ? MINUTE : hours <= 24 * 60 ? DAY : MONTH).format(at);
}

/** A measured value: as many decimals as its size deserves, never an exponent. */
export function measure(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return "—";
  const size = Math.abs(value);
  const decimals = size >= 1000 ? 0 : size >= 100 ? 1 : size >= 1 ? 2 : 3;
  const text = value.toFixed(decimals);
  const trimmed = text.includes(".") ? text.replace(/\.?0+$/, "") : text;
  return trimmed === "-0" ? "0" : trimmed;
}

/** `12,345`. */
export function count(value: number): string {
  return Math.round(value).toLocaleString("en-US");
}

/** Readings per second: one decimal below ten. */
export function rate(value: number): string {
  return value > 0 && value < 10 ? value.toFixed(1) : count(value);
}

const UNIT_SIGNS: Readonly<Record<string, string>> = {
  Cel: "°C",
  deg: "°",
  "m3/s": "m³/s",
  "uS/cm": "µS/cm",
  "1/h": "/h",
  "1": "",
  pH: "",
};

/** The sign people read for a SenML or UCUM unit code. */
export function unitSign(unit: string): string {
  const rate = unit.endsWith("/min");
  const base = rate ? unit.slice(0, -"/min".length) : unit;
  return (UNIT_SIGNS[base] ?? base) + (rate ? "/min" : "");
}

/** Quantities that are only ever 0 or 1 and are told in words. */
export const SWITCHES: ReadonlySet<string> = new Set([
  ...["smoke_alarm", "canary", "panel_fire", "panel_fault", "panel_running", "panel_shielded", "panel_supervised"],
  ...["panel_started", "panel_feedback", "panel_delayed", "panel_mains_fault", "panel_battery_fault", "panel_bus_fault"],
  ...["panel_manual", "panel_changed", "panel_reset", "panel_link_lost", "panel_line_fault"],
]);

/** `57.3 °C`; the sign stands off the number but for degrees of angle and per cent. */
export function withUnit(value: number | null | undefined, unit: string): string {
  const text = measure(value);
  const sign = unitSign(unit);
  if (text === "—" || sign === "") return text;
  return sign === "°" || sign === "%" ? `${text}${sign}` : `${text} ${sign}`;
}
