// A box to find a device, a block or an address by words: the way to the map's things without a mouse.
import { LitElement, css, html, nothing } from "lit";
import { customElement, query, state } from "lit/decorators.js";
import { askable, distinct, SURE, type AddressFound, type AddressMatch } from "../address.ts";
import { Asker } from "../asking.ts";
import { find, type Findable, type Found } from "../find.ts";
import { levelWord, pick, placeName, t } from "../i18n.ts";
import { Live } from "../live.ts";
import { problemText } from "../problem.ts";
import { store } from "../store.ts";
import { choose, shared } from "./shared.ts";

const SHOWN = 8;
const PAUSE_MS = 150;

/** What can be found; filled by the map once the ground is loaded. */
export const findables: { all: readonly Findable[] } = { all: [] };
/** Where the map looks, so that of equal addresses the nearer comes first. */
export const looksAt: { centre: [number, number] | null } = { centre: null };

type Hit = { local: Found } | { match: AddressMatch };

@customElement("bt-find-box")
export class FindBox extends LitElement {
  @state() private typed = "";
  @state() private at = 0;
  @state() private open = false;
  @state() private asking = false;
  @state() private problem = "";
  @state() private addresses: readonly AddressMatch[] = [];
  /** What the server says of the text as a whole. */
  @state() private note = "";
  @query("input") private input!: HTMLInputElement;
  private readonly asker = new Asker((text: string, signal) => lookUp(text, signal), PAUSE_MS);
  protected live = new Live(this);

  static override styles = [
    shared,
    css`
      :host {
        position: relative;
        display: block;
      }
      .drop {
        position: absolute;
        z-index: 30;
        top: calc(100% + 4px);
        right: 0;
        width: max(100%, min(400px, 92vw));
        max-height: 70dvh;
        overflow-y: auto;
        padding: 4px;
        background: var(--panel);
        border: 1px solid var(--line);
        border-radius: 6px;
        box-shadow: var(--shadow);
        white-space: normal;
      }
      @media (max-width: 760px) {
        .drop {
          position: fixed;
          top: 44px;
          left: 6px;
          right: 6px;
          width: auto;
        }
      }
      ul {
        margin: 0;
        padding: 0;
        list-style: none;
      }
      li {
        padding: 6px 9px;
        border-radius: 4px;
        cursor: pointer;
        overflow-wrap: anywhere;
      }
      li[aria-selected="true"],
      li:hover {
        background: var(--raised);
      }
      li[aria-selected="true"] {
        box-shadow: inset 3px 0 0 var(--accent);
      }
      li.head {
        cursor: default;
        padding: 5px 9px 2px;
        font-size: 12px;
        color: var(--soft);
        background: none;
      }
      small {
        color: var(--soft);
        display: block;
      }
      .level {
        float: right;
        margin-left: 8px;
        padding: 0 6px;
        font-size: 12px;
        border: 1px solid var(--line);
        border-radius: 8px;
      }
      p {
        margin: 0;
        padding: 6px 9px;
      }
    `,
  ];

  override disconnectedCallback(): void {
    this.asker.stop();
    super.disconnectedCallback();
  }

  protected override render() {
    const hits = this.open ? this.hits() : [];
    return html`<input
        type="search"
        role="combobox"
        aria-expanded=${hits.length > 0}
        aria-controls="found"
        aria-autocomplete="list"
        aria-activedescendant=${hits.length > 0 ? `found-${this.at}` : ""}
        aria-label=${t("device.find")}
        placeholder=${t("device.find")}
        title=${t("device.findHint")}
        maxlength="200"
        @input=${this.type}
        @keydown=${(event: KeyboardEvent) => this.key(event)}
        @blur=${() => (this.open = false)}
        @focus=${() => (this.open = true)}
      />
      ${this.open && this.typed.trim() ? this.drop(hits) : nothing}`;
  }

  override focus(): void {
    this.input.focus();
  }

