// A block or a surveyed slope in three dimensions: the stage, its tools, its legend and its list of instruments.
import { LitElement, html, nothing } from "lit";
import { customElement, property, query, state } from "lit/decorators.js";
import { isWriting } from "../focus.ts";
import { onLang, pick, placeName, t } from "../i18n.ts";
import { fieldSign, ladderSign, levelName, tool } from "../pictures.ts";
import { problemText } from "../problem.ts";
import { loadScene } from "../scene/load.ts";
import { aspect, byBuilding, ordered, pinState, range, sharedStart, steepness, wind, type PinState } from "../scene/state.ts";
import { isBody, isBuilding, isDevice, type DeviceNode, type Look, type SceneWords, type Under } from "../scene/types.ts";
import { isSeverity } from "../severity.ts";
import { store } from "../store.ts";
import { isLight, onTheme } from "../theme.ts";
import type { Stage } from "../scene/stage.ts";
import { sceneStyles } from "../scene/style.ts";
import { choose, shared } from "./shared.ts";

const NIGHT: Look = { sky: "#0f1923", ground: "#3d5162", building: "#a3b6c6", edge: "#12202c", night: true };
const DAY: Look = { sky: "#dfe8ef", ground: "#b9c4bb", building: "#dfe6ec", edge: "#5c7286", night: false };
const TURN = Math.PI / 18;
const NEARER = 0.82;
/** Narrower than this, the list beside the picture would leave it no room: its button opens it. */
const ROOM_PX = 640;
/** On a phone it lies below the picture. */
const ROOM_BELOW_PX = 560;

@customElement("bt-scene-view")
export class SceneView extends LitElement {
  /** Code of the space to show; its buildings, ground and devices. */
  @property() space = "";
  /** Or the id of a survey; it goes before the space. */
  @property() surface = "";
  /** The device that is chosen elsewhere on the page. */
  @property() device = "";
  @state() private words: SceneWords | null = null;
  @state() private problem = "";
  @state() private blind = false;
  @state() private busy = false;
  @state() private tip = "";
  @state() private through = false;
  @state() private listed = true;
  @query("canvas") private canvas!: HTMLCanvasElement;
  @query(".needle") private needle!: SVGElement | null;
  private stage: Stage | null = null;
  private quit = new AbortController();
  private off: (() => void)[] = [];
  private pressed: [number, number] | null = null;
  private told: unknown[] = [];

  static override styles = [shared, sceneStyles];

  override connectedCallback(): void {
    super.connectedCallback();
    const change = (): void => this.restate();
    store.addEventListener("change", change);
    this.off = [
      () => store.removeEventListener("change", change),
      onLang(() => this.requestUpdate()),
      onTheme(() => this.stage?.relook(look())),
    ];
    // Moved within the page: it was disposed of when it left, and begins again.
    if (this.hasUpdated) void this.updateComplete.then(() => this.begin());
  }

  override disconnectedCallback(): void {
    for (const off of this.off) off();
    this.quit.abort();
    this.stage?.dispose();
    this.stage = null;
    super.disconnectedCallback();
  }

  protected override firstUpdated(): void {
    const watcher = new ResizeObserver(() => this.fit());
    watcher.observe(this.canvas);
    const below = matchMedia("(max-width: 760px)").matches;
    this.listed = below ? this.clientHeight >= ROOM_BELOW_PX : this.clientWidth >= ROOM_PX;
    if (!isWriting()) this.renderRoot.querySelector("h2")?.focus();
    void this.begin();
  }

  protected override updated(changed: Map<string, unknown>): void {
    const again = ["space", "surface"].some((name) => changed.has(name) && changed.get(name) !== undefined);
    if (again) void this.begin();
    if (changed.has("device") && this.stage) this.stage.choose(this.device, this.states());
  }

