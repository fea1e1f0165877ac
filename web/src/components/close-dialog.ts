// The dialog that closes an alarm: a cause must be chosen; it stays open until the server has agreed.
import { LitElement, css, html, nothing } from "lit";
import { customElement, query, state } from "lit/decorators.js";
import { subjectName } from "../alarm_text.ts";
import { pick, t } from "../i18n.ts";
import { Live } from "../live.ts";
import { ladderSign } from "../pictures.ts";
import { actionProblemText } from "../problem.ts";
import { store } from "../store.ts";
import type { Alarm, CloseCause } from "../types.ts";
import { shared } from "./shared.ts";

const CAUSES: readonly CloseCause[] = ["true", "false", "test", "maintenance"];
const MAX_NOTE = 1000;

@customElement("bt-close-dialog")
export class CloseDialog extends LitElement {
  @state() private alarm: Alarm | null = null;
  @state() private cause: CloseCause | null = null;
  @state() private busy = false;
  @state() private problem = "";
  @query("dialog") private dialog!: HTMLDialogElement;
  @query("textarea") private note!: HTMLTextAreaElement;
  protected live = new Live(this);

  static override styles = [
    shared,
    css`
      dialog {
        color: var(--ink);
        background: var(--panel);
        border: 1px solid var(--line);
        border-radius: var(--radius);
        box-shadow: var(--shadow);
        width: min(440px, calc(100vw - 24px));
        padding: 18px 20px;
      }
      dialog::backdrop {
        background: rgb(0 0 0 / 60%);
      }
      h2 {
        font-size: 17px;
        margin-bottom: 8px;
      }
      fieldset {
        border: 0;
        padding: 0;
        margin: 14px 0;
        display: grid;
        grid-template-columns: 1fr 1fr;
        gap: 8px;
      }
      legend {
        padding: 0;
        margin-bottom: 6px;
        font-weight: 600;
      }
      label.cause {
        display: flex;
        align-items: center;
        gap: 8px;
        padding: 9px 11px;
        border: 1px solid var(--line);
        border-radius: 6px;
        background: var(--raised);
        cursor: pointer;
      }
      label.cause:has(:checked) {
        border-color: var(--accent);
        box-shadow: inset 0 0 0 1px var(--accent);
      }
      label.cause input {
        width: auto;
        accent-color: var(--accent);
      }
      footer {
        display: flex;
        justify-content: flex-end;
        gap: 10px;
        margin-top: 16px;
      }
      .still {
        background: var(--warn-ground);
        color: var(--warn-ink);
        border-radius: 6px;
        padding: 7px 10px;
        margin: 10px 0 0;
      }
    `,
  ];

  get isOpen(): boolean {
    return this.dialog.open;
  }

  async open(alarm: Alarm): Promise<void> {
    this.alarm = alarm;
    this.cause = null;
    this.problem = "";
    await this.updateComplete;
    this.note.value = "";
    this.dialog.showModal();
  }

  protected override render() {
    const alarm = this.alarm && (store.desk.alarms.get(this.alarm.alarm_id) ?? this.alarm);
    return html`<dialog aria-labelledby="title" @close=${this.closed}>
      <form @submit=${this.submit}>
        <h2 id="title">${t("close.title")}</h2>
        ${alarm
          ? html`<div>${ladderSign(alarm.severity)} <b>${pick(alarm.name)}</b> · ${subjectName(alarm)}</div>`
          : nothing}
        ${alarm && alarm.returned_at === null && alarm.state !== "closed"
          ? html`<p class="still">${t("close.stillActive")}</p>`
          : nothing}
        <fieldset>
          <legend>${t("close.cause")}</legend>
          ${CAUSES.map(
            (cause) =>
              html`<label class="cause"
                ><input
                  type="radio"
                  name="cause"
                  value=${cause}
                  .checked=${this.cause === cause}
                  @change=${() => this.chooseCause(cause)}
                />${t(`cause.${cause}`)}</label
              >`,
          )}
        </fieldset>
        <label>${t("close.note")}<textarea name="note" rows="3" maxlength=${MAX_NOTE}></textarea></label>
        ${this.problem ? html`<p class="problem" role="alert">${this.problem}</p>` : nothing}
        <footer>
          <button type="button" @click=${() => this.dialog.close()}>${t("close.cancel")}</button>
          <button type="submit" class="main" ?disabled=${this.busy}>
            ${t(this.busy ? "close.busy" : "close.submit")}
          </button>
        </footer>
      </form>
    </dialog>`;
  }

  /** The browser gives the focus back to the button that asked; a closed alarm has none. */
  private closed(): void {
    this.alarm = null;
    requestAnimationFrame(() => this.dispatchEvent(new CustomEvent("closed")));
  }

  private chooseCause(cause: CloseCause): void {
    this.cause = cause;
    this.problem = "";
  }

  private async submit(event: Event): Promise<void> {
    event.preventDefault();
    const { alarm, cause } = this;
    if (!alarm || this.busy) return;
    if (!cause) {
      this.problem = t("close.pick");
      return;
    }
    this.busy = true;
    this.problem = "";
    try {
      await store.close(alarm.alarm_id, cause, this.note.value.trim());
      this.dialog.close();
    } catch (problem) {
      this.problem = actionProblemText(problem);
    }
    this.busy = false;
  }
}
