// The top line: who and where we are, whether what is shown is live, and the page's switches.
import { LitElement, css, html, nothing } from "lit";
import { customElement, property, query, state } from "lit/decorators.js";
import { clock } from "../format.ts";
import { lang, setLang, t } from "../i18n.ts";
import { Live } from "../live.ts";
import { tool } from "../pictures.ts";
import { isBlocked, setSound, wantsSound } from "../sound.ts";
import { store } from "../store.ts";
import { nextTheme, theme } from "../theme.ts";
import { shared } from "./shared.ts";
import "./find-box.ts";

const THEME_SIGN = { auto: "half", dark: "moon", light: "sun" } as const;

@customElement("bt-top-bar")
export class TopBar extends LitElement {
  @property() mode: "duty" | "maps" | "watch" = "duty";
  @property({ type: Boolean }) past = false;
  /** On a phone the box to find things takes the bar's place while it is used. */
  @state() private finding = false;
  @query("bt-find-box") private box!: HTMLElement;
  protected live = new Live(this, 1000);

  static override styles = [
    shared,
    css`
      :host {
        display: flex;
        align-items: center;
        gap: 12px;
        padding: 0 14px;
        height: 46px;
        background: var(--panel);
        border-bottom: 1px solid var(--line);
        white-space: nowrap;
      }
      h1 {
        font-size: 17px;
        margin: 0;
      }
      bt-find-box {
        margin-left: auto;
        width: 230px;
      }
      .link {
        display: inline-flex;
        align-items: center;
        gap: 6px;
        font-weight: 600;
      }
      .dot {
        width: 10px;
        height: 10px;
        border-radius: 50%;
        background: var(--good);
      }
      .lost .dot,
      .connecting .dot {
        background: none;
        border: 2px solid var(--danger);
      }
      .lost {
        color: var(--danger);
      }
      time {
        font-variant-numeric: tabular-nums;
        font-size: 15px;
        font-weight: 600;
      }
      nav {
        display: flex;
        align-items: center;
        gap: 2px;
      }
      .bare {
        display: inline-flex;
        align-items: center;
      }
      .bare[aria-pressed="true"] {
        background: var(--raised);
        color: var(--accent);
        border-color: var(--accent);
      }
      .narrow {
        display: none;
      }
      @media (max-width: 760px) {
        :host {
          gap: 8px;
          padding: 0 8px;
          position: relative;
        }
        .wide,
        time,
        bt-find-box {
          display: none;
        }
        .narrow {
          display: inline-flex;
        }
        .finding {
          display: block;
          position: absolute;
          z-index: 30;
          inset: 4px 50px 4px 8px;
          width: auto;
        }
        .finding ~ nav .find {
          position: absolute;
          z-index: 31;
          right: 6px;
          top: 6px;
        }
        .finding ~ nav > :not(.find) {
          visibility: hidden;
        }
        nav .bare {
          padding: 4px 5px;
        }
        nav {
          margin-left: auto;
          gap: 0;
        }
        h1 {
          font-size: 16px;
        }
      }
    `,
  ];

  protected override render() {
    const { link, session } = store.desk;
    return html`<h1>${t("app.title")}</h1>
      <span class="hush wide">${t("app.subtitle")}</span>
      <span class="link ${link}" data-link=${link}><span class="dot"></span>${t(`link.${link}`)}</span>
      <bt-find-box
        class=${this.finding ? "finding" : ""}
        @bt-choose=${() => (this.finding = false)}
        @keydown=${(event: KeyboardEvent) => event.key === "Escape" && (this.finding = false)}
      ></bt-find-box>
      <span class="wide hush">${t("app.clock")}</span>
      <time>${clock(store.nowMs())}</time>
      <nav>
        ${session ? this.views() : nothing} ${this.soundSwitch()} ${this.themeSwitch()}
        <button class="bare language" title=${t("app.languageHint")} @click=${this.turnLanguage}>
          <span class="wide">${t("app.language")}</span
          ><span class="narrow">${lang() === "zh" ? "EN" : "中"}</span>
        </button>
        ${session
          ? html`<span class="wide hush">${session.name} · ${t(`login.${session.role}`)}</span>
              <button class="bare out" title=${t("login.out")} aria-label=${t("login.out")} @click=${this.leave}>
                ${tool("out")}
              </button>`
          : nothing}
      </nav>`;
  }

  private views() {
    const pastWord = t(this.past ? "app.live" : "app.past");
    return html`<button
        class="bare find narrow"
        aria-expanded=${this.finding}
        aria-label=${t("device.find")}
        title=${t("device.find")}
        @click=${this.turnFinding}
      >
        ${tool(this.finding ? "close" : "find")}
      </button>
      <button
        class="bare past"
        aria-pressed=${this.past}
        aria-label=${pastWord}
        title=${pastWord}
        @click=${() => this.dispatchEvent(new CustomEvent("past"))}
      >
        ${tool("clock")}
      </button>
      ${this.desk("watch", "bars")} ${this.desk("maps", "layers")}`;
  }

  private desk(mode: "maps" | "watch", sign: "bars" | "layers") {
    const here = this.mode === mode;
    const word = t(here ? "app.duty" : `app.${mode}`);
    return html`<button
      class="bare ${mode}"
      aria-pressed=${here}
      aria-label=${word}
      title=${word}
      @click=${() => this.dispatchEvent(new CustomEvent("mode", { detail: here ? "duty" : mode }))}
    >
      ${tool(sign)}
    </button>`;
  }

  private async turnFinding(): Promise<void> {
    this.finding = !this.finding;
    await this.updateComplete;
    if (this.finding) this.box.focus();
  }

  private soundSwitch() {
    const on = wantsSound();
    const word = t(on ? (isBlocked() ? "sound.blocked" : "sound.on") : "sound.off");
    return html`<button
      class="bare sound"
      role="switch"
      aria-checked=${on}
      aria-label=${word}
      title=${word}
      @click=${() => {
        setSound(!on);
        this.requestUpdate();
      }}
    >
      ${tool(on ? "soundOn" : "soundOff")}
    </button>`;
  }

  private themeSwitch() {
    const word = t(`theme.${theme()}`);
    return html`<button
      class="bare theme"
      aria-label=${word}
      title=${word}
      @click=${() => {
        nextTheme();
        this.requestUpdate();
      }}
    >
      ${tool(THEME_SIGN[theme()])}
    </button>`;
  }

  private turnLanguage(): void {
    setLang(lang() === "zh" ? "en" : "zh");
  }

  private leave(): void {
    // Without an answer the session may live on at the server; the page is left all the same.
    store.logout().catch(() => location.reload());
  }
}
