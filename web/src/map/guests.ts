// Views that load late and draw on the map: their sources and layers are put up again whenever the style is.
import type { GeoJSONSource, LayerSpecification, Map as Chart } from "maplibre-gl";
import type { Palette } from "./palette.ts";

const RATIO = 2;

export interface Guest {
  /** Begins the names of its sources and layers. */
  readonly id: string;
  /** What it draws, by source; changed through `Guests.feed`. */
  readonly data: Record<string, readonly unknown[]>;
  layers(palette: Palette): LayerSpecification[];
  images?(palette: Palette): ReadonlyMap<string, ImageData>;
  /** Layers whose features may be pressed, the topmost first. */
  readonly pressable?: readonly string[];
  press?(layer: string, facts: Record<string, unknown>): void;
  /** Layers of the page to hide meanwhile. */
  readonly hides?: readonly string[];
}

export class Guests {
  readonly #guests: Guest[] = [];
  readonly #chart: () => Chart | null;
  readonly #palette: () => Palette;

  /** `chart` gives null until the style is loaded. */
  constructor(chart: () => Chart | null, palette: () => Palette) {
    this.#chart = chart;
    this.#palette = palette;
  }

  host(guest: Guest): void {
    if (this.#guests.includes(guest)) return;
    this.#guests.push(guest);
    this.#draw(guest);
  }

  leave(guest: Guest): void {
    const at = this.#guests.indexOf(guest);
    if (at < 0) return;
    this.#guests.splice(at, 1);
    const chart = this.#chart();
    if (!chart) return;
    for (const { id } of guest.layers(this.#palette())) if (chart.getLayer(id)) chart.removeLayer(id);
    for (const name of Object.keys(guest.data)) if (chart.getSource(name)) chart.removeSource(name);
    this.#hide(guest, "visible");
  }

  /** Draw other features in one of a guest's sources. */
  feed(guest: Guest, source: string, features: readonly unknown[]): void {
    guest.data[source] = features;
    if (!this.#guests.includes(guest)) return;
    this.#chart()?.getSource<GeoJSONSource>(source)?.setData(collection(features));
  }

  /** Put everything up anew, after the style was loaded. */
  redraw(): void {
    for (const guest of this.#guests) this.#draw(guest);
  }

  /** Every layer that may be pressed, with its guest, the latest guest's first. */
  pressable(): Map<string, Guest> {
    const latest = [...this.#guests].reverse();
    return new Map(latest.flatMap((guest) => (guest.pressable ?? []).map((layer): [string, Guest] => [layer, guest])));
  }

  #draw(guest: Guest): void {
    const chart = this.#chart();
    if (!chart) return;
    const palette = this.#palette();
    for (const [name, image] of guest.images?.(palette) ?? []) {
      if (!chart.hasImage(name)) chart.addImage(name, image, { pixelRatio: RATIO });
    }
    for (const [name, features] of Object.entries(guest.data)) {
      if (!chart.getSource(name)) chart.addSource(name, { type: "geojson", data: collection(features) });
    }
    for (const layer of guest.layers(palette)) if (!chart.getLayer(layer.id)) chart.addLayer(layer);
    this.#hide(guest, "none");
  }

  #hide(guest: Guest, visibility: "none" | "visible"): void {
    const chart = this.#chart();
    for (const layer of guest.hides ?? []) {
      if (chart?.getLayer(layer)) chart.setLayoutProperty(layer, "visibility", visibility);
    }
  }
}

function collection(features: readonly unknown[]): Parameters<GeoJSONSource["setData"]>[0] {
  return { type: "FeatureCollection", features } as Parameters<GeoJSONSource["setData"]>[0];
}
