// Scenes: what is asked for, what state things are in, where the camera stands, lines of equal height.
import { afterEach, describe, expect, it, vi } from "vitest";
import { setLang, t, WORDS } from "../src/i18n.ts";
import { contours, interval } from "../src/scene/contours.ts";
import { frame, nearestSide } from "../src/scene/frame.ts";
import { addresses, loadScene } from "../src/scene/load.ts";
import { pinKey } from "../src/scene/pins.ts";
import {
  aspect,
  byBuilding,
  nearest,
  ordered,
  pinState,
  range,
  sharedStart,
  steepness,
  wind,
} from "../src/scene/state.ts";
import type { DeviceNode } from "../src/scene/types.ts";
import type { DeviceState } from "../src/types.ts";
import { alarm, step } from "./sample.ts";

afterEach(() => {
  setLang("zh");
  vi.unstubAllGlobals();
});

const device = (id: string, title: string): DeviceNode => ({
  name: `device:${id}`,
  kind: "device",
  device_id: id,
  device_kind: "tilt",
  kind_zh: "倾角计",
  kind_en: "tiltmeter",
  field: "slope",
  title,
  title_en: "",
  space_code: null,
  height_m: 0.3,
  at: [0, 0, 0],
  floor_m: 0,
  facet: null,
});

describe("what a scene is asked for", () => {
  it("names words and model of a space or a survey, the survey first", () => {
    expect(addresses({ space: "a/b" })).toEqual({
      words: "api/v1/spaces/a%2Fb/scene",
      model: "api/v1/spaces/a%2Fb/scene.glb",
    });
    expect(addresses({ space: "x", surface: "s-1" })?.model).toBe("api/v1/surfaces/s-1/mesh.glb");
    expect(addresses({ space: "" })).toBeNull();
  });

  it("gives the server's own sentence when it refuses", async () => {
    const refusal = { title: "Not Found", status: 404, detail: "there is no space 'x'" };
    const answer = new Response(JSON.stringify(refusal), {
      status: 404,
      headers: { "content-type": "application/problem+json" },
    });
    vi.stubGlobal("fetch", async () => answer.clone());
    await expect(loadScene({ space: "x" }, new AbortController().signal)).rejects.toMatchObject({
      status: 404,
      detail: "there is no space 'x'",
    });
  });

  it("says that there is no connection", async () => {
    vi.stubGlobal("fetch", async () => Promise.reject(new TypeError("failed")));
    await expect(loadScene({ space: "x" }, new AbortController().signal)).rejects.toMatchObject({
      status: 0,
      title: "network",
    });
  });
});

describe("the state of buildings", () => {
  it("is that of the worst open alarm in each", () => {
    const path = [step("block", "b1"), step("building", "h1")];
    const found = byBuilding([
      alarm({ alarm_id: "1", severity: 2, state: "acknowledged", path }),
      alarm({ alarm_id: "2", severity: 4, state: "unacknowledged", path }),
      alarm({ alarm_id: "3", severity: 3, state: "closed", path: [step("building", "h2")] }),
      alarm({ alarm_id: "4", severity: 3, path: [step("block", "b1")] }),
    ]);
    expect([...found]).toEqual([["h1", { severity: 4, open: 2, unacknowledged: 1 }]]);
  });
});

describe("the state of instruments", () => {
  const devices = new Map<string, DeviceState>([
    ["calm", [1, 0]],
    ["worst", [1, 4]],
    ["stale", [2, 0]],
  ]);

  it("is what the desk was told, and never heard of when it was not", () => {
    expect(pinState("stale", devices)).toEqual({ fresh: 2, severity: 0 });
    expect(pinState("new", devices)).toEqual({ fresh: 0, severity: 0 });
  });

  it("puts alarms first, then names with their numbers in order", () => {
    const nodes = [device("calm", "倾角10"), device("stale", "倾角2"), device("worst", "裂缝9")];
    expect(ordered(nodes, devices).map((node) => node.device_id)).toEqual(["worst", "stale", "calm"]);
  });

  it("is a sign of its own for each field, state and choice", () => {
    const keys = new Set(
      (["slope", "fire"] as const).flatMap((field) =>
        ([0, 1, 2] as const).flatMap((fresh) =>
          [0, 4].flatMap((severity) => [true, false].map((chosen) => pinKey(field, { fresh, severity }, chosen))),
        ),
      ),
    );
    expect(keys.size).toBe(24);
  });
});

