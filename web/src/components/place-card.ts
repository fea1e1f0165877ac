// What a chosen block or point is: path, address, devices, the worst alarm and why; the way to its 3D view.
import { LitElement, css, html, nothing } from "lit";
import { customElement, property, state } from "lit/decorators.js";
import { distance, position, type AddressAt } from "../address.ts";
import { Asker } from "../asking.ts";
import { moment, span, withUnit } from "../format.ts";
import { lang, levelWord, pick, placeName, t } from "../i18n.ts";
import { Live } from "../live.ts";
import { ladderSign, levelName, tool } from "../pictures.ts";
import { above, carrier, within, type Reason, type Reasons, type SpaceFacts } from "../place.ts";
import { problemText } from "../problem.ts";
import { store } from "../store.ts";
import type { PathStep } from "../types.ts";
import { say } from "../words/place.ts";
import { askScene, choose, shared } from "./shared.ts";

const REFRESH_MS = 5_000;
const REASONS = 3;
const PARTS = 4;

@customElement("bt-place-card")
export class PlaceCard extends LitElement {
  @property() space: string | null = null;
  @property({ attribute: false }) point: readonly [number, number] | null = null;
  @property() named = "";
  @state() private facts: SpaceFacts | null = null;
  @state() private why: Reasons | null = null;
  @state() private here: AddressAt | null = null;
  @state() private problem = "";
  /** Which registry the facts were read from. */
  private registry = 0;
  private timer: ReturnType<typeof setInterval> | undefined;
  private readonly asker = new Asker((_: null, signal) => this.fetch(signal), 0);
  protected live = new Live(this);

  static override styles = [
    shared,
    css`
      :host {
        display: flex;
        flex-direction: column;
        background: var(--panel);
        border: 1px solid var(--line);
        border-radius: var(--radius);
        box-shadow: var(--shadow);
        font-size: 13px;
        overflow: hidden;
      }
      header {
        display: flex;
        align-items: flex-start;
        gap: 6px;
        padding: 8px 6px 6px 12px;
      }
      h2 {
        flex: 1;
        font-size: 15px;
        overflow-wrap: anywhere;
      }
      h2 small,
      small {
        display: block;
        font-weight: 400;
        font-size: 12px;
        color: var(--soft);
      }
      .body {
        overflow-y: auto;
        padding: 0 12px 10px;
        overscroll-behavior: contain;
      }
      h3 {
        margin: 8px 0 3px;
        font-size: 12px;
        color: var(--soft);
      }
      p {
        margin: 3px 0;
        overflow-wrap: anywhere;
      }
      .counts {
        display: flex;
        flex-wrap: wrap;
        gap: 2px 12px;
      }
      .counts b {
        font-variant-numeric: tabular-nums;
      }
      .bad b {
        color: var(--danger);
      }
      .line {
        display: grid;
        grid-template-columns: 24px minmax(0, 1fr);
        gap: 6px;
        align-items: start;
        width: 100%;
        text-align: left;
        background: none;
        border-color: transparent;
        padding: 4px;
        overflow-wrap: anywhere;
      }
      .line:not(.signed) {
        grid-template-columns: minmax(0, 1fr);
      }
      dl {
        display: grid;
        grid-template-columns: auto 1fr;
        gap: 2px 10px;
        margin: 4px 0 0;
      }
      dt {
        color: var(--soft);
      }
      dd {
        margin: 0;
        overflow-wrap: anywhere;
      }
    `,
  ];

  override connectedCallback(): void {
    super.connectedCallback();
    this.timer = setInterval(() => this.due() && void this.load(), REFRESH_MS);
  }

  override disconnectedCallback(): void {
    clearInterval(this.timer);
    this.asker.stop();
    super.disconnectedCallback();
  }

  /** A space has alarms that come and go; where a point lies changes with the map alone. */
  private due(): boolean {
    return this.space !== null || this.registry !== store.registry;
  }

  protected override willUpdate(changed: Map<string, unknown>): void {
    if (!changed.has("space") && !changed.has("point")) return;
    this.facts = this.why = this.here = null;
    this.problem = "";
    void this.load();
  }

  protected override render() {
    return html`<header>
        ${this.why ? ladderSign(this.why.severity, 26) : nothing}
        <h2 tabindex="-1">${this.title_()}</h2>
        ${this.sceneButton()}
        <button class="bare shut" aria-label=${t("app.close")} title=${t("app.close")} @click=${this.shut}>
          ${tool("close")}
        </button>
      </header>
      <div class="body" aria-live="polite">
        ${this.problem ? html`<p class="problem" role="alert">${this.problem}</p>` : nothing}
        ${this.space ? this.spaceBody() : this.pointBody()}
      </div>`;
  }

  private title_() {
    if (this.space) {
      const { facts } = this;
      return html`${facts ? placeName(facts) : this.space}
        <small>${facts ? `${levelWord(facts.kind)} · ${facts.code}` : ""}</small>`;
    }
    return html`${say(this.named ? "found" : "here")}<small>${this.named}</small>`;
  }

  private sceneButton() {
    const code = this.space ?? this.here?.space_code;
    if (!code) return nothing;
    const name = this.facts ? placeName(this.facts) : code;
    return html`<button
      class="scene"
      title=${say("sceneOf", { name })}
      aria-label=${say("sceneOf", { name })}
      @click=${() => askScene(this, { space: code })}
    >
      ${say("scene")}
    </button>`;
  }

