// The time machine: choose a past time, see the district as it was, and one press back to now.
import { LitElement, css, html, nothing } from "lit";
import { customElement, state } from "lit/decorators.js";
import { Asker } from "../asking.ts";
import { thenOf } from "../desk.ts";
import { clock, span } from "../format.ts";
import { lang } from "../i18n.ts";
import { Live } from "../live.ts";
import { fromField, fromSlider, notAhead, REACH_MIN, toField, toSlider } from "../past.ts";
import { tool } from "../pictures.ts";
import { problemText } from "../problem.ts";
import { store } from "../store.ts";
import type { DistrictState } from "../types.ts";
import { say } from "../words/past.ts";
import { shared } from "./shared.ts";

const PAUSE_MS = 200;
const STEPS = [60, 10] as const;
const BEGIN_MIN = -60;

@customElement("bt-past-bar")
export class PastBar extends LitElement {
  /** What is asked for; it is shown once the server has answered. */
  @state() private wantedMs = 0;
  @state() private busy = false;
  @state() private problem = "";
  private readonly asker = new Asker((atMs: number, signal) => stateAt(atMs, signal), PAUSE_MS);
  protected live = new Live(this, 1000);

  static override styles = [
    shared,
    css`
      :host {
        display: flex;
        flex-wrap: wrap;
        align-items: center;
        gap: 4px 12px;
        padding: 6px 14px;
        color: var(--past-ink);
        background: repeating-linear-gradient(45deg, var(--past-ground) 0 12px, var(--past-ground-2) 12px 24px);
        border-bottom: 2px solid var(--past);
      }
      .what {
        font-weight: 700;
      }
      .what span {
        font-weight: 400;
        font-variant-numeric: tabular-nums;
      }
      label {
        display: inline-flex;
        align-items: center;
        gap: 6px;
        white-space: nowrap;
      }
      input[type="datetime-local"] {
        width: auto;
        padding: 3px 6px;
        min-height: 32px;
      }
      .slide {
        flex: 1 1 240px;
        min-width: 160px;
      }
      input[type="range"] {
        padding: 0;
        accent-color: var(--past);
        min-height: 24px;
      }
      .problem {
        margin: 0;
        background: var(--panel);
        padding: 2px 8px;
        border-radius: 4px;
      }
      @media (max-width: 760px) {
        :host {
          padding: 6px 8px;
          gap: 4px 8px;
        }
        .what {
          flex: 1 1 60%;
          font-size: 13px;
        }
        .live {
          order: 1;
          min-height: 36px;
          padding: 3px 8px;
        }
        .slide,
        .field {
          order: 2;
        }
        .slide {
          flex: 1 1 120px;
          min-width: 120px;
        }
        .slide span,
        .field span,
        .step,
        .key {
          display: none;
        }
      }
    `,
  ];

  override connectedCallback(): void {
    super.connectedCallback();
    this.ask(fromSlider(BEGIN_MIN, store.nowMs()));
  }

  override disconnectedCallback(): void {
    this.asker.stop();
    store.lookBack(null);
    super.disconnectedCallback();
  }

  protected override firstUpdated(): void {
    this.renderRoot.querySelector<HTMLElement>("input[type=range]")?.focus();
  }

  protected override render() {
    const now = store.nowMs();
    const [hour, ten] = STEPS;
    return html`<div class="what" role="status" data-past=${store.past?.atMs ?? ""} data-busy=${this.busy}>
        ${tool("clock")} ${say("title")} <span>${this.said(now)}</span>
      </div>
      ${this.step(-hour)} ${this.step(-ten)}
      <label class="slide"
        ><span>${say("slider")}</span>
        <input
          type="range"
          min=${-REACH_MIN}
          max="0"
          step="1"
          aria-label=${say("slider")}
          aria-valuetext=${toField(this.wantedMs).replace("T", " ")}
          .value=${String(toSlider(this.wantedMs, now))}
          @input=${(event: Event) => this.ask(fromSlider(Number(valueOf(event)), store.nowMs()))}
      /></label>
      ${this.step(ten)}
      <label class="field"
        ><span>${say("when")}</span>
        <input
          type="datetime-local"
          step="1"
          aria-label=${say("when")}
          max=${toField(now)}
          .value=${toField(this.wantedMs)}
          @change=${(event: Event) => this.typed(valueOf(event))}
      /></label>
      <button class="main live" title=${say("liveKey")} @click=${this.leave}>${say("live")}<span class="key"> · Esc</span></button>
      ${this.problem ? html`<p class="problem" role="alert">${this.problem}</p>` : nothing}`;
  }

  private said(now: number): string {
    const at = (ms: number): string => toField(ms).replace("T", " ");
    if (this.busy) return say("loading", { at: at(this.wantedMs) });
    const { past } = store;
    if (!past) return say("choose");
    const age = span((now - past.atMs) / 1000, lang());
    return say("shows", { at: `${toField(past.atMs).slice(0, 10)} ${clock(past.atMs)}`, age });
  }

  private step(minutes: number) {
    const word = minutes < 0 ? "earlier" : "later";
    const size = Math.abs(minutes);
    return html`<button
      class="step"
      aria-label=${say(word, { n: size })}
      title=${say(word, { n: size })}
      @click=${() => this.ask(notAhead(this.wantedMs + minutes * 60_000, store.nowMs()))}
    >
      ${minutes < 0 ? `−${size}` : `+${size}`}
    </button>`;
  }

  private typed(text: string): void {
    const ms = fromField(text);
    if (ms === null) return;
    if (ms > store.nowMs()) {
      this.problem = say("future");
      return;
    }
    this.ask(notAhead(ms, store.nowMs()));
  }

  private ask(atMs: number): void {
    this.wantedMs = atMs;
    void this.load(atMs);
  }

  private async load(atMs: number): Promise<void> {
    this.busy = true;
    this.problem = "";
    try {
      const state = await this.asker.ask(atMs);
      if (!state) return;
      store.lookBack({ ...thenOf(state), atMs: Date.parse(state.at) });
    } catch (cause) {
      this.problem = `${say("failed")}：${problemText(cause)}`;
    }
    this.busy = false;
  }

  private leave(): void {
    this.dispatchEvent(new CustomEvent("shut"));
  }
}

function valueOf(event: Event): string {
  return (event.target as HTMLInputElement).value;
}

function stateAt(atMs: number, signal: AbortSignal): Promise<DistrictState> {
  const at = new Date(atMs).toISOString();
  return store.api.get<DistrictState>("state", { kind: "block", at }, signal);
}