  protected override render() {
    const { words } = this;
    const name = words ? placeName({ name: words.name, name_en: words.name_en ?? "" }) : "";
    return html`<header>
        <h2 tabindex="-1">${name || t("scene.title")}<small>${this.subtitle()}</small></h2>
        ${this.tools()}
      </header>
      <div class="place">
        <canvas
          tabindex="0"
          role="application"
          aria-label=${t("scene.label", { place: name })}
          aria-describedby="keys"
          @keydown=${this.key}
          @pointerdown=${this.down}
          @pointerup=${this.up}
          @pointermove=${this.hover}
          @pointerleave=${() => (this.tip = "")}
        ></canvas>
        <span id="keys" class="unseen">${t("scene.keys")}</span>
        ${this.notice()} ${this.compass()}
        ${this.tip ? html`<div class="tip" role="status">${this.tip}</div>` : nothing}
        <div class="corner">${this.legend()} ${this.notes()}</div>
      </div>
      ${this.listed && words ? this.list(words) : nothing}`;
  }

  private async begin(): Promise<void> {
    this.quit.abort();
    this.quit = new AbortController();
    const { signal } = this.quit;
    this.removeAttribute("data-ready");
    [this.words, this.problem, this.busy, this.told] = [null, "", true, []];
    try {
      const [loaded, { Stage }] = await Promise.all([
        loadScene({ space: this.space, surface: this.surface }, signal),
        import("../scene/stage.ts"),
      ]);
      if (signal.aborted) return;
      this.words = loaded.words;
      await this.updateComplete;
      this.raise(Stage);
      const bodies = loaded.words.nodes.filter(isBody);
      const devices = loaded.words.nodes.filter(isDevice);
      await this.stage?.show(loaded.model, { bodies, devices, origin_m: loaded.words.origin.height_m });
      if (signal.aborted) return;
      this.restate();
      if (this.device) this.stage?.choose(this.device, this.states());
      if (loaded.words.focus) this.stage?.lookAt(loaded.words.focus);
    } catch (cause) {
      if (!signal.aborted) this.problem = problemText(cause);
    } finally {
      if (!signal.aborted) this.busy = false;
    }
  }

  /** Make the stage, once; without WebGL the list still works. */
  private raise(Made: typeof Stage): void {
    if (this.stage || this.blind) return;
    try {
      this.stage = new Made(this.canvas, look());
    } catch (cause) {
      console.warn("the scene cannot be drawn", cause);
      this.blind = this.listed = true;
      return;
    }
    this.stage.onDrawn = (azimuth) => {
      this.needle?.setAttribute("transform", `rotate(${(azimuth * 180) / Math.PI} 20 20)`);
      this.toggleAttribute("data-ready", this.words !== null && !this.busy);
    };
    this.stage.seeThrough(this.through);
    this.fit();
  }

  private fit(): void {
    this.stage?.resize(this.canvas.clientWidth, this.canvas.clientHeight);
    this.stage?.rescale();
  }

  private states(): Map<string, PinState> {
    const found = new Map<string, PinState>();
    for (const node of this.devices()) found.set(node.device_id, pinState(node.device_id, store.desk.devices));
    return found;
  }

  private devices(): DeviceNode[] {
    return this.words?.nodes.filter(isDevice) ?? [];
  }

  /** Bring signs and colours up to the desk; a change of something else costs nothing. */
  private restate(): void {
    const { alarms, devices } = store.desk;
    if (!this.words || (this.told[0] === alarms && this.told[1] === devices)) return;
    this.told = [alarms, devices];
    this.stage?.restate(this.states(), byBuilding(alarms.values()));
    this.requestUpdate();
  }

  private subtitle(): string {
    const { words } = this;
    if (!words) return "";
    const devices = t("scene.devices", { n: this.devices().length });
    if (words.surveyed_at) return `${t("scene.surveyed", { at: words.surveyed_at.slice(0, 10) })} · ${devices}`;
    return `${t("scene.buildings", { n: words.nodes.filter(isBuilding).length })} · ${devices}`;
  }

