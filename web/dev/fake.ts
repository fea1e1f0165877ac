// A stand-in for the server while the page is being drawn: `npm run fake`, then `npm run dev` or the port itself.
// It serves the built page under the server's own security policy. No test uses it: those run the real stack.
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { readFile } from "node:fs/promises";
import { extname, join, normalize } from "node:path";
import type { Alarm } from "../src/types.ts";
import { More } from "./fake_more.ts";
import { QUANTITY, World } from "./world.ts";

const PORT = Number(process.env["PORT"] ?? 8090);
const STATIC = new URL("../../twin/static/", import.meta.url).pathname;
const CSP =
  "default-src 'self'; worker-src 'self' blob:; img-src 'self' data: blob:; style-src 'self' 'unsafe-inline'; connect-src 'self'";
const TYPES: Record<string, string> = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml" };
const ROLE = process.env["ROLE"] ?? "operator";

const world = new World(Number(process.env["BLOCKS"] ?? 81), Number(process.env["DEVICES"] ?? 1200));
for (let i = 0; i < Number(process.env["ALARMS"] ?? 14); i += 1) world.raise();
const more = new More(world);
const listeners = new Set<ServerResponse>();
let signedIn = process.env["SIGNED_IN"] !== "0";

function say(kind: string, data: unknown, id = ""): void {
  const text = `event: ${kind}\n${id && `id: ${id}\n`}data: ${JSON.stringify(data)}\n\n`;
  for (const listener of listeners) listener.write(text);
}

function tell(alarm: Alarm, kind: string): void {
  const { event_id, severity, state, value } = alarm;
  const at = new Date().toISOString();
  say("alarm", { event: { event_id, kind, at, event_at: at, actor: "", severity, state, value, note: "" }, alarm }, String(event_id));
  const { totals, spaces } = world.state();
  const changed = spaces.filter((space) => alarm.path.some((step) => step.code === space.code));
  say("state", { at, totals, devices: {}, spaces: Object.fromEntries(changed.map((s) => [s.code, [s.severity, s.open, s.unacknowledged]])) });
}

setInterval(() => say("status", { at: new Date().toISOString(), readings_per_s: 118 + Math.random() * 8, received: 1, stored: 1, rejected: 0, duplicates: 0, open: world.open().length }), 2000);
const every = Number(process.env["RAISE_EVERY_S"] ?? 12);
if (every > 0) setInterval(() => tell(world.raise(), "raised"), every * 1000);

function json(answer: ServerResponse, status: number, body: unknown): void {
  const type = status < 400 ? "application/json" : "application/problem+json";
  answer.writeHead(status, { "content-type": type }).end(JSON.stringify(body));
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  let text = "";
  for await (const part of request) text += String(part);
  return text;
}

function device(id: string): unknown {
  const found = world.devices.find((d) => d.properties.device_id === id);
  if (!found) return null;
  const { properties: p, geometry: { coordinates: [lon, lat] } } = found;
  const quantity = { smoke: "smoke_obscuration", heat: "temperature", waterlogging: "depth", displacement: "displacement", geomagnetic: "occupancy" }[p.kind]!;
  const [zh, en, unit, mid, raise] = QUANTITY[quantity]!;
  const now = new Date().toISOString();
  const limit = (severity: number, factor: number): unknown => ({ rule_id: quantity, name: { zh: `${zh}过高`, en: `high ${en}` }, type: "high", severity, raise: raise * factor, clear: raise });
  return {
    ...p, lon, lat, height_m: 6, address: "罗湖区深南东路1001号", gateway_online: true, placed_note: "", attributes: { maker: "示例" },
    freshness: "fresh", severity: 0, path: world.path(id), alarms: [],
    quantities: [{ quantity, zh, en, unit, series_id: 1, latest: { observed_at: now, received_at: now, value: mid, quality: 64 }, thresholds: [limit(3, 1), limit(4, 1.6)] }],
  };
}

/** Steps as the server takes them, for readings every 10 s. */
const STEPS = [0, 20, 60, 240, 360, 1800, 7200, 21_600];

function readings(id: string, quantity: string, from: number, points: number): unknown {
  const [, , unit, mid, raise] = QUANTITY[quantity] ?? ["", "", "", 1, 2];
  const now = Date.now();
  const step = STEPS.find((s) => (now - from) / 1000 / (s || 10) < points - 1) ?? 86_400;
  const value = (ms: number): number =>
    mid * (1 + 0.2 * Math.sin(ms / 4e5) + 0.3 * Math.sin(ms / 1.4e7)) + Math.max(0, raise * 1.3 * Math.exp(-(((now - ms) / 3e5) ** 2)));
  const t: number[] = [];
  for (let ms = from; ms < now; ms += (step || 10) * 1000) {
    const minutes = (now - ms) / 60_000;
    if (minutes < 24 || minutes > 29) t.push(ms);
  }
  const word = { device_id: id, quantity, unit, step_s: step, complete: true, truncated: false, because: null, t };
  if (step === 0) {
    const q = t.map((_, i) => (i % 97 === 0 ? 1 : 64));
    return { ...word, resolution: "raw", level: "raw", left_out: [], v: t.map(value), q };
  }
  const mean = t.map(value);
  const reach = mid * Math.min(0.5, 0.05 + step / 50_000);
  return {
    ...word, resolution: `${step}s`, level: step < 60 ? "raw" : step < 3600 ? "1m" : "1h", left_out: ["out_of_range"],
    min: mean.map((v) => v - reach), max: mean.map((v) => v + reach), mean, last: mean,
    count: t.map(() => step / 10), good: t.map((_, i) => (i % 211 === 0 ? 0.9 : 1)),
  };
}

