// A made-up district for page developers: a grid of blocks, devices on it, alarms that come and go. Seeded.
import type {
  Alarm,
  DeviceProperties,
  DistrictState,
  Feature,
  FieldName,
  PathStep,
  Polygonal,
  Severity,
  SpaceProperties,
} from "../src/types.ts";

const WEST = 114.08;
const SOUTH = 22.53;
const NAMES = ["桂园", "黄贝", "东门", "翠竹", "南湖", "笋岗", "东湖", "莲塘", "东晓", "清水河"];
const KINDS: readonly [string, string, string, FieldName, string][] = [
  ["smoke", "感烟探测器", "smoke detector", "fire", "smoke_obscuration"],
  ["heat", "感温探测器", "heat detector", "fire", "temperature"],
  ["waterlogging", "积水监测点", "waterlogging gauge", "water", "depth"],
  ["displacement", "位移计", "displacement gauge", "slope", "displacement"],
  ["geomagnetic", "地磁车辆检测器", "geomagnetic detector", "traffic", "occupancy"],
];
export const QUANTITY: Record<string, [zh: string, en: string, unit: string, mid: number, limit: number]> = {
  smoke_obscuration: ["烟雾减光率", "smoke obscuration", "%/m", 1, 8],
  temperature: ["温度", "temperature", "Cel", 26, 57],
  depth: ["积水深度", "water depth", "m", 0.02, 0.27],
  displacement: ["位移", "displacement", "mm", 2, 20],
  occupancy: ["时间占有率", "time occupancy", "%", 22, 70],
};
const RULE: Record<string, [string, string]> = {
  smoke_obscuration: ["烟雾火警", "Smoke fire alarm"],
  temperature: ["定温火警", "Fixed-temperature fire alarm"],
  depth: ["道路积水", "Road waterlogging"],
  displacement: ["边坡位移加速", "Slope displacement"],
  occupancy: ["道路拥堵", "Traffic jam"],
};

export type SpaceFeature = Feature<Polygonal, SpaceProperties>;
export type DeviceFeature = Feature<{ type: "Point"; coordinates: [number, number] }, DeviceProperties>;

