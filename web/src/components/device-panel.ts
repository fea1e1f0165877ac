// All about one device: facts, where it is placed, its open alarms, latest values and a chart; refreshed while open.
import { LitElement, css, html, nothing } from "lit";
import { customElement, property, state } from "lit/decorators.js";
import { bits } from "../chart.ts";
import { clock, moment, span, SWITCHES, withUnit } from "../format.ts";
import { lang, pick, placeName, t, WORDS, type Word } from "../i18n.ts";
import { Live } from "../live.ts";
import { fieldSign, ladderSign, tool } from "../pictures.ts";
import { problemText } from "../problem.ts";
import { store } from "../store.ts";
import type { Alarm, DeviceDetail, QuantityInfo } from "../types.ts";
import type { MapView } from "./map-view.ts";
import { askScene, choose, shared } from "./shared.ts";
import "./alarm-card.ts";
import "./device-more.ts";
import "./reading-chart.ts";

const REFRESH_MS = 3_000;

@customElement("bt-device-panel")
export class DevicePanel extends LitElement {
  /** The device to show, or null when the alarm is a gateway's. */
  @property() device: string | null = null;
  @property() alarm: string | null = null;
  @property({ attribute: false }) map: MapView | null = null;
  @state() private detail: DeviceDetail | null = null;
  @state() private problem = "";
  @state() private loadedMs = 0;
  @state() private quantity = "";
  private timer: ReturnType<typeof setInterval> | undefined;
  protected live = new Live(this, 1000);

  static override styles = [
    shared,
    css`
      :host {
        display: flex;
        flex-direction: column;
        background: var(--panel);
        min-height: 0;
      }
      header {
        display: flex;
        align-items: flex-start;
        gap: 8px;
        padding: 9px 8px 9px 14px;
        border-bottom: 1px solid var(--line);
      }
      header h2 {
        flex: 1;
        font-size: 16px;
        overflow-wrap: anywhere;
      }
      header small {
        display: block;
        font-weight: 400;
        color: var(--soft);
      }
      .body {
        overflow-y: auto;
        min-height: 0;
        flex: 1;
        overscroll-behavior: contain;
      }
      section {
        padding: 10px 14px;
        border-bottom: 1px solid var(--line);
      }
      section h3 {
        margin-bottom: 6px;
        color: var(--soft);
        font-size: 13px;
      }
      dl {
        display: grid;
        grid-template-columns: auto 1fr;
        gap: 3px 12px;
        margin: 0;
      }
      dt {
        color: var(--soft);
      }
      dd {
        margin: 0;
        overflow-wrap: anywhere;
      }
      .values {
        display: grid;
        gap: 5px;
      }
      .values button {
        display: grid;
        grid-template-columns: 1fr auto;
        gap: 0 10px;
        text-align: left;
        width: 100%;
      }
      .values button[aria-pressed="true"] {
        background: var(--raised);
        color: var(--ink);
        box-shadow: inset 4px 0 0 var(--accent);
      }
      .values b {
        font-size: 16px;
        font-variant-numeric: tabular-nums;
        text-align: right;
      }
      .values small {
        grid-column: 1 / 3;
      }
      .alarm {
        display: flex;
        align-items: center;
        gap: 8px;
        width: 100%;
        text-align: left;
        margin-bottom: 5px;
      }
      .now {
        background: var(--warn-ground);
        color: var(--warn-ink);
      }
      .fresh {
        color: var(--good);
        font-weight: 600;
      }
      .stale,
      .never {
        color: var(--danger);
        font-weight: 600;
      }
    `,
  ];

  override connectedCallback(): void {
    super.connectedCallback();
    this.timer = setInterval(() => void this.load(), REFRESH_MS);
  }

  override disconnectedCallback(): void {
    clearInterval(this.timer);
    super.disconnectedCallback();
  }

  protected override willUpdate(changed: Map<string, unknown>): void {
    if (!changed.has("device")) return;
    this.detail = null;
    this.problem = "";
    this.quantity = "";
    void this.load();
  }

  protected override render() {
    const alarm = this.alarm ? store.desk.alarms.get(this.alarm) : undefined;
    const { detail } = this;
    return html`<header>
        ${detail ? fieldSign(detail.field, 22) : nothing}
        <h2 tabindex="-1">
          ${detail?.name ?? this.device ?? alarm?.gateway_id ?? ""}
          <small>${detail ? pick({ zh: detail.kind_zh, en: detail.kind_en }) : ""} ${this.device ?? ""}</small>
        </h2>
        ${detail ? this.sceneButton(detail) : nothing}
        <button class="bare shut" aria-label=${t("app.close")} title=${t("app.close")} @click=${this.shut}>
          ${tool("close", 20)}
        </button>
      </header>
      <div class="body">
        ${store.past ? html`<section class="now" role="status">${t("device.ofNow")}</section>` : nothing}
        ${alarm ? html`<bt-alarm-card .alarm=${alarm}></bt-alarm-card>` : nothing}
        ${this.problem ? html`<section class="problem" role="alert">${this.problem}</section>` : nothing}
        ${detail ? this.parts(detail) : nothing}
        ${this.device && !detail && !this.problem ? html`<section class="hush">${t("app.loading")}</section>` : nothing}
      </div>`;
  }