  private spaceBody() {
    const { facts, why } = this;
    if (!why) return this.problem ? nothing : html`<p class="hush">${say("asking")}</p>`;
    const { fresh, stale, never } = why.freshness;
    return html`${facts ? way(above(facts.path, facts.code)) : nothing}
      <p class="counts">
        <span>${say("devices")} <b>${fresh + stale + never}</b></span>
        <span>${t("sum.fresh")} <b data-count="fresh">${fresh}</b></span>
        <span class=${stale ? "bad" : ""}>${t("sum.stale")} <b data-count="stale">${stale}</b></span>
        <span>${t("sum.never")} <b>${never}</b></span>
      </p>
      <h3>${say("why")}</h3>
      ${this.reasons(why)} ${this.parts(why)} ${this.silent(why)}`;
  }

  private reasons(why: Reasons) {
    if (why.reasons.length === 0) return html`<p>${say("calm")}</p>`;
    const level = levelName(why.severity);
    const rest = why.reasons.length - REASONS;
    return html`<p>${say("worst", { level, open: why.open, unack: why.unacknowledged })}</p>
      ${why.reasons.slice(0, REASONS).map((reason) => this.reason(reason, why.code))}
      ${rest > 0 ? html`<p class="hush">${say("more", { n: rest })}</p>` : nothing}`;
  }

  private reason(reason: Reason, code: string) {
    const at = moment(reason.since, store.nowMs());
    const limit = { value: withUnit(reason.value, reason.unit), limit: withUnit(reason.threshold, reason.unit) };
    const inner = within(reason, code);
    return html`<button
      class="line signed"
      data-reason=${reason.alarm_id}
      @click=${() => choose(this, { alarm: reason.alarm_id })}
    >
      ${ladderSign(reason.severity, 22)}
      <span
        ><b>${pick(reason.rule_name)}</b> · ${carrier(reason)}
        <small
          >${reason.threshold === null ? nothing : html`${t("alarm.reading", limit)} · `}${say("since", { at })} ·
          ${t(`state.${reason.state}`)}${inner ? ` · ${placeName(inner)}` : ""}</small
        ></span
      >
    </button>`;
  }

  private parts(why: Reasons) {
    if (why.parts.length === 0) return nothing;
    return html`<h3>${say("parts")}</h3>
      ${why.parts.slice(0, PARTS).map(
        (part) =>
          html`<p>${ladderSign(part.severity, 18)} ${placeName(part)}：${say("part", { open: part.open, stale: part.stale })}</p>`,
      )}
      ${why.parts.length > PARTS ? html`<p class="hush">${say("more", { n: why.parts.length - PARTS })}</p>` : nothing}`;
  }

  private silent(why: Reasons) {
    if (why.stale_devices.length === 0) return nothing;
    return html`<h3>${say("silent")}</h3>
      ${why.stale_devices.slice(0, PARTS).map(({ device_id: id, last_at: last }) => {
        const age = span((store.nowMs() - Date.parse(last)) / 1000, lang());
        return html`<button class="line" @click=${() => choose(this, { device: id })}>
          <span>${id}<small>${say("lastHeard", { age })}</small></span>
        </button>`;
      })}`;
  }

  private pointBody() {
    const { here, point } = this;
    if (!point) return nothing;
    const where = html`<dl><dt>${say("position")}</dt><dd>${position(...point)}</dd></dl>`;
    if (!here) return html`${this.problem ? nothing : html`<p class="hush">${say("asking")}</p>`}${where}`;
    const away = here.distance_m === null ? "" : say("away", { distance: distance(here.distance_m) });
    const { space_code: code, nearest } = here;
    return html`<p data-address>
        ${here.address ? html`<b>${here.address}</b> <small>${here.level ? levelWord(here.level) : ""} ${away}</small>` : say("noAddress")}
      </p>
      <p><small>${pick(here.why)}</small></p>
      ${nearest && nearest.address !== here.address ? this.nearest(nearest) : nothing}
      ${way(here.path)}
      <dl>
        <dt>${say("inside")}</dt>
        <dd>
          ${code
            ? html`<button class="bare" @click=${() => choose(this, { space: code })}>${code}</button>`
            : say("outside")}
        </dd>
      </dl>
      ${where}`;
  }

  private nearest(near: NonNullable<AddressAt["nearest"]>) {
    const where = { direction: pick(near.direction), distance: distance(near.distance_m) };
    return html`<button
      class="line"
      @click=${() => choose(this, { point: [near.lon, near.lat], named: near.address })}
    >
      <span>${say("nearest")} ${near.address}<small>${say("beside", where)}</small></span>
    </button>`;
  }

  private async load(): Promise<void> {
    try {
      await this.asker.ask(null);
      this.problem = "";
    } catch (cause) {
      this.problem = problemText(cause);
    }
  }

  private async fetch(signal: AbortSignal): Promise<void> {
    const { space, point } = this;
    const { api, registry } = store;
    const known = registry === this.registry ? this.facts : null;
    if (space) {
      const path = `spaces/${encodeURIComponent(space)}`;
      const [facts, why] = await Promise.all([
        known ?? api.get<SpaceFacts>(path, {}, signal),
        api.get<Reasons>(`${path}/reasons`, {}, signal),
      ]);
      if (!signal.aborted) Object.assign(this, { facts, why, registry });
    } else if (point) {
      const [lon, lat] = point.map(String) as [string, string];
      const here = await api.get<AddressAt>("addresses/at", { lon, lat }, signal);
      if (!signal.aborted) Object.assign(this, { here, registry });
    }
  }

  private shut(): void {
    this.dispatchEvent(new CustomEvent("shut"));
  }
}

function way(path: readonly PathStep[]) {
  return path.length > 0 ? html`<p>${path.map(placeName).join(" › ")}</p>` : nothing;
}
