// Asks for a token when the address brought none and no session is alive.
import { LitElement, css, html, nothing } from "lit";
import { customElement, query, state } from "lit/decorators.js";
import { ApiProblem } from "../api.ts";
import { t } from "../i18n.ts";
import { Live } from "../live.ts";
import { problemText } from "../problem.ts";
import { store } from "../store.ts";
import { shared } from "./shared.ts";

@customElement("bt-login-form")
export class LoginForm extends LitElement {
  @state() private busy = false;
  @state() private problem = "";
  @query("input") private token!: HTMLInputElement;
  protected live = new Live(this);

  static override styles = [
    shared,
    css`
      :host {
        display: grid;
        place-items: center;
        height: 100%;
        padding: 16px;
      }
      form {
        width: min(380px, 100%);
        background: var(--panel);
        border: 1px solid var(--line);
        border-radius: var(--radius);
        padding: 24px;
        display: grid;
        gap: 12px;
      }
      h2 {
        font-size: 18px;
      }
      p {
        margin: 0;
      }
    `,
  ];

  protected override firstUpdated(): void {
    this.token.focus();
  }

  protected override render() {
    return html`<form @submit=${this.submit}>
      <h2>${t("login.title")}</h2>
      <label
        >${t("login.token")}<input type="password" name="token" autocomplete="current-password" required
      /></label>
      ${store.ended ? html`<p class="problem">${t("problem.401")}</p>` : nothing}
      <p class="hush">${t("login.hint")}</p>
      ${this.problem ? html`<p class="problem" role="alert">${this.problem}</p>` : nothing}
      <button class="main" ?disabled=${this.busy}>${t(this.busy ? "login.busy" : "login.submit")}</button>
    </form>`;
  }

  private async submit(event: Event): Promise<void> {
    event.preventDefault();
    this.busy = true;
    this.problem = "";
    try {
      await store.login(this.token.value);
    } catch (cause) {
      const wrong = cause instanceof ApiProblem && cause.status === 401;
      this.problem = wrong ? t("login.wrong") : problemText(cause);
    }
    this.busy = false;
  }
}
