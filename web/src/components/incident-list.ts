// Incidents: alarms of one place and time as one thing, with the alarms in it and one press to take them all up.
import { LitElement, html, nothing } from "lit";
import { customElement, state } from "lit/decorators.js";
import { acknowledgeIncident, incident, incidents, type Incident, type IncidentDetail } from "../alarms_api.ts";
import { place } from "../alarm_text.ts";
import { moment } from "../format.ts";
import { pick } from "../i18n.ts";
import { Live } from "../live.ts";
import { fieldSign, ladderSign, levelName } from "../pictures.ts";
import { actionProblemText, problemText } from "../problem.ts";
import { mayActOnAlarms } from "../session.ts";
import { store } from "../store.ts";
import { say } from "../words/watch.ts";
import { mapsStyles } from "./maps-styles.ts";
import { choose, shared } from "./shared.ts";
import { watchStyles } from "./watch-styles.ts";
import "./alarm-row.ts";

/** How often the list may be asked for anew while alarms come. */
const PAUSE_MS = 2_000;

@customElement("bt-incident-list")
export class IncidentList extends LitElement {
  @state() private shown: "open" | "closed" = "open";
  @state() private list: Incident[] | null = null;
  @state() private opened: IncidentDetail | null = null;
  @state() private problem = "";
  @state() private busy = false;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private last = 0;
  protected live = new Live(this);

  static override styles = [shared, mapsStyles, watchStyles];

  override connectedCallback(): void {
    super.connectedCallback();
    store.addEventListener("change", this.heard);
    void this.load();
  }

  override disconnectedCallback(): void {
    store.removeEventListener("change", this.heard);
    clearTimeout(this.timer);
    super.disconnectedCallback();
  }

  /** Alarms have changed, so incidents may have. */
  private heard = (): void => {
    const newest = [...store.desk.alarms.values()].reduce((id, alarm) => Math.max(id, alarm.event_id), 0);
    if (newest === this.last) return;
    this.last = newest;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.load(), PAUSE_MS);
  };

  protected override render() {
    const tab = (name: "open" | "closed") =>
      html`<button aria-pressed=${this.shown === name} data-state=${name} @click=${() => this.turn(name)}>
        ${say(`incident.${name}`)}
      </button>`;
    return html`<div class="tabs">${tab("open")} ${tab("closed")}</div>
      ${this.problem ? html`<section class="problem" role="alert">${this.problem}</section>` : nothing}
      ${this.list ? this.rows(this.list) : html`<section>${say("loading")}</section>`}`;
  }

  private rows(list: Incident[]) {
    const none = this.shown === "open" ? "incident.none" : "incident.noneClosed";
    if (list.length === 0) return html`<section>${say(none)}</section>`;
    const worstFirst = (a: Incident, b: Incident): number => (this.shown === "open" ? b.severity - a.severity : 0);
    return [...list].sort(worstFirst).map((one) => this.row(one));
  }

  private row(one: Incident) {
    const open = this.opened?.incident_id === one.incident_id ? this.opened : null;
    const now = store.nowMs();
    return html`<button
        class="row"
        data-incident=${one.incident_id}
        aria-expanded=${open !== null}
        @click=${() => this.turnTo(one)}
      >
        <span class="head">
          ${ladderSign(one.severity, 22)}
          <b>${pick(one.title)}</b>
          <span title=${levelName(one.severity)}>${one.fields.map((field) => fieldSign(field, 17))}</span>
        </span>
        <span>${say("incident.alarms", { n: one.alarms, unack: one.unacknowledged })}</span>
        <small>
          ${one.path ? html`${place(one.path)} · ` : nothing}
          ${say("incident.since", { at: moment(one.opened_at, now), last: moment(one.last_at, now) })}
        </small>
      </button>
      ${open ? this.inside(open) : nothing}`;
  }

  private inside(one: IncidentDetail) {
    return html`<section data-inside=${one.incident_id}>
      <div class="acts">
        ${one.lon !== null && one.lat !== null
          ? html`<button @click=${() => choose(this, { point: [one.lon ?? 0, one.lat ?? 0], named: pick(one.title) })}>
              ${say("incident.show")}
            </button>`
          : nothing}
        ${one.unacknowledged > 0 && mayActOnAlarms(store.desk.session)
          ? html`<button class="main all" ?disabled=${this.busy} @click=${() => this.acknowledge(one)}>
              ${say(this.busy ? "acts.busy" : "incident.acknowledge")}
            </button>`
          : nothing}
      </div>
      ${one.alarm_list.map((alarm) => html`<bt-alarm-row .alarm=${store.desk.alarms.get(alarm.alarm_id) ?? alarm}></bt-alarm-row>`)}
    </section>`;
  }

  private async turn(shown: "open" | "closed"): Promise<void> {
    this.shown = shown;
    this.list = null;
    this.opened = null;
    await this.load();
  }

  private async turnTo(one: Incident): Promise<void> {
    if (this.opened?.incident_id === one.incident_id) {
      this.opened = null;
      return;
    }
    try {
      this.opened = await incident(one.incident_id);
      this.problem = "";
    } catch (cause) {
      this.problem = problemText(cause);
    }
  }

  private async acknowledge(one: Incident): Promise<void> {
    this.busy = true;
    try {
      await acknowledgeIncident(one.incident_id);
      await this.load();
    } catch (cause) {
      this.problem = actionProblemText(cause);
    }
    this.busy = false;
  }

  private async load(): Promise<void> {
    const { shown } = this;
    try {
      const list = await incidents(shown);
      if (shown !== this.shown) return;
      this.list = list;
      this.problem = "";
      const open = this.opened && list.find((one) => one.incident_id === this.opened?.incident_id);
      this.opened = open ? await incident(open.incident_id) : null;
    } catch (cause) {
      this.problem = problemText(cause);
    }
  }
}