  private tools() {
    const has = (kind: string): boolean => this.words?.nodes.some((node) => node.kind === kind) ?? false;
    const button = (word: Parameters<typeof t>[0], icon: Parameters<typeof tool>[0], act: () => void, on?: boolean) =>
      html`<button
        class="bare"
        title=${t(word)}
        aria-label=${t(word)}
        aria-pressed=${on === undefined ? nothing : String(on)}
        @click=${act}
      >
        ${tool(icon, 20)}
      </button>`;
    return html`<div class="tools" role="toolbar" aria-label=${t("scene.tools")}>
      ${has("building") ? button("scene.through", "cube", () => this.turnThrough(), this.through) : nothing}
      ${button("scene.list", "dots", () => (this.listed = !this.listed), this.listed)}
      ${button("scene.nearer", "plus", () => this.stage?.zoom(NEARER))}
      ${button("scene.farther", "minus", () => this.stage?.zoom(1 / NEARER))}
      ${button("scene.home", "home", () => this.stage?.home())} ${button("app.close", "close", () => this.shut())}
    </div>`;
  }

  private notice() {
    if (this.problem) return html`<p class="word problem" role="alert">${this.problem}</p>`;
    if (this.blind) return html`<p class="word" role="alert">${t("scene.blind")}</p>`;
    if (this.busy) return html`<p class="word" role="status">${t("scene.loading")}</p>`;
    return nothing;
  }

  private compass() {
    if (this.blind || !this.words) return nothing;
    return html`<svg class="compass" viewBox="0 0 40 40" role="img" aria-label=${t("scene.compass")}>
      <circle cx="20" cy="20" r="18.5"></circle>
      <g class="needle">
        <path d="M20 5L26 21H14z"></path>
        <path class="tail" d="M20 35L14 21H26z"></path>
        <text x="20" y="19.5" text-anchor="middle">N</text>
      </g>
    </svg>`;
  }

  private legend() {
    if (!this.words || !(this.surface || this.words.surface)) return nothing;
    return html`<div class="legend">
      <b>${t("scene.angle")}</b>
      ${this.words.legend.map(
        (step) => html`<span><i style="background:${step.colour}"></i>${range(step)}</span>`,
      )}
    </div>`;
  }

  private notes() {
    const { words } = this;
    if (!words) return nothing;
    const report = [...words.report, ...(words.survey_report ?? [])];
    const marked = words.nodes.filter((node) => isBuilding(node) && node.placeholder).length;
    const part = report.some((finding) => finding.kind === "ground_partly_surveyed");
    const made = words.source === "synthetic";
    const notes = [
      marked ? t("scene.placeholder", { n: marked }) : "",
      part ? t("scene.partly") : "",
      made ? t("scene.synthetic") : "",
    ].filter(Boolean);
    return notes.map((note) => html`<div class="note">${note}</div>`);
  }

  private list(words: SceneWords) {
    const nodes = ordered(words.nodes.filter(isDevice), store.desk.devices);
    const cut = sharedStart(nodes.map((node) => node.title));
    return html`<section class="list" aria-label=${t("scene.list")}>
      ${nodes.length ? nothing : html`<p class="hush">${t("scene.none")}</p>`}
      ${nodes.map((node) => this.row(node, node.title.slice(cut).trim() || node.title))}
    </section>`;
  }

  private row(node: DeviceNode, title: string) {
    const { fresh, severity } = pinState(node.device_id, store.desk.devices);
    const silent = fresh === 1 ? "" : t(fresh === 2 ? "sum.stale" : "sum.never");
    return html`<button
      class="row"
      title=${node.title}
      aria-current=${node.device_id === this.device ? "true" : nothing}
      @focus=${() => this.stage?.choose(node.device_id, this.states())}
      @click=${() => this.open(node.device_id)}
    >
      ${isSeverity(severity) ? ladderSign(severity, 22) : fieldSign(node.field, 20)}
      <span>
        ${title}
        <small>
          ${pick({ zh: node.kind_zh, en: node.kind_en })}
          ${isSeverity(severity) ? html` · <b>${levelName(severity)}</b>` : nothing}
          ${silent ? html` · <b>${silent}</b>` : nothing} ${this.lie(node)}
        </small>
      </span>
    </button>`;
  }

