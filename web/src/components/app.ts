// The page's frame: what is chosen, and where map, list and panel stand on a desk and on a phone.
import { LitElement, html, nothing } from "lit";
import { customElement, query, state } from "lit/decorators.js";
import { focused, Openers } from "../focus.ts";
import { t } from "../i18n.ts";
import { Live } from "../live.ts";
import { tool } from "../pictures.ts";
import type { Gone } from "../map/ground.ts";
import { isUnacknowledged, NO_FILTER, type Filter } from "../roll.ts";
import { wake } from "../sound.ts";
import { store } from "../store.ts";
import type { AlarmList } from "./alarm-list.ts";
import type { CloseDialog } from "./close-dialog.ts";
import type { MapView } from "./map-view.ts";
import { appStyles, CARD_PX, PANEL_PX } from "./app-styles.ts";
import { shared, type Choice, type SceneOf } from "./shared.ts";
import "./alarm-list.ts";
import "./call-banner.ts";
import "./close-dialog.ts";
import "./link-banner.ts";
import "./login-form.ts";
import "./map-view.ts";
import "./summary.ts";
import "./top-bar.ts";

const PANEL = (): Promise<unknown> => import("./device-panel.ts");
const PLACE = (): Promise<unknown> => import("./place-card.ts");

type Mode = "duty" | "maps" | "watch";
/** What the card beside the map tells about. */
type Place = { space: string } | { point: [number, number]; named: string };

@customElement("bt-app")
export class App extends LitElement {
  @state() private filter: Filter = NO_FILTER;
  @state() private alarm: string | null = null;
  @state() private device: string | null = null;
  @state() private withinName = "";
  @state() private tall = false;
  @state() private mode: Mode = "duty";
  @state() private past = false;
  @state() private place: Place | null = null;
  @state() private scene: SceneOf | null = null;
  @state() private failed = "";
  /** True while the panel's answer is on the map, which a phone's panel must then not cover. */
  @state() private peek = false;
  @query("bt-map-view") private map!: MapView | null;
  @query("bt-alarm-list") private list!: AlarmList | null;
  @query("bt-close-dialog") private dialog!: CloseDialog | null;
  private readonly openers = new Openers();
  protected live = new Live(this);

  static override styles = [shared, appStyles];

  override connectedCallback(): void {
    super.connectedCallback();
    addEventListener("keydown", this.key);
    addEventListener("pointerdown", wake);
    addEventListener("hashchange", this.entered);
    store.addEventListener("change", this.retitle);
    void store.begin();
  }

  override disconnectedCallback(): void {
    removeEventListener("keydown", this.key);
    removeEventListener("pointerdown", wake);
    removeEventListener("hashchange", this.entered);
    store.removeEventListener("change", this.retitle);
    super.disconnectedCallback();
  }

  protected override render() {
    return html`<button class="skip" @click=${() => this.list?.focus()}>${t("app.skip")}</button>
      <bt-top-bar
        .mode=${this.mode}
        .past=${this.past}
        @bt-choose=${this.choose}
        @mode=${(event: CustomEvent<Mode>) => this.turnTo(event.detail)}
        @past=${() => this.lookBack(!this.past)}
      ></bt-top-bar>
      ${store.signedIn ? this.desk() : this.outside()}`;
  }

  private outside() {
    if (store.signedIn === false) return html`<bt-login-form></bt-login-form>`;
    return html`<bt-link-banner></bt-link-banner>`;
  }

  private desk() {
    return html`${this.past ? html`<bt-past-bar @shut=${() => this.lookBack(false)}></bt-past-bar>` : nothing}
      <bt-summary></bt-summary>
      <bt-link-banner></bt-link-banner>
      <main
        class="${this.tall ? "tall" : ""} ${this.mode}"
        @bt-choose=${this.choose}
        @bt-scene=${(event: CustomEvent<SceneOf>) => this.openScene(event.detail)}
        @bt-ask-close=${(event: CustomEvent<string>) => this.askClose(event.detail)}
      >
        ${this.stage()} ${this.sheet()}
      </main>
      <bt-close-dialog @closed=${this.refocus}></bt-close-dialog>`;
  }

