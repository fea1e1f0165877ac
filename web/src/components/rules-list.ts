// The rules in force, and one of them tried on history: how many alarms, where, and how many people woken.
import { LitElement, html, nothing } from "lit";
import { customElement, property, query, state } from "lit/decorators.js";
import { backTest, rankOf, rules, tried, type BackTest, type RuleHead, type Trial, type TrialAlarm } from "../alarms_api.ts";
import { count, measure, moment } from "../format.ts";
import { pick, t } from "../i18n.ts";
import { Live } from "../live.ts";
import { fieldSign, ladderSign } from "../pictures.ts";
import { TrialGuest, TRIAL_DEVICES, trialFeatures } from "../map/trial_guest.ts";
import { problemText } from "../problem.ts";
import { LADDER } from "../severity.ts";
import { store } from "../store.ts";
import { FIELDS, SEVERITIES, type FieldName } from "../types.ts";
import { say } from "../words/watch.ts";
import { mapsStyles } from "./maps-styles.ts";
import type { MapView } from "./map-view.ts";
import { choose, shared } from "./shared.ts";
import { watchStyles } from "./watch-styles.ts";

const SPANS = { day: 1, week: 7, month: 30 } as const;
type Span = keyof typeof SPANS;
const DAY_MS = 86_400_000;
const ROWS = 100;

@customElement("bt-rules-list")
export class RulesList extends LitElement {
  @property({ attribute: false }) map: MapView | null = null;
  @state() private list: RuleHead[] | null = null;
  @state() private field: FieldName | null = null;
  @state() private chosen: RuleHead | null = null;
  @state() private span: Span = "week";
  @state() private result: BackTest | null = null;
  @state() private busy = false;
  @state() private problem = "";
  @query("textarea") private text!: HTMLTextAreaElement | null;
  private readonly guest = new TrialGuest();
  protected live = new Live(this);

  static override styles = [shared, mapsStyles, watchStyles];

  override connectedCallback(): void {
    super.connectedCallback();
    this.guest.pressed = (device) => choose(this, { device });
    void this.load();
  }

  override disconnectedCallback(): void {
    this.map?.guests.leave(this.guest);
    super.disconnectedCallback();
  }

  protected override render() {
    if (this.problem && !this.list) return html`<section class="problem" role="alert">${this.problem}</section>`;
    if (!this.list) return html`<section>${say("loading")}</section>`;
    if (this.chosen) return this.one(this.chosen);
    const shown = this.list.filter((rule) => this.field === null || rule.field === this.field);
    return html`<div class="tabs" role="group" aria-label=${say("rule.field")}>
        <button aria-pressed=${this.field === null} @click=${() => (this.field = null)}>${say("rule.all")}</button>
        ${FIELDS.map(
          (field) =>
            html`<button aria-pressed=${this.field === field} data-field=${field} @click=${() => (this.field = field)}>
              ${t(`field.${field}`)}
            </button>`,
        )}
      </div>
      ${shown.length === 0 ? html`<section>${say("rule.none")}</section>` : shown.map((rule) => this.row(rule))}`;
  }

  private row(rule: RuleHead) {
    return html`<button class="row" data-rule=${rule.rule_id} @click=${() => this.turn(rule)}>
      <span class="head">${fieldSign(rule.field, 17)} <b>${pick(rule.name)}</b> ${this.chips(rule)}</span>
      <small>${rule.rule_id} · ${say("rule.version", { n: rule.version })}</small>
      <span class="changes">${ladder(rule)}</span>
    </button>`;
  }

  private chips(rule: RuleHead) {
    return html`${rule.life_safety ? html`<span class="chip strong">${say("rule.lifeSafety")}</span>` : nothing}
    ${rule.advisory ? html`<span class="chip">${say("rule.advisory")}</span>` : nothing}`;
  }

  private one(rule: RuleHead) {
    const { loaded_by: by, overrides } = rule;
    return html`<section>
        <button class="back" @click=${() => this.turn(null)}>${say("back")}</button>
        <p>${fieldSign(rule.field, 17)} <b>${pick(rule.name)}</b> ${this.chips(rule)}</p>
        <small>${rule.rule_id} · ${rule.type} · ${say("rule.version", { n: rule.version })}</small>
        <small>${say("rule.loaded", { by: by || "—", at: moment(rule.loaded_at, store.nowMs()) })} ${rule.note}</small>
        ${overrides > 0 ? html`<small>${say("rule.overrides", { n: overrides })}</small>` : nothing}
        <p class="changes">${ladder(rule)}</p>
        <small>${say("rule.source")}: ${rule.source}</small>
      </section>
      ${this.form()} ${this.result ? this.outcome(this.result) : nothing}`;
  }

  private form() {
    return html`<section>
      <h3>${say("trial.title")}</h3>
      <div class="acts" role="group" aria-label=${say("report.span")}>
        ${(Object.keys(SPANS) as Span[]).map(
          (span) =>
            html`<button aria-pressed=${this.span === span} data-span=${span} @click=${() => (this.span = span)}>
              ${say(`report.${span}`)}
            </button>`,
        )}
      </div>
      <p class="hush">${say("trial.hint")}</p>
      <label>${say("trial.text")}<textarea spellcheck="false" maxlength="60000"></textarea></label>
      ${this.problem ? html`<p class="problem" role="alert">${this.problem}</p>` : nothing}
      <div class="acts">
        <button class="main run" ?disabled=${this.busy} @click=${this.run}>${say(this.busy ? "trial.busy" : "trial.run")}</button>
      </div>
    </section>`;
  }

