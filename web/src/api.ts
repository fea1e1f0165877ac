// The typed client of the HTTP API: one function a call, every failure one `ApiProblem`.
import type {
  Alarm,
  AlarmDetail,
  AlarmPage,
  CloseCause,
  DeviceCollection,
  DeviceDetail,
  DistrictState,
  Readings,
  Session,
  SpaceCollection,
} from "./types.ts";

const ROOT = "api/v1/";
const TIMEOUT_MS = 15_000;
/** A large map is read and checked, a month of history judged, before it is answered. */
const UPLOAD_TIMEOUT_MS = 180_000;
const MAX_PAGES = 10;
const NOT_MODIFIED = 304;

/** By name, or as pairs where a name may be repeated. */
export type Query = Record<string, string> | [name: string, value: string][];
/** Why a call failed: the server's RFC 9457 answer, or status 0 when there was none. */
export class ApiProblem extends Error {
  readonly status: number;
  readonly title: string;
  readonly detail: string;

  constructor(status: number, title: string, detail: string) {
    super(detail || title || `HTTP ${status}`);
    this.name = "ApiProblem";
    this.status = status;
    this.title = title;
    this.detail = detail;
  }
}

/** An answer with the tag by which the server knows it again; without one it is always sent anew. */
export interface Tagged<T> {
  tag: string;
  body: T;
}

type Send = (input: string, init: RequestInit) => Promise<Response>;

export type AlarmQuery = Partial<
  Record<"state" | "field" | "severity" | "space" | "device" | "limit" | "after", string>
>;

/** Read a problem document; a proxy's HTML page or an empty body still gives a usable problem. */
export async function toProblem(answer: Response): Promise<ApiProblem> {
  const type = answer.headers.get("content-type") ?? "";
  if (!type.includes("json")) return new ApiProblem(answer.status, answer.statusText, "");
  const body: unknown = await answer.json().catch(() => null);
  const text = (key: string): string => {
    const value = (body as Record<string, unknown> | null)?.[key];
    return typeof value === "string" ? value : "";
  };
  return new ApiProblem(answer.status, text("title") || answer.statusText, text("detail"));
}

export class Api {
  /** Called on every 401, so that the page can ask for a token wherever it happens. */
  onUnauthorized: () => void = () => {};
  readonly #send: Send;

  constructor(send: Send = (input, init) => fetch(input, init)) {
    this.#send = send;
  }

  session = (): Promise<Session> => this.get("session");
  login = (token: string): Promise<Session> => this.post("session", { token });
  logout = async (): Promise<void> => void (await this.#call("session", { method: "DELETE" }));

  state = (): Promise<DistrictState> => this.get("state", { kind: "block" });
  device = (id: string): Promise<DeviceDetail> => this.get(`devices/${encodeURIComponent(id)}`);
  alarm = (id: string): Promise<AlarmDetail> => this.get(`alarms/${encodeURIComponent(id)}`);
  alarms = (query: AlarmQuery): Promise<AlarmPage> => this.get("alarms", query);

  spaces = (kinds: readonly string[], known?: Tagged<SpaceCollection>): Promise<Tagged<SpaceCollection>> =>
    this.tagged("spaces", { kind: kinds.join(",") }, known);

  /** All devices, page after page; the pages that are as `known` are the very same. */
  async devices(known: readonly Tagged<DeviceCollection>[] = []): Promise<Tagged<DeviceCollection>[]> {
    const pages: Tagged<DeviceCollection>[] = [];
    let after: string | null | undefined;
    do {
      const query: Query = after ? { after } : {};
      const page: Tagged<DeviceCollection> = await this.tagged("devices", query, known[pages.length]);
      pages.push(page);
      after = page.body.next;
    } while (after && pages.length < MAX_PAGES);
    return pages;
  }

  /** All open alarms, page after page. */
  async openAlarms(): Promise<Alarm[]> {
    const all: Alarm[] = [];
    let after: string | null = null;
    for (let page = 0; page < MAX_PAGES; page += 1) {
      const query: AlarmQuery = { state: "open", limit: "200", ...(after ? { after } : {}) };
      const part: AlarmPage = await this.alarms(query);
      all.push(...part.alarms);
      after = part.next;
      if (!after) break;
    }
    return all;
  }

  /** As fine as so many points allow; the answer says how fine that is. */
  readings = (id: string, quantity: string, from: Date, points: number): Promise<Readings> =>
    this.get(`devices/${encodeURIComponent(id)}/readings`, {
      quantity,
      from: from.toISOString(),
      points: String(points),
    });

  acknowledge = (id: string): Promise<Alarm> => this.#act(id, "acknowledge", {});
  comment = (id: string, note: string): Promise<Alarm> => this.#act(id, "comment", { note });
  close = (id: string, cause: CloseCause, note: string): Promise<Alarm> =>
    this.#act(id, "close", note ? { cause, note } : { cause });

  #act(id: string, action: string, body: object): Promise<Alarm> {
    return this.post(`alarms/${encodeURIComponent(id)}/${action}`, body);
  }

