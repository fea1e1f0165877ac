// Asks before something is changed for everybody: names the numbers, stays open until the server has agreed.
import { LitElement, css, html, nothing } from "lit";
import { customElement, query, state } from "lit/decorators.js";
import { Live } from "../live.ts";
import { actionProblemText } from "../problem.ts";
import { say } from "../words/maps.ts";
import { shared } from "./shared.ts";

export interface Question {
  title: string;
  /** What will be so afterwards, a sentence a line. */
  lines: readonly string[];
  /** The word of the button that does it. */
  act: string;
  run: () => Promise<void>;
}

@customElement("bt-confirm-dialog")
export class ConfirmDialog extends LitElement {
  @state() private question: Question | null = null;
  @state() private busy = false;
  @state() private problem = "";
  @query("dialog") private dialog!: HTMLDialogElement;
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
        width: min(460px, calc(100vw - 24px));
        padding: 18px 20px;
      }
      dialog::backdrop {
        background: rgb(0 0 0 / 60%);
      }
      h2 {
        font-size: 17px;
        margin-bottom: 8px;
      }
      li {
        margin: 3px 0;
      }
      ul {
        margin: 0;
        padding-left: 20px;
      }
      footer {
        display: flex;
        justify-content: flex-end;
        gap: 10px;
        margin-top: 16px;
      }
    `,
  ];

  async ask(question: Question): Promise<void> {
    this.question = question;
    this.problem = "";
    await this.updateComplete;
    this.dialog.showModal();
  }

  protected override render() {
    const { question } = this;
    return html`<dialog
      aria-labelledby="title"
      @keydown=${(event: KeyboardEvent) => event.key === "Escape" && event.stopPropagation()}
    >
      ${question
        ? html`<h2 id="title">${question.title}</h2>
            <ul>
              ${question.lines.map((line) => html`<li>${line}</li>`)}
            </ul>`
        : nothing}
      ${this.problem ? html`<p class="problem" role="alert">${this.problem}</p>` : nothing}
      <footer>
        <button type="button" autofocus @click=${() => this.dialog.close()}>${say("cancel")}</button>
        <button type="button" class="main yes" ?disabled=${this.busy} @click=${this.run}>
          ${this.busy ? say("busy") : (question?.act ?? "")}
        </button>
      </footer>
    </dialog>`;
  }

  private async run(): Promise<void> {
    if (!this.question || this.busy) return;
    this.busy = true;
    this.problem = "";
    try {
      await this.question.run();
      this.dialog.close();
    } catch (cause) {
      this.problem = actionProblemText(cause);
    }
    this.busy = false;
  }
}
