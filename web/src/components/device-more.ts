// The further parts of a device's panel: twin, relations, slope, history; fetched with the panel's first use.
import { LitElement, css, html, nothing } from "lit";
import { customElement, property, state } from "lit/decorators.js";
import { distance } from "../address.ts";
import { day, measure } from "../format.ts";
import { Live } from "../live.ts";
import { problemText } from "../problem.ts";
import { store } from "../store.ts";
import { compass, type DeviceHistory, type Facet, type Installation, type Stood } from "../twin.ts";
import type { DeviceDetail } from "../types.ts";
import { say } from "../words/twin.ts";
import type { MapView } from "./map-view.ts";
import { askScene, shared } from "./shared.ts";
import "./trace-part.ts";
import "./twin-part.ts";

@customElement("bt-device-more")
export class DeviceMore extends LitElement {
  @property({ attribute: false }) detail!: DeviceDetail;
  @property({ attribute: false }) map: MapView | null = null;
  @state() private history: DeviceHistory | null = null;
  @state() private facet: Facet | null = null;
  @state() private problem = "";
  private device = "";
  private registry = 0;
  protected live = new Live(this);

  static override styles = [
    shared,
    css`
      section {
        padding: 10px 14px;
        border-bottom: 1px solid var(--line);
      }
      h3 {
        margin-bottom: 6px;
        color: var(--soft);
        font-size: 13px;
      }
      p {
        margin: 3px 0;
        font-size: 13px;
        overflow-wrap: anywhere;
      }
      small {
        color: var(--soft);
      }
    `,
  ];

  protected override willUpdate(): void {
    if (this.device === this.detail.device_id && this.registry === store.registry) return;
    if (this.device !== this.detail.device_id) this.history = this.facet = null;
    this.device = this.detail.device_id;
    this.registry = store.registry;
    this.problem = "";
    void this.load(this.device);
  }

  protected override render() {
    const { device_id: device, field } = this.detail;
    return html`${this.facet ? this.slope(this.facet) : nothing}
      <section>
        <h3>${say("title")}</h3>
        <bt-twin-part .device=${device}></bt-twin-part>
      </section>
      <section>
        <h3>${say("relations")}</h3>
        <bt-trace-part .device=${device} .field=${field} .map=${this.map}></bt-trace-part>
      </section>
      <section>
        <h3>${say("history")}</h3>
        ${this.problem ? html`<p class="problem" role="alert">${this.problem}</p>` : nothing}
        ${this.history ? this.past(this.history) : nothing}
      </section>`;
  }

  private slope(facet: Facet) {
    const { slope_deg: slope, aspect_deg: aspect, surface_id: surface } = facet;
    const angle =
      slope === null || aspect === null
        ? null
        : say("angle", { angle: `${measure(slope)}°`, aspect: `${measure(aspect)}°`, point: say(`point.${compass(aspect)}`) });
    return html`<section data-facet=${surface ?? ""}>
      <h3>${say("slope")}</h3>
      <p>${angle ?? facet.reason ?? ""}</p>
      ${facet.surveyed_at
        ? html`<p>
            <small
              >${say("surveyed", { at: day(facet.surveyed_at) })}
              ${facet.distance_m ? say("away", { distance: distance(facet.distance_m) }) : nothing}</small
            >
          </p>`
        : nothing}
      ${surface ? html`<button class="scene" @click=${() => askScene(this, { surface })}>${say("slopeScene")}</button>` : nothing}
    </section>`;
  }

  private past(history: DeviceHistory) {
    return html`${[...history.installations].reverse().map((one) => this.installed(one))}
    ${history.places.map((one) => this.stood(one))}`;
  }

  private installed(one: Installation) {
    const what = [one.vendor, one.model, one.serial || say("unnamed")].filter(Boolean).join(" ");
    return html`<p>${say("instrument")}：${what} <small>${span(one)} ${one.reason} ${one.by}</small></p>`;
  }

  private stood(one: Stood) {
    const where = [one.space ?? "", one.gateway_id].filter(Boolean).join(" · ");
    return html`<p>
      ${say("place")}：${one.lon.toFixed(6)}, ${one.lat.toFixed(6)} ${where} <small>${span(one)} ${one.reason} ${one.by}</small>
    </p>`;
  }

  private async load(device: string): Promise<void> {
    const path = `devices/${encodeURIComponent(device)}`;
    try {
      const slope = this.detail.field === "slope" ? store.api.get<Facet>(`${path}/facet`) : null;
      const [history, facet] = await Promise.all([store.api.get<DeviceHistory>(`${path}/history`), slope]);
      if (device === this.device) [this.history, this.facet] = [history, facet];
    } catch (cause) {
      if (device === this.device) this.problem = problemText(cause);
    }
  }
}

function span({ from_at: from, to_at: to }: { from_at: string | null; to_at: string | null }): string {
  const since = from ? day(from) : say("always");
  return to ? say("fromTo", { from: since, to: day(to) }) : from ? say("from", { from: since }) : since;
}
