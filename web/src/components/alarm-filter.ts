// The filter of the list: fields and levels, any number of each, and the place chosen on the map.
import { LitElement, css, html, nothing } from "lit";
import { customElement, property } from "lit/decorators.js";
import { t } from "../i18n.ts";
import { Live } from "../live.ts";
import { fieldSign, ladderSign, levelName, tool } from "../pictures.ts";
import { isFiltering, NO_FILTER, type Filter } from "../roll.ts";
import { FIELDS, SEVERITIES } from "../types.ts";
import { shared } from "./shared.ts";

@customElement("bt-alarm-filter")
export class AlarmFilter extends LitElement {
  @property({ attribute: false }) filter: Filter = NO_FILTER;
  @property() placeName = "";
  protected live = new Live(this);

  static override styles = [
    shared,
    css`
      :host {
        display: flex;
        flex-wrap: wrap;
        gap: 6px 10px;
        padding: 8px 12px;
        border-bottom: 1px solid var(--line);
      }
      div {
        display: flex;
        gap: 4px;
      }
      button {
        padding: 3px 6px;
        display: inline-flex;
        align-items: center;
        gap: 3px;
        font-size: 13px;
      }
      @media (max-width: 760px) {
        :host {
          gap: 4px;
          justify-content: space-between;
          padding: 6px 12px;
        }
        .word {
          display: none;
        }
        button,
        button.level {
          min-width: 36px;
          min-height: 36px;
          justify-content: center;
        }
      }
      button.level {
        padding: 2px 5px;
      }
      button.level[aria-pressed="true"] {
        background: var(--ink);
        border-color: var(--ink);
      }
    `,
  ];

  protected override render() {
    const { fields, severities, within } = this.filter;
    return html`<div role="group" aria-label=${t("list.filterField")}>
        ${FIELDS.map(
          (name) =>
            html`<button
              data-field=${name}
              title=${t(`field.${name}`)}
              aria-label=${t(`field.${name}`)}
              aria-pressed=${fields.has(name)}
              @click=${() => this.tell({ ...this.filter, fields: toggled(fields, name) })}
            >
              ${fieldSign(name, 16)}<span class="word">${t(`field.${name}`)}</span>
            </button>`,
        )}
      </div>
      <div role="group" aria-label=${t("list.filterSeverity")}>
        ${SEVERITIES.map(
          (step) =>
            html`<button
              class="level"
              data-severity=${step}
              title=${levelName(step)}
              aria-label=${levelName(step)}
              aria-pressed=${severities.has(step)}
              @click=${() => this.tell({ ...this.filter, severities: toggled(severities, step) })}
            >
              ${ladderSign(step, 21)}
            </button>`,
        )}
      </div>
      ${within === null
        ? nothing
        : html`<button @click=${() => this.tell({ ...this.filter, within: null })}>
            ${t("list.within", { place: this.placeName || within })} ${tool("close", 13)}
          </button>`}
      ${isFiltering(this.filter)
        ? html`<button class="clear" @click=${() => this.tell(NO_FILTER)}>${t("list.clear")}</button>`
        : nothing}`;
  }

  private tell(filter: Filter): void {
    this.dispatchEvent(new CustomEvent<Filter>("filter", { detail: filter }));
  }
}

function toggled<T>(set: ReadonlySet<T>, item: T): ReadonlySet<T> {
  const next = new Set(set);
  if (!next.delete(item)) next.add(item);
  return next;
}
