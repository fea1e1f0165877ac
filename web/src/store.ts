// The one holder of the desk's state: it loads, listens to the stream, acts, and tells its listeners.
import { Api, ApiProblem } from "./api.ts";
import {
  asThen,
  EMPTY,
  foundBy,
  isCall,
  loaded,
  withAlarm,
  withBeat,
  withDelta,
  type Desk,
  type Then,
} from "./desk.ts";
import { SEVERE } from "./severity.ts";
import { tokenFromAddress } from "./session.ts";
import { Stream } from "./stream.ts";
import { Provisionals } from "./provisional.ts";
import type { Alarm, AlarmMessage, CloseCause, Provisional, Session } from "./types.ts";

export interface Past extends Then {
  atMs: number;
}

/** A severe alarm that must be seen now. */
export interface Call {
  alarm: Alarm;
  escalated: boolean;
}

const RELOAD_MS = 60_000;
const RETRY_MS = 3_000;

export class Store extends EventTarget {
  desk: Desk = EMPTY;
  /** Null while it is not known whether there is a session. */
  signedIn: boolean | null = null;
  /** True when a session was lost that had been there: the sign-in says so. */
  ended = false;
  loadProblem: unknown = null;
  /** A past time that map and counts show instead of now; what comes live is taken up all the same. */
  past: Past | null = null;
  /** Counts how often outlines or devices may have changed; told by the event `registry`. */
  registry = 0;
  /** What is told and not stored yet; each newly shown is told by the event `provisional`. */
  readonly provisional = new Provisionals((told) => {
    this.dispatchEvent(new CustomEvent<Provisional>("provisional", { detail: told }));
    this.#tell();
  });
  readonly api: Api;
  readonly #stream: Stream;
  #told = false;
  #loading: Promise<void> | null = null;
  #again = false;
  #eventId = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(api: Api = new Api()) {
    super();
    this.api = api;
    api.onUnauthorized = () => this.#signedOut();
    this.#stream = new Stream("api/v1/events", {
      onOpen: (again) => this.#opened(again),
      onLost: () => this.#lost(),
      onAlarm: (message) => this.#alarm(message),
      onProvisional: (told) => {
        if (this.provisional.hear(told)) this.#tell();
      },
      onState: (delta) => this.#set(withDelta(this.desk, delta, Date.now())),
      onStatus: (beat) => this.#set(withBeat(this.desk, beat, Date.now())),
      onReset: () => this.#reset(),
    });
  }

  /** What map and counts show: now, or the chosen past. */
  get shown(): Desk {
    return this.past ? asThen(this.desk, this.past) : this.desk;
  }

  /** Look at a past time; null is back to now. */
  lookBack(past: Past | null): void {
    this.past = past;
    this.#tell();
  }

  /** Server time now, in milliseconds, as well as this page knows it. */
  nowMs(): number {
    return Date.now() + this.desk.skewMs;
  }

  /** Begin: with the token of the address, else with the session the browser may still have. */
  async begin(): Promise<void> {
    clearTimeout(this.#timer);
    const token = tokenFromAddress();
    try {
      this.#entered(token ? await this.api.login(token) : await this.api.session());
    } catch (cause) {
      if (cause instanceof ApiProblem && cause.status === 401) return this.#signedOut();
      this.loadProblem = cause;
      this.#tell();
      this.#timer = setTimeout(() => void this.begin(), RETRY_MS);
    }
  }

  async login(token: string): Promise<void> {
    this.#entered(await this.api.login(token.trim()));
  }

  async logout(): Promise<void> {
    await this.api.logout();
    this.#signedOut();
    this.ended = false;
  }

  /** Fetch state and open alarms anew; calls while one runs lead to one more, not to many. */
  async reload(): Promise<void> {
    if (this.#loading) {
      this.#again = true;
      return this.#loading;
    }
    this.#loading = this.#load();
    await this.#loading;
    this.#loading = null;
    if (this.#again) {
      this.#again = false;
      await this.reload();
    }
  }

  async acknowledge(id: string): Promise<void> {
    this.take(await this.api.acknowledge(id));
  }

  async close(id: string, cause: CloseCause, note: string): Promise<void> {
    this.take(await this.api.close(id, cause, note));
  }

  async comment(id: string, note: string): Promise<void> {
    this.take(await this.api.comment(id, note));
  }

  /** Take an alarm as the server has just told it. */
  take(alarm: Alarm): void {
    this.#set(withAlarm(this.desk, alarm));
  }

  #entered(session: Session): void {
    this.signedIn = true;
    this.ended = false;
    this.loadProblem = null;
    this.#set({ ...this.desk, session });
    void this.#loadThenListen();
  }

  async #loadThenListen(): Promise<void> {
    await this.reload();
    // The stream begins where the loaded state stands, so no event falls between the two.
    if (this.signedIn) this.#stream.start(this.#eventId);
  }

  async #load(): Promise<void> {
    clearTimeout(this.#timer);
    try {
      const [state, open] = await Promise.all([this.api.state(), this.api.openAlarms()]);
      this.loadProblem = null;
      this.#eventId = state.event_id;
      const before = this.desk;
      this.#set(loaded(before, state, open, Date.now()));
      for (const alarm of foundBy(before, this.desk, SEVERE)) this.#call(alarm, false);
    } catch (cause) {
      this.loadProblem = cause;
      this.#tell();
    }
    const wait = this.loadProblem ? RETRY_MS : RELOAD_MS;
    if (this.signedIn) this.#timer = setTimeout(() => void this.reload(), wait);
  }

  /** A stream does not say why it ended; a plain call does, and a lost session leads to the sign-in. */
  #lost(): void {
    this.#set({ ...this.desk, link: "lost" });
    void this.reload();
  }

  #opened(again: boolean): void {
    this.#set({ ...this.desk, link: "live" });
    if (again) void this.reload();
    // Nobody told us what changed while the stream was not there.
    this.#registry();
  }

  #reset(): void {
    void this.reload();
    this.#registry();
  }

  #registry(): void {
    this.registry += 1;
    this.dispatchEvent(new Event("registry"));
  }

  #alarm(message: AlarmMessage): void {
    this.provisional.stored(message);
    const known = this.desk.alarms.get(message.alarm.alarm_id);
    const repeated = known !== undefined && known.event_id >= message.event.event_id;
    this.#set(withAlarm(this.desk, message.alarm));
    const escalated = message.event.kind === "escalated";
    if (!repeated && isCall(message, SEVERE)) this.#call(message.alarm, escalated);
  }

  #call(alarm: Alarm, escalated: boolean): void {
    this.dispatchEvent(new CustomEvent<Call>("call", { detail: { alarm, escalated } }));
  }

  #signedOut(): void {
    this.ended ||= this.signedIn === true;
    this.signedIn = false;
    this.past = null;
    this.#stream.stop();
    clearTimeout(this.#timer);
    this.#set({ ...this.desk, session: null, link: "connecting" });
  }

  #set(desk: Desk): void {
    this.desk = desk;
    this.#tell();
  }

  /** Listeners hear of many changes in one turn once. */
  #tell(): void {
    if (this.#told) return;
    this.#told = true;
    queueMicrotask(() => {
      this.#told = false;
      this.dispatchEvent(new Event("change"));
    });
  }
}

export const store = new Store();
