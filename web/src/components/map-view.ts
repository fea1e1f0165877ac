// The map: puts the ground and the desk's state into MapLibre's sources, and tells what is pressed.
import { LitElement, html, nothing, unsafeCSS } from "lit";
import { customElement, property, query, state } from "lit/decorators.js";
import { Map as Chart, setWorkerUrl, type GeoJSONSource, type MapLayerMouseEvent } from "maplibre-gl";
import maplibreCss from "maplibre-gl/dist/maplibre-gl.css?inline";
import workerUrl from "maplibre-gl/dist/maplibre-gl-worker.mjs?worker&url";
import { Paced } from "../asking.ts";
import { findablesOf } from "../find.ts";
import { lang, onLang, placeName, t } from "../i18n.ts";
import { addImages } from "../map/images.ts";
import { Atlas, gone, isSynthetic, type Gone, type Ground } from "../map/ground.ts";
import { Guests } from "../map/guests.ts";
import { onHold } from "../map/holding.ts";
import {
  alarmSigns,
  blockSigns,
  extent,
  gatewayPoints,
  markedBlocks,
  markedBuildings,
  outsideBlocks,
  signsThen,
} from "../map/overlays.ts";
import { DAY, NIGHT } from "../map/palette.ts";
import { buildStyle, BUILDING_ZOOM, type SourceName } from "../map/style.ts";
import { problemText } from "../problem.ts";
import { store } from "../store.ts";
import { isLight, onTheme } from "../theme.ts";
import type { DeviceState, SpaceCollection, SpaceProperties } from "../types.ts";
import { findables, looksAt } from "./find-box.ts";
import { mapStyles } from "./map-styles.ts";
import type { MapAct } from "./map-tools.ts";
import { choose, shared } from "./shared.ts";
import "./map-tools.ts";

setWorkerUrl(workerUrl);

const CLOSE_UP = 16.6;
const BLOCK_ZOOM = 15.2;
/** With more devices than this, their discs would cover the blocks from afar: they appear nearer. */
const CROWD = 3_000;
const CROWD_ZOOM = 13.5;
/** Pixels left free around what is fitted into the map; the tools stand at the right. */
const EDGES = { left: 20, top: 20, bottom: 20, right: 58 };
/** Between two looks at the ground, however often it is said to have changed. */
const LOOK_MS = 1_500;
const NONE: SpaceCollection = { type: "FeatureCollection", features: [] };

@customElement("bt-map-view")
export class MapView extends LitElement {
  /** Pixels of the left and the bottom edge that other panels cover. */
  @property({ type: Number }) coveredLeft = 0;
  @state() private problem = "";
  @state() private tip = "";
  @state() private tilted = false;
  @state() private showDevices = true;
  @query(".chart") private place!: HTMLElement;
  private chart: Chart | null = null;
  private readonly atlas = new Atlas(store.api);
  private readonly looking = new Paced(() => this.look(), LOOK_MS);
  private stated = new Map<string, DeviceState>();
  private picked: [number, number] | null = null;
  private styled = false;
  private framed = false;
  private off: (() => void)[] = [];
  /** What views that load late draw here. */
  readonly guests = new Guests(() => (this.styled ? this.chart : null), () => this.palette());
  private last: Partial<Record<"alarms" | "spaces" | "devices" | "gateways", unknown>> = {};

  static override styles = [unsafeCSS(maplibreCss), shared, mapStyles];

  override disconnectedCallback(): void {
    for (const off of this.off) off();
    this.looking.stop();
    this.chart?.remove();
    this.chart = null;
    super.disconnectedCallback();
  }

  protected override firstUpdated(): void {
    try {
      this.begin();
    } catch (cause) {
      console.warn("the map cannot start", cause);
      this.problem = t("map.failed");
    }
    const look = (): void => this.looking.ask();
    store.addEventListener("registry", look);
    this.off.push(() => store.removeEventListener("registry", look));
    look();
  }

  private get ground(): Ground | null {
    return this.atlas.ground;
  }

