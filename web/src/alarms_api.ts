// The calls about alarms beyond seeing and closing one: its whole life, incidents, the report, rules and rosters.
import type { Deed } from "./deeds.ts";
import { LADDER } from "./severity.ts";
import { store } from "./store.ts";
import { SEVERITIES, type Alarm, type Bilingual, type FieldName, type PathStep, type Severity } from "./types.ts";

type SeverityName = (typeof LADDER)[Severity]["key"];

export interface Incident {
  incident_id: string;
  state: "open" | "closed";
  severity: Severity;
  field: FieldName;
  fields: FieldName[];
  space: string | null;
  path?: PathStep[];
  title: Bilingual;
  opened_at: string;
  last_at: string;
  closed_at: string | null;
  alarms: number;
  unacknowledged: number;
  lon: number | null;
  lat: number | null;
}

export interface IncidentDetail extends Incident {
  alarm_list: Alarm[];
}

export interface Target {
  value: number | null;
  limit: number;
  ok: boolean | null;
}

export interface Report {
  from: string;
  to: string;
  alarms: number;
  per_operator_10min: { avg: number; max: number; operators: number };
  floods: { share: number; longest_min: number; count: number };
  chattering: { rule_id: string; subject: string; times: number }[];
  stale: number;
  top: { rule_id: string; subject: string; share: number; count: number }[];
  priorities: Record<"blue" | "yellow" | "orange" | "red", number>;
  confirmed: Record<"true" | "false" | "test" | "maintenance" | "returned", number> & { share_true: number | null };
  targets: Record<string, Target>;
}

export interface RuleHead {
  rule_id: string;
  version: number;
  name: Bilingual;
  field: FieldName;
  type: string;
  levels: { severity: string; raise: number | null; clear: number | null }[];
  life_safety: boolean;
  advisory: boolean;
  source: string;
  loaded_at: string;
  loaded_by: string;
  note: string;
  overrides: number;
}

export interface Trial {
  alarms: number;
  woken: number;
  by_severity: Partial<Record<"blue" | "yellow" | "orange" | "red", number>>;
  per_day: { day: string; alarms: number }[];
  peak_10min: number;
  devices: TrialDevice[];
  list: TrialAlarm[];
  list_cut: boolean;
}

export interface TrialDevice {
  device_id: string;
  name: string;
  lon: number | null;
  lat: number | null;
  space: string;
  alarms: number;
  worst: SeverityName;
}

export interface TrialAlarm {
  device_id: string;
  raised_at: string;
  returned_at: string | null;
  severity: SeverityName;
  peak: SeverityName;
  value: number;
  threshold: number;
}

export interface BackTest {
  rule_id: string;
  from: string;
  to: string;
  series: number;
  readings: number;
  seconds: number;
  candidate: Trial;
  in_force: Trial | null;
}

export interface Roster {
  roster_id: string;
  name: Bilingual;
  space: string;
  level: string;
  fields: FieldName[];
  contacts: { name: string; channel: string; address_masked: string }[];
}

/** Do something to an alarm; the page's state takes what the server answers. */
export async function act(id: string, deed: Deed, body: object): Promise<Alarm> {
  const alarm = await store.api.post<Alarm>(`alarms/${encodeURIComponent(id)}/${deed}`, body);
  store.take(alarm);
  return alarm;
}

export async function incidents(state: "open" | "closed"): Promise<Incident[]> {
  return (await store.api.get<{ incidents: Incident[] }>("incidents", { state, limit: "100" })).incidents;
}

export const incident = (id: string): Promise<IncidentDetail> => store.api.get(`incidents/${encodeURIComponent(id)}`);

export const acknowledgeIncident = (id: string): Promise<unknown> =>
  store.api.post(`incidents/${encodeURIComponent(id)}/acknowledge`, {});

export const report = (from: Date, to: Date): Promise<Report> =>
  store.api.get("reports/alarms", { from: from.toISOString(), to: to.toISOString() });

export async function rules(): Promise<RuleHead[]> {
  return (await store.api.get<{ rules: RuleHead[] }>("rules")).rules;
}

/** A step of the ladder by the name that rules and back-tests give it. */
export const rankOf = (name: string): Severity | 0 => SEVERITIES.find((rank) => LADDER[rank].key === name) ?? 0;

/** What to try: the rule in force, or a text; where the text holds a rule of this id, that one of it. */
export function tried(ruleId: string, text: string): { rule_id?: string; toml?: string } {
  if (!text) return { rule_id: ruleId };
  const holds = [...text.matchAll(/^\s*id\s*=\s*["']([^"']*)["']/gm)].some(([, id]) => id === ruleId);
  return holds ? { toml: text, rule_id: ruleId } : { toml: text };
}

export const backTest = (what: { rule_id?: string; toml?: string }, from: Date, to: Date): Promise<BackTest> =>
  store.api.slow("rules/backtest", { ...what, from: from.toISOString(), to: to.toISOString() });

export async function rosters(): Promise<Roster[]> {
  return (await store.api.get<{ rosters: Roster[] }>("rosters")).rosters;
}
