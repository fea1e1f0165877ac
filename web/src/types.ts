// The shapes of the HTTP API as the page reads them; the server's docs/api.md is their home.

export type FieldName = "fire" | "water" | "slope" | "traffic" | "system";
export const FIELDS: readonly FieldName[] = ["fire", "water", "slope", "traffic", "system"];

/** 1 blue (level IV) … 4 red (level I); 0 means no open alarm. */
export type Severity = 1 | 2 | 3 | 4;
export const SEVERITIES: readonly Severity[] = [4, 3, 2, 1];

export type AlarmStateName =
  | "unacknowledged"
  | "acknowledged"
  | "returned_unacknowledged"
  | "closed";

export type CloseCause = "true" | "false" | "test" | "maintenance";

export interface Bilingual {
  zh: string;
  en: string;
}

export interface PathStep {
  code: string;
  kind: string;
  name: string;
  name_en: string;
}

export interface Alarm {
  alarm_id: string;
  rule_id: string;
  rule_version: number;
  name: Bilingual;
  advice: Bilingual;
  field: FieldName;
  severity: Severity;
  peak_severity: Severity;
  state: AlarmStateName;
  latch: boolean;
  subject: string;
  device_id: string | null;
  device_name: string | null;
  gateway_id: string | null;
  space: string | null;
  path: PathStep[];
  lon: number | null;
  lat: number | null;
  quantity: string;
  quantity_zh: string;
  quantity_en: string;
  unit: string;
  value: number | null;
  threshold: number | null;
  raised_at: string;
  detected_at: string;
  returned_at: string | null;
  acknowledged_at: string | null;
  acknowledged_by: string | null;
  closed_at: string | null;
  closed_by: string | null;
  close_cause: CloseCause | "returned" | null;
  occurrences: number;
  event_id: number;
  assigned_to: string | null;
  /** What takes it out of sight; it is judged on all the same. */
  hidden: HiddenHow | null;
  hidden_until: string | null;
  hidden_by: string | null;
  hidden_why: string | null;
  incident_id: string | null;
  /** One sentence with numbers, where value and limit do not say it all. */
  said: Bilingual | null;
  life_safety: boolean;
  advisory: boolean;
}

export type HiddenHow = "shelved" | "suppressed" | "out_of_service";

export interface AlarmEvent {
  event_id: number;
  kind:
    | "raised"
    | "escalated"
    | "eased"
    | "returned"
    | "acknowledged"
    | "commented"
    | "closed"
    | "assigned"
    | "shelved"
    | "unshelved"
    | "suppressed"
    | "unsuppressed"
    | "out_of_service"
    | "in_service"
    | "overdue"
    | "re_alarmed";
  at: string;
  event_at: string;
  actor: string;
  severity: Severity;
  state: AlarmStateName;
  value: number | null;
  note: string;
  /** To whom, until when, by what, which work order. */
  about?: string;
}

/** An alarm of life safety as it is told before it is stored; the same comes again as an alarm. */
export interface Provisional {
  event_key: string;
  kind: "raised" | "escalated" | "eased" | "returned";
  rule_id: string;
  name: Bilingual;
  subject: string;
  field: FieldName;
  severity: "blue" | "yellow" | "orange" | "red";
  value: number | null;
  threshold: number | null;
  said: [zh: string, en: string];
  event_at: string;
  spaces: string[];
}

/** One time that the condition began; severity and value are the worst level it reached. */
export interface Occurrence {
  number: number;
  onset_at: string;
  detected_at: string;
  returned_at: string | null;
  severity: Severity;
  value: number | null;
  threshold: number | null;
}

export interface AlarmDetail extends Alarm {
  events: AlarmEvent[];
  occurrences_list: Occurrence[];
}

export interface AlarmPage {
  alarms: Alarm[];
  next: string | null;
}

export interface Session {
  name: string;
  role: "viewer" | "operator" | "gis" | "admin";
}

/** 0 never heard of, 1 fresh, 2 stale. */
export type Freshness = 0 | 1 | 2;
export type DeviceState = [freshness: Freshness, severity: number];

