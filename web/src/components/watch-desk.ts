// The alarm desk: incidents, the report of what the alarms cost, rules tried on history, and who is on call.
import { LitElement, html } from "lit";
import { customElement, property, query, state } from "lit/decorators.js";
import { isWriting } from "../focus.ts";
import { Live } from "../live.ts";
import { tool } from "../pictures.ts";
import { t } from "../i18n.ts";
import { say } from "../words/watch.ts";
import { mapsStyles } from "./maps-styles.ts";
import type { MapView } from "./map-view.ts";
import { shared } from "./shared.ts";
import { watchStyles } from "./watch-styles.ts";
import "./alarm-report.ts";
import "./incident-list.ts";
import "./roster-list.ts";
import "./rules-list.ts";

const VIEWS = ["incidents", "report", "rules", "rosters"] as const;
type View = (typeof VIEWS)[number];

@customElement("bt-watch-desk")
export class WatchDesk extends LitElement {
  @property({ attribute: false }) map: MapView | null = null;
  @state() private view: View = "incidents";
  @query("h2") private heading!: HTMLElement;
  protected live = new Live(this);

  static override styles = [shared, mapsStyles, watchStyles];

  protected override firstUpdated(): void {
    if (!isWriting()) this.heading.focus();
  }

  protected override render() {
    return html`<header>
        <h2 tabindex="-1">${say("title")}</h2>
        ${VIEWS.map(
          (view) =>
            html`<button aria-pressed=${this.view === view} data-tab=${view} @click=${() => (this.view = view)}>
              ${say(view)}
            </button>`,
        )}
        <button class="bare shut" aria-label=${t("app.duty")} title=${t("app.duty")} @click=${this.shut}>
          ${tool("close")}
        </button>
      </header>
      <div class="body">${this.content()}</div>`;
  }

  private content() {
    if (this.view === "report") return html`<bt-alarm-report></bt-alarm-report>`;
    if (this.view === "rules") return html`<bt-rules-list .map=${this.map}></bt-rules-list>`;
    if (this.view === "rosters") return html`<bt-roster-list></bt-roster-list>`;
    return html`<bt-incident-list></bt-incident-list>`;
  }

  private shut(): void {
    this.dispatchEvent(new CustomEvent("shut"));
  }
}