  /** Read a path below the API's root; an aborted call throws the signal's reason. */
  async get<T>(path: string, query: Query = {}, signal?: AbortSignal): Promise<T> {
    const init = signal ? { method: "GET", signal } : { method: "GET" };
    const answer = await this.#call(withQuery(path, query), init);
    return (await answer.json()) as T;
  }

  /** Read what seldom changes: the very same as `known` while the server has nothing newer. */
  async tagged<T>(path: string, query: Query, known?: Tagged<T>): Promise<Tagged<T>> {
    const headers: Record<string, string> = known?.tag ? { "If-None-Match": known.tag } : {};
    const answer = await this.#call(withQuery(path, query), { method: "GET", headers });
    if (answer.status === NOT_MODIFIED && known) return known;
    return { tag: answer.headers.get("etag") ?? "", body: (await answer.json()) as T };
  }

  post = <T>(path: string, body: object): Promise<T> => this.#change("POST", path, body);

  /** Ask for something that takes the server long, such as a month of history judged anew. */
  slow = <T>(path: string, body: object): Promise<T> => this.#change("POST", path, body, {}, UPLOAD_TIMEOUT_MS);

  /** Put a whole; with a `tag` only if it is still as it was read. */
  put = <T>(path: string, body: object, tag: string): Promise<T> =>
    this.#change("PUT", path, body, tag ? { "If-Match": tag } : {});

  /** Send a file as it is. */
  async upload<T>(path: string, query: Query, file: Blob): Promise<T> {
    const headers = { "Content-Type": "application/octet-stream" };
    const init = { method: "POST", body: file, headers };
    const answer = await this.#call(withQuery(path, query), init, UPLOAD_TIMEOUT_MS);
    return (await answer.json()) as T;
  }

  async #change<T>(
    method: string,
    path: string,
    body: object,
    extra: Record<string, string> = {},
    timeoutMs = TIMEOUT_MS,
  ): Promise<T> {
    const headers = { "Content-Type": "application/json", ...extra };
    const answer = await this.#call(path, { method, body: JSON.stringify(body), headers }, timeoutMs);
    return (await answer.json()) as T;
  }

  async #call(path: string, init: RequestInit, timeoutMs = TIMEOUT_MS): Promise<Response> {
    const headers = new Headers(init.headers);
    headers.set("Accept", "application/json");
    // A cookie alone may not change anything: a foreign page cannot set this header.
    if (init.method !== "GET") headers.set("X-Blocktwin", "1");
    const timeout = AbortSignal.timeout(timeoutMs);
    const signal = init.signal ? AbortSignal.any([init.signal, timeout]) : timeout;
    let answer: Response;
    try {
      answer = await this.#send(ROOT + path, { ...init, headers, signal, credentials: "same-origin" });
    } catch (cause) {
      if (init.signal?.aborted) throw cause;
      const timedOut = cause instanceof DOMException && cause.name === "TimeoutError";
      throw new ApiProblem(0, timedOut ? "timeout" : "network", "");
    }
    if (answer.ok || answer.status === NOT_MODIFIED) return answer;
    const problem = await toProblem(answer);
    if (answer.status === 401) this.onUnauthorized();
    throw problem;
  }
}

function withQuery(path: string, query: Query): string {
  const search = new URLSearchParams(query).toString();
  return search ? `${path}?${search}` : path;
}