export interface FieldTotals {
  open: number;
  severity: number;
  unacknowledged?: number;
}

export interface Totals {
  devices: number;
  fresh: number;
  stale: number;
  never: number;
  unplaced: number;
  open: number;
  unacknowledged: number;
  by_field: Partial<Record<FieldName, FieldTotals>>;
}

export interface SpaceState {
  code: string;
  kind: string;
  severity: number;
  open: number;
  unacknowledged: number;
  devices: number;
  fresh: number;
  stale: number;
}

export interface GatewayState {
  gateway_id: string;
  name: string;
  lon: number;
  lat: number;
  online: boolean | null;
  at: string | null;
}

export interface DistrictState {
  at: string;
  event_id: number;
  totals: Totals;
  spaces: SpaceState[];
  devices: Record<string, DeviceState>;
  gateways: GatewayState[];
}

export interface StateDelta {
  at: string;
  devices: Record<string, DeviceState>;
  spaces: Record<string, [severity: number, open: number, unacknowledged: number]>;
  totals: Totals;
}

export interface StatusBeat {
  at: string;
  readings_per_s: number;
  received: number;
  stored: number;
  rejected: number;
  duplicates: number;
  open: number;
}

export interface AlarmMessage {
  event: AlarmEvent;
  alarm: Alarm;
}

export interface Threshold {
  rule_id: string;
  name: Bilingual;
  type: "high" | "low";
  severity: Severity;
  raise: number;
  clear: number;
}

export interface LatestValue {
  observed_at: string;
  received_at: string;
  value: number | null;
  quality: number;
}

export interface QuantityInfo {
  quantity: string;
  zh: string;
  en: string;
  unit: string;
  series_id: number;
  latest: LatestValue | null;
  thresholds: Threshold[];
}

export interface DeviceDetail {
  device_id: string;
  kind: string;
  kind_zh: string;
  kind_en: string;
  field: FieldName;
  name: string;
  lon: number;
  lat: number;
  height_m: number | null;
  address: string;
  gateway_id: string;
  gateway_online: boolean | null;
  interval_s: number;
  placed_how: "within" | "snapped" | "unplaced";
  placed_note: string;
  attributes: Record<string, unknown>;
  freshness: "fresh" | "stale" | "never";
  severity: number;
  path: PathStep[];
  quantities: QuantityInfo[];
  alarms: Alarm[];
}

/** A window of a series, ascending: single readings (`v`, `q`), or points of `step_s` seconds (the others). */
export interface Readings {
  device_id: string;
  quantity: string;
  unit: string;
  resolution: string;
  step_s: number;
  level: "raw" | "1m" | "1h" | "1d";
  complete: boolean;
  truncated: boolean;
  because: "deleted" | "dense" | null;
  left_out: string[];
  /** Milliseconds since the epoch; of a point its beginning. */
  t: number[];
  v?: (number | null)[];
  q?: number[];
  min?: (number | null)[];
  max?: (number | null)[];
  mean?: (number | null)[];
  last?: (number | null)[];
  count?: number[];
  /** Share of the readings that count in the values, 0 to 1. */
  good?: number[];
}

export interface SpaceProperties {
  code: string;
  kind: string;
  name: string;
  name_en: string;
  parent: string | null;
  height_m: number | null;
  source: string;
  lon: number;
  lat: number;
}

export interface DeviceProperties {
  device_id: string;
  kind: string;
  kind_zh: string;
  kind_en: string;
  field: FieldName;
  name: string;
  gateway_id: string;
  space: string | null;
  placed_how: string;
  interval_s: number;
}

export interface Polygonal {
  type: "Polygon" | "MultiPolygon";
  coordinates: number[][][] | number[][][][];
}

export interface Feature<G, P> {
  type: "Feature";
  id?: string | number;
  geometry: G;
  properties: P;
}

export interface Collection<G, P> {
  type: "FeatureCollection";
  features: Feature<G, P>[];
  next?: string | null;
}

export type SpaceCollection = Collection<Polygonal, SpaceProperties>;
export type DeviceCollection = Collection<
  { type: "Point"; coordinates: [number, number] },
  DeviceProperties
>;