describe("titles in the list", () => {
  it("leave out what all begin with, but cut no number", () => {
    expect(sharedStart(["一街区边坡07 倾角1", "一街区边坡07 裂缝2"])).toBe("一街区边坡07 ".length);
    expect(sharedStart(["二栋12层", "二栋13层"])).toBe("二栋".length);
    expect(sharedStart(["一号"])).toBe(0);
    expect(sharedStart([])).toBe(0);
  });
});

describe("a press", () => {
  it("takes the nearest sign within reach, the later of two alike", () => {
    const points: ([number, number] | null)[] = [[10, 10], null, [30, 10], [30, 10]];
    expect(nearest(points, 12, 10, 20)).toBe(0);
    expect(nearest(points, 29, 10, 20)).toBe(3);
    expect(nearest(points, 90, 90, 20)).toBeNull();
  });
});

describe("the lie of a facet", () => {
  it("is its angle from the horizontal and where it falls to", () => {
    expect(steepness(0, 1, 0)).toBe(0);
    expect(steepness(1, 1, 0)).toBeCloseTo(45);
    expect(aspect(0, 1, 0)).toBeNull();
    expect(aspect(0, 1, 1)).toBeCloseTo(180); // z is south
    expect(aspect(0, 1, -1)).toBeCloseTo(0);
    expect(aspect(1, 1, 0)).toBeCloseTo(90);
    expect(aspect(-1, -1, 0)).toBeCloseTo(90); // seen from below
  });

  it("has a wind's name", () => {
    expect([0, 44, 46, 135, 337.6, 360].map(wind)).toEqual([
      "scene.n", "scene.ne", "scene.ne", "scene.se", "scene.n", "scene.n",
    ]);
    expect(t(wind(225))).toBe("西南");
    expect(Object.keys(WORDS)).toContain(wind(270));
  });

  it("has a class with an end, or without", () => {
    expect(range({ from_deg: 5, to_deg: 15, colour: "" })).toBe("5–15°");
    expect(range({ from_deg: 60, to_deg: null, colour: "" })).toBe("≥ 60°");
  });
});

describe("lines of equal height", () => {
  const ramp = [0, 0, 0, 10, 10, 0, 0, 0, 10]; // y = x

  it("cross a triangle at every whole step of the real height", () => {
    const lines = contours(ramp, 2, 0.5);
    expect(lines.length % 6).toBe(0);
    const heights = lines.filter((_, i) => i % 3 === 1).map((y) => y + 0.5);
    expect(new Set(heights.map((y) => Math.round(y * 1000) / 1000))).toEqual(new Set([2, 4, 6, 8, 10]));
    for (let i = 0; i < lines.length; i += 3) expect(lines[i]).toBeCloseTo(lines[i + 1] ?? NaN);
  });

  it("leave level ground alone and are few enough", () => {
    expect(contours([0, 1, 0, 1, 1, 0, 0, 1, 1], 1, 0)).toEqual([]);
    for (const height of [3, 20, 55, 130, 900]) {
      expect(height / interval(0, height)).toBeLessThanOrEqual(24);
    }
  });
});

describe("the camera", () => {
  const box = [-50, 0, -10, 50, 0, -10, 50, 0, 10, -50, 0, 10, -50, 20, 0, 50, 20, 0];
  const tangent = Math.tan((42 * Math.PI) / 360);

  it("stands so that every point is in the picture, and one at its rim", () => {
    for (const [theta, phi, wide] of [[0, 1, 1.5], [0.8, 0.5, 1], [2.5, 1.4, 0.6]] as const) {
      const { target, distance } = frame(box, theta, phi, tangent, wide, 0.9);
      const back = [Math.sin(phi) * Math.sin(theta), Math.cos(phi), Math.sin(phi) * Math.cos(theta)];
      const right = [Math.cos(theta), 0, -Math.sin(theta)];
      const up = [-Math.cos(phi) * Math.sin(theta), Math.sin(phi), -Math.cos(phi) * Math.cos(theta)];
      const dot = (a: number[], b: number[]): number => a.reduce((sum, v, i) => sum + v * (b[i] ?? 0), 0);
      let most = 0;
      for (let i = 0; i < box.length; i += 3) {
        const from = [0, 1, 2].map((k) => (box[i + k] ?? 0) - (target[k] ?? 0));
        const depth = distance - dot(from, back);
        expect(depth).toBeGreaterThan(0);
        most = Math.max(most, Math.abs(dot(from, right)) / depth / tangent / wide, Math.abs(dot(from, up)) / depth / tangent);
      }
      expect(most).toBeLessThanOrEqual(0.9 + 1e-9);
      expect(most).toBeGreaterThan(0.85);
    }
  });

  it("looks at the long side", () => {
    expect(nearestSide(box, [0, Math.PI / 2], 1, tangent, 1.6)).toBe(0);
  });
});
