// What can be done to an alarm beyond taking it up and closing it; the server decides, this only hides what it would refuse.
import type { Alarm } from "./types.ts";

export type Deed = "assign" | "shelve" | "unshelve" | "suppress" | "unsuppress" | "out-of-service" | "in-service";

/** What can be done to an alarm as it stands. */
export function deedsOf(alarm: Alarm): Deed[] {
  if (alarm.state === "closed") return [];
  if (alarm.hidden === "shelved") return ["assign", "unshelve"];
  if (alarm.hidden === "suppressed") return ["assign", "unsuppress"];
  if (alarm.hidden === "out_of_service") return ["assign", "in-service"];
  // What may cost a life is never hidden as the consequence of something else.
  return ["assign", "shelve", ...(alarm.life_safety ? [] : ["suppress" as const]), "out-of-service"];
}
