// Alarms of life safety that were told before they are stored, until the server has stored them.
import type { AlarmMessage, Provisional } from "./types.ts";

/** Most of them are stored within a tenth of a second: only what takes longer is shown by itself. */
export const PATIENCE_MS = 700;
const MOST = 100;

type Later = (run: () => void, ms: number) => void;

export class Provisionals {
  /** Those shown, by the rule and subject they are about; the newest last. */
  readonly shown = new Map<string, Provisional>();
  readonly #waiting = new Map<string, Provisional>();
  readonly #show: (told: Provisional) => void;
  readonly #later: Later;

  /** `show` is called once for each that waits too long. */
  constructor(show: (told: Provisional) => void, later: Later = (run, ms) => void setTimeout(run, ms)) {
    this.#show = show;
    this.#later = later;
  }

  /** One was told; true if what is shown has changed. */
  hear(told: Provisional): boolean {
    const about = `${told.rule_id} ${told.subject}`;
    if (told.kind === "returned" || told.kind === "eased") {
      this.#waiting.delete(about);
      return this.shown.delete(about);
    }
    if (this.#waiting.size >= MOST) this.#waiting.delete(this.#waiting.keys().next().value ?? "");
    this.#waiting.set(about, told);
    this.#later(() => this.#due(about, told), PATIENCE_MS);
    return false;
  }

  /** An alarm is stored; true if what is shown has changed. */
  stored({ alarm }: AlarmMessage): boolean {
    const about = `${alarm.rule_id} ${alarm.subject}`;
    this.#waiting.delete(about);
    return this.shown.delete(about);
  }

  #due(about: string, told: Provisional): void {
    if (this.#waiting.get(about) !== told) return;
    this.#waiting.delete(about);
    this.shown.delete(about);
    if (this.shown.size >= MOST) this.shown.delete(this.shown.keys().next().value ?? "");
    this.shown.set(about, told);
    this.#show(told);
  }
}