  protected override render() {
    return html`<div class="chart" role="region" aria-label=${t("map.label")}></div>
      ${this.problem ? html`<div class="word"><p class="problem" role="alert">${this.problem}</p></div>` : nothing}
      <bt-map-tools
        .tilted=${this.tilted}
        .devices=${this.showDevices}
        .synthetic=${this.ground !== null && isSynthetic(this.ground.blocks)}
        @act=${(event: CustomEvent<MapAct>) => this.act(event.detail)}
      ></bt-map-tools>
      ${this.tip ? html`<div class="tip" style="left:${this.coveredLeft + 10}px">${this.tip}</div>` : nothing}`;
  }

  /** Ring a point. */
  mark(lon: number, lat: number): void {
    this.picked = [lon, lat];
    this.putPick();
  }

  /** Fly to a point and ring it. */
  showPoint(lon: number, lat: number): void {
    this.mark(lon, lat);
    const zoom = Math.max(CLOSE_UP, this.chart?.getZoom() ?? 0);
    this.chart?.flyTo({ center: [lon, lat], zoom, padding: this.padding(), maxDuration: 2200 });
  }

  /** Show the whole district, as at the beginning. */
  home(): void {
    this.chart?.resize();
    this.frame(false);
  }

  /** Show a whole box: west, south, east, north. */
  showBox(box: [number, number, number, number]): void {
    // The map keeps the padding of its last flight and adds what a fit asks for.
    this.chart?.setPadding(this.padding());
    this.chart?.fitBounds(box, { padding: EDGES, maxZoom: CLOSE_UP, maxDuration: 1800 });
  }

  /** Fly to a block or a building, and return its name; empty when the map shows no such space. */
  showSpace(code: string): string {
    const all = [...(this.ground?.blocks.features ?? []), ...(this.ground?.buildings?.features ?? [])];
    const found = all.find((space) => space.properties.code === code);
    if (!found) return "";
    const { lon, lat, kind } = found.properties;
    const least = kind === "building" ? CLOSE_UP : BLOCK_ZOOM;
    const zoom = Math.max(least, Math.min(this.chart?.getZoom() ?? 0, this.fitting(found)));
    this.chart?.flyTo({ center: [lon, lat], zoom, padding: this.padding(), maxDuration: 2200 });
    return placeName(found.properties);
  }

  /** The nearest zoom at which the whole outline is seen, with something around it. */
  private fitting(space: SpaceCollection["features"][number]): number {
    const box = extent({ type: "FeatureCollection", features: [space] });
    const view = box && this.chart?.cameraForBounds(box, { padding: { ...EDGES, left: EDGES.left + this.coveredLeft } });
    return (view?.zoom ?? CLOSE_UP) - 0.3;
  }

  /** Outlines and places may be others: look at once, and redraw what differs. */
  renew(): void {
    this.looking.ask();
  }

  /** Where a device stands, or null when it is not known. */
  deviceAt(id: string): [number, number] | null {
    const found = this.ground?.devices.features.find((device) => device.properties.device_id === id);
    return found ? found.geometry.coordinates : null;
  }

  unpick(): void {
    this.picked = null;
    this.putPick();
  }

  private begin(): void {
    const chart = new Chart({
      container: this.place,
      style: buildStyle(this.palette()),
      center: [114.13, 22.56],
      zoom: 11.5,
      minZoom: 9,
      maxZoom: 20,
      maxPitch: 65,
      attributionControl: false,
      dragRotate: true,
      fadeDuration: 0,
    });
    this.chart = chart;
    chart.on("style.load", () => this.styleLoaded());
    chart.on("zoomend", () => this.near() && !this.ground?.buildings && this.looking.ask());
    chart.on("moveend", () => (looksAt.centre = [chart.getCenter().lng, chart.getCenter().lat]));
    chart.on("pitch", () => (this.tilted = chart.getPitch() > 5));
    chart.on("idle", () => this.toggleAttribute("data-ready", this.ground !== null));
    this.listen(chart);
    const draw = (): void => this.putState();
    const relabel = (): void => this.putLabels();
    store.addEventListener("change", draw);
    this.off = [
      () => store.removeEventListener("change", draw),
      onLang(() => {
        relabel();
        this.requestUpdate();
      }),
      onTheme(() => chart.setStyle(buildStyle(this.palette()), { diff: false })),
    ];
  }

