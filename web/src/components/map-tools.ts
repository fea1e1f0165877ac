// The buttons on the map and its legend.
import { LitElement, css, html, nothing } from "lit";
import { customElement, property, state } from "lit/decorators.js";
import { t, type Word } from "../i18n.ts";
import { Live } from "../live.ts";
import { fieldSign, gatewaySign, ladderSign, levelName, tool } from "../pictures.ts";
import { FIELD_COLOUR, type Tool } from "../signs.ts";
import { FIELDS, SEVERITIES } from "../types.ts";
import { shared } from "./shared.ts";

export type MapAct = "in" | "out" | "home" | "tilt" | "devices";

@customElement("bt-map-tools")
export class MapTools extends LitElement {
  @property({ type: Boolean }) tilted = false;
  @property({ type: Boolean }) devices = true;
  @property({ type: Boolean }) synthetic = false;
  @state() private legend = false;
  protected live = new Live(this);

  static override styles = [
    shared,
    css`
      :host {
        display: flex;
        flex-direction: column;
        align-items: flex-end;
        gap: 8px;
        pointer-events: none;
      }
      .tools {
        display: grid;
        pointer-events: auto;
        border-radius: 8px;
        box-shadow: var(--shadow);
        overflow: hidden;
        border: 1px solid var(--line);
      }
      .tools button {
        border: 0;
        border-radius: 0;
        border-bottom: 1px solid var(--line);
        background: var(--panel);
        width: 38px;
        height: 36px;
        padding: 0;
        display: grid;
        place-items: center;
      }
      .tools button:last-child {
        border-bottom: 0;
      }
      .tools button:hover {
        background: var(--raised);
      }
      .tools button[aria-pressed="true"] {
        color: var(--accent);
      }
      .tools button:focus-visible {
        outline-offset: -3px;
      }
      .legend {
        pointer-events: auto;
        background: var(--panel);
        border: 1px solid var(--line);
        border-radius: 8px;
        padding: 9px 13px;
        box-shadow: var(--shadow);
        font-size: 13px;
        max-width: min(250px, calc(100vw - 30px));
      }
      .legend div {
        display: flex;
        align-items: center;
        gap: 8px;
        padding: 1px 0;
      }
      .disc {
        width: 16px;
        height: 16px;
        border-radius: 50%;
        flex: none;
        display: grid;
        place-items: center;
        color: #0b121a;
      }
      .ring {
        border: 2px solid currentColor;
        color: var(--soft);
      }
      .new {
        border: 2px solid var(--ink);
        border-radius: 50%;
        width: 16px;
        height: 16px;
        flex: none;
      }
      p {
        margin: 6px 0 0;
        color: var(--soft);
        font-size: 12px;
      }
      @media (max-width: 760px) {
        .tools button {
          height: 38px;
        }
      }
    `,
  ];

  protected override render() {
    return html`<div class="tools" role="group" aria-label=${t("map.label")}>
        ${this.button("plus", "map.zoomIn", "in")} ${this.button("minus", "map.zoomOut", "out")}
        ${this.button("home", "map.home", "home")}
        ${this.button("cube", this.tilted ? "map.flat" : "map.tilt", "tilt", this.tilted)}
        ${this.button("dots", "map.devices", "devices", this.devices)}
        <button
          aria-label=${t("map.legend")}
          title=${t("map.legend")}
          aria-pressed=${this.legend}
          @click=${() => (this.legend = !this.legend)}
        >
          ${tool("legend")}
        </button>
      </div>
      ${this.legend ? this.key() : nothing}`;
  }

  private button(sign: Tool, word: Word, act: MapAct, pressed?: boolean) {
    return html`<button
      data-act=${act}
      aria-label=${t(word)}
      title=${t(word)}
      aria-pressed=${pressed === undefined ? nothing : pressed}
      @click=${() => this.dispatchEvent(new CustomEvent<MapAct>("act", { detail: act }))}
    >
      ${tool(sign)}
    </button>`;
  }

  private key() {
    return html`<div class="legend">
      ${SEVERITIES.map((step) => html`<div>${ladderSign(step, 18)} ${levelName(step)}</div>`)}
      <div><span class="new"></span> ${t("state.unacknowledged")}</div>
      ${FIELDS.slice(0, 4).map(
        (name) =>
          html`<div>
            <span class="disc" style="background:${FIELD_COLOUR[name]}">${fieldSign(name, 13)}</span> ${t(`field.${name}`)}
          </div>`,
      )}
      <div><span class="disc ring"></span> ${t("device.stale")} / ${t("device.never")}</div>
      <div>${gatewaySign(false)} ${t("map.gateway")}</div>
      <div>${gatewaySign(true)} ${t("map.gatewayOff")}</div>
      ${this.synthetic ? html`<p>${t("map.synthetic")}</p>` : nothing}
    </div>`;
  }
}
