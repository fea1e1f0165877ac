// The stream against a source and a clock of our own: silence, error answers, reconnection, positions.
import { beforeEach, describe, expect, it } from "vitest";
import { CONNECT_MS, SILENCE_MS, Stream, type Clocked, type StreamHandlers } from "../src/stream.ts";

class Source {
  static opened: Source[] = [];
  onopen: (() => void) | null = null;
  onerror: (() => void) | null = null;
  readyState = 0;
  readonly url: string;
  readonly #listeners = new Map<string, (message: { data: string; lastEventId: string }) => void>();

  constructor(url: string) {
    this.url = url;
    Source.opened.push(this);
  }

  addEventListener(kind: string, take: (message: { data: string; lastEventId: string }) => void): void {
    this.#listeners.set(kind, take);
  }

  close(): void {
    this.readyState = 2;
  }

  answer(): void {
    this.readyState = 1;
    this.onopen?.();
  }

  fail(readyState: number): void {
    this.readyState = readyState;
    this.onerror?.();
  }

  say(kind: string, data: unknown, lastEventId = ""): void {
    this.#listeners.get(kind)?.({ data: JSON.stringify(data), lastEventId });
  }
}

class Clock implements Clocked {
  ms = 0;
  #runs = new Set<() => void>();

  now(): number {
    return this.ms;
  }

  every(_: number, run: () => void): () => void {
    this.#runs.add(run);
    return () => this.#runs.delete(run);
  }

  pass(ms: number): void {
    for (let i = 0; i < ms; i += 1000) {
      this.ms += 1000;
      for (const run of this.#runs) run();
    }
  }
}

let clock: Clock;
let told: string[];
let stream: Stream;
const last = (): Source => Source.opened.at(-1)!;

beforeEach(() => {
  Source.opened = [];
  clock = new Clock();
  told = [];
  const to: StreamHandlers = {
    onOpen: (again) => told.push(again ? "again" : "open"),
    onLost: () => told.push("lost"),
    onAlarm: ({ event }) => told.push(`alarm ${event.event_id}`),
    onState: () => told.push("state"),
    onStatus: () => told.push("status"),
    onProvisional: () => told.push("provisional"),
    onReset: () => told.push("reset"),
  };
  stream = new Stream("events", to, clock, (url) => new Source(url) as unknown as EventSource);
});

describe("the stream", () => {
  it("begins where the loaded state stands", () => {
    stream.start(41);
    expect(last().url).toBe("events?after=41");
    last().answer();
    last().say("alarm", { event: { event_id: 42 } }, "42");
    last().say("provisional", { event_key: "k" });
    last().say("status", {});
    last().say("reset", { event_id: 50 }, "50");
    expect(told).toEqual(["open", "alarm 42", "provisional", "status", "reset"]);
  });

  it("leaves a broken connection to the browser, which sends Last-Event-ID itself", () => {
    stream.start(0);
    last().answer();
    last().fail(0);
    clock.pass(5000);
    expect(Source.opened.length).toBe(1);
    last().answer();
    expect(told).toEqual(["open", "lost", "again"]);
  });

  it("opens anew after an error answer, from the last id, and waits longer each time", () => {
    stream.start(7);
    last().answer();
    last().say("alarm", { event: { event_id: 9 } }, "9");
    last().fail(2);
    clock.pass(1000);
    expect(Source.opened.length).toBe(2);
    expect(last().url).toBe("events?after=9");
    last().fail(2);
    clock.pass(1000);
    expect(Source.opened.length).toBe(2);
    clock.pass(1000);
    expect(Source.opened.length).toBe(3);
    expect(told).toEqual(["open", "alarm 9", "lost"]);
  });

  it("takes silence for a lost connection, though the socket stands", () => {
    stream.start(0);
    last().answer();
    clock.pass(SILENCE_MS);
    expect(told).toEqual(["open"]);
    clock.pass(1000);
    expect(told).toEqual(["open", "lost"]);
    clock.pass(1000);
    expect(Source.opened.length).toBe(2);
    last().answer();
    expect(told.at(-1)).toBe("again");
  });

  it("does not wait for ever for a browser that cannot connect", () => {
    stream.start(0);
    clock.pass(CONNECT_MS + 2000);
    expect(told).toEqual(["lost"]);
    expect(Source.opened.length).toBe(2);
  });

  it("hears nothing more from a source it has given up, nor after stop", () => {
    stream.start(0);
    const old = last();
    old.answer();
    old.fail(2);
    clock.pass(1000);
    old.say("status", {});
    stream.stop();
    last().say("status", {});
    clock.pass(60_000);
    expect(told).toEqual(["open", "lost"]);
    expect(Source.opened.length).toBe(2);
  });
});
