// Who is on call for which space: to look at; it is changed on the command line or through the API.
import { LitElement, html, nothing } from "lit";
import { customElement, state } from "lit/decorators.js";
import { rosters, type Roster } from "../alarms_api.ts";
import { pick, t } from "../i18n.ts";
import { Live } from "../live.ts";
import { problemText } from "../problem.ts";
import { say, sayOf } from "../words/watch.ts";
import { mapsStyles } from "./maps-styles.ts";
import { shared } from "./shared.ts";
import { watchStyles } from "./watch-styles.ts";

@customElement("bt-roster-list")
export class RosterList extends LitElement {
  @state() private list: Roster[] | null = null;
  @state() private problem = "";
  protected live = new Live(this);

  static override styles = [shared, mapsStyles, watchStyles];

  override connectedCallback(): void {
    super.connectedCallback();
    void this.load();
  }

  protected override render() {
    if (this.problem) return html`<section class="problem" role="alert">${this.problem}</section>`;
    if (!this.list) return html`<section>${say("loading")}</section>`;
    if (this.list.length === 0) return html`<section>${say("roster.none")}</section>`;
    return this.list.map((one) => this.roster(one));
  }

  private roster(one: Roster) {
    return html`<section data-roster=${one.roster_id}>
      <p>
        <b>${pick(one.name)}</b> <span class="chip">${sayOf(`level.${one.level}`)}</span>
        ${one.fields.map((field) => html`<span class="chip">${t(`field.${field}`)}</span> `)}
      </p>
      <small>${one.space}</small>
      ${one.contacts.length
        ? html`<table>
            ${one.contacts.map(
              (contact) => html`<tr><td>${contact.name}</td><td>${contact.channel}</td><td class="n">${contact.address_masked}</td></tr>`,
            )}
          </table>`
        : nothing}
    </section>`;
  }

  private async load(): Promise<void> {
    try {
      this.list = await rosters();
      this.problem = "";
    } catch (cause) {
      this.problem = problemText(cause);
    }
  }
}
