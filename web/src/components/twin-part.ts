// What a device should be and what it says it is, and the form that changes the wish.
import { LitElement, css, html, nothing } from "lit";
import { customElement, property, query, state } from "lit/decorators.js";
import { moment, unitSign } from "../format.ts";
import { pick } from "../i18n.ts";
import { Live } from "../live.ts";
import { tool } from "../pictures.ts";
import { actionProblemText, problemText } from "../problem.ts";
import { controlOf, settable, shown, typedOf, valueOf, type Schema } from "../schema_form.ts";
import { mayActOnAlarms } from "../session.ts";
import { store } from "../store.ts";
import { names, tagOf, type Held, type Twin } from "../twin.ts";
import { say, type TWIN_WORDS } from "../words/twin.ts";
import { shared } from "./shared.ts";

const REFRESH_MS = 10_000;

@customElement("bt-twin-part")
export class TwinPart extends LitElement {
  @property() device = "";
  @state() private twin: Twin | null = null;
  @state() private schema: Schema = {};
  @state() private problem = "";
  @state() private editing = false;
  @state() private chosen = "";
  @state() private busy = false;
  @state() private said = "";
  @state() private wrong = "";
  @query("[name=value]") private field!: HTMLInputElement | HTMLSelectElement | null;
  private timer: ReturnType<typeof setInterval> | undefined;
  protected live = new Live(this);

  static override styles = [
    shared,
    css`
      table {
        width: 100%;
        border-collapse: collapse;
        font-size: 13px;
      }
      th,
      td {
        text-align: left;
        padding: 3px 6px 3px 0;
        vertical-align: top;
        overflow-wrap: anywhere;
      }
      th {
        color: var(--soft);
        font-weight: 400;
      }
      td small {
        display: block;
        color: var(--soft);
      }
      .waits td {
        border-left: 0;
        background: var(--warn-ground);
        color: var(--warn-ink);
      }
      .waits small {
        color: inherit;
      }
      form {
        display: grid;
        gap: 7px;
        margin-top: 8px;
        padding: 9px;
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
      }
      .acts {
        display: flex;
        flex-wrap: wrap;
        gap: 8px;
      }
      p {
        margin: 5px 0 0;
        font-size: 12.5px;
      }
    `,
  ];

  override connectedCallback(): void {
    super.connectedCallback();
    this.timer = setInterval(() => void this.load(), REFRESH_MS);
  }

  override disconnectedCallback(): void {
    clearInterval(this.timer);
    super.disconnectedCallback();
  }

  protected override willUpdate(changed: Map<string, unknown>): void {
    if (!changed.has("device")) return;
    this.twin = null;
    this.schema = {};
    this.editing = false;
    this.chosen = this.said = this.wrong = "";
    void this.load();
  }

  protected override render() {
    const { twin } = this;
    if (this.problem) return html`<p class="problem" role="alert">${this.problem}</p>`;
    if (!twin) return html`<p class="hush">${say("loading")}</p>`;
    const all = names(twin);
    return html`${all.length === 0 ? html`<p>${say("nothing")}</p>` : this.table(twin, all)}
      <p class="hush">${say("byReport")}</p>
      ${mayActOnAlarms(store.desk.session) && !store.past ? this.editor(twin) : nothing}`;
  }

  private table(twin: Twin, all: readonly string[]) {
    return html`<table>
      <thead>
        <tr>
          <th>${say("name")}</th>
          <th>${say("desired")}</th>
          <th>${say("reported")}</th>
        </tr>
      </thead>
      <tbody>
        ${all.map((name) => this.row(twin, name))}
      </tbody>
    </table>`;
  }

  private row(twin: Twin, name: string) {
    const [wish, told] = [twin.desired.values[name], twin.reported.values[name]];
    const open = twin.delta[name];
    const state = open ? say("waits", { at: moment(open.since, store.nowMs()) }) : wish ? say("holds") : "";
    return html`<tr class=${open ? "waits" : ""} data-attribute=${name} data-waits=${open !== undefined}>
      <td>${this.titleOf(name)}<small>${open ? tool("warn", 13) : nothing} ${state}</small></td>
      <td>${this.held(name, wish)}</td>
      <td>${this.held(name, told)}</td>
    </tr>`;
  }

