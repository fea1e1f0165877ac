// One alarm in the list: level, what, where, since when, and the two things one can do about it.
import { LitElement, css, html, nothing } from "lit";
import { customElement, property, state } from "lit/decorators.js";
import { measured, place, subjectName } from "../alarm_text.ts";
import { moment, span } from "../format.ts";
import { lang, pick, t, type Word } from "../i18n.ts";
import { Live } from "../live.ts";
import { fieldSign, ladderSign, levelName } from "../pictures.ts";
import { actionProblemText } from "../problem.ts";
import { isUnacknowledged } from "../roll.ts";
import { isSeverity, LADDER } from "../severity.ts";
import { mayActOnAlarms } from "../session.ts";
import { store } from "../store.ts";
import type { Alarm } from "../types.ts";
import { askClose, choose, shared } from "./shared.ts";

@customElement("bt-alarm-row")
export class AlarmRow extends LitElement {
  @property({ attribute: false }) alarm!: Alarm;
  @property({ type: Boolean, reflect: true }) chosen = false;
  @state() private busy = false;
  @state() private problem = "";
  protected live = new Live(this, 1000);

  static override styles = [
    shared,
    css`
      :host {
        display: block;
        border-bottom: 1px solid var(--line);
      }
      article {
        display: grid;
        grid-template-columns: 30px minmax(0, 1fr);
        gap: 2px 9px;
        padding: 7px 12px 8px 9px;
        border-left: 5px solid var(--step);
      }
      article.waiting {
        background: color-mix(in srgb, var(--step) 13%, var(--panel));
      }
      :host([chosen]) article {
        box-shadow: inset 0 0 0 2px var(--accent);
      }
      article.closed {
        opacity: 0.62;
      }
      .signs {
        display: flex;
        flex-direction: column;
        align-items: center;
        gap: 5px;
        padding-top: 2px;
      }
      button.what {
        all: unset;
        cursor: pointer;
        min-width: 0;
        overflow-wrap: anywhere;
      }
      button.what:focus-visible {
        outline: 2px solid var(--focus);
        outline-offset: 2px;
      }
      .name {
        font-weight: 700;
        font-size: 15px;
      }
      .state {
        font-size: 12.5px;
        white-space: nowrap;
      }
      .waiting .state {
        font-weight: 700;
      }
      .line {
        display: block;
        font-size: 13px;
        color: var(--soft);
      }
      .line.value {
        color: var(--ink);
      }
      .head {
        display: flex;
        align-items: baseline;
        justify-content: space-between;
        gap: 10px;
      }
      .age {
        display: block;
        font-weight: 400;
        color: var(--soft);
        font-variant-numeric: tabular-nums;
      }
      .when {
        text-align: right;
        font-size: 12.5px;
        font-variant-numeric: tabular-nums;
        white-space: nowrap;
      }
      .acts {
        grid-column: 2;
        display: flex;
        flex-wrap: wrap;
        align-items: center;
        gap: 8px;
        margin-top: 3px;
      }
      .acts button {
        padding: 2px 11px;
      }
      @media (pointer: fine) {
        .acts button {
          min-height: 28px;
        }
      }
      .acts .state {
        margin-right: auto;
      }
    `,
  ];

  protected override render() {
    const { alarm } = this;
    const step = isSeverity(alarm.severity) ? LADDER[alarm.severity] : LADDER[1];
    const waiting = isUnacknowledged(alarm);
    return html`<article
      class="${waiting ? "waiting" : ""} ${alarm.state === "closed" ? "closed" : ""}"
      style="--step:${step.colour}"
      data-alarm=${alarm.alarm_id}
      data-state=${alarm.state}
      aria-label="${levelName(alarm.severity)} ${pick(alarm.name)} ${subjectName(alarm)}"
    >
      <span class="signs" title="${levelName(alarm.severity)} · ${t(`field.${alarm.field}`)}">
        ${ladderSign(alarm.severity, 26)}${fieldSign(alarm.field, 17)}
      </span>
      <button class="what" @click=${this.choose} aria-pressed=${this.chosen}>
        <span class="unseen">${levelName(alarm.severity)} ${t(`field.${alarm.field}`)}</span>
        <span class="head"><span class="name">${pick(alarm.name)}</span>${this.when()}</span>
        <span class="line value">${measured(alarm)}</span>
        <span class="line">${subjectName(alarm)} · ${place(alarm.path)}</span>
      </button>
      <div class="acts">${this.standing()}${this.actions()}</div>
      ${this.problem ? html`<p class="problem acts" role="alert">${this.problem}</p>` : nothing}
    </article>`;
  }

  private when() {
    const { raised_at: raised, occurrences } = this.alarm;
    return html`<span class="when">
      ${occurrences > 1 ? html`<span class="hush">${t("alarm.occurrences", { n: occurrences })}</span>` : nothing}
      <time datetime=${raised}>${moment(raised, store.nowMs())}</time>
    </span>`;
  }

  private standing() {
    const { alarm } = this;
    const word = t(`state.${alarm.state}`);
    if (alarm.state === "closed" && alarm.close_cause) {
      const cause = t(`cause.${alarm.close_cause}` as Word);
      return html`<span class="state">${word} · ${cause}</span>`;
    }
    const who = alarm.state === "acknowledged" ? alarm.acknowledged_by : null;
    const age = span((store.nowMs() - Date.parse(alarm.raised_at)) / 1000, lang());
    return html`<span class="state"
      >${who ? `${word} · ${who}` : word}<span class="age">${t("alarm.ago", { age })}</span></span
    >`;
  }

  private actions() {
    const { alarm } = this;
    if (alarm.state === "closed" || !mayActOnAlarms(store.desk.session)) return nothing;
    return html`${isUnacknowledged(alarm)
        ? html`<button class="main acknowledge" ?disabled=${this.busy} @click=${this.acknowledge}>
            ${t(this.busy ? "alarm.acknowledging" : "alarm.acknowledge")}
          </button>`
        : nothing}
      <button class="close" @click=${() => askClose(this, alarm.alarm_id)}>${t("alarm.close")}</button>`;
  }

  private choose(): void {
    // A row of the closed list may show an alarm the desk does not hold.
    store.take(this.alarm);
    choose(this, { alarm: this.alarm.alarm_id });
  }

  private async acknowledge(): Promise<void> {
    this.busy = true;
    this.problem = "";
    try {
      await store.acknowledge(this.alarm.alarm_id);
    } catch (cause) {
      this.problem = actionProblemText(cause);
    }
    this.busy = false;
  }
}