  private stage() {
    const open = this.device !== null || this.alarm !== null;
    return html`<div class="stage ${open ? "covered" : ""} ${this.past ? "past" : ""} ${this.peek ? "peek" : ""} ${this.scene ? "solid" : ""}">
      <bt-map-view .coveredLeft=${this.coveredLeft(open)} @ground=${(event: CustomEvent<Gone>) => this.grounded(event.detail)}></bt-map-view>
      <bt-call-banner></bt-call-banner>
      ${this.place ? this.card(this.place) : nothing}
      ${open
        ? html`<bt-device-panel
            .device=${this.device}
            .alarm=${this.alarm}
            .map=${this.map}
            @shut=${this.shut}
            @bt-traced=${(event: CustomEvent<boolean>) => (this.peek = event.detail)}
          ></bt-device-panel>`
        : nothing}
      ${this.scene
        ? html`<bt-scene-view
            .space=${this.scene.space ?? ""}
            .surface=${this.scene.surface ?? ""}
            .device=${this.device ?? ""}
            @shut=${this.shutScene}
          ></bt-scene-view>`
        : nothing}
      ${this.failed ? html`<p class="failed problem" role="alert">${this.failed}</p>` : nothing}
    </div>`;
  }

  private coveredLeft(panel: boolean): number {
    if (isPhone()) return 0;
    return (panel ? PANEL_PX : 0) + (this.place ? CARD_PX : 0);
  }

  private card(place: Place) {
    const [space, point, named] = "space" in place ? [place.space, null, ""] : [null, place.point, place.named];
    return html`<bt-place-card .space=${space} .point=${point} .named=${named} @shut=${this.shutPlace}></bt-place-card>`;
  }

  private sheet() {
    return html`<div class="sheet">
      <button
        class="grip"
        aria-expanded=${this.tall}
        aria-label=${t(this.tall ? "list.collapse" : "list.expand")}
        @click=${() => (this.tall = !this.tall)}
      >
        ${tool(this.tall ? "down" : "up")}
      </button>
      ${this.beside()}
    </div>`;
  }

  private beside() {
    if (this.mode === "maps") {
      return html`<bt-maps-desk .map=${this.map} @shut=${() => this.turnTo("duty")}></bt-maps-desk>`;
    }
    if (this.mode === "watch") {
      return html`<bt-watch-desk .map=${this.map} @shut=${() => this.turnTo("duty")}></bt-watch-desk>`;
    }
    if (this.past) return html`<bt-past-list></bt-past-list>`;
    return html`<bt-alarm-list
      .filter=${this.filter}
      .chosen=${this.alarm}
      .placeName=${this.withinName}
      @filter=${(event: CustomEvent<Filter>) => this.refilter(event.detail)}
    ></bt-alarm-list>`;
  }

  private choose(event: CustomEvent<Choice>): void {
    const { alarm, device, space, point, named = "" } = event.detail;
    if (alarm) this.chooseAlarm(alarm);
    else if (device) void this.chooseDevice(device);
    else if (space) void this.chooseSpace(space);
    else if (point) void this.choosePoint(point, named);
  }

  private chooseAlarm(id: string): void {
    // An alarm is of now, and is acted on now.
    this.lookBack(false);
    const alarm = store.desk.alarms.get(id);
    this.openPanel();
    this.alarm = id;
    this.device = alarm?.device_id ?? null;
    this.tall = false;
    if (alarm && alarm.lon !== null && alarm.lat !== null) void this.fly(alarm.lon, alarm.lat);
  }

  private openPanel(): void {
    this.openers.note("bt-device-panel");
    this.summon(PANEL);
  }

  private async chooseDevice(id: string): Promise<void> {
    this.openPanel();
    this.device = id;
    this.alarm = null;
    const at = this.map?.deviceAt(id);
    if (at) await this.fly(...at);
  }

  /** A block pressed on the map is told about and narrows the list to it; pressed again, the list is whole again. */
  private async chooseSpace(code: string): Promise<void> {
    if (this.filter.within === code) return this.shutPlace();
    this.withinName = code;
    this.filter = { ...this.filter, within: code };
    this.openPlace({ space: code });
    // The card must stand before the map knows how much of it is covered.
    await this.updateComplete;
    this.withinName = this.map?.showSpace(code) || code;
  }

  private openPlace(place: Place): void {
    this.openers.note("bt-place-card");
    this.place = place;
    this.summon(PLACE);
  }

  /** A point that was searched for is flown to; one that was pressed is only marked. */
  private async choosePoint(point: [number, number], named: string): Promise<void> {
    this.openPlace({ point, named });
    if (named) await this.fly(...point);
    else this.map?.mark(...point);
  }

  private refilter(filter: Filter): void {
    this.filter = filter;
    if (this.place && "space" in this.place && this.place.space !== filter.within) this.place = null;
  }