  private drop(hits: readonly Hit[]) {
    const firstMatch = hits.findIndex((hit) => "match" in hit);
    return html`<div class="drop">
      <ul id="found" role="listbox" aria-label=${t("device.find")}>
        ${hits.map((hit, at) => html`${this.head(at, firstMatch)}${this.item(hit, at)}`)}
      </ul>
      <p class="hush" role="status" ?hidden=${!this.asking && hits.length > 0}>
        ${this.asking ? t("device.findAsking") : hits.length === 0 && !this.problem ? t("device.findNone") : nothing}
      </p>
      ${this.note && !this.asking ? html`<p class="hush">${this.note}</p>` : nothing}
      ${this.problem ? html`<p class="problem" role="alert">${t("device.findFailed")}：${this.problem}</p>` : nothing}
    </div>`;
  }

  private head(at: number, firstMatch: number) {
    if (at === firstMatch) return html`<li class="head" role="presentation">${t("device.findAddresses")}</li>`;
    return at === 0 ? html`<li class="head" role="presentation">${t("device.findLocal")}</li>` : nothing;
  }

  private item(hit: Hit, at: number) {
    return html`<li
      id="found-${at}"
      role="option"
      aria-selected=${at === this.at}
      @pointerdown=${(event: Event) => {
        event.preventDefault();
        this.take(hit);
      }}
    >
      ${"local" in hit ? html`${placeName(hit.local)}<small>${hit.local.id}</small>` : matched(hit.match)}
    </li>`;
  }

  private hits(): Hit[] {
    const local = find(findables.all, this.typed, SHOWN).map((found): Hit => ({ local: found }));
    const matches = this.addresses.map((match): Hit => ({ match }));
    // Both kinds are seen: what is found here does not push the addresses out.
    const room = Math.max(SHOWN - matches.length, SHOWN / 2);
    return [...local.slice(0, room), ...matches].slice(0, room + SHOWN);
  }

  private type(): void {
    this.typed = this.input.value;
    this.at = 0;
    this.open = true;
    void this.ask();
  }

  private async ask(): Promise<void> {
    const text = askable(this.typed);
    this.problem = this.note = "";
    if (!text) {
      this.asker.stop();
      this.addresses = [];
      this.asking = false;
      return;
    }
    this.asking = true;
    try {
      const found = await this.asker.ask(text);
      if (!found) return;
      this.addresses = distinct(found.matches, SHOWN);
      this.note = pick(found.query.note);
    } catch (cause) {
      this.addresses = [];
      this.problem = problemText(cause);
    }
    this.asking = false;
  }

  private key(event: KeyboardEvent): void {
    const hits = this.hits();
    if (event.key === "ArrowDown") this.at = Math.max(0, Math.min(this.at + 1, hits.length - 1));
    else if (event.key === "ArrowUp") this.at = Math.max(this.at - 1, 0);
    else if (event.key === "Enter") void this.enter();
    // With nothing open, Escape closes what stands on the map.
    else if (event.key === "Escape" && this.open && this.typed) this.open = false;
    else return;
    event.preventDefault();
  }

  /** Take the chosen one; with nothing found yet, wait for the addresses and take the first. */
  private async enter(): Promise<void> {
    const chosen = this.hits()[this.at];
    if (chosen) return this.take(chosen);
    const { typed } = this;
    await this.ask();
    const first = this.hits()[0];
    if (typed === this.typed && first) this.take(first);
  }

  private take(hit: Hit): void {
    this.open = false;
    this.asker.stop();
    this.input.value = this.typed = "";
    this.addresses = [];
    this.asking = false;
    if ("local" in hit) {
      const { kind, id } = hit.local;
      return choose(this, kind === "device" ? { device: id } : { space: id });
    }
    const { device_id: device, lon, lat, address } = hit.match;
    choose(this, device ? { device } : { point: [lon, lat], named: address });
  }
}

function matched(match: AddressMatch) {
  const path = match.path.map(placeName).join(" › ");
  const guess = match.score < SURE ? t("device.findGuess") : "";
  return html`<span class="level">${guess ? `${guess} · ` : ""}${levelWord(match.level)}</span>${match.address}
    <small>${[path, pick(match.why)].filter(Boolean).join(" · ")}</small>`;
}

function lookUp(text: string, signal: AbortSignal): Promise<AddressFound> {
  const near = looksAt.centre;
  const query = { text, limit: String(SHOWN) };
  const nearby = near ? { near_lon: near[0].toFixed(6), near_lat: near[1].toFixed(6) } : {};
  return store.api.get<AddressFound>("addresses/find", { ...query, ...nearby }, signal);
}
