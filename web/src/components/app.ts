// The page's frame: what is chosen, and where map, list and panel stand on a desk and on a phone.
import { LitElement, css, html, nothing } from "lit";
import { customElement, query, state } from "lit/decorators.js";
import { t } from "../i18n.ts";
import { Live } from "../live.ts";
import { tool } from "../pictures.ts";
import { isUnacknowledged, NO_FILTER, type Filter } from "../roll.ts";
import { wake } from "../sound.ts";
import { store } from "../store.ts";
import type { AlarmList } from "./alarm-list.ts";
import type { CloseDialog } from "./close-dialog.ts";
import type { MapView } from "./map-view.ts";
import { shared, type Choice } from "./shared.ts";
import "./alarm-list.ts";
import "./call-banner.ts";
import "./close-dialog.ts";
import "./device-panel.ts";
import "./link-banner.ts";
import "./login-form.ts";
import "./map-view.ts";
import "./summary.ts";
import "./top-bar.ts";

const PANEL_PX = 380;

@customElement("bt-app")
export class App extends LitElement {
  @state() private filter: Filter = NO_FILTER;
  @state() private alarm: string | null = null;
  @state() private device: string | null = null;
  @state() private withinName = "";
  @state() private tall = false;
  @query("bt-map-view") private map!: MapView | null;
  @query("bt-alarm-list") private list!: AlarmList | null;
  @query("bt-close-dialog") private dialog!: CloseDialog | null;
  protected live = new Live(this);

  static override styles = [
    shared,
    css`
      :host {
        display: flex;
        flex-direction: column;
        height: 100dvh;
        overflow: hidden;
      }
      .skip {
        position: absolute;
        left: 8px;
        top: -60px;
        z-index: 50;
      }
      .skip:focus {
        top: 6px;
      }
      main {
        flex: 1;
        min-height: 0;
        display: grid;
        grid-template-columns: minmax(0, 1fr) 390px;
        position: relative;
      }
      .stage {
        position: relative;
        min-width: 0;
        min-height: 0;
      }
      bt-map-view {
        position: absolute;
        inset: 0;
      }
      bt-call-banner {
        position: absolute;
        z-index: 12;
        top: 10px;
        left: 60px;
        right: 60px;
      }
      .stage.covered bt-call-banner {
        left: ${PANEL_PX + 10}px;
      }
      bt-device-panel {
        position: absolute;
        z-index: 10;
        left: 0;
        top: 0;
        bottom: 0;
        width: ${PANEL_PX}px;
        border-right: 1px solid var(--line);
        box-shadow: var(--shadow);
      }
      .sheet {
        display: flex;
        flex-direction: column;
        min-height: 0;
        border-left: 1px solid var(--line);
      }
      bt-alarm-list {
        flex: 1;
      }
      .grip {
        display: none;
      }
      @media (max-width: 760px) {
        main {
          grid-template-columns: minmax(0, 1fr);
          grid-template-rows: minmax(0, 43fr) minmax(0, 57fr);
        }
        main.tall {
          grid-template-rows: minmax(0, 12fr) minmax(0, 88fr);
        }
        .sheet {
          border-left: 0;
          border-top: 1px solid var(--line);
          border-radius: 14px 14px 0 0;
          overflow: hidden;
          margin-top: -12px;
          z-index: 5;
          background: var(--panel);
        }
        .grip {
          display: grid;
          place-items: center;
          border: 0;
          border-radius: 0;
          background: var(--panel);
          min-height: 26px;
          padding: 0;
        }
        bt-device-panel {
          position: fixed;
          inset: 12dvh 0 0;
          width: auto;
          z-index: 20;
          border-top: 1px solid var(--line);
          border-radius: 14px 14px 0 0;
          overflow: hidden;
        }
        bt-call-banner,
        .stage.covered bt-call-banner {
          position: fixed;
          z-index: 25;
          left: 8px;
          right: 8px;
          top: auto;
          bottom: 10px;
        }
      }
    `,
  ];

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
      <bt-top-bar @bt-choose=${this.choose}></bt-top-bar>
      ${store.signedIn ? this.desk() : this.outside()}`;
  }

  private outside() {
    if (store.signedIn === false) return html`<bt-login-form></bt-login-form>`;
    return html`<bt-link-banner></bt-link-banner>`;
  }

  private desk() {
    const open = this.device !== null || this.alarm !== null;
    return html`<bt-summary></bt-summary>
      <bt-link-banner></bt-link-banner>
      <main
        class=${this.tall ? "tall" : ""}
        @bt-choose=${this.choose}
        @bt-ask-close=${(event: CustomEvent<string>) => this.askClose(event.detail)}
      >
        <div class="stage ${open ? "covered" : ""}">
          <bt-map-view .coveredLeft=${open && !isPhone() ? PANEL_PX : 0}></bt-map-view>
          <bt-call-banner></bt-call-banner>
          ${open
            ? html`<bt-device-panel
                .device=${this.device}
                .alarm=${this.alarm}
                @shut=${this.shut}
              ></bt-device-panel>`
            : nothing}
        </div>
        <div class="sheet">
          <button
            class="grip"
            aria-expanded=${this.tall}
            aria-label=${t(this.tall ? "list.collapse" : "list.expand")}
            @click=${() => (this.tall = !this.tall)}
          >
            ${tool(this.tall ? "down" : "up")}
          </button>
          <bt-alarm-list
            .filter=${this.filter}
            .chosen=${this.alarm}
            .placeName=${this.withinName}
            @filter=${(event: CustomEvent<Filter>) => (this.filter = event.detail)}
          ></bt-alarm-list>
        </div>
      </main>
      <bt-close-dialog></bt-close-dialog>`;
  }

  private choose(event: CustomEvent<Choice>): void {
    const { alarm, device, space } = event.detail;
    if (alarm) this.chooseAlarm(alarm);
    else if (device) void this.chooseDevice(device);
    else if (space) this.chooseSpace(space);
  }

  private chooseAlarm(id: string): void {
    const alarm = store.desk.alarms.get(id);
    this.alarm = id;
    this.device = alarm?.device_id ?? null;
    this.tall = false;
    if (alarm && alarm.lon !== null && alarm.lat !== null) void this.fly(alarm.lon, alarm.lat);
  }

  private async chooseDevice(id: string): Promise<void> {
    this.device = id;
    this.alarm = null;
    const at = this.map?.deviceAt(id);
    if (at) await this.fly(...at);
  }

  /** A block pressed on the map narrows the list to it; pressed again, the list is whole again. */
  private chooseSpace(code: string): void {
    if (this.filter.within === code) {
      this.filter = { ...this.filter, within: null };
      return;
    }
    this.withinName = this.map?.showSpace(code) ?? "";
    this.filter = { ...this.filter, within: code };
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
    this.alarm = null;
    this.device = null;
    this.map?.unpick();
  }

  /** An address with a token, opened where the page already stands, does not load it anew. */
  private entered = (): void => {
    if (location.hash.includes("token=")) void store.begin();
  };

  private key = (event: KeyboardEvent): void => {
    wake();
    const taken = event.defaultPrevented || this.dialog?.isOpen;
    if (event.key === "Escape" && !taken) this.shut();
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