async function act(said: string, answer: ServerResponse, id: string, action: string): Promise<void> {
  const alarm = world.alarms.get(id);
  if (!alarm) return json(answer, 404, { title: "Not found", status: 404, detail: `no alarm ${id}` });
  const body = JSON.parse(said || "{}") as { cause?: Alarm["close_cause"] };
  await new Promise((done) => setTimeout(done, 400));
  if (alarm.state === "closed") return json(answer, 409, { title: "Conflict", status: 409, detail: "the alarm is closed" });
  const at = new Date().toISOString();
  const after: Partial<Alarm> =
    action === "close"
      ? { state: "closed", closed_at: at, closed_by: "演示", close_cause: body.cause ?? "true" }
      : action === "acknowledge"
        ? { state: "acknowledged", acknowledged_at: at, acknowledged_by: "演示" }
        : {};
  const next = { ...alarm, ...after, event_id: (world.eventId += 1) };
  world.alarms.set(id, next);
  json(answer, 200, next);
  tell(next, action === "close" ? "closed" : action === "acknowledge" ? "acknowledged" : "commented");
}

function events(answer: ServerResponse): void {
  answer.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
  answer.write(": hello\n\n");
  listeners.add(answer);
  answer.on("close", () => listeners.delete(answer));
}

function spaces(kinds: string[]): unknown {
  return { type: "FeatureCollection", features: world.spaces.filter((space) => kinds.includes(space.properties.kind)) };
}

async function api(request: IncomingMessage, answer: ServerResponse, url: URL): Promise<void> {
  const [noun, id, action] = url.pathname.replace("/api/v1/", "").split("/").map(decodeURIComponent);
  const get = (key: string): string => url.searchParams.get(key) ?? "";
  if (noun === "session") {
    if (request.method === "POST") signedIn = true;
    if (request.method === "DELETE") signedIn = false;
    return json(answer, signedIn ? 200 : 401, signedIn ? { name: "演示", role: ROLE } : { title: "Unauthorized", status: 401 });
  }
  if (!signedIn) return json(answer, 401, { title: "Unauthorized", status: 401 });
  if (noun === "events") return events(answer);
  const parts = [noun!, id, action].map((part) => part ?? "");
  const rest = url.pathname.replace("/api/v1/", "").split("/").slice(3).map(decodeURIComponent);
  const said = request.method === "GET" ? "" : await bodyOf(request);
  const told = more.answer(request.method ?? "GET", [...parts, ...rest], url.searchParams, said);
  if (told) return json(answer, ...told);
  if (noun === "state" && get("at")) return json(answer, 200, world.then(get("at")));
  if (noun === "state") return json(answer, 200, world.state());
  if (noun === "spaces") return json(answer, 200, spaces(get("kind").split(",")));
  if (noun === "devices" && !id) return json(answer, 200, { type: "FeatureCollection", features: world.devices, next: null });
  if (noun === "devices" && action === "readings") return json(answer, 200, readings(id!, get("quantity"), Date.parse(get("from")), Number(get("points") || 2000)));
  if (noun === "devices") return json(answer, 200, device(id!));
  if (noun === "alarms" && action) return act(said, answer, id!, action);
  if (noun === "alarms" && id) {
    const alarm = world.alarms.get(id)!;
    const { raised_at: at, severity, state, value, event_id } = alarm;
    return json(answer, 200, { ...alarm, events: [{ event_id, kind: "raised", at, event_at: at, actor: "engine", severity, state, value, note: "" }] });
  }
  const wanted = [...world.alarms.values()].filter((alarm) => (alarm.state === "closed") === (get("state") === "closed"));
  return json(answer, 200, { alarms: wanted, next: null });
}

async function file(answer: ServerResponse, path: string): Promise<void> {
  const inside = normalize(path === "/" ? "index.html" : path).replace(/^(\.\.[/\\])+/, "");
  try {
    const body = await readFile(join(STATIC, inside));
    answer.writeHead(200, { "content-type": TYPES[extname(inside)] ?? "text/plain", "content-security-policy": CSP }).end(body);
  } catch {
    answer.writeHead(404).end("not found");
  }
}

createServer((request, answer) => {
  const url = new URL(request.url ?? "/", "http://localhost");
  void (url.pathname.startsWith("/api/") ? api(request, answer, url) : file(answer, url.pathname));
}).listen(PORT, "127.0.0.1", () => console.log(`fake server: http://127.0.0.1:${PORT}/`));
