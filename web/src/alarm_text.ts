// An alarm in words: where it is, what was measured, how it stands.
import { SWITCHES, span, withUnit } from "./format.ts";
import { lang, pick, placeName, t } from "./i18n.ts";
import type { Alarm, PathStep } from "./types.ts";

/** Street, block and building of a path; the levels between say little to a person on the way there. */
export function place(path: readonly PathStep[]): string {
  const told = path.filter((step) => ["street", "community", "building"].includes(step.kind));
  return told.length > 0 ? told.map(placeName).join(" · ") : t("alarm.noPlace");
}

/** The device's name, else the gateway's id, else the subject as it stands. */
export function subjectName(alarm: Alarm): string {
  return alarm.device_name ?? alarm.device_id ?? alarm.gateway_id ?? alarm.subject;
}

/** What was measured against which limit; silence is told as a time, a switch has no limit worth telling. */
export function measured(alarm: Alarm): string {
  if (!alarm.quantity || isSilence(alarm)) {
    return alarm.value ? t("alarm.silent", { age: span(alarm.value, lang()) }) : "";
  }
  const quantity = pick({ zh: alarm.quantity_zh, en: alarm.quantity_en });
  if (SWITCHES.has(alarm.quantity)) return quantity;
  const reading = t("alarm.reading", {
    value: withUnit(alarm.value, alarm.unit),
    limit: withUnit(alarm.threshold, alarm.unit),
  });
  return `${quantity} ${reading}`;
}

/** Missing-data alarms carry seconds of silence, which the server marks by the unit `s`. */
export function isSilence(alarm: Alarm): boolean {
  return alarm.unit === "s" || /missing|offline|silent/.test(alarm.rule_id);
}