  private outcome(told: BackTest) {
    const { candidate, in_force: inForce } = told;
    const done = { series: count(told.series), readings: count(told.readings), seconds: measure(told.seconds) };
    const line = (word: "trial.alarms" | "trial.woken" | "trial.peak", of: (trial: Trial) => number) =>
      html`<tr>
        <td>${say(word)}</td>
        <td class="n" data-trial=${word}>${count(of(candidate))}</td>
        ${inForce ? html`<td class="n">${count(of(inForce))}</td>` : nothing}
      </tr>`;
    return html`<section data-result=${told.rule_id}>
        <small>${say("trial.done", done)}</small>
        <table>
          <tr>
            <th></th>
            <th class="n">${say("trial.candidate")}</th>
            ${inForce ? html`<th class="n">${say("trial.inForce")}</th>` : nothing}
          </tr>
          ${line("trial.alarms", (trial) => trial.alarms)} ${line("trial.woken", (trial) => trial.woken)}
          ${line("trial.peak", (trial) => trial.peak_10min)}
          ${SEVERITIES.map(
            (severity) =>
              html`<tr>
                <td>${ladderSign(severity, 17)}</td>
                <td class="n">${candidate.by_severity[LADDER[severity].key] ?? 0}</td>
                ${inForce ? html`<td class="n">${inForce.by_severity[LADDER[severity].key] ?? 0}</td>` : nothing}
              </tr>`,
          )}
        </table>
      </section>
      ${candidate.alarms === 0 ? html`<section>${say("trial.quiet")}</section>` : this.where(candidate)}`;
  }

  private where(trial: Trial) {
    const most = Math.max(1, ...trial.per_day.map((day) => day.alarms));
    const name = new Map(trial.devices.map((device) => [device.device_id, device.name]));
    return html`<section>
        <h3>${say("trial.perDay")}</h3>
        <div class="days" role="img" aria-label=${trial.per_day.map((day) => `${day.day} ${day.alarms}`).join(", ")}>
          ${trial.per_day.map((day) => html`<span title="${day.day} ${day.alarms}" style="height:${(100 * day.alarms) / most}%"></span>`)}
        </div>
      </section>
      <section>
        <h3>${say("trial.devices", { n: trial.devices.length })}</h3>
        ${trial.devices.slice(0, ROWS).map(
          (device) =>
            html`<button class="finding" data-device=${device.device_id} @click=${() => choose(this, { device: device.device_id })}>
              ${ladderSign(rankOf(device.worst), 17)}<span>${device.name} <b>${device.alarms}</b></span>
            </button>`,
        )}
      </section>
      <section>
        <h3>${say("trial.list")}</h3>
        ${trial.list.slice(0, ROWS).map((one) => this.alarm(one, name.get(one.device_id) ?? one.device_id))}
        ${trial.list_cut || trial.list.length > ROWS
          ? html`<p class="hush">${say("trial.cut", { n: Math.min(ROWS, trial.list.length) })}</p>`
          : nothing}
      </section>`;
  }

  private alarm(one: TrialAlarm, name: string) {
    const now = store.nowMs();
    const end = one.returned_at ? say("trial.lasted", { at: moment(one.returned_at, now) }) : say("trial.open");
    return html`<p>
      ${ladderSign(rankOf(one.peak), 17)} ${name}
      <small>${moment(one.raised_at, now)} ${end} · ${measure(one.value)} / ${measure(one.threshold)}</small>
    </p>`;
  }

  private turn(rule: RuleHead | null): void {
    this.chosen = rule;
    this.result = null;
    this.problem = "";
    this.map?.guests.leave(this.guest);
  }

  private run = async (): Promise<void> => {
    const { chosen } = this;
    if (!chosen || this.busy) return;
    this.busy = true;
    this.problem = "";
    const toml = this.text?.value.trim() ?? "";
    const to = store.nowMs();
    try {
      const result = await backTest(tried(chosen.rule_id, toml), new Date(to - SPANS[this.span] * DAY_MS), new Date(to));
      if (chosen === this.chosen) this.show(result);
    } catch (cause) {
      if (chosen === this.chosen) this.problem = problemText(cause);
    }
    this.busy = false;
  };

  private show(result: BackTest): void {
    this.result = result;
    this.map?.guests.host(this.guest);
    this.map?.guests.feed(this.guest, TRIAL_DEVICES, trialFeatures(result.candidate.devices));
  }

  private async load(): Promise<void> {
    try {
      this.list = await rules();
      this.problem = "";
    } catch (cause) {
      this.problem = problemText(cause);
    }
  }
}

function ladder(rule: RuleHead) {
  return rule.levels.map(
    (level) =>
      html`<span>${ladderSign(rankOf(level.severity), 17)} ${level.raise === null ? nothing : measure(level.raise)}</span>`,
  );
}