  private parts(detail: DeviceDetail) {
    const info = detail.quantities.find((q) => q.quantity === this.quantity) ?? detail.quantities[0];
    const others = this.openAlarms(detail).filter((alarm) => alarm.alarm_id !== this.alarm);
    return html`<section>
        <h3>${t("device.latest")}</h3>
        <div class="values" role="group" aria-label=${t("device.latest")}>
          ${detail.quantities.map((quantity) => this.value(quantity, quantity === info))}
        </div>
      </section>
      ${info
        ? html`<section>
            <h3>${t("chart.title")} · ${pick(info)}</h3>
            <bt-reading-chart .device=${detail.device_id} .info=${info} .interval=${detail.interval_s}></bt-reading-chart>
          </section>`
        : nothing}
      ${others.length > 0 || !this.alarm
        ? html`<section>
            <h3>${t("device.alarms")}</h3>
            ${others.map((alarm) => this.other(alarm))}
            ${others.length === 0 ? html`<span class="hush">${t("device.noAlarms")}</span>` : nothing}
          </section>`
        : nothing}
      <section>
        <h3>${t("device.facts")}</h3>
        ${this.facts(detail)}
      </section>
      <bt-device-more .detail=${detail} .map=${this.map}></bt-device-more>`;
  }

  /** The building it is in, else the block. */
  private sceneButton(detail: DeviceDetail) {
    const place = detail.path.findLast((step) => step.kind === "building" || step.kind === "block");
    if (!place) return nothing;
    const word = t("device.scene", { name: placeName(place) });
    return html`<button class="scene" aria-label=${word} title=${word} @click=${() => askScene(this, { space: place.code })}>
      ${t("device.3d")}
    </button>`;
  }

  /** The list's word on alarms is newer than the device's, which is fetched only now and then. */
  private openAlarms(detail: DeviceDetail): Alarm[] {
    return [...store.desk.alarms.values()].filter(
      (alarm) => alarm.device_id === detail.device_id && alarm.state !== "closed",
    );
  }

  private other(alarm: Alarm) {
    return html`<button class="alarm" @click=${() => choose(this, { alarm: alarm.alarm_id })}>
      ${ladderSign(alarm.severity)} <span>${pick(alarm.name)} · ${t(`state.${alarm.state}`)}</span>
    </button>`;
  }

  private value(info: QuantityInfo, chosen: boolean) {
    const { latest } = info;
    const now = store.nowMs();
    const marks = latest ? bits(latest.quality).map((bit) => t(`quality.${bit}` as Word)) : [];
    const age = latest ? span((now - Date.parse(latest.observed_at)) / 1000, lang()) : "";
    return html`<button
      data-quantity=${info.quantity}
      aria-pressed=${chosen}
      @click=${() => (this.quantity = info.quantity)}
    >
      <span>${pick(info)}</span><b>${latest ? this.told(info, latest.value) : "—"}</b>
      <small
        >${latest
          ? html`${moment(latest.observed_at, now)} · ${t("alarm.ago", { age })}${marks.map((mark) => html` · ${mark}`)}`
          : t("device.noValue")}</small
      >
    </button>`;
  }

  private told(info: QuantityInfo, value: number | null): string {
    if (value === null) return "—";
    if (!SWITCHES.has(info.quantity)) return withUnit(value, info.unit);
    return t(value > 0 ? "device.switchOn" : "device.switchOff");
  }

  private facts(detail: DeviceDetail) {
    const height = detail.height_m === null ? "" : ` · ${t("device.height")} ${withUnit(detail.height_m, "m")}`;
    const gateway = detail.gateway_online;
    const link = gateway === null ? "device.unknown" : gateway ? "device.online" : "device.offline";
    const how = `${t(`device.${detail.placed_how}`)}${detail.placed_note ? `：${detail.placed_note}` : ""}`;
    const rows: [Word, unknown][] = [
      ["device.id", detail.device_id],
      ["device.kind", pick({ zh: detail.kind_zh, en: detail.kind_en })],
      ["device.place", html`${detail.path.map(placeName).join(" › ") || t("alarm.noPlace")} <span class="hush">（${how}）</span>`],
      ["device.address", detail.address || "—"],
      ["device.position", `${detail.lon.toFixed(6)}, ${detail.lat.toFixed(6)}${height}`],
      ["device.gateway", html`${detail.gateway_id} <span class=${gateway === false ? "stale" : ""}>${t(link)}</span>`],
      ["device.interval", span(detail.interval_s, lang())],
    ];
    return html`<p class=${detail.freshness}>${t(`device.${detail.freshness}`)}</p>
      <dl>
        ${rows.map(([word, value]) => html`<dt>${t(word)}</dt><dd>${value}</dd>`)}
        ${Object.entries(detail.attributes).map(([key, value]) => html`<dt>${attributeName(key)}</dt><dd>${String(value)}</dd>`)}
      </dl>`;
  }

  private async load(): Promise<void> {
    const { device } = this;
    if (!device) return;
    try {
      const detail = await store.api.device(device);
      if (device !== this.device) return;
      this.detail = detail;
      this.loadedMs = store.nowMs();
      this.problem = "";
    } catch (cause) {
      const since = this.detail
        ? t("device.refreshFailed", { at: clock(this.loadedMs) })
        : t("device.loadFailed");
      this.problem = `${since}：${problemText(cause)}`;
    }
  }

  private shut(): void {
    this.dispatchEvent(new CustomEvent("shut"));
  }
}

/** What the owner of a device calls a fact about it; ours have words, others stand as they came. */
function attributeName(key: string): string {
  const word = `fact.${key}`;
  return word in WORDS ? t(word as Word) : key;
}