  private listen(chart: Chart): void {
    const signs = ["alarms", "alarms-nowhere"];
    const points = [...signs, "devices", "block-signs", "buildings", "blocks"];
    chart.on("click", (event) => this.press(event, points));
    onHold(chart, (lon, lat) => choose(this, { point: [lon, lat] }));
    for (const layer of points) {
      chart.on("mousemove", layer, (event: MapLayerMouseEvent) => this.hover(event));
      chart.on("mouseleave", layer, () => this.unhover());
    }
  }

  private press(event: { point: { x: number; y: number } }, layers: string[]): void {
    const { x, y } = event.point;
    // A finger is wider than a point.
    const near: [[number, number], [number, number]] = [
      [x - 6, y - 6],
      [x + 6, y + 6],
    ];
    const guests = this.guests.pressable();
    const all = [...guests.keys(), ...layers].filter((layer) => this.chart?.getLayer(layer));
    const hits = this.chart?.queryRenderedFeatures(near, { layers: all }) ?? [];
    const first = all.map((layer) => hits.find((hit) => hit.layer.id === layer)).find(Boolean);
    if (!first) return;
    const facts = first.properties;
    const guest = guests.get(first.layer.id);
    if (guest) return guest.press?.(first.layer.id, facts);
    if (facts["alarm_id"]) choose(this, { alarm: String(facts["alarm_id"]) });
    else if (facts["device_id"]) choose(this, { device: String(facts["device_id"]) });
    else if (facts["code"]) choose(this, { space: String(facts["code"]) });
  }

  private hover(event: MapLayerMouseEvent): void {
    if (this.chart) this.chart.getCanvas().style.cursor = "pointer";
    const facts = event.features?.[0]?.properties;
    if (!facts) return;
    if (facts["device_id"] && facts["name"]) this.tip = `${facts["name"]} · ${facts["device_id"]}`;
    else if (facts["code"] && facts["name"]) this.tip = this.blockTip(facts as SpaceProperties);
  }

  private unhover(): void {
    if (this.chart) this.chart.getCanvas().style.cursor = "";
    this.tip = "";
  }

  private blockTip(block: SpaceProperties): string {
    const count = store.shown.spaces.get(block.code);
    const said = t("map.blockTip", { open: count?.open ?? 0, devices: count?.devices ?? 0 });
    return `${placeName(block)} · ${said}`;
  }

  private act(act: MapAct): void {
    const { chart } = this;
    if (act === "in") chart?.zoomIn();
    else if (act === "out") chart?.zoomOut();
    else if (act === "home") this.frame(true);
    else if (act === "tilt") chart?.easeTo({ pitch: this.tilted ? 0 : 55, bearing: this.tilted ? 0 : -18 });
    else this.turnDevices();
  }

  private turnDevices(): void {
    this.showDevices = !this.showDevices;
    for (const layer of ["devices", "device-signs"]) {
      this.chart?.setLayoutProperty(layer, "visibility", this.showDevices ? "visible" : "none");
    }
  }

  private frame(animate: boolean): void {
    const box = this.ground && extent(this.ground.blocks);
    if (!box || !this.chart) return;
    this.chart.setPadding(this.padding());
    this.chart.fitBounds(box, { padding: EDGES, animate, pitch: 0, bearing: 0 });
  }

  private palette() {
    return isLight() ? DAY : NIGHT;
  }

  private padding(): { left: number; top: number; right: number; bottom: number } {
    return { left: this.coveredLeft, top: 0, right: 0, bottom: 0 };
  }

  private styleLoaded(): void {
    if (!this.chart) return;
    addImages(this.chart, this.palette());
    this.styled = true;
    this.last = {};
    this.stated = new Map();
    if (!this.showDevices) {
      this.showDevices = true;
      this.turnDevices();
    }
    this.putGround(null);
    this.guests.redraw();
  }

  private near(): boolean {
    return (this.chart?.getZoom() ?? 0) >= BUILDING_ZOOM;
  }

