// The stand-in's answers about addresses, places, maps, twins and relations: made up, in the server's shapes.
import type { Change, Finding, Proposal, Version } from "../src/proposal.ts";
import type { World, SpaceFeature } from "./world.ts";

export type Answer = [status: number, body: unknown];

const HOUR_MS = 3_600_000;
const ago = (hours: number): string => new Date(Date.now() - hours * HOUR_MS).toISOString();
const notFound = (what: string): Answer => [404, { title: "Not Found", status: 404, detail: `there is no ${what}` }];

export class More {
  readonly #world: World;
  readonly #proposals: Proposal[] = [];
  readonly #versions: Version[] = [];
  #writes = 1;
  readonly #desired = new Map<string, Record<string, unknown>>();

  constructor(world: World) {
    this.#world = world;
    this.#versions.push(version(1, "before versions", 0, 0, 0));
    this.#propose("桂园街道区块2026.gpkg", "gis-li");
  }

  /** The answer, or null when it is none of ours. */
  answer(method: string, parts: string[], query: URLSearchParams, body: string): Answer | null {
    const [noun = "", id = "", verb = ""] = parts;
    if (noun === "addresses") return this.#addresses(id, query);
    if (noun === "spaces" && id) return this.#space(id, verb);
    if (noun === "maps") return this.#maps(method, parts.slice(1), query, body);
    if (noun === "relations" && id === "trace") return this.#trace(query);
    if (noun === "kinds") return [200, KIND];
    if (noun === "surfaces") return [200, { surfaces: [] }];
    if (noun === "devices" && ["twin", "desired", "history", "facet"].includes(verb)) {
      return this.#device(method, id, verb, body);
    }
    return null;
  }

