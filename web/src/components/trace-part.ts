// What feeds a device and what it feeds: asked for by a press, drawn on the map, and listed step by step.
import { LitElement, css, html, nothing } from "lit";
import { customElement, property, state } from "lit/decorators.js";
import { Asker } from "../asking.ts";
import { Live } from "../live.ts";
import { EDGES, NODES, TraceGuest } from "../map/trace_guest.ts";
import { ladderSign } from "../pictures.ts";
import { problemText } from "../problem.ts";
import { store } from "../store.ts";
import { arrows, RELATIONS, stations, steps, traceBox, type Direction, type Relation, type Traced, type TracedNode } from "../trace.ts";
import { say } from "../words/twin.ts";
import type { MapView } from "./map-view.ts";
import { choose, shared } from "./shared.ts";

const LISTED = 60;
interface Question {
  kind: Relation;
  direction: Direction;
}

@customElement("bt-trace-part")
export class TracePart extends LitElement {
  @property() device = "";
  @property() field = "";
  @property({ attribute: false }) map: MapView | null = null;
  @state() private asked: Question | null = null;
  @state() private traced: Traced | null = null;
  @state() private problem = "";
  private readonly guest = new TraceGuest();
  private readonly asker = new Asker((asked: Question, signal) => this.fetch(asked, signal), 0);
  protected live = new Live(this);

  static override styles = [
    shared,
    css`
      .ask {
        display: grid;
        grid-template-columns: auto 1fr 1fr;
        gap: 5px 8px;
        align-items: center;
        font-size: 13px;
      }
      p {
        margin: 7px 0 3px;
        font-size: 13px;
      }
      ol {
        list-style: none;
        margin: 0;
        padding: 0;
        max-height: 260px;
        overflow-y: auto;
      }
      li button,
      li > span {
        display: grid;
        grid-template-columns: 62px minmax(0, 1fr) auto;
        gap: 6px;
        width: 100%;
        text-align: left;
        padding: 4px 2px;
        font-size: 13px;
        background: none;
        border-color: transparent;
        overflow-wrap: anywhere;
      }
      small {
        color: var(--soft);
      }
    `,
  ];

  override connectedCallback(): void {
    super.connectedCallback();
    this.guest.pressed = (device) => choose(this, { device });
  }

  override disconnectedCallback(): void {
    this.clear();
    super.disconnectedCallback();
  }

  protected override willUpdate(changed: Map<string, unknown>): void {
    if (changed.has("device") && changed.get("device") !== undefined) this.clear();
  }

  protected override render() {
    return html`<div class="ask">
        ${RELATIONS.map(
          (kind) =>
            html`<span>${say(`kind.${kind}`)}</span> ${this.button(kind, "up")} ${this.button(kind, "down")}`,
        )}
      </div>
      <div role="status">${this.result()}</div>
      ${this.problem ? html`<p class="problem" role="alert">${this.problem}</p>` : nothing}
      ${this.traced ? this.list(this.traced) : nothing}`;
  }

  private button(kind: Relation, direction: Direction) {
    const on = this.asked?.kind === kind && this.asked.direction === direction;
    return html`<button
      aria-pressed=${on}
      data-trace=${direction}
      data-kind=${kind}
      aria-label="${say(`kind.${kind}`)} ${say(direction)}"
      @click=${() => (on ? this.clear() : this.ask({ kind, direction }))}
    >
      ${direction === "up" ? "▲" : "▼"} ${say(direction)}
    </button>`;
  }

  private result() {
    const { asked, traced } = this;
    if (!asked) return nothing;
    if (!traced) return this.problem ? nothing : html`<p class="hush">${say("tracing")}</p>`;
    const words = { kind: say(`kind.${asked.kind}`), way: say(`way.${asked.direction}`) };
    const reached = steps(traced);
    if (reached.length === 0) return html`<p data-reached="0">${say("tracedNone", words)}</p>`;
    const depth = reached.at(-1)?.depth ?? 0;
    return html`<p data-reached=${reached.length}>
      ${say("traced", { ...words, n: reached.length, depth })} <button class="bare" @click=${this.clear}>${say("clear")}</button>
    </p>`;
  }

  private list(traced: Traced) {
    const reached = steps(traced);
    return html`<ol>
        ${reached.slice(0, LISTED).map((node) => html`<li>${this.node(node)}</li>`)}
      </ol>
      ${reached.length > LISTED ? html`<p class="hush">${say("cut", { n: LISTED })}</p>` : nothing}
      ${traced.cut ? html`<p class="problem">${say("limited")}</p>` : nothing}`;
  }

  private node(node: TracedNode) {
    const text = html`<small>${say("step", { n: node.depth })}</small> <span>${node.name || node.node}</span>
      ${node.lon === null ? html`<small>${say("unplaced")}</small>` : ladderSign(node.severity ?? 0, 18)}`;
    const { device_id: device, lon, lat } = node;
    if (device) return html`<button @click=${() => choose(this, { device })}>${text}</button>`;
    if (lon === null || lat === null) return html`<span>${text}</span>`;
    return html`<button @click=${() => this.map?.showPoint(lon, lat)}>${text}</button>`;
  }

  private async ask(asked: Question): Promise<void> {
    this.asked = asked;
    this.traced = null;
    this.problem = "";
    try {
      const traced = await this.asker.ask(asked);
      if (traced) this.draw(traced);
    } catch (cause) {
      this.problem = problemText(cause);
    }
  }

  private fetch({ kind, direction }: Question, signal: AbortSignal): Promise<Traced> {
    return store.api.get("relations/trace", { node: `device:${this.device}`, kind, direction }, signal);
  }

  private draw(traced: Traced): void {
    this.traced = traced;
    const guests = this.map?.guests;
    guests?.host(this.guest);
    guests?.feed(this.guest, EDGES, arrows(traced));
    guests?.feed(this.guest, NODES, stations(traced));
    this.tell(true);
    void this.updateComplete.then(() => this.scrollIntoView({ block: "nearest" }));
    const box = traceBox(traced);
    if (box) this.map?.showBox(box);
  }

  private tell(drawn: boolean): void {
    this.dispatchEvent(new CustomEvent("bt-traced", { detail: drawn, bubbles: true, composed: true }));
  }

  private clear(): void {
    this.asker.stop();
    this.asked = this.traced = null;
    this.problem = "";
    this.map?.guests.leave(this.guest);
    this.tell(false);
  }
}
