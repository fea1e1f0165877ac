// Beside a map of the past: the devices that were in alarm then. Nothing can be acted on here.
import { LitElement, css, html, nothing } from "lit";
import { customElement } from "lit/decorators.js";
import { worstThen } from "../desk.ts";
import { placeName } from "../i18n.ts";
import { Live } from "../live.ts";
import { ladderSign, levelName } from "../pictures.ts";
import { store } from "../store.ts";
import { say } from "../words/past.ts";
import { findables } from "./find-box.ts";
import { choose, shared } from "./shared.ts";

const MAX_ROWS = 200;

@customElement("bt-past-list")
export class PastList extends LitElement {
  protected live = new Live(this);

  static override styles = [
    shared,
    css`
      :host {
        display: flex;
        flex-direction: column;
        min-height: 0;
        background: var(--panel);
      }
      header {
        padding: 8px 12px;
        border-bottom: 1px solid var(--line);
      }
      h2 {
        font-size: 16px;
      }
      p {
        margin: 4px 0 0;
        font-size: 13px;
        color: var(--soft);
      }
      .rows {
        overflow-y: auto;
        flex: 1;
        min-height: 0;
      }
      button {
        display: grid;
        grid-template-columns: 28px minmax(0, 1fr);
        gap: 8px;
        width: 100%;
        text-align: left;
        border-width: 0 0 1px;
        border-radius: 0;
        background: none;
        padding: 7px 12px;
      }
      small {
        display: block;
        color: var(--soft);
      }
    `,
  ];

  protected override render() {
    const worst = worstThen(store.past);
    const names = new Map(findables.all.filter((f) => f.kind === "device").map((f) => [f.id, placeName(f)]));
    return html`<header>
        <h2>${say("listTitle")} ${worst.length}</h2>
        <p>${say("noActing")}</p>
      </header>
      <div class="rows" role="list">
        ${worst.slice(0, MAX_ROWS).map(
          ([id, severity]) =>
            html`<div role="listitem">
              <button data-device=${id} @click=${() => choose(this, { device: id })}>
                ${ladderSign(severity, 24)}
                <span>${names.get(id) ?? id}<small>${id} · ${levelName(severity)}</small></span>
              </button>
            </div>`,
        )}
        ${worst.length === 0 && store.past ? html`<p style="padding:20px 12px">${say("listNone")}</p>` : nothing}
        ${worst.length > MAX_ROWS ? html`<p style="padding:12px">${say("listCut", { n: MAX_ROWS })}</p>` : nothing}
      </div>`;
  }
}