  #addresses(verb: string, query: URLSearchParams): Answer {
    if (verb === "at") return this.#at(Number(query.get("lon")), Number(query.get("lat")));
    const text = query.get("text") ?? "";
    const hits = this.#world.spaces.filter((s) => s.properties.kind === "building").filter((_, i) => i % 37 === 0);
    const matches = hits.slice(0, Number(query.get("limit") ?? 8)).map(({ properties: p }, i) => ({
      address: `罗湖区${text}${100 + i}号`, level: i ? "road" : "door", score: 0.9 - i / 20,
      space_code: p.code, space_kind: p.kind, lon: p.lon, lat: p.lat, device_id: null, interpolated: false,
      why: i ? { zh: "道路一致，门牌相近", en: "road agrees, number is near" } : { zh: "道路与门牌号一致", en: "road and number agree" },
      path: this.#path(p.code),
    }));
    return [200, { query: { normalised: text, parts: {}, note: { zh: "", en: "" } }, matches }];
  }

  #at(lon: number, lat: number): Answer {
    const near = this.#blocks().reduce((a, b) => (away(a, lon, lat) < away(b, lon, lat) ? a : b));
    const inside = away(near, lon, lat) < 0.0012;
    const nearest = { address: "罗湖区深南东路1003号", level: "door", distance_m: 61.2, direction: { zh: "东北", en: "north-east" }, lon: lon + 0.0004, lat };
    return [200, {
      lon, lat, address: "罗湖区深南东路1001号", level: "door", distance_m: 23.4, how: inside ? "within" : "unplaced", nearest,
      why: { zh: "最近的已知门牌", en: "the nearest known door number" },
      space_code: inside ? near.properties.code : null, path: inside ? this.#path(near.properties.code) : [],
    }];
  }

  #space(code: string, verb: string): Answer {
    const found = this.#world.spaces.find((space) => space.properties.code === code);
    if (!found) return notFound(`space '${code}'`);
    if (verb !== "reasons") return [200, { ...found.properties, path: this.#path(code), children: 3, bbox: [0, 0, 0, 0] }];
    const open = this.#world.open().filter((alarm) => alarm.path.some((step) => step.code === code));
    open.sort((a, b) => b.severity - a.severity);
    const reasons = open.map((alarm) => ({ ...alarm, rule_name: alarm.name, since: alarm.raised_at }));
    const waiting = open.filter((alarm) => alarm.state === "unacknowledged").length;
    return [200, {
      code, kind: found.properties.kind, severity: open[0]?.severity ?? 0, open: open.length, unacknowledged: waiting,
      freshness: { fresh: 11, stale: 2, never: 1 }, reasons,
      stale_devices: [{ device_id: this.#world.devices[0]!.properties.device_id, last_at: ago(2.4) }],
      parts: open.length ? [{ code: `${code}B1`, kind: "building", name: "2栋", name_en: "Building 2", severity: open[0]!.severity, open: 1, stale: 0 }] : [],
    }];
  }

  #maps(method: string, [noun = "", id = "", verb = ""]: string[], query: URLSearchParams, body: string): Answer {
    if (noun === "inspect") return [200, inspection(query.get("name") ?? "")];
    if (noun === "versions" && verb === "rollback") return this.#rollback(Number(id), body.includes('"dry_run":true'));
    if (noun === "versions") return [200, { versions: [...this.#versions].reverse() }];
    if (noun !== "proposals") return notFound(`map resource '${noun}'`);
    if (!id && method === "POST") return [201, this.#propose(query.get("name") ?? "map", "演示")];
    if (!id) return [200, { proposals: [...this.#proposals].reverse().map((one) => ({ ...one, counts: one.diff.counts, moves: one.moves.length })) }];
    const found = this.#proposals.find((proposal) => proposal.proposal_id === Number(id));
    if (!found) return notFound(`proposal ${id}`);
    if (verb === "features") return [200, { type: "FeatureCollection", features: this.#cells() }];
    if (verb === "again") return [201, this.#propose(found.file.name, "演示")];
    if (verb === "apply" || verb === "withdraw") return this.#settle(found, verb);
    return [200, found];
  }

  #settle(proposal: Proposal, verb: string): Answer {
    if (proposal.state !== "open") return [409, { title: "Conflict", status: 409, detail: `proposal ${proposal.proposal_id} is ${proposal.state}` }];
    Object.assign(proposal, { settled_at: ago(0), settled_by: "演示", state: verb === "apply" ? "applied" : "withdrawn" });
    if (verb === "apply") {
      const { added, redrawn, gone } = proposal.diff.counts;
      const made = version(this.#versions.length + 1, "proposal", added, redrawn, gone);
      proposal.version_id = made.version_id;
      this.#versions.push(made);
    }
    return [200, proposal];
  }

  #rollback(undoes: number, dryRun: boolean): Answer {
    const made = { ...version(this.#versions.length + 1, "rollback", 0, 0, 0), undoes };
    if (!dryRun) this.#versions.push(made);
    return [200, { version: made.version_id, added: ["b1"], redrawn: ["b2", "b3"], corrected: [], gone: ["b4"], moves: [], gateway_moves: [], dry_run: dryRun }];
  }

  #propose(name: string, by: string): Proposal {
    const devices = this.#world.devices.slice(0, 4);
    const cells = this.#cells();
    const count = (change: Change): number => new Set(cells.filter((c) => c.properties.change === change).map((c) => c.properties.code)).size;
    const findings = this.#findings(cells);
    const proposal: Proposal = {
      proposal_id: this.#proposals.length + 1, state: "open", made_at: ago(0.4), made_by: by, note: "", partial: true,
      file: { name, driver: "GPKG", frame: "EPSG:4547", encoding: "UTF-8", layers: ["blocks"], origin: "区测绘中心" },
      against: this.#versions.length, in_force: this.#versions.length, errors: 0, warnings: 2, findings,
      diff: { counts: { added: count("added"), redrawn: count("redrawn"), changed: 0, gone: count("gone"), same: count("same") }, lineages: [{ kind: "split" as const, before: [cells[2]!.properties.code], after: [cells[2]!.properties.code, cells[3]!.properties.code] }] },
      current: true, within: null,
      gateway_moves: [],
      moves: devices.map((device, i) => ({ device_id: device.properties.device_id, from: device.properties.space, to: i === 2 ? null : cells[i]!.properties.code })),
      settled_at: null, settled_by: null, settled_note: "", version_id: null, replaced_by: null,
    };
    this.#proposals.push(proposal);
    return proposal;
  }

  #findings(cells: { properties: { code: string } }[]): Finding[] {
    const [a, b] = [cells[2]!.properties.code, cells[5]!.properties.code];
    const blank = { where: "layer blocks, feature 12", mend: "", area_m2: null, at: null };
    return [
      { ...blank, kind: "overlap", weight: "warning", codes: [a, b], detail: `${a} and ${b} overlap by 14.2 m²`, detail_zh: `${a} 与 ${b} 重叠 14.2 m²`, mend: "give the strip to one of the two; the larger would lose 0.1 %", mend_zh: "请把重叠部分划归其中一方；较大者将减少 0.1 %", area_m2: 14.2, at: this.#middle(a) },
      { ...blank, kind: "gap", weight: "warning", codes: [b], detail: "a gap of 38 m² between three blocks belongs to nobody", detail_zh: "区块之间有空隙 38 m² 不属于任何单元", mend: "", area_m2: 38, at: this.#middle(b) },
      { ...blank, kind: "frame", weight: "note", codes: [], detail: "coordinates were brought from EPSG:4547 to EPSG:4490", detail_zh: "坐标已由 EPSG:4547 转换为 EPSG:4490", where: "" },
    ];
  }

  #cells() {
    return this.#blocks().flatMap((block, i) => {
      const { code, kind, name } = block.properties;
      const change: Change = i >= 160 ? "same" : i % 23 === 2 ? "added" : i % 17 === 3 ? "redrawn" : i % 31 === 5 ? "gone" : "same";
      const cell = (part: "before" | "after", shift: number) => ({ type: "Feature" as const, geometry: shifted(block, shift), properties: { code, kind, name, name_en: "", change, part } });
      if (change === "redrawn") return [cell("before", 0), cell("after", 0.0004)];
      return [cell(change === "gone" ? "before" : "after", 0)];
    });
  }

  #trace(query: URLSearchParams): Answer {
    const id = (query.get("node") ?? "").replace("device:", "");
    const at = this.#world.devices.findIndex((device) => device.properties.device_id === id);
    if (at < 0) return notFound(`node device:${id}`);
    const near = [...this.#world.devices].sort((a, b) => apart(a, this.#world.devices[at]!) - apart(b, this.#world.devices[at]!)).slice(0, 7);
    const nodes = near.map((device, depth) => ({
      node: `device:${device.properties.device_id}`, name: device.properties.name, depth: Math.ceil(depth / 1.5),
      lon: device.geometry.coordinates[0], lat: device.geometry.coordinates[1], device_id: device.properties.device_id, severity: depth === 3 ? 3 : 0,
    }));
    const down = query.get("direction") === "down";
    const edges = nodes.slice(1).map((node, i) => {
      const [near_, far] = [nodes[Math.max(0, i - 1)]!.node, node.node];
      return { from: down ? near_ : far, to: down ? far : near_, kind: query.get("kind") ?? "drainage" };
    });
    return [200, { nodes, edges, cut: false }];
  }

  #device(method: string, id: string, verb: string, body: string): Answer {
    const found = this.#world.devices.find((device) => device.properties.device_id === id);
    if (!found) return notFound(`device '${id}'`);
    if (verb === "facet") return [200, { device_id: id, name: found.properties.name, surface_id: "s1", surveyed_at: ago(2000), slope_deg: 38.4, aspect_deg: 131, ground_m: 44.1, distance_m: 0.6, reason: null }];
    if (verb === "history") return [200, HISTORY(id)];
    const desired = this.#desired.get(id) ?? { interval_s: 10 };
    if (method === "PUT") {
      this.#writes += 1;
      for (const [name, value] of Object.entries(JSON.parse(body) as Record<string, unknown>)) {
        if (value === null) delete desired[name];
        else desired[name] = value;
      }
      this.#desired.set(id, desired);
    }
    return [200, TWIN(id, found.properties.kind, desired, this.#writes)];
  }

  #blocks(): SpaceFeature[] {
    return this.#world.spaces.filter((space) => space.properties.kind === "block");
  }

  #middle(code: string): [number, number] {
    const { lon, lat } = this.#world.spaces.find((space) => space.properties.code === code)!.properties;
    return [lon, lat];
  }

  #path(code: string) {
    const codes = [9, 12, 15].map((length) => code.slice(0, length));
    return this.#world.spaces
      .filter((space) => codes.includes(space.properties.code))
      .map(({ properties: { code, kind, name, name_en } }) => ({ code, kind, name, name_en }));
  }
}

const HISTORY = (id: string) => ({
  device_id: id, series: {}, more: false,
  installations: [
    { serial: "SN-10032", vendor: "示例", model: "T1", from_at: ago(9000), to_at: ago(900), recorded_at: ago(9000), reason: "", by: "blocktwin" },
    { serial: "SN-20417", vendor: "示例", model: "T2", from_at: ago(900), to_at: null, recorded_at: ago(900), reason: "到期更换", by: "gis-li" },
  ],
  places: [{ lon: 114.13, lat: 22.55, height_m: 3, space: "440303001001001", gateway_id: "gw-01", placed_how: "within", placed_note: "", from_at: null, to_at: null, recorded_at: ago(9000), reason: "", by: "blocktwin" }],
});
const held = (value: unknown) => ({ value, at: ago(0.5), by: "演示" });
const TWIN = (id: string, kind: string, desired: Record<string, unknown>, version: number) => {
  const reported: Record<string, unknown> = { interval_s: 30, enabled: true };
  const sided = (side: Record<string, unknown>) => Object.fromEntries(Object.entries(side).map(([name, value]) => [name, held(value)]));
  const open = Object.entries(desired).filter(([name, value]) => reported[name] !== value);
  return {
    device_id: id, kind, attributes: {}, installation: null, delivery: "by report only", freshness: "fresh", severity: 0,
    desired: { version, values: sided(desired) }, reported: { version: 3, values: sided(reported), at: ago(0.5) },
    delta: Object.fromEntries(open.map(([name, value]) => [name, { desired: value, reported: reported[name] ?? null, since: ago(0.5) }])),
  };
};
const set = (schema: object) => ({ ...schema, side: "configuration" });
const KIND = {
  type: "object",
  properties: {
    interval_s: set({ type: "number", title: "上报间隔", titleEn: "reporting interval", unit: "s", minimum: 0.1, maximum: 604_800 }),
    enabled: set({ type: "boolean", title: "启用", titleEn: "enabled" }),
    mode: set({ enum: ["normal", "test"], title: "模式", titleEn: "mode" }),
  },
};

function inspection(name: string) {
  const fields = [
    { name: "QKBM", type: "text", filled: 1318, samples: ["44030300100100101"] },
    { name: "QKMC", type: "text", filled: 1300, samples: ["桂园一号区块"] },
  ];
  const layer = (called: string, count: number) => ({ name: called, features: count, geometry_types: { Polygon: count }, fields, bounds: null, crs: "CGCS2000 / 3-degree Gauss-Kruger CM 114E" });
  return {
    name, driver: "GPKG", size: 20_480, sha256: "0", layers: [layer("blocks", 1318), layer("buildings", 5400)],
    encoding: { used: "UTF-8", sure: true, candidates: [], remarks: ["GeoPackage text is UTF-8 by its standard"] },
    frame: { declared: "CGCS2000 / 3-degree Gauss-Kruger CM 114E", named: "EPSG:4547", possible: ["EPSG:4547", "EPSG:4526"], sentences: ["the layer says EPSG:4547", "coordinates lie in the range of a 3-degree zone around 114° E"] },
    guess: { mapping: { code: "QKBM", name: "QKMC", kind: "=block" }, evidence: ["QKBM: all 1,318 values are block codes"] },
  };
}

function version(id: number, source: string, added: number, redrawn: number, gone: number): Version {
  return { version_id: id, applied_at: ago(id === 1 ? 400 : 0), applied_by: "blocktwin", source, undoes: null, note: "", proposal_id: null, file: null, added, redrawn, corrected: 0, gone, moves: 0 };
}

function away(space: SpaceFeature, lon: number, lat: number): number {
  return Math.hypot(space.properties.lon - lon, space.properties.lat - lat);
}

type Placed = { geometry: { coordinates: [number, number] } };
function apart(a: Placed, b: Placed): number {
  return Math.hypot(a.geometry.coordinates[0] - b.geometry.coordinates[0], a.geometry.coordinates[1] - b.geometry.coordinates[1]);
}

function shifted(space: SpaceFeature, by: number) {
  const rings = space.geometry.coordinates as number[][][];
  return { type: "Polygon" as const, coordinates: rings.map((ring) => ring.map(([x, y]) => [x! + by, y! + by / 2])) };
}
