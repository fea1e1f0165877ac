// What can be done to an alarm beyond taking it up and closing it: to whom it goes, and how it is put out of sight.
import { LitElement, css, html, nothing } from "lit";
import { customElement, property, state } from "lit/decorators.js";
import { act } from "../alarms_api.ts";
import { deedsOf, type Deed } from "../deeds.ts";
import { moment } from "../format.ts";
import { Live } from "../live.ts";
import { actionProblemText } from "../problem.ts";
import { mayActOnAlarms } from "../session.ts";
import { store } from "../store.ts";
import type { Alarm } from "../types.ts";
import { say, sayOf, type WatchWord } from "../words/watch.ts";
import { shared } from "./shared.ts";

const MAX_TEXT = 500;
/** Shelving ends by itself, after eight hours at the latest. */
const SHELVES: readonly number[] = [30, 60, 240, 480];

interface Field {
  name: string;
  word: WatchWord;
}
const FIELDS: Readonly<Partial<Record<Deed, readonly Field[]>>> = {
  assign: [{ name: "to", word: "acts.to" }],
  shelve: [{ name: "why", word: "acts.why" }],
  suppress: [
    { name: "by", word: "acts.by" },
    { name: "why", word: "acts.why" },
  ],
  "out-of-service": [
    { name: "work_order", word: "acts.order" },
    { name: "why", word: "acts.why" },
  ],
};

@customElement("bt-alarm-acts")
export class AlarmActs extends LitElement {
  @property({ attribute: false }) alarm!: Alarm;
  @state() private deed: Deed | null = null;
  @state() private busy = false;
  @state() private problem = "";
  protected live = new Live(this);

  static override styles = [
    shared,
    css`
      .row {
        display: flex;
        flex-wrap: wrap;
        gap: 6px;
        margin-top: 8px;
      }
      form {
        display: grid;
        gap: 6px;
        margin-top: 6px;
        padding: 8px;
        border: 1px solid var(--line);
        border-radius: 6px;
      }
      select {
        font: inherit;
        color: var(--ink);
        background: var(--ground);
        border: 1px solid var(--line);
        border-radius: 6px;
        padding: 6px;
        width: 100%;
        min-height: 32px;
      }
      .hidden {
        border-left: 4px solid var(--line);
        padding: 5px 10px;
        margin: 9px 0;
        background: var(--panel);
        border-radius: 0 6px 6px 0;
      }
      small {
        display: block;
        color: var(--soft);
      }
    `,
  ];

  protected override render() {
    return html`${this.standing()}
    ${mayActOnAlarms(store.desk.session) ? this.actions() : nothing}`;
  }

  private standing() {
    const { alarm } = this;
    const until = alarm.hidden_until ? say("hidden.until", { at: moment(alarm.hidden_until, store.nowMs()) }) : "";
    return html`${alarm.assigned_to ? html`<p>${say("alarm.assigned", { name: alarm.assigned_to })}</p>` : nothing}
    ${alarm.hidden
      ? html`<div class="hidden" data-hidden=${alarm.hidden}>
          <b>${sayOf(`hidden.${alarm.hidden}`)}</b> ${until} · ${alarm.hidden_by ?? ""} — ${alarm.hidden_why ?? ""}
          <small>${say("hidden.goesOn")}</small>
        </div>`
      : nothing}`;
  }

  private actions() {
    const deeds = deedsOf(this.alarm);
    if (deeds.length === 0) return nothing;
    return html`<div class="row" role="group" aria-label=${say("acts.more")}>
        ${deeds.map(
          (deed) =>
            html`<button data-deed=${deed} aria-expanded=${this.deed === deed} ?disabled=${this.busy} @click=${() => this.turn(deed)}>
              ${say(`acts.${deed}`)}
            </button>`,
        )}
      </div>
      ${this.deed ? this.form(this.deed) : nothing}
      ${this.problem ? html`<p class="problem" role="alert">${this.problem}</p>` : nothing}`;
  }

  private form(deed: Deed) {
    return html`<form @submit=${(event: SubmitEvent) => this.send(event, deed)}>
      ${(FIELDS[deed] ?? []).map(({ name, word }) => html`<label>${say(word)}<input name=${name} maxlength=${MAX_TEXT} /></label>`)}
      ${deed === "shelve"
        ? html`<label
            >${say("acts.minutes")}<select name="minutes">
              ${SHELVES.map((minutes) => html`<option value=${minutes}>${minutes < 60 ? say("acts.halfHour") : say("acts.hour", { n: minutes / 60 })}</option>`)}
            </select></label
          >`
        : nothing}
      <button class="main" ?disabled=${this.busy}>${say(this.busy ? "acts.busy" : "acts.do")}</button>
    </form>`;
  }

  private turn(deed: Deed): void {
    this.problem = "";
    if (!FIELDS[deed]) void this.run(deed, {});
    else this.deed = this.deed === deed ? null : deed;
  }

  private send(event: SubmitEvent, deed: Deed): void {
    event.preventDefault();
    const given = Object.fromEntries([...new FormData(event.target as HTMLFormElement)].map(([name, text]) => [name, String(text).trim()]));
    const missing = (FIELDS[deed] ?? []).find(({ name }) => !given[name]);
    if (missing) {
      this.problem = say("acts.missing", { what: say(missing.word) });
      return;
    }
    const { minutes, ...body } = given;
    void this.run(deed, minutes ? { ...body, minutes: Number(minutes) } : body);
  }

  private async run(deed: Deed, body: object): Promise<void> {
    if (this.busy) return;
    this.busy = true;
    this.problem = "";
    try {
      await act(this.alarm.alarm_id, deed, body);
      this.deed = null;
    } catch (cause) {
      this.problem = actionProblemText(cause);
    }
    this.busy = false;
  }
}