  /** Bring the ground up to the server's; false when that failed. The view stays where it is. */
  private async look(): Promise<boolean> {
    const before = this.ground;
    try {
      const changed = await this.atlas.load(this.near());
      if (this.problem !== t("map.failed")) this.problem = "";
      if (!changed) return true;
    } catch (cause) {
      this.problem = problemText(cause);
      return false;
    }
    const { ground } = this;
    if (!ground || !this.isConnected) return true;
    findables.all = findablesOf(ground.devices, ground.blocks);
    this.last = {};
    this.requestUpdate();
    this.putGround(before);
    this.dispatchEvent(new CustomEvent<Gone>("ground", { detail: gone(before, ground) }));
    return true;
  }

  private put(name: SourceName, data: unknown): void {
    const source = this.chart?.getSource<GeoJSONSource>(name);
    source?.setData(data as Parameters<GeoJSONSource["setData"]>[0]);
  }

  private putFeatures(name: SourceName, features: readonly unknown[]): void {
    this.put(name, { type: "FeatureCollection", features });
  }

  /** Draw what differs from what was drawn before; all of it when nothing was. */
  private putGround(before: Ground | null): void {
    if (!this.styled || !this.ground) return;
    for (const part of ["areas", "blocks", "devices", "buildings"] as const) {
      const now = this.ground[part];
      if (now && now !== before?.[part]) this.put(part, now);
    }
    const { devices } = this.ground;
    const crowded = devices.features.length > CROWD;
    this.chart?.setLayerZoomRange("devices", crowded ? CROWD_ZOOM : 0, 24);
    this.putLabels();
    this.putPick();
    this.putState();
    if (!this.framed) this.frame(false);
    this.framed = true;
  }

  private putLabels(): void {
    if (!this.styled || !this.ground) return;
    const points = this.ground.areas.features.map(({ properties }) => ({
      type: "Feature",
      geometry: { type: "Point", coordinates: [properties.lon, properties.lat] },
      properties: { kind: properties.kind, label: placeName(properties), lang: lang() },
    }));
    this.putFeatures("area-labels", points);
  }

  private putPick(): void {
    if (!this.styled) return;
    const { picked } = this;
    const point = { type: "Feature", geometry: { type: "Point", coordinates: picked }, properties: {} };
    this.putFeatures("pick", picked ? [point] : []);
  }

  /** Bring the map up to the desk's state; only what has changed since the last call is touched. */
  private putState(): void {
    if (!this.styled || !this.ground) return;
    const { spaces, devices, gateways } = store.shown;
    // Of the past the server tells which devices were in alarm, not by which alarms.
    const alarms = store.past ? store.past.devices : store.desk.alarms;
    if (spaces !== this.last.spaces) {
      const marked = markedBlocks(this.ground.blocks, spaces);
      this.putFeatures("block-alarms", marked);
      this.putFeatures("block-signs", blockSigns(marked, spaces));
      this.setAttribute("data-marked", String(marked.length));
    }
    if (alarms !== this.last.alarms) this.putAlarms();
    if (gateways !== this.last.gateways) this.putFeatures("gateways", gatewayPoints(gateways));
    if (devices !== this.last.devices) this.putDevices(devices);
    this.last = { alarms, spaces, devices, gateways };
  }

  private putAlarms(): void {
    const open = store.past ? [] : [...store.desk.alarms.values()].filter((alarm) => alarm.state !== "closed");
    const then = store.past && this.ground ? signsThen(this.ground.devices, store.past.devices) : null;
    this.putFeatures("alarms", then ?? alarmSigns(open));
    this.putFeatures("alarms-nowhere", alarmSigns(outsideBlocks(open)));
    this.putFeatures("building-alarms", markedBuildings(this.ground?.buildings ?? NONE, open));
  }

  private putDevices(devices: ReadonlyMap<string, DeviceState>): void {
    for (const [id, told] of devices) {
      if (this.stated.get(id)?.[0] === told[0]) continue;
      this.stated.set(id, told);
      this.chart?.setFeatureState({ source: "devices", id }, { fresh: told[0] });
    }
  }
}
