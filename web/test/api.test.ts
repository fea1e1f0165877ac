import { describe, expect, it } from "vitest";
import { Api, ApiProblem, toProblem } from "../src/api.ts";
import { actionProblemText, problemText } from "../src/problem.ts";
import { takeToken } from "../src/session.ts";
import { alarm } from "./sample.ts";

interface Sent {
  url: string;
  init: RequestInit;
}

function answering(...answers: Response[]): { api: Api; sent: Sent[] } {
  const sent: Sent[] = [];
  const api = new Api((url, init) => {
    sent.push({ url, init });
    return Promise.resolve(answers[sent.length - 1]!);
  });
  return { api, sent };
}

const json = (body: unknown, status = 200): Response =>
  new Response(JSON.stringify(body), {
    status,
    headers: { "content-type": status < 400 ? "application/json" : "application/problem+json" },
  });

describe("calls", () => {
  it("mark what changes something, so that a foreign page cannot do it with our cookie", async () => {
    const { api, sent } = answering(json(alarm()), json(alarm()));
    await api.acknowledge("a/1");
    await api.alarm("a1");
    expect(sent[0]?.url).toBe("api/v1/alarms/a%2F1/acknowledge");
    expect(new Headers(sent[0]?.init.headers).get("X-Blocktwin")).toBe("1");
    expect(new Headers(sent[1]?.init.headers).has("X-Blocktwin")).toBe(false);
  });

  it("send a cause, and a note only when there is one", async () => {
    const { api, sent } = answering(json(alarm()), json(alarm()));
    await api.close("a1", "false", "");
    await api.close("a1", "true", "seen");
    expect(sent.map(({ init }) => JSON.parse(String(init.body)) as unknown)).toEqual([
      { cause: "false" },
      { cause: "true", note: "seen" },
    ]);
  });

  it("ask for a window of readings by its beginning and the points that fit", async () => {
    const { api, sent } = answering(json({}));
    await api.readings("heat/1", "temperature", new Date("2026-07-01T00:00:00Z"), 400);
    expect(sent[0]?.url).toBe(
      "api/v1/devices/heat%2F1/readings?quantity=temperature&from=2026-07-01T00%3A00%3A00.000Z&points=400",
    );
  });

  it("fetch all pages of open alarms", async () => {
    const pages = [json({ alarms: [alarm()], next: "c1" }), json({ alarms: [alarm({ alarm_id: "a2" })], next: null })];
    const { api, sent } = answering(...pages);
    expect((await api.openAlarms()).map((a) => a.alarm_id)).toEqual(["a1", "a2"]);
    expect(sent[1]?.url).toContain("after=c1");
  });
});

describe("changes of what others may change too", () => {
  it("go with the version that was read, and without one when there was none", async () => {
    const { api, sent } = answering(json({}), json({}));
    await api.put("devices/d1/desired", { interval_s: 30 }, '"7"');
    await api.put("devices/d1/desired", { interval_s: null }, "");
    const headers = sent.map(({ init }) => new Headers(init.headers));
    expect(headers.map((each) => each.get("If-Match"))).toEqual(['"7"', null]);
    expect(headers.every((each) => each.get("X-Blocktwin") === "1")).toBe(true);
    expect(JSON.parse(String(sent[1]?.init.body))).toEqual({ interval_s: null });
  });

  it("may be a file, sent as it is, with names that are repeated", async () => {
    const { api, sent } = answering(json({ proposal_id: 1 }, 201));
    const file = new Blob(["x"]);
    await api.upload("maps/proposals", [["name", "区块.gpkg"], ["layer", "a"], ["layer", "b"]], file);
    expect(sent[0]?.url).toBe("api/v1/maps/proposals?name=%E5%8C%BA%E5%9D%97.gpkg&layer=a&layer=b");
    expect(sent[0]?.init.body).toBe(file);
    expect(new Headers(sent[0]?.init.headers).get("Content-Type")).toBe("application/octet-stream");
  });
});

describe("a call that is given up", () => {
  it("is no problem of the network", async () => {
    const quit = new AbortController();
    const api = new Api((_url, init) => new Promise((_, fail) => {
      init.signal?.addEventListener("abort", () => fail(init.signal?.reason as Error));
    }));
    const call = api.get("addresses/find", {}, quit.signal);
    quit.abort();
    await expect(call).rejects.toMatchObject({ name: "AbortError" });
  });
});

describe("problems", () => {
  it("carry the server's words and tell of a lost session", async () => {
    const { api } = answering(json({ title: "Unauthorized", detail: "the session has ended" }, 401));
    let out = 0;
    api.onUnauthorized = () => (out += 1);
    await expect(api.state()).rejects.toMatchObject({ status: 401, detail: "the session has ended" });
    expect(out).toBe(1);
  });

  it("are made of a proxy's HTML page and of broken JSON too", async () => {
    const html = new Response("<h1>Bad gateway</h1>", { status: 502, headers: { "content-type": "text/html" } });
    const broken = new Response("{", { status: 500, headers: { "content-type": "application/json" } });
    expect((await toProblem(html)).status).toBe(502);
    expect((await toProblem(broken)).detail).toBe("");
  });

  it.each([
    [new ApiProblem(409, "Conflict", "the alarm is closed"), "状态已变化，该操作不再适用。 the alarm is closed"],
    [new ApiProblem(403, "", ""), "此账号无权执行该操作。"],
    [new ApiProblem(503, "", ""), "服务器出错（503）。"],
    [new ApiProblem(0, "network", ""), "无法连接服务器。"],
    [new ApiProblem(418, "", ""), "请求失败（418）。"],
  ])("are told in words: %s", (problem, words) => expect(problemText(problem)).toBe(words));

  it("leave it open whether a lost action took effect, and only then", () => {
    const unsure = "操作结果未知，请以告警列表为准。";
    for (const status of [0, 500, 503]) expect(actionProblemText(new ApiProblem(status, "", ""))).toContain(unsure);
    for (const status of [403, 409]) expect(actionProblemText(new ApiProblem(status, "", ""))).not.toContain(unsure);
  });

  it("of the network have status 0", async () => {
    const api = new Api(() => Promise.reject(new TypeError("failed to fetch")));
    await expect(api.state()).rejects.toMatchObject({ status: 0, title: "network" });
  });
});

describe("the token of the address", () => {
  it.each([
    ["#token=abc", "abc", ""],
    ["#token=a%2Bb&map=1", "a+b", "#map=1"],
    ["#map=1", null, "#map=1"],
    ["", null, ""],
    ["#token=", null, ""],
  ])("%s", (fragment, token, rest) => expect(takeToken(fragment)).toEqual({ token, rest }));
});
