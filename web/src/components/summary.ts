// The district in one line: devices by freshness, the rate of readings, open alarms by field.
import { LitElement, css, html, nothing } from "lit";
import { customElement } from "lit/decorators.js";
import { count, rate } from "../format.ts";
import { lang, t } from "../i18n.ts";
import { Live } from "../live.ts";
import { fieldSign, ladderSign } from "../pictures.ts";
import { isHidden, isUnacknowledged } from "../roll.ts";
import { store } from "../store.ts";
import { FIELDS, type FieldName } from "../types.ts";
import { shared } from "./shared.ts";

interface FieldSum {
  open: number;
  unacknowledged: number;
  severity: number;
}

@customElement("bt-summary")
export class Summary extends LitElement {
  protected live = new Live(this);

  static override styles = [
    shared,
    css`
      :host {
        display: flex;
        flex-wrap: wrap;
        align-items: center;
        gap: 2px 14px;
        padding: 5px 14px;
        background: var(--panel);
        border-bottom: 1px solid var(--line);
        min-height: 38px;
      }
      .group {
        display: inline-flex;
        align-items: center;
        gap: 4px 10px;
        white-space: nowrap;
      }
      b {
        font-variant-numeric: tabular-nums;
        font-size: 15px;
      }
      .bad b {
        color: var(--danger);
      }
      .field {
        display: inline-flex;
        align-items: center;
        gap: 4px;
      }
      .field.quiet {
        color: var(--soft);
      }
      .fields {
        margin-left: auto;
      }
      .unack {
        border: 1px solid currentColor;
        border-radius: 9px;
        font-size: 12px;
        padding: 0 6px;
        font-weight: 700;
      }
      @media (max-width: 1450px) {
        .en .wide {
          display: none;
        }
      }
      @media (max-width: 760px) {
        :host {
          padding: 5px 8px;
          gap: 3px 12px;
          font-size: 13px;
        }
        .group {
          flex-wrap: wrap;
        }
        .fields {
          margin-left: 0;
          width: 100%;
          justify-content: space-between;
          gap: 1px 5px;
        }
        .group:not(.fields) {
          width: 100%;
          justify-content: space-between;
          gap: 1px 5px;
        }
        .wide,
        .unack {
          display: none;
        }
      }
    `,
  ];

  protected override render() {
    const { totals, beat } = store.shown;
    if (!totals) return html`<span class="hush">${t("app.loading")}</span>`;
    return html`<span class="group" role="group" aria-label=${t("sum.title")}>
        <span>${t("sum.devices")} <b data-sum="devices">${count(totals.devices)}</b></span>
        <span>${t("sum.fresh")} <b data-sum="fresh">${count(totals.fresh)}</b></span>
        <span class=${totals.stale > 0 ? "bad" : ""}>${t("sum.stale")} <b>${count(totals.stale)}</b></span>
        <span>${t("sum.never")} <b>${count(totals.never)}</b></span>
        ${totals.unplaced > 0
          ? html`<span class="wide">${t("sum.unplaced")} <b>${count(totals.unplaced)}</b></span>`
          : nothing}
        <span>${t("sum.rate")} <b data-sum="rate">${beat && !store.past ? rate(beat.readings_per_s) : "—"}</b></span>
      </span>
      <span class="group fields ${lang()}">
        <span class="wide">${t("sum.open")} <b>${count(totals.open)}</b></span>
        <span class=${totals.unacknowledged > 0 ? "bad" : ""}
          >${t("sum.unacknowledged")} <b data-sum="unacknowledged">${count(totals.unacknowledged)}</b></span
        >
        ${this.fields()}
      </span>`;
  }

  private fields() {
    const sums = sumByField();
    return FIELDS.map((field) => {
      const { open, unacknowledged, severity } = sums[field];
      const values = { field: t(`field.${field}`), open, unack: unacknowledged };
      const said = t("sum.field", values);
      return html`<span class="field ${open ? "" : "quiet"}" title=${said} role="img" aria-label=${said}>
        ${fieldSign(field, 17)} <span class="wide">${values.field}</span> ${open ? ladderSign(severity, 17) : nothing}
        <b>${open}</b>${unacknowledged ? html`<span class="unack">${unacknowledged}</span>` : nothing}
      </span>`;
    });
  }
}

function sumByField(): Record<FieldName, FieldSum> {
  const none = (): FieldSum => ({ open: 0, unacknowledged: 0, severity: 0 });
  const sums = { fire: none(), water: none(), slope: none(), traffic: none(), system: none() };
  if (store.past) {
    for (const [field, told] of Object.entries(store.past.totals.by_field)) {
      Object.assign(sums[field as FieldName], told);
    }
    return sums;
  }
  for (const alarm of store.desk.alarms.values()) {
    if (alarm.state === "closed" || isHidden(alarm)) continue;
    const sum = sums[alarm.field];
    sum.open += 1;
    sum.severity = Math.max(sum.severity, alarm.severity);
    if (isUnacknowledged(alarm)) sum.unacknowledged += 1;
  }
  return sums;
}