/** A small deterministic generator, so that two runs show the same district. */
export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export class World {
  readonly spaces: SpaceFeature[] = [];
  readonly devices: DeviceFeature[] = [];
  readonly alarms = new Map<string, Alarm>();
  eventId = 100;
  readonly #chance: () => number;
  readonly #paths = new Map<string, PathStep[]>();

  constructor(perStreet: number, devices: number) {
    this.#chance = random(7);
    NAMES.forEach((name, i) => this.#street(name, i, perStreet));
    const blocks = this.spaces.filter((space) => space.properties.kind === "block");
    for (let i = 0; i < devices; i += 1) this.#device(i, blocks);
  }

  /** Raise an alarm at some device. */
  raise(severity = (1 + Math.floor(this.#chance() * 4)) as Severity): Alarm {
    const device = this.devices[Math.floor(this.#chance() * this.devices.length)]!;
    const { device_id, name, field, gateway_id, kind } = device.properties;
    const quantity = KINDS.find((k) => k[0] === kind)![4];
    const [zh, en, unit, , limit] = QUANTITY[quantity]!;
    const [ruleZh, ruleEn] = RULE[quantity]!;
    const now = new Date().toISOString();
    const alarm: Alarm = {
      alarm_id: crypto.randomUUID(), rule_id: `${field}-${quantity}`, rule_version: 1,
      name: { zh: ruleZh, en: ruleEn },
      advice: { zh: "核实现场，通知微型消防站三分钟内到场。", en: "Verify on site; send the micro fire station within three minutes." },
      field, severity, peak_severity: severity, state: "unacknowledged", latch: field === "fire",
      subject: `device:${device_id}`, device_id, device_name: name, gateway_id,
      space: device.properties.space, path: this.#paths.get(device_id) ?? [],
      lon: device.geometry.coordinates[0], lat: device.geometry.coordinates[1],
      quantity, quantity_zh: zh, quantity_en: en, unit, value: limit * (1 + this.#chance()), threshold: limit,
      raised_at: now, detected_at: now, returned_at: null, acknowledged_at: null, acknowledged_by: null,
      closed_at: null, closed_by: null, close_cause: null, occurrences: 1, event_id: (this.eventId += 1),
      assigned_to: null, hidden: null, hidden_until: null, hidden_by: null, hidden_why: null, incident_id: null,
      said: null, life_safety: field === "fire", advisory: false,
    };
    this.alarms.set(alarm.alarm_id, alarm);
    return alarm;
  }

  path(deviceId: string): PathStep[] {
    return this.#paths.get(deviceId) ?? [];
  }

  open(): Alarm[] {
    return [...this.alarms.values()].filter((alarm) => alarm.state !== "closed");
  }

  state(): DistrictState {
    const open = this.open();
    const waiting = open.filter((alarm) => alarm.state === "unacknowledged").length;
    const stale = Math.floor(this.devices.length / 90);
    const spaces = this.spaces
      .filter((space) => space.properties.kind === "block")
      .map(({ properties: { code, kind } }) => {
        const mine = open.filter((alarm) => alarm.path.some((step) => step.code === code));
        return {
          code, kind, severity: Math.max(0, ...mine.map((a) => a.severity)), open: mine.length,
          unacknowledged: mine.filter((a) => a.state === "unacknowledged").length, devices: 3, fresh: 3, stale: 0,
        };
      });
    const states = this.devices.map(({ properties: { device_id } }, i) => [device_id, [i % 90 === 0 ? 2 : 1, 0]]);
    return {
      at: new Date().toISOString(), event_id: this.eventId, spaces,
      totals: {
        devices: this.devices.length, fresh: this.devices.length - stale - 2, stale, never: 2, unplaced: 1,
        open: open.length, unacknowledged: waiting, by_field: {},
      },
      devices: Object.fromEntries(states) as DistrictState["devices"],
      gateways: NAMES.map((name, i) => ({
        gateway_id: `gw-${String(i + 1).padStart(2, "0")}`, name: `${name}网关`,
        lon: WEST + (i % 5) * 0.022 + 0.01, lat: SOUTH + Math.floor(i / 5) * 0.03 + 0.012,
        online: i !== 6, at: new Date().toISOString(),
      })),
    };
  }

  /** The district at a past time: other alarms, by the hour. */
  then(at: string): DistrictState {
    const hour = Math.floor(Date.parse(at) / 3_600_000);
    const now = this.state();
    const devices = Object.entries(now.devices).map(([id, [fresh]], i) => [id, [fresh, (i * 7 + hour) % 97 === 0 ? 1 + (i % 4) : 0]]);
    const spaces = now.spaces.map((space, i) => {
      const severity = (i * 7 + hour) % 41 === 0 ? 1 + (i % 4) : 0;
      return { ...space, severity, open: severity ? 1 : 0, unacknowledged: 0 };
    });
    return { ...now, at, spaces, devices: Object.fromEntries(devices) as DistrictState["devices"] };
  }

  #street(name: string, index: number, blocks: number): void {
    const [x, y] = [WEST + (index % 5) * 0.022, SOUTH + Math.floor(index / 5) * 0.03];
    const code = `440303${String(index + 1).padStart(3, "0")}`;
    this.#space("street", code, `${name}街道`, null, x, y, 0.0215, 0.0292);
    const rows = Math.round(Math.sqrt(blocks));
    for (let r = 0; r < rows; r += 1) {
      const community = `${code}${String(r + 1).padStart(3, "0")}`;
      const [h, w] = [0.029 / rows, 0.0213 / rows];
      this.#space("community", community, `${name}${r + 1}社区`, code, x, y + r * h, 0.0213, h);
      for (let c = 0; c < rows; c += 1) this.#block(community, c, x + c * w, y + r * h, w, h);
    }
  }

  #block(community: string, column: number, x: number, y: number, w: number, h: number): void {
    const code = `${community}${String(column + 1).padStart(3, "0")}`;
    this.#space("block", code, `${column + 1}号区块`, community, x + w * 0.06, y + h * 0.06, w * 0.88, h * 0.88);
    for (const [i, [dx, dy]] of [[0.15, 0.15], [0.55, 0.2], [0.3, 0.6]].entries()) {
      const height = 9 + this.#chance() * 60;
      this.#space("building", `${code}B${i}`, `${column + 1}栋${i}`, code, x + w * dx!, y + h * dy!, w * 0.26, h * 0.24, height);
    }
  }

  #space(kind: string, code: string, name: string, parent: string | null, x: number, y: number, w: number, h: number, height: number | null = null): void {
    const j = (): number => (kind === "block" ? (this.#chance() - 0.5) * w * 0.12 : 0);
    const ring = [[x + j(), y + j()], [x + w + j(), y + j()], [x + w + j(), y + h + j()], [x + j(), y + h + j()]];
    ring.push(ring[0]!);
    this.spaces.push({
      type: "Feature", id: code, geometry: { type: "Polygon", coordinates: [ring] },
      properties: { code, kind, name, name_en: kind === "block" ? `Block ${code.slice(-6)}` : "", parent, height_m: height, source: "synthetic", lon: x + w / 2, lat: y + h / 2 },
    });
  }

  #device(index: number, blocks: SpaceFeature[]): void {
    const [kind, zh, en, field] = KINDS[index % KINDS.length]!;
    const block = blocks[Math.floor(this.#chance() * blocks.length)]!.properties;
    const id = `${kind}-${String(index + 1).padStart(5, "0")}`;
    const spread = (): number => (this.#chance() - 0.5) * 0.0012;
    const street = this.spaces.find((space) => space.properties.code === block.code.slice(0, 9))!.properties;
    const community = this.spaces.find((space) => space.properties.code === block.code.slice(0, 12))!.properties;
    this.#paths.set(id, [street, community, block].map(({ code, kind, name, name_en }) => ({ code, kind, name, name_en })));
    this.devices.push({
      type: "Feature", id, geometry: { type: "Point", coordinates: [block.lon + spread(), block.lat + spread()] },
      properties: { device_id: id, kind, kind_zh: zh, kind_en: en, field, name: `${street.name.slice(0, 2)}${zh}${index + 1}`, gateway_id: `gw-${String((index % 10) + 1).padStart(2, "0")}`, space: block.code, placed_how: "within", interval_s: 10 },
    });
  }
}
