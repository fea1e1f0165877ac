// The worst new severe alarm over the map and how many more there are, announced to screen readers,
// until looked at, acknowledged or put away. One notice, so that a storm does not cover the map.
import { LitElement, css, html, nothing } from "lit";
import { customElement, state } from "lit/decorators.js";
import { measured, place, subjectName } from "../alarm_text.ts";
import { clock, measure } from "../format.ts";
import { pick, t } from "../i18n.ts";
import { Live } from "../live.ts";
import { ladderSign, levelName, tool } from "../pictures.ts";
import { isSeverity, LADDER, SEVERE } from "../severity.ts";
import { sound } from "../sound.ts";
import { store, type Call } from "../store.ts";
import type { Alarm, Provisional } from "../types.ts";
import { choose, shared } from "./shared.ts";

const RANK = { blue: 1, yellow: 2, orange: 3, red: 4 } as const;
/** A storm must not cover the map. */
const EARLY_SHOWN = 3;

/** The worst of the alarms; of equals the one that came last (they are given newest first). */
function worst(waiting: Alarm[]): Alarm {
  return waiting.reduce((chosen, alarm) => (alarm.severity > chosen.severity ? alarm : chosen));
}

@customElement("bt-call-banner")
export class CallBanner extends LitElement {
  @state() private calls: string[] = [];
  @state() private said = "";
  protected live = new Live(this);

  static override styles = [
    shared,
    css`
      :host {
        display: grid;
        gap: 6px;
        grid-template-columns: minmax(0, 1fr);
        justify-items: center;
        pointer-events: none;
      }
      article {
        pointer-events: auto;
        display: flex;
        align-items: center;
        gap: 10px;
        width: min(560px, 100%);
        padding: 8px 10px 8px 12px;
        background: var(--panel);
        border: 2px solid var(--step);
        border-left-width: 8px;
        border-radius: var(--radius);
        box-shadow: var(--shadow);
      }
      article.early {
        border-style: dashed;
      }
      .text {
        flex: 1;
        min-width: 0;
        font-size: 13px;
      }
      .text b {
        font-size: 15px;
      }
      .text span {
        display: block;
        overflow: hidden;
        text-overflow: ellipsis;
        white-space: nowrap;
      }
      .text .more {
        white-space: normal;
        color: var(--soft);
      }
      .more button {
        min-height: 0;
        padding: 0 6px;
        text-decoration: underline;
      }
      @media (prefers-reduced-motion: no-preference) {
        article {
          animation: arrive 0.25s ease-out;
        }
      }
      @keyframes arrive {
        from {
          transform: translateY(-12px);
          opacity: 0;
        }
      }
    `,
  ];

  override connectedCallback(): void {
    super.connectedCallback();
    store.addEventListener("call", this.hear);
    store.addEventListener("provisional", this.hearEarly);
  }

  override disconnectedCallback(): void {
    store.removeEventListener("call", this.hear);
    store.removeEventListener("provisional", this.hearEarly);
    super.disconnectedCallback();
  }

  protected override render() {
    const waiting = this.calls
      .map((id) => store.desk.alarms.get(id))
      .filter((alarm): alarm is Alarm => alarm?.state === "unacknowledged");
    return html`<div class="unseen" role="alert" aria-live="assertive">${this.said}</div>
      ${waiting.length ? this.call(worst(waiting), waiting.length - 1) : nothing}
      ${[...store.provisional.shown.values()].slice(-EARLY_SHOWN).map((told) => this.early(told))}`;
  }

  /** An alarm that the server has told and not stored: there is nothing yet that one could act on. */
  private early(told: Provisional) {
    const severity = RANK[told.severity];
    const said = pick({ zh: told.said[0], en: told.said[1] });
    const value = told.value === null ? "" : `${measure(told.value)} / ${measure(told.threshold)}`;
    return html`<article class="early" style="--step:${LADDER[severity].colour}" data-provisional=${told.event_key}>
      ${ladderSign(severity, 30)}
      <div class="text">
        <span><b>${pick(told.name)}</b> · ${levelName(severity)} · ${clock(told.event_at)}</span>
        <span>${told.subject.replace(/^\w+:/, "")} · ${said || value}</span>
        <span class="more">${t("alarm.provisional")}</span>
      </div>
    </article>`;
  }

  private call(alarm: Alarm, more: number) {
    const colour = isSeverity(alarm.severity) ? LADDER[alarm.severity].colour : LADDER[1].colour;
    return html`<article style="--step:${colour}" data-call=${alarm.alarm_id}>
      ${ladderSign(alarm.severity, 30)}
      <div class="text">
        <span><b>${pick(alarm.name)}</b> · ${levelName(alarm.severity)} · ${clock(alarm.raised_at)}</span>
        <span>${subjectName(alarm)} · ${place(alarm.path)}</span>
        <span>${measured(alarm)}</span>
        ${more
          ? html`<span class="more">${t("alarm.more", { n: more })}
              <button class="bare" @click=${() => (this.calls = [])}>${t("alarm.dismissAll")}</button></span>`
          : nothing}
      </div>
      <button class="main" @click=${() => this.show(alarm)}>${t("alarm.show")}</button>
      <button class="bare" aria-label=${t("alarm.dismiss")} title=${t("alarm.dismiss")}
        @click=${() => this.forget(alarm.alarm_id)}>${tool("close")}</button>
    </article>`;
  }

  private hear = (event: Event): void => {
    const { alarm, escalated } = (event as CustomEvent<Call>).detail;
    this.calls = [alarm.alarm_id, ...this.calls.filter((id) => id !== alarm.alarm_id)].slice(0, 50);
    const opening = t(escalated ? "alarm.escalated" : "alarm.new");
    this.said = `${opening}：${levelName(alarm.severity)} ${pick(alarm.name)}，${subjectName(alarm)}，${place(alarm.path)}`;
    sound(alarm.severity);
  };

  private hearEarly = (event: Event): void => {
    const told = (event as CustomEvent<Provisional>).detail;
    const severity = RANK[told.severity];
    this.said = `${t("alarm.new")}：${levelName(severity)} ${pick(told.name)}，${told.subject.replace(/^\w+:/, "")}`;
    if (severity >= SEVERE) sound(severity);
  };

  private show(alarm: Alarm): void {
    this.forget(alarm.alarm_id);
    choose(this, { alarm: alarm.alarm_id });
  }

  private forget(id: string): void {
    this.calls = this.calls.filter((call) => call !== id);
  }
}
