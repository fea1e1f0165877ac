// The live stream: an EventSource that is watched for silence, opened anew when it dies, and told apart by message kind.
import type { AlarmMessage, Provisional, StateDelta, StatusBeat } from "./types.ts";

export interface StreamHandlers {
  /** `again` is true when there was a connection before: whoever listens reloads. */
  onOpen(again: boolean): void;
  onLost(): void;
  onAlarm(message: AlarmMessage): void;
  /** An alarm of life safety before it is stored. */
  onProvisional(told: Provisional): void;
  onState(delta: StateDelta): void;
  onStatus(beat: StatusBeat): void;
  /** The server no longer has the events since our last one. */
  onReset(): void;
}

export interface Clocked {
  now(): number;
  every(ms: number, run: () => void): () => void;
}

/** The server speaks every 2 s; after this long without a word the connection counts as lost. */
export const SILENCE_MS = 8_000;
/** How long the browser may be at connecting before we start over. */
export const CONNECT_MS = 20_000;
const WATCH_MS = 1_000;
const RETRY_MS: readonly number[] = [1_000, 2_000, 5_000, 10_000];

export const browserClock: Clocked = {
  now: () => Date.now(),
  every: (ms, run) => {
    const id = setInterval(run, ms);
    return () => clearInterval(id);
  },
};

// EventSource.readyState; the constants live on a class that tests do not have.
const OPEN = 1;
const CLOSED = 2;

type Open = (url: string) => EventSource;

export class Stream {
  #source: EventSource | null = null;
  #lastId = "";
  #heardMs = 0;
  #retryAtMs = 0;
  #tries = 0;
  #lost = false;
  #wasOpen = false;
  #unwatch: (() => void) | null = null;
  readonly #url: string;
  readonly #to: StreamHandlers;
  readonly #clock: Clocked;
  readonly #open: Open;

  constructor(
    url: string,
    to: StreamHandlers,
    clock: Clocked = browserClock,
    open: Open = (at) => new EventSource(at),
  ) {
    this.#url = url;
    this.#to = to;
    this.#clock = clock;
    this.#open = open;
  }

  /** Begin with the events after `after` (an event id, or 0 for "from now on"). */
  start(after: number): void {
    this.stop();
    this.#lastId = after > 0 ? String(after) : "";
    this.#connect();
    this.#unwatch = this.#clock.every(WATCH_MS, () => this.#watch());
  }

  stop(): void {
    this.#unwatch?.();
    this.#unwatch = null;
    this.#source?.close();
    this.#source = null;
  }

  #connect(): void {
    this.#source?.close();
    this.#heardMs = this.#clock.now();
    const after = this.#lastId ? `?after=${encodeURIComponent(this.#lastId)}` : "";
    const source = this.#open(this.#url + after);
    this.#source = source;
    source.onopen = () => this.#opened();
    source.onerror = () => this.#failed();
    this.#on(source, "alarm", (data) => this.#to.onAlarm(data as AlarmMessage));
    this.#on(source, "provisional", (data) => this.#to.onProvisional(data as Provisional));
    this.#on(source, "state", (data) => this.#to.onState(data as StateDelta));
    this.#on(source, "status", (data) => this.#to.onStatus(data as StatusBeat));
    this.#on(source, "reset", () => this.#to.onReset());
  }

  #on(source: EventSource, kind: string, take: (data: unknown) => void): void {
    source.addEventListener(kind, (message) => {
      if (source !== this.#source) return;
      this.#heardMs = this.#clock.now();
      if (message.lastEventId) this.#lastId = message.lastEventId;
      take(message.data ? JSON.parse(message.data) : null);
    });
  }

  #opened(): void {
    this.#heardMs = this.#clock.now();
    this.#tries = 0;
    this.#lost = false;
    this.#to.onOpen(this.#wasOpen);
    this.#wasOpen = true;
  }

  /** The browser retries by itself after a broken connection (with Last-Event-ID), but not after an error answer. */
  #failed(): void {
    this.#say();
    if (this.#source?.readyState === CLOSED) this.#giveUp();
  }

  #giveUp(): void {
    const wait = RETRY_MS[Math.min(this.#tries, RETRY_MS.length - 1)] ?? 10_000;
    this.#tries += 1;
    this.#retryAtMs = this.#clock.now() + wait;
    this.#source?.close();
    this.#source = null;
  }

  #watch(): void {
    const now = this.#clock.now();
    if (this.#source === null) {
      if (now >= this.#retryAtMs) this.#connect();
      return;
    }
    const allowed = this.#source.readyState === OPEN ? SILENCE_MS : CONNECT_MS;
    if (now - this.#heardMs <= allowed) return;
    this.#say();
    this.#giveUp();
  }

  #say(): void {
    if (this.#lost) return;
    this.#lost = true;
    this.#to.onLost();
  }
}
