// What the alarms cost the people who watch them, held against EEMUA 191 and ISA-18.2.
import { LitElement, html, nothing } from "lit";
import { customElement, state } from "lit/decorators.js";
import { report, type Report, type Target } from "../alarms_api.ts";
import { measure } from "../format.ts";
import { t, type Word } from "../i18n.ts";
import { Live } from "../live.ts";
import { ladderSign, levelName } from "../pictures.ts";
import { problemText } from "../problem.ts";
import { LADDER } from "../severity.ts";
import { store } from "../store.ts";
import { SEVERITIES } from "../types.ts";
import { say, sayOf } from "../words/watch.ts";
import { mapsStyles } from "./maps-styles.ts";
import { shared } from "./shared.ts";
import { watchStyles } from "./watch-styles.ts";

const SPANS = { day: 1, week: 7, month: 30 } as const;
type Span = keyof typeof SPANS;
const CAUSES = ["true", "false", "test", "maintenance", "returned"] as const;
const DAY_MS = 86_400_000;

@customElement("bt-alarm-report")
export class AlarmReport extends LitElement {
  @state() private span: Span = "day";
  @state() private told: Report | null = null;
  @state() private problem = "";
  protected live = new Live(this);

  static override styles = [shared, mapsStyles, watchStyles];

  override connectedCallback(): void {
    super.connectedCallback();
    void this.load();
  }

  protected override render() {
    return html`<div class="tabs" role="group" aria-label=${say("report.span")}>
        ${(Object.keys(SPANS) as Span[]).map(
          (span) =>
            html`<button aria-pressed=${this.span === span} data-span=${span} @click=${() => this.turn(span)}>
              ${say(`report.${span}`)}
            </button>`,
        )}
      </div>
      ${this.problem ? html`<section class="problem" role="alert">${this.problem}</section>` : nothing}
      ${this.told ? this.sheet(this.told) : html`<section>${say("loading")}</section>`}`;
  }

  private sheet(told: Report) {
    return html`<section>
        <h3>${say("report.targets")}</h3>
        <p><b data-report="alarms">${say("report.alarms", { n: told.alarms })}</b></p>
        <table>
          ${Object.entries(told.targets).map(([name, target]) => this.target(name, target))}
        </table>
      </section>
      ${this.priorities(told)} ${this.causes(told)}
      <section>
        <h3>${say("report.top")}</h3>
        ${this.sources(told.top.map((one) => ({ ...one, n: one.count })))}
      </section>
      <section>
        <h3>${say("report.chattering")}</h3>
        ${this.sources(told.chattering.map((one) => ({ ...one, n: one.times })))}
        <p>${say("report.stale", { n: told.stale })}</p>
      </section>`;
  }

  private target(name: string, { value, limit, ok }: Target) {
    const verdict = ok === null ? "report.unknown" : ok ? "report.ok" : "report.notOk";
    return html`<tr data-target=${name}>
      <td>${sayOf(`target.${name}`)}</td>
      <td class="n">${value === null ? "—" : measure(value)}</td>
      <td class="n hush">${say("report.limit", { limit: measure(limit) })}</td>
      <td class="n"><span class="verdict ${ok === false ? "missed" : ""}">${ok === false ? "✕" : ok ? "✓" : "–"} ${say(verdict)}</span></td>
    </tr>`;
  }

  private priorities(told: Report) {
    const all = Object.values(told.priorities).reduce((sum, n) => sum + n, 0) || 1;
    return html`<section>
      <h3>${say("report.priorities")}</h3>
      <table>
        ${SEVERITIES.map((severity) => {
          const { key, colour } = LADDER[severity];
          const n = told.priorities[key] ?? 0;
          return html`<tr>
            <td>${ladderSign(severity, 18)} ${levelName(severity)}</td>
            <td class="n">${n}</td>
            <td style="width:45%"><span class="bar" style="width:${(100 * n) / all}%;background:${colour}"></span></td>
          </tr>`;
        })}
      </table>
    </section>`;
  }

  private causes(told: Report) {
    const share = told.confirmed.share_true;
    return html`<section>
      <h3>${say("report.confirmed")}</h3>
      <p class="changes">
        ${CAUSES.map((cause) => html`<span>${t(`cause.${cause}` as Word)} <b>${told.confirmed[cause] ?? 0}</b></span>`)}
      </p>
      ${share === null ? nothing : html`<p>${say("report.trueShare", { share: `${Math.round(share * 100)} %` })}</p>`}
    </section>`;
  }

  private sources(list: readonly { rule_id: string; subject: string; n: number }[]) {
    if (list.length === 0) return html`<p class="hush">${say("report.none")}</p>`;
    const most = Math.max(...list.map((one) => one.n));
    return html`<table>
      ${list.map(
        ({ rule_id: rule, subject, n }) =>
          html`<tr>
            <td>${subject.replace(/^\w+:/, "")}<small>${rule}</small></td>
            <td class="n">${say("report.times", { n })}</td>
            <td style="width:30%"><span class="bar" style="width:${(100 * n) / most}%"></span></td>
          </tr>`,
      )}
    </table>`;
  }

  private turn(span: Span): void {
    this.span = span;
    this.told = null;
    void this.load();
  }

  private async load(): Promise<void> {
    const { span } = this;
    try {
      const to = store.nowMs();
      const told = await report(new Date(to - SPANS[span] * DAY_MS), new Date(to));
      if (span !== this.span) return;
      this.told = told;
      this.problem = "";
    } catch (cause) {
      this.problem = problemText(cause);
    }
  }
}
