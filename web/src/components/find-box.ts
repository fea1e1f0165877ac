// A box to find a device or a block by name: the way to the map's things without a mouse.
import { LitElement, css, html, nothing } from "lit";
import { customElement, query, state } from "lit/decorators.js";
import { find, type Findable, type Found } from "../find.ts";
import { placeName, t } from "../i18n.ts";
import { Live } from "../live.ts";
import { choose, shared } from "./shared.ts";

const SHOWN = 8;

/** What can be found; filled by the map once the ground is loaded. */
export const findables: { all: readonly Findable[] } = { all: [] };

@customElement("bt-find-box")
export class FindBox extends LitElement {
  @state() private typed = "";
  @state() private at = 0;
  @state() private open = false;
  @query("input") private input!: HTMLInputElement;
  protected live = new Live(this);

  static override styles = [
    shared,
    css`
      :host {
        position: relative;
        display: block;
      }
      ul {
        position: absolute;
        z-index: 30;
        top: calc(100% + 4px);
        right: 0;
        width: max(100%, 320px);
        margin: 0;
        padding: 4px;
        list-style: none;
        background: var(--panel);
        border: 1px solid var(--line);
        border-radius: 6px;
        box-shadow: var(--shadow);
        white-space: normal;
      }
      li {
        padding: 6px 9px;
        border-radius: 4px;
        cursor: pointer;
      }
      li[aria-selected="true"],
      li:hover {
        background: var(--raised);
      }
      small {
        color: var(--soft);
        display: block;
      }
    `,
  ];

  protected override render() {
    const found = this.open ? find(findables.all, this.typed, SHOWN) : [];
    return html`<input
        type="search"
        role="combobox"
        aria-expanded=${found.length > 0}
        aria-controls="found"
        aria-activedescendant=${found.length > 0 ? `found-${this.at}` : ""}
        aria-label=${t("device.find")}
        placeholder=${t("device.find")}
        title=${t("device.findHint")}
        @input=${this.type}
        @keydown=${(event: KeyboardEvent) => this.key(event, found)}
        @blur=${() => (this.open = false)}
        @focus=${() => (this.open = true)}
      />
      ${this.open && this.typed.trim()
        ? html`<ul id="found" role="listbox">
            ${found.map((item, at) => this.item(item, at))}
            ${found.length === 0 ? html`<li class="hush">${t("device.findNone")}</li>` : nothing}
          </ul>`
        : nothing}`;
  }

  private item(item: Found, at: number) {
    return html`<li
      id="found-${at}"
      role="option"
      aria-selected=${at === this.at}
      @pointerdown=${(event: Event) => {
        event.preventDefault();
        this.take(item);
      }}
    >
      ${placeName(item)}<small>${item.id}</small>
    </li>`;
  }

  private type(): void {
    this.typed = this.input.value;
    this.at = 0;
    this.open = true;
  }

  private key(event: KeyboardEvent, found: readonly Found[]): void {
    if (event.key === "ArrowDown") this.at = Math.min(this.at + 1, found.length - 1);
    else if (event.key === "ArrowUp") this.at = Math.max(this.at - 1, 0);
    else if (event.key === "Escape") this.open = false;
    else if (event.key === "Enter" && found[this.at]) this.take(found[this.at]!);
    else return;
    event.preventDefault();
  }

  private take(item: Found): void {
    this.open = false;
    this.input.value = this.typed = "";
    choose(this, item.kind === "device" ? { device: item.id } : { space: item.id });
  }
}
