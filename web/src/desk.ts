// What the desk knows, as one value, and the pure steps that lead from one such value to the next.
import type {
  Alarm,
  AlarmMessage,
  DeviceState,
  DistrictState,
  GatewayState,
  Session,
  StateDelta,
  StatusBeat,
  Totals,
} from "./types.ts";

export type Link = "connecting" | "live" | "lost";

export interface SpaceCount {
  severity: number;
  open: number;
  unacknowledged: number;
  devices: number;
}

export interface Desk {
  session: Session | null;
  link: Link;
  /** Our clock when the server was last heard; null before the first word. */
  heardMs: number | null;
  /** Server time minus ours, so that ages are right on a desk with a wrong clock. */
  skewMs: number;
  loaded: boolean;
  alarms: ReadonlyMap<string, Alarm>;
  totals: Totals | null;
  beat: StatusBeat | null;
  devices: ReadonlyMap<string, DeviceState>;
  spaces: ReadonlyMap<string, SpaceCount>;
  gateways: readonly GatewayState[];
}

/** Closed alarms are kept until this many alarms are held, so that a row does not vanish under the hand. */
export const MAX_ALARMS = 4000;
const KEPT_CLOSED = 200;

export const EMPTY: Desk = {
  session: null,
  link: "connecting",
  heardMs: null,
  skewMs: 0,
  loaded: false,
  alarms: new Map(),
  totals: null,
  beat: null,
  devices: new Map(),
  spaces: new Map(),
  gateways: [],
};

/** Replace everything the server tells at once; alarms already known to be newer stay. */
export function loaded(desk: Desk, state: DistrictState, open: readonly Alarm[], nowMs: number): Desk {
  const alarms = new Map<string, Alarm>();
  for (const alarm of open) alarms.set(alarm.alarm_id, newer(desk.alarms.get(alarm.alarm_id), alarm));
  for (const alarm of desk.alarms.values()) {
    // Events that arrived while the lists were on their way know more than the lists do.
    if (!alarms.has(alarm.alarm_id) && alarm.event_id > state.event_id) {
      alarms.set(alarm.alarm_id, alarm);
    }
  }
  return { ...heard(desk, state.at, nowMs), ...thenOf(state), loaded: true, alarms };
}

/** The desk as the page shows it at a past time: the counts and states of then, the alarms and the link of now. */
export function asThen(desk: Desk, then: Then): Desk {
  return { ...desk, ...then };
}

/** What the server tells of a past time, by id and code. */
export interface Then {
  totals: Totals;
  devices: ReadonlyMap<string, DeviceState>;
  spaces: ReadonlyMap<string, SpaceCount>;
  gateways: readonly GatewayState[];
}

export function thenOf(state: DistrictState): Then {
  return {
    totals: state.totals,
    devices: new Map(Object.entries(state.devices)),
    spaces: new Map(state.spaces.map((space): [string, SpaceCount] => [space.code, space])),
    gateways: state.gateways,
  };
}

/** The devices that were in alarm, the worst first; none while no past is shown. */
export function worstThen(then: Then | null): [id: string, severity: number][] {
  return [...(then?.devices ?? [])]
    .flatMap(([id, [, severity]]): [string, number][] => (severity > 0 ? [[id, severity]] : []))
    .sort((a, b) => b[1] - a[1] || a[0].localeCompare(b[0]));
}

/** Take one alarm as the server tells it, from the stream or as the answer to an action. */
export function withAlarm(desk: Desk, alarm: Alarm): Desk {
  const known = desk.alarms.get(alarm.alarm_id);
  if (known && known.event_id > alarm.event_id) return desk;
  const alarms = new Map(desk.alarms).set(alarm.alarm_id, alarm);
  return { ...desk, alarms: alarms.size > MAX_ALARMS ? pruned(alarms) : alarms };
}

export function withDelta(desk: Desk, delta: StateDelta, nowMs: number): Desk {
  const devices = new Map(desk.devices);
  for (const [id, state] of Object.entries(delta.devices)) devices.set(id, state);
  const spaces = new Map(desk.spaces);
  for (const [code, [severity, open, unacknowledged]] of Object.entries(delta.spaces)) {
    const known = spaces.get(code);
    spaces.set(code, { devices: known?.devices ?? 0, severity, open, unacknowledged });
  }
  return { ...heard(desk, delta.at, nowMs), devices, spaces, totals: delta.totals };
}

export function withBeat(desk: Desk, beat: StatusBeat, nowMs: number): Desk {
  return { ...heard(desk, beat.at, nowMs), beat };
}

/** Note that the server spoke at `at` (its clock) and `nowMs` (ours). */
export function heard(desk: Desk, at: string, nowMs: number): Desk {
  return { ...desk, heardMs: nowMs, skewMs: Date.parse(at) - nowMs };
}

/** What is shown over the map and announced: an alarm new or worse than before, severe, still unacknowledged. */
export function isCall(message: AlarmMessage, severe: number): boolean {
  const { event, alarm } = message;
  const worse = event.kind === "raised" || event.kind === "escalated";
  return worse && alarm.severity >= severe && alarm.state === "unacknowledged";
}

/** Severe alarms that a reload brought to light: what came while the connection was lost is announced too. */
export function foundBy(before: Desk, after: Desk, severe: number): Alarm[] {
  if (!before.loaded) return [];
  return [...after.alarms.values()].filter((alarm) => {
    const worse = alarm.severity > (before.alarms.get(alarm.alarm_id)?.severity ?? 0);
    return worse && alarm.severity >= severe && alarm.state === "unacknowledged";
  });
}

function newer(known: Alarm | undefined, told: Alarm): Alarm {
  return known && known.event_id > told.event_id ? known : told;
}

function pruned(alarms: Map<string, Alarm>): Map<string, Alarm> {
  const closed = [...alarms.values()]
    .filter((alarm) => alarm.state === "closed")
    .sort((a, b) => b.event_id - a.event_id);
  for (const alarm of closed.slice(KEPT_CLOSED)) alarms.delete(alarm.alarm_id);
  return alarms;
}