  private shutPlace(): void {
    if (this.place) this.giveBack("bt-place-card");
    this.place = null;
    this.filter = { ...this.filter, within: null };
    if (!this.device && !this.alarm) this.map?.unpick();
  }

  private turnTo(mode: Mode): void {
    if (mode === "duty") this.giveBack(`bt-${this.mode}-desk`);
    else this.openers.note(`bt-${mode}-desk`);
    this.mode = mode;
    if (mode === "duty") return;
    this.lookBack(false);
    this.shut();
    this.shutPlace();
    this.summon(() => (mode === "maps" ? import("./maps-desk.ts") : import("./watch-desk.ts")));
    // The desk is wider than the list: what was in sight shall stay so.
    void this.updateComplete.then(() => this.map?.home());
  }

  private lookBack(past: boolean): void {
    if (past === this.past) return;
    if (past) this.openers.note("bt-past-bar");
    else this.giveBack("bt-past-bar");
    this.past = past;
    if (!past) return;
    this.mode = "duty";
    this.summon(() => Promise.all([import("./past-bar.ts"), import("./past-list.ts")]));
  }

  /** Outlines or places are others: what is chosen stays if it still exists, and the view as it is. */
  private grounded(gone: Gone): void {
    this.ahead();
    const { place, device, filter } = this;
    if (filter.within && gone.spaces.has(filter.within)) this.filter = { ...filter, within: null };
    if (place && "space" in place && gone.spaces.has(place.space)) this.shutPlace();
    if (!device) return;
    if (gone.devices.has(device)) return this.shut();
    const at = this.map?.deviceAt(device);
    if (at) this.map?.mark(...at);
  }

  /** With the map drawn, fetch what the next press will want: it must be there if the connection is lost. */
  private ahead(): void {
    const idle = "requestIdleCallback" in window ? requestIdleCallback : setTimeout;
    idle(() => this.summon(() => Promise.all([PANEL(), PLACE()])));
  }

  private openScene(scene: SceneOf): void {
    this.openers.note("bt-scene-view");
    this.scene = scene;
    this.summon(() => import("./scene-view.ts"));
  }

  private shutScene(): void {
    this.giveBack("bt-scene-view");
    this.scene = null;
  }

  /** Once a part is gone, the focus that was in it goes back to what opened it. */
  private giveBack(part: string): void {
    // The part goes with the next update, which what the caller changes after this belongs to as well.
    this.requestUpdate();
    void this.updateComplete.then(() => this.openers.back(part, () => this.refocus()));
  }

  /** The place for a focus whose element is gone. */
  private refocus(): void {
    if (!focused()) this.list?.focus();
  }

  /** Fetch a part of the page that the first map does without. */
  private summon(load: () => Promise<unknown>): void {
    this.failed = "";
    load().catch((cause: unknown) => {
      console.warn("a part of the page did not load", cause);
      this.failed = t("app.partFailed");
    });
  }

  private async fly(lon: number, lat: number): Promise<void> {
    // The panel must stand before the map knows how much of it is covered.
    await this.updateComplete;
    this.map?.showPoint(lon, lat);
  }

  private askClose(id: string): void {
    const alarm = store.desk.alarms.get(id);
    if (alarm) void this.dialog?.open(alarm);
  }

  private shut(): void {
    if (this.device || this.alarm) this.giveBack("bt-device-panel");
    this.alarm = null;
    this.device = null;
    this.peek = false;
    this.map?.unpick();
  }

  /** An address with a token, opened where the page already stands, does not load it anew. */
  private entered = (): void => {
    if (location.hash.includes("token=")) void store.begin();
  };

  private key = (event: KeyboardEvent): void => {
    wake();
    const taken = event.defaultPrevented || this.dialog?.isOpen || event.key !== "Escape";
    if (taken) return;
    if (this.scene) this.shutScene();
    else if (this.past) this.lookBack(false);
    else if (this.device || this.alarm) this.shut();
    else if (this.place) this.shutPlace();
  };

  /** The tab tells how many alarms wait, also when the page is not in front. */
  private retitle = (): void => {
    const waiting = [...store.desk.alarms.values()].filter(isUnacknowledged).length;
    document.title = `${waiting > 0 ? `(${waiting}) ` : ""}${t("app.title")} blocktwin`;
  };
}

function isPhone(): boolean {
  return matchMedia("(max-width: 760px)").matches;
}
