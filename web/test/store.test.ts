// The store over an API and a stream of our own: signing in, acting, losing the server, catching up.
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Api } from "../src/api.ts";
import { Store, type Call } from "../src/store.ts";
import { alarm, district } from "./sample.ts";

class Source {
  static last: Source;
  onopen: (() => void) | null = null;
  onerror: (() => void) | null = null;
  readyState = 0;
  readonly url: string;
  #listeners = new Map<string, (message: object) => void>();

  constructor(url: string) {
    this.url = url;
    Source.last = this;
  }

  addEventListener(kind: string, take: (message: object) => void): void {
    this.#listeners.set(kind, take);
  }

  close(): void {
    this.readyState = 2;
  }

  open(): void {
    this.readyState = 1;
    this.onopen?.();
  }

  say(kind: string, data: unknown, lastEventId = ""): void {
    this.#listeners.get(kind)?.({ data: JSON.stringify(data), lastEventId });
  }
}

const json = (body: unknown, status = 200): Response =>
  new Response(JSON.stringify(body), { status, headers: { "content-type": "application/json" } });

/** A server in a few lines: what it answers is what the fields say at that moment. */
class Server {
  sessionStatus = 200;
  state = district();
  alarms = [alarm()];
  down = false;
  asked: string[] = [];

  send = (url: string, init: RequestInit): Promise<Response> => {
    this.asked.push(`${init.method} ${url}`);
    if (this.down) return Promise.reject(new TypeError("failed to fetch"));
    if (this.sessionStatus === 401) return Promise.resolve(json({ title: "Unauthorized" }, 401));
    if (url.endsWith("session")) return Promise.resolve(json({ name: "duty", role: "operator" }));
    if (url.includes("/state")) return Promise.resolve(json(this.state));
    if (url.endsWith("acknowledge")) {
      return Promise.resolve(json(alarm({ state: "acknowledged", acknowledged_by: "duty", event_id: 11 })));
    }
    return Promise.resolve(json({ alarms: this.alarms, next: null }));
  };
}

let server: Server;
let store: Store;
let calls: Call[];
const settle = (): Promise<void> => vi.advanceTimersByTimeAsync(0).then(() => undefined);

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal("EventSource", Source);
  vi.stubGlobal("location", { hash: "", pathname: "/", search: "" });
  server = new Server();
  store = new Store(new Api(server.send));
  calls = [];
  store.addEventListener("call", (event) => calls.push((event as CustomEvent<Call>).detail));
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

describe("the store", () => {
  it("loads, then listens from where the loaded state stands", async () => {
    await store.begin();
    await settle();
    expect(store.desk.session?.name).toBe("duty");
    expect([...store.desk.alarms.keys()]).toEqual(["a1"]);
    expect(Source.last.url).toBe("api/v1/events?after=10");
    expect(calls).toEqual([]);
  });

  it("asks for a token without a session, and does not say that one has ended", async () => {
    server.sessionStatus = 401;
    await store.begin();
    expect([store.signedIn, store.ended]).toEqual([false, false]);
  });

  it("changes a row only by the server's word", async () => {
    await store.begin();
    await settle();
    server.down = true;
    await expect(store.acknowledge("a1")).rejects.toMatchObject({ status: 0 });
    expect(store.desk.alarms.get("a1")?.state).toBe("unacknowledged");
    server.down = false;
    await store.acknowledge("a1");
    expect(store.desk.alarms.get("a1")?.state).toBe("acknowledged");
  });

  it("calls a severe alarm once, however often it is told", async () => {
    await store.begin();
    await settle();
    const message = { event: { event_id: 12, kind: "raised" }, alarm: alarm({ alarm_id: "b", severity: 4, event_id: 12 }) };
    Source.last.say("alarm", message, "12");
    Source.last.say("alarm", message, "12");
    expect(calls.map((call) => call.alarm.alarm_id)).toEqual(["b"]);
  });

  it("says that the server is lost and reloads and calls what was missed when it is back", async () => {
    await store.begin();
    await settle();
    Source.last.open();
    server.down = true;
    Source.last.onerror?.();
    await settle();
    expect(store.desk.link).toBe("lost");
    expect(store.desk.alarms.size).toBe(1);

    server.down = false;
    server.alarms = [alarm(), alarm({ alarm_id: "missed", severity: 4, event_id: 15 })];
    Source.last.open();
    await settle();
    expect(store.desk.link).toBe("live");
    expect(calls.map((call) => call.alarm.alarm_id)).toEqual(["missed"]);
  });

  it("finds out that the session ended while the server was away", async () => {
    await store.begin();
    await settle();
    server.sessionStatus = 401;
    Source.last.readyState = 2;
    Source.last.onerror?.();
    await settle();
    expect([store.signedIn, store.ended]).toEqual([false, true]);
    expect(Source.last.readyState).toBe(2);
  });

  it("loads anew on a reset, and joins many asks into one", async () => {
    await store.begin();
    await settle();
    server.asked = [];
    for (let i = 0; i < 5; i += 1) Source.last.say("reset", { event_id: 50 }, "50");
    await settle();
    expect(server.asked.filter((asked) => asked.includes("/state")).length).toBe(2);
  });

  it("says that outlines and devices may be others, at a reset and whenever the stream is there again", async () => {
    let told = 0;
    store.addEventListener("registry", () => (told += 1));
    await store.begin();
    await settle();
    Source.last.open();
    Source.last.say("state", { at: "2026-07-01T00:00:11+00:00", devices: {}, spaces: {}, totals: null });
    expect(told).toBe(1);
    Source.last.say("reset", { event_id: 50 }, "50");
    expect([told, store.registry]).toEqual([2, 2]);
    Source.last.onerror?.();
    Source.last.open();
    expect(told).toBe(3);
  });

  it("tries again by itself when the first load fails", async () => {
    server.down = true;
    await store.begin();
    expect(store.signedIn).toBe(null);
    server.down = false;
    await vi.advanceTimersByTimeAsync(3000);
    expect(store.desk.loaded).toBe(true);
  });
});
