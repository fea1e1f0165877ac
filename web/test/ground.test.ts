// The ground as the map holds it: asked for by its tag, redrawn by what differs, told by what is gone.
import { beforeEach, describe, expect, it } from "vitest";
import { Api } from "../src/api.ts";
import { Atlas, gone } from "../src/map/ground.ts";

type Facts = Record<string, unknown>;
const features = (key: string, names: string[]): { properties: Facts }[] => names.map((name) => ({ properties: { [key]: name } }));

/** A server that knows its answers again by their tags. */
class Server {
  spaces: Record<string, string[]> = { "street,community": ["s1"], block: ["b1", "b2"], building: ["h1"] };
  pages: string[][] = [["d1"], ["d2"]];
  asked: [path: string, tag: string | null, status: number][] = [];
  broken = "";

  send = (url: string, init: RequestInit): Promise<Response> => {
    const { pathname, searchParams: query } = new URL(url, "http://h/");
    const kind = query.get("kind") ?? "";
    if (this.broken && url.includes(this.broken)) return Promise.reject(new TypeError("failed to fetch"));
    const body = pathname.endsWith("devices") ? this.page(Number(query.get("after") ?? 0)) : this.outlines(kind);
    const tag = `W/"${body}"`;
    const known = new Headers(init.headers).get("If-None-Match");
    const status = known === tag ? 304 : 200;
    this.asked.push([kind || "devices", known, status]);
    return Promise.resolve(new Response(status === 304 ? null : body, { status, headers: { etag: tag } }));
  };

  private page(at: number): string {
    const next = at + 1 < this.pages.length ? String(at + 1) : null;
    return JSON.stringify({ type: "FeatureCollection", features: features("device_id", this.pages[at] ?? []), next });
  }

  private outlines(kind: string): string {
    return JSON.stringify({ type: "FeatureCollection", features: features("code", this.spaces[kind] ?? []) });
  }
}

let server: Server;
let atlas: Atlas;
const devices = (): string[] => atlas.ground!.devices.features.map((device) => device.properties.device_id);

beforeEach(() => {
  server = new Server();
  atlas = new Atlas(new Api(server.send));
});

describe("the ground", () => {
  it("is asked for by its tag, and the same ground is not new", async () => {
    expect(await atlas.load(false)).toBe(true);
    const { ground } = atlas;
    server.asked = [];
    expect(await atlas.load(false)).toBe(false);
    expect(atlas.ground).toBe(ground);
    expect(server.asked.map(([, , status]) => status)).toEqual([304, 304, 304, 304]);
  });

  it("keeps the parts that are as they were when one differs", async () => {
    await atlas.load(false);
    const before = atlas.ground!;
    server.spaces["block"] = ["b1", "b3"];
    expect(await atlas.load(false)).toBe(true);
    expect(atlas.ground!.areas).toBe(before.areas);
    expect(atlas.ground!.devices).toBe(before.devices);
    expect(atlas.ground!.blocks).not.toBe(before.blocks);
  });

  it("joins the pages of devices, also when there are more or fewer than before", async () => {
    await atlas.load(false);
    expect(devices()).toEqual(["d1", "d2"]);
    server.pages = [["d1"], ["d2"], ["d3"]];
    expect(await atlas.load(false)).toBe(true);
    expect(devices()).toEqual(["d1", "d2", "d3"]);
    server.pages = [["d1"]];
    expect(await atlas.load(false)).toBe(true);
    expect(devices()).toEqual(["d1"]);
  });

  it("asks for buildings when they are seen, and from then on always", async () => {
    await atlas.load(false);
    expect(atlas.ground!.buildings).toBeNull();
    expect(await atlas.load(true)).toBe(true);
    server.spaces["building"] = ["h1", "h2"];
    expect(await atlas.load(false)).toBe(true);
    expect(atlas.ground!.buildings!.features.length).toBe(2);
  });

  it("stays as it was when the server fails half way", async () => {
    await atlas.load(false);
    const before = atlas.ground;
    server.spaces["block"] = [];
    server.broken = "devices";
    await expect(atlas.load(false)).rejects.toMatchObject({ status: 0 });
    expect(atlas.ground).toBe(before);
    server.broken = "";
    expect(await atlas.load(false)).toBe(true);
    expect(atlas.ground!.blocks.features).toEqual([]);
  });

  it("tells what it has no longer", async () => {
    await atlas.load(true);
    const before = atlas.ground!;
    expect([gone(null, before).spaces.size, gone(null, before).devices.size]).toEqual([0, 0]);
    [server.spaces["block"], server.spaces["building"], server.pages] = [["b2", "b3"], [], [["d2"]]];
    await atlas.load(false);
    const lost = gone(before, atlas.ground!);
    expect([[...lost.spaces], [...lost.devices]]).toEqual([["b1", "h1"], ["d1"]]);
  });
});
