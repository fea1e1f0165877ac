// One alarm in full: what to do, how it came about, who did what, and a note of one's own.
import { LitElement, css, html, nothing } from "lit";
import { customElement, property, query, state } from "lit/decorators.js";
import { measured, place, subjectName } from "../alarm_text.ts";
import { moment, withUnit } from "../format.ts";
import { pick, t, type Word } from "../i18n.ts";
import { Live } from "../live.ts";
import { ladderSign, levelName } from "../pictures.ts";
import { actionProblemText, problemText } from "../problem.ts";
import { mayActOnAlarms } from "../session.ts";
import { store } from "../store.ts";
import type { Alarm, AlarmEvent, Occurrence } from "../types.ts";
import { say } from "../words/watch.ts";
import { shared } from "./shared.ts";
import "./alarm-acts.ts";

@customElement("bt-alarm-card")
export class AlarmCard extends LitElement {
  @property({ attribute: false }) alarm!: Alarm;
  @state() private events: AlarmEvent[] = [];
  @state() private occurrences: Occurrence[] = [];
  @state() private problem = "";
  @state() private busy = false;
  @query("input") private note!: HTMLInputElement;
  private seen = "";
  protected live = new Live(this);

  static override styles = [
    shared,
    css`
      :host {
        display: block;
        padding: 12px 14px;
        background: var(--raised);
        border-bottom: 1px solid var(--line);
      }
      h3 {
        display: flex;
        align-items: center;
        gap: 8px;
        font-size: 16px;
      }
      p {
        margin: 4px 0;
      }
      .advice {
        border-left: 4px solid var(--accent);
        padding: 5px 10px;
        margin: 9px 0;
        background: var(--panel);
        border-radius: 0 6px 6px 0;
      }
      .advice b {
        display: block;
        font-size: 12.5px;
        color: var(--soft);
      }
      ol {
        list-style: none;
        margin: 6px 0;
        padding: 0;
        font-size: 13px;
      }
      li {
        padding: 2px 0;
        overflow-wrap: anywhere;
      }
      time {
        font-variant-numeric: tabular-nums;
        color: var(--soft);
      }
      form {
        display: flex;
        gap: 6px;
        margin-top: 8px;
      }
      form button {
        flex: none;
      }
      small {
        color: var(--soft);
      }
    `,
  ];

  protected override updated(): void {
    const key = `${this.alarm.alarm_id} ${this.alarm.event_id}`;
    if (key === this.seen) return;
    this.seen = key;
    void this.load();
  }

  protected override render() {
    const { alarm } = this;
    const advice = pick(alarm.advice);
    const rule = t("alarm.ruleVersion", { rule: alarm.rule_id, version: alarm.rule_version });
    return html`<h3>${ladderSign(alarm.severity, 26)} ${pick(alarm.name)}</h3>
      <p>
        ${levelName(alarm.severity)} · ${t(`state.${alarm.state}`)}
        ${alarm.peak_severity > alarm.severity
          ? html` · ${t("alarm.peak", { level: levelName(alarm.peak_severity) })}`
          : nothing}
        ${alarm.latch && alarm.state !== "closed" ? html` · ${t("alarm.latched")}` : nothing}
      </p>
      ${alarm.life_safety || alarm.advisory
        ? html`<p><b>${say(alarm.life_safety ? "alarm.lifeSafety" : "alarm.advisory")}</b></p>`
        : nothing}
      <p>${measured(alarm)}</p>
      ${alarm.said ? html`<p>${pick(alarm.said)}</p>` : nothing}
      <p class="hush">${subjectName(alarm)} · ${place(alarm.path)}</p>
      ${advice ? html`<div class="advice"><b>${t("alarm.advice")}</b>${advice}</div>` : nothing}
      <bt-alarm-acts .alarm=${alarm}></bt-alarm-acts>
      ${this.occurrences.length > 1 ? this.times() : nothing}
      <b>${t("alarm.history")}</b>
      <ol>
        ${this.events.map((event) => this.event(event))}
      </ol>
      ${this.problem ? html`<p class="problem" role="alert">${this.problem}</p>` : nothing}
      ${mayActOnAlarms(store.desk.session) ? this.noteForm() : nothing}
      <small>${t("alarm.rule")} ${rule}</small>`;
  }

  private times() {
    const now = store.nowMs();
    return html`<details>
      <summary>${say("alarm.occurrences")} ${this.occurrences.length}</summary>
      <ol>
        ${this.occurrences.map(
          (one) =>
            html`<li>
              <time datetime=${one.onset_at}>${moment(one.onset_at, now)}</time>
              ${one.returned_at ? html`– ${moment(one.returned_at, now)}` : nothing} ${ladderSign(one.severity, 15)}
              ${one.value === null ? nothing : say("alarm.peak", { value: withUnit(one.value, this.alarm.unit) })}
            </li>`,
        )}
      </ol>
    </details>`;
  }

  private event(event: AlarmEvent) {
    const value = event.value === null ? "" : withUnit(event.value, this.alarm.unit);
    const system = event.actor === "system" || event.actor === "engine" || event.actor === "";
    const cause = event.kind === "closed" && this.alarm.close_cause;
    return html`<li>
      <time datetime=${event.event_at}>${moment(event.event_at, store.nowMs())}</time>
      ${t(`event.${event.kind}` as Word)} ${ladderSign(event.severity, 15)} ${system ? value : event.actor}
      ${cause ? t(`cause.${cause}` as Word) : ""} ${event.about ?? ""} ${event.note ? html`— ${event.note}` : nothing}
    </li>`;
  }

  private noteForm() {
    return html`<form @submit=${this.send}>
      <input name="note" maxlength="1000" aria-label=${t("alarm.note")} placeholder=${t("alarm.note")} />
      <button ?disabled=${this.busy}>${t(this.busy ? "alarm.noteBusy" : "alarm.noteSend")}</button>
    </form>`;
  }

  private async load(): Promise<void> {
    const { alarm_id: id } = this.alarm;
    try {
      const detail = await store.api.alarm(id);
      if (id !== this.alarm.alarm_id) return;
      this.events = detail.events;
      this.occurrences = detail.occurrences_list ?? [];
      this.problem = "";
    } catch (cause) {
      this.problem = problemText(cause);
    }
  }

  private async send(event: Event): Promise<void> {
    event.preventDefault();
    const note = this.note.value.trim();
    if (!note || this.busy) return;
    this.busy = true;
    try {
      await store.comment(this.alarm.alarm_id, note);
      this.note.value = "";
      await this.load();
    } catch (cause) {
      this.problem = actionProblemText(cause);
    }
    this.busy = false;
  }
}