  private held(name: string, held: Held | undefined) {
    if (!held) return "—";
    const unit = unitSign(this.schema.properties?.[name]?.unit ?? "");
    return html`${shown(held.value)} ${unit}<small>${moment(held.at, store.nowMs())} ${held.by}</small>`;
  }

  private editor(twin: Twin) {
    const can = settable(this.schema);
    if (can.length === 0) return nothing;
    if (!this.editing) {
      return html`<p>
        <button class="edit" @click=${() => (this.editing = true)}>${say("edit")}</button>
        ${this.said ? html`<span role="status">${this.said}</span>` : nothing}
      </p>`;
    }
    const schema = this.schema.properties?.[this.chosen];
    return html`<form @submit=${this.submit} novalidate>
      <label
        >${say("attribute")}<select name="attribute" @change=${this.choose}>
          <option value="" ?selected=${!this.chosen}>${say("choose")}</option>
          ${can.map(
            ([name]) => html`<option value=${name} ?selected=${name === this.chosen}>${this.titleOf(name)}</option>`,
          )}
        </select></label
      >
      ${schema ? this.control(schema, twin.desired.values[this.chosen]?.value) : nothing}
      ${this.wrong ? html`<p class="problem" role="alert">${this.wrong}</p>` : nothing}
      <div class="acts">
        <button class="main" ?disabled=${this.busy || !schema}>${say(this.busy ? "busy" : "set")}</button>
        ${this.chosen in twin.desired.values
          ? html`<button type="button" class="remove" ?disabled=${this.busy} @click=${() => this.write(null)}>
              ${say("remove")}
            </button>`
          : nothing}
      </div>
    </form>`;
  }

  private control(schema: Schema, value: unknown) {
    const control = controlOf(schema);
    const typed = typedOf(value, schema);
    const label = `${say("value")} ${unitSign(schema.unit ?? "")}`;
    if (control.kind === "choice") {
      return html`<label
        >${label}<select name="value" .value=${typed}>
          ${control.options.map((option) => html`<option value=${option} ?selected=${option === typed}>${option.replace(/^"|"$/g, "")}</option>`)}
        </select></label
      >`;
    }
    const number = control.kind === "number" ? control : null;
    const ends = number?.min != null && number.max != null ? say("range", { min: number.min, max: number.max }) : "";
    return html`<label
      >${label} <span class="hush">${ends}</span
      ><input name="value" inputmode=${number ? "decimal" : "text"} autocomplete="off" .value=${typed}
    /></label>`;
  }

  private titleOf(name: string): string {
    const { title = "", titleEn = "" } = this.schema.properties?.[name] ?? {};
    return pick({ zh: title, en: titleEn }) || name;
  }

  private choose(event: Event): void {
    this.chosen = (event.target as HTMLSelectElement).value;
    this.wrong = "";
  }

  private submit(event: Event): void {
    event.preventDefault();
    const schema = this.schema.properties?.[this.chosen];
    if (!schema || !this.field) return;
    try {
      void this.write(valueOf(this.field.value, schema));
    } catch (cause) {
      if (!(cause instanceof TypeError)) throw cause;
      this.wrong = say(`wrong.${cause.message}` as keyof typeof TWIN_WORDS);
    }
  }

  /** Null drops the wish. The version read before goes along, so that nobody's change is lost. */
  private async write(value: unknown): Promise<void> {
    if (!this.twin) return;
    this.busy = true;
    this.wrong = "";
    try {
      const path = `devices/${encodeURIComponent(this.device)}/desired`;
      await store.api.put(path, { [this.chosen]: value }, tagOf(this.twin));
      this.said = say("saved");
      this.editing = false;
    } catch (cause) {
      this.wrong = actionProblemText(cause);
    }
    this.busy = false;
    await this.load();
  }

  private async load(): Promise<void> {
    const { device } = this;
    try {
      const twin = await store.api.get<Twin>(`devices/${encodeURIComponent(device)}/twin`);
      if (device !== this.device) return;
      if (!this.schema.properties) this.schema = await store.api.get<Schema>(`kinds/${encodeURIComponent(twin.kind)}`);
      this.twin = twin;
      this.problem = "";
    } catch (cause) {
      if (device === this.device) this.problem = problemText(cause);
    }
  }
}
