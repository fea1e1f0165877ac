// An alarm to begin from in the tests.
import type { Alarm, DistrictState, PathStep } from "../src/types.ts";

export const step = (kind: string, code: string): PathStep => ({ kind, code, name: `名${code}`, name_en: `N${code}` });

export function alarm(over: Partial<Alarm> = {}): Alarm {
  return {
    alarm_id: "a1",
    rule_id: "fire-heat-fixed",
    rule_version: 1,
    name: { zh: "定温火警", en: "Fixed-temperature fire alarm" },
    advice: { zh: "", en: "" },
    field: "fire",
    severity: 3,
    peak_severity: 3,
    state: "unacknowledged",
    latch: true,
    subject: "device:d1",
    device_id: "d1",
    device_name: "一号",
    gateway_id: "gw-01",
    space: "b1",
    path: [step("street", "s1"), step("community", "c1"), step("block", "b1")],
    lon: 114.1,
    lat: 22.5,
    quantity: "temperature",
    quantity_zh: "温度",
    quantity_en: "temperature",
    unit: "Cel",
    value: 80,
    threshold: 57,
    raised_at: "2026-07-01T00:00:00+00:00",
    detected_at: "2026-07-01T00:00:00.5+00:00",
    returned_at: null,
    acknowledged_at: null,
    acknowledged_by: null,
    closed_at: null,
    closed_by: null,
    close_cause: null,
    occurrences: 1,
    event_id: 10,
    assigned_to: null,
    hidden: null,
    hidden_until: null,
    hidden_by: null,
    hidden_why: null,
    incident_id: null,
    said: null,
    life_safety: false,
    advisory: false,
    ...over,
  };
}

export function district(over: Partial<DistrictState> = {}): DistrictState {
  return {
    at: "2026-07-01T00:00:10+00:00",
    event_id: 10,
    totals: { devices: 1, fresh: 1, stale: 0, never: 0, unplaced: 0, open: 1, unacknowledged: 1, by_field: {} },
    spaces: [{ code: "b1", kind: "block", severity: 3, open: 1, unacknowledged: 1, devices: 4, fresh: 4, stale: 0 }],
    devices: { d1: [1, 3] },
    gateways: [{ gateway_id: "gw-01", name: "一号网关", lon: 114, lat: 22, online: true, at: null }],
    ...over,
  };
}
