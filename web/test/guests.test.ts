// Late views on the map: put up, fed, put up again after a change of style, and taken down.
import type { Map as Chart } from "maplibre-gl";
import { describe, expect, it } from "vitest";
import { Guests, type Guest } from "../src/map/guests.ts";
import { DAY } from "../src/map/palette.ts";

/** What a style holds, as MapLibre would keep it: a layer needs its source, a name stands once. */
class Style {
  sources = new Map<string, { features: number }>();
  layers = new Map<string, string>([["blocks", "visible"]]);
  getSource = (name: string) => {
    const held = this.sources.get(name);
    return held && { setData: ({ features }: { features: unknown[] }) => (held.features = features.length) };
  };
  addSource = (name: string, { data }: { data: { features: unknown[] } }) => {
    if (this.sources.has(name)) throw new Error(`source ${name} is there`);
    this.sources.set(name, { features: data.features.length });
  };
  removeSource = (name: string) => {
    if (this.layers.has(`${name}-line`)) throw new Error(`source ${name} is in use`);
    this.sources.delete(name);
  };
  getLayer = (id: string) => this.layers.get(id);
  addLayer = ({ id, source }: { id: string; source: string }) => {
    if (!this.sources.has(source)) throw new Error(`no source ${source}`);
    this.layers.set(id, "visible");
  };
  removeLayer = (id: string) => this.layers.delete(id);
  setLayoutProperty = (id: string, _: string, value: string) => this.layers.set(id, value);
}

const guest = (): Guest => ({
  id: "g",
  data: { g: [] },
  pressable: ["g-line"],
  hides: ["blocks"],
  layers: () => [{ id: "g-line", type: "line", source: "g" }],
});

function hosting(): { guests: Guests; style: { now: Style | null } } {
  const style: { now: Style | null } = { now: new Style() };
  return { guests: new Guests(() => style.now as unknown as Chart | null, () => DAY), style };
}

describe("a guest on the map", () => {
  it("is put up, fed and taken down without a trace", () => {
    const { guests, style } = hosting();
    const one = guest();
    guests.host(one);
    guests.host(one);
    guests.feed(one, "g", [1, 2]);
    expect(style.now?.sources.get("g")).toEqual({ features: 2 });
    expect(style.now?.layers.get("blocks")).toBe("none");
    guests.leave(one);
    guests.leave(one);
    expect([...style.now!.layers]).toEqual([["blocks", "visible"]]);
    expect(style.now?.sources.size).toBe(0);
  });

  it("stands with what it drew in the next style", () => {
    const { guests, style } = hosting();
    const one = guest();
    guests.host(one);
    guests.feed(one, "g", [1, 2, 3]);
    style.now = new Style();
    guests.redraw();
    expect(style.now.sources.get("g")).toEqual({ features: 3 });
    expect(style.now.layers.get("blocks")).toBe("none");
  });

  it("may come and go before there is a style", () => {
    const { guests, style } = hosting();
    style.now = null;
    const [one, other] = [guest(), guest()];
    guests.host(one);
    guests.host(other);
    guests.feed(one, "g", [1]);
    guests.leave(other);
    style.now = new Style();
    guests.redraw();
    expect(style.now.sources.get("g")).toEqual({ features: 1 });
  });

  it("fed after it left draws nothing", () => {
    const { guests, style } = hosting();
    const one = guest();
    guests.host(one);
    guests.leave(one);
    guests.feed(one, "g", [1]);
    expect(style.now?.sources.size).toBe(0);
  });

  it("is pressed before those that came earlier", () => {
    const { guests } = hosting();
    const [one, other] = [guest(), { ...guest(), pressable: ["h-line"] }];
    guests.host(one);
    guests.host(other);
    expect([...guests.pressable().keys()]).toEqual(["h-line", "g-line"]);
  });
});