  /** Slope and aspect of the facet that an instrument stands on. */
  private lie(node: DeviceNode) {
    const { slope_deg: slope, aspect_deg: falls } = node.facet ?? { slope_deg: null, aspect_deg: null };
    return slope === null ? nothing : html` · ${facetText(slope, falls)}`;
  }

  private open(id: string): void {
    this.stage?.choose(id, this.states());
    this.stage?.lookAt(id);
    choose(this, { device: id });
  }

  private shut(): void {
    this.dispatchEvent(new CustomEvent("shut", { bubbles: true, composed: true }));
  }

  private turnThrough(): void {
    this.through = !this.through;
    this.stage?.seeThrough(this.through);
  }

  private key(event: KeyboardEvent): void {
    const acts: Record<string, () => void> = {
      ArrowLeft: () => this.stage?.orbit(-TURN, 0),
      ArrowRight: () => this.stage?.orbit(TURN, 0),
      ArrowUp: () => this.stage?.orbit(0, TURN),
      ArrowDown: () => this.stage?.orbit(0, -TURN),
      "+": () => this.stage?.zoom(NEARER),
      "=": () => this.stage?.zoom(NEARER),
      "-": () => this.stage?.zoom(1 / NEARER),
      Home: () => this.stage?.home(),
      Escape: () => this.shut(),
    };
    const act = acts[event.key];
    if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    act();
  }

  private down(event: PointerEvent): void {
    this.pressed = [event.offsetX, event.offsetY];
  }

  /** A press that did not drag chooses what is under it. */
  private up(event: PointerEvent): void {
    const from = this.pressed;
    this.pressed = null;
    if (!from || Math.hypot(event.offsetX - from[0], event.offsetY - from[1]) > 5) return;
    const under = this.stage?.under(event.offsetX, event.offsetY);
    if (under?.kind === "device") this.open(under.id);
  }

  private hover(event: PointerEvent): void {
    if (event.buttons || !this.stage) return;
    const under = this.stage.under(event.offsetX, event.offsetY);
    this.canvas.style.cursor = under?.kind === "device" ? "pointer" : "grab";
    this.tip = under ? this.tipOf(under) : "";
  }

  private tipOf(under: Under): string {
    const nodes = this.words?.nodes ?? [];
    if (under.kind === "device") {
      const node = nodes.filter(isDevice).find((one) => one.device_id === under.id);
      return node ? `${node.title} · ${pick({ zh: node.kind_zh, en: node.kind_en })}` : "";
    }
    if (under.kind === "facet") return facetText(steepness(...under.normal), aspect(...under.normal));
    const node = nodes.filter(isBuilding).find((one) => one.space_code === under.code);
    if (!node) return "";
    const name = placeName({ name: node.title, name_en: node.title_en });
    const height =
      node.placeholder || node.height_m === null
        ? t("scene.noHeight")
        : t("scene.height", { m: Math.round(node.height_m * 10) / 10 });
    return `${name} · ${height}`;
  }
}

function facetText(slope: number, falls: number | null): string {
  const angle = t("scene.slope", { deg: slope.toFixed(1) });
  if (falls === null) return angle;
  return `${angle} ${t("scene.aspect", { wind: t(wind(falls)), deg: Math.round(falls) % 360 })}`;
}

function look(): Look {
  return isLight() ? DAY : NIGHT;
}

declare global {
  interface HTMLElementTagNameMap {
    "bt-scene-view": SceneView;
  }
}
