// The list of alarms: the open ones live, the closed ones on demand; its order is held while a hand is on it.
import { LitElement, css, html, nothing } from "lit";
import { customElement, property, state } from "lit/decorators.js";
import { repeat } from "lit/directives/repeat.js";
import { t, type Word } from "../i18n.ts";
import { Live } from "../live.ts";
import { problemText } from "../problem.ts";
import { byUrgency, isFiltering, isHidden, NO_FILTER, passes, roll, type Filter, type Roll } from "../roll.ts";
import { store } from "../store.ts";
import type { Alarm } from "../types.ts";
import { shared } from "./shared.ts";
import "./alarm-filter.ts";
import "./alarm-row.ts";

const MAX_ROWS = 300;
const CLOSED_ROWS = "100";

@customElement("bt-alarm-list")
export class AlarmList extends LitElement {
  @property({ attribute: false }) filter: Filter = NO_FILTER;
  @property() chosen: string | null = null;
  @property() placeName = "";
  @state() private view: "open" | "hidden" | "closed" = "open";
  @state() private closed: Alarm[] = [];
  @state() private problem = "";
  @state() private held = false;
  private shown: string[] = [];
  protected live = new Live(this);

  static override styles = [
    shared,
    css`
      :host {
        display: flex;
        flex-direction: column;
        min-height: 0;
        background: var(--panel);
      }
      header {
        display: flex;
        align-items: center;
        gap: 8px;
        padding: 8px 12px 0;
      }
      header h2 {
        font-size: 16px;
        margin-right: auto;
      }
      header button {
        padding: 3px 10px;
      }
      .rows {
        overflow-y: auto;
        flex: 1;
        min-height: 0;
        overscroll-behavior: contain;
      }
      .none {
        padding: 28px 16px;
        text-align: center;
        color: var(--soft);
      }
      .more {
        display: block;
        width: 100%;
        border-radius: 0;
        border-width: 0 0 1px;
      }
      .more.main {
        font-weight: 700;
      }
      p.more {
        margin: 0;
        padding: 7px 12px;
        background: var(--raised);
        font-size: 13px;
      }
    `,
  ];

  /** The first row's button, for the link that skips to the list. */
  override focus(): void {
    const row = this.renderRoot.querySelector("bt-alarm-row");
    const button = row?.shadowRoot?.querySelector<HTMLElement>("button.what");
    (button ?? this.renderRoot.querySelector<HTMLElement>("header button"))?.focus();
  }

  protected override render() {
    const { alarms } = store.desk;
    const now = roll(alarms, this.filter, this.shown, this.held);
    this.shown = now.ids;
    const open = [...alarms.values()].filter((alarm) => alarm.state !== "closed");
    const hidden = open.filter(isHidden);
    return html`<header>
        <h2>${t("list.title")}</h2>
        <button aria-pressed=${this.view === "open"} data-view="open" @click=${() => this.turn("open")}>
          ${t("list.open")} ${open.length - hidden.length}
        </button>
        ${hidden.length > 0 || this.view === "hidden"
          ? html`<button aria-pressed=${this.view === "hidden"} data-view="hidden" @click=${() => this.turn("hidden")}>
              ${t("list.away")} ${hidden.length}
            </button>`
          : nothing}
        <button aria-pressed=${this.view === "closed"} data-view="closed" @click=${() => this.turn("closed")}>
          ${t("list.closed")}
        </button>
      </header>
      <bt-alarm-filter
        .filter=${this.filter}
        .placeName=${this.placeName}
        @filter=${(event: CustomEvent<Filter>) => this.refilter(event.detail)}
      ></bt-alarm-filter>
      ${this.rowsOf(now, alarms, hidden)}`;
  }

  private rowsOf(now: Roll, alarms: ReadonlyMap<string, Alarm>, hidden: readonly Alarm[]) {
    if (this.view === "open") return this.openRows(now, alarms);
    if (this.view === "closed") return this.otherRows(this.closed, "list.closed", "list.noneClosed");
    return this.otherRows([...hidden].sort(byUrgency), "list.away", "list.noneAway");
  }

  private openRows(now: Roll, alarms: ReadonlyMap<string, Alarm>) {
    const rows = now.ids.slice(0, MAX_ROWS);
    const none = isFiltering(this.filter) ? "list.noneFiltered" : "list.none";
    return html`${now.waiting > 0
        ? html`<button class="more main" @click=${this.release}>
            ${t("list.waiting", { n: now.waiting })}
          </button>`
        : nothing}
      ${now.hidden > 0 ? html`<p class="more">${t("list.hidden", { n: now.hidden })}</p>` : nothing}
      <div
        class="rows"
        role="list"
        aria-label=${t("list.title")}
        @pointerenter=${this.hold}
        @pointerleave=${this.letGo}
        @focusin=${this.hold}
        @focusout=${this.letGo}
        @keydown=${this.step}
      >
        ${repeat(
          rows,
          (id) => id,
          (id) => this.row(alarms.get(id)),
        )}
        ${rows.length === 0 ? html`<p class="none">${t(none)}</p>` : nothing}
        ${now.ids.length > MAX_ROWS
          ? html`<p class="none">${t("list.cut", { n: MAX_ROWS })}</p>`
          : nothing}
      </div>`;
  }

  private otherRows(all: readonly Alarm[], title: Word, none: Word) {
    const rows = all.filter((alarm) => passes(alarm, this.filter));
    return html`<div class="rows" role="list" aria-label=${t(title)} @keydown=${this.step}>
      ${this.problem ? html`<p class="problem none" role="alert">${this.problem}</p>` : nothing}
      ${rows.map((alarm) => this.row(alarm))}
      ${rows.length === 0 && !this.problem
        ? html`<p class="none">${t(none)}</p>`
        : nothing}
    </div>`;
  }

  private row(alarm: Alarm | undefined) {
    if (!alarm) return nothing;
    return html`<bt-alarm-row
      role="listitem"
      .alarm=${alarm}
      ?chosen=${alarm.alarm_id === this.chosen}
    ></bt-alarm-row>`;
  }

  private refilter(filter: Filter): void {
    this.shown = [];
    this.dispatchEvent(new CustomEvent<Filter>("filter", { detail: filter }));
  }

  private async turn(view: "open" | "hidden" | "closed"): Promise<void> {
    this.view = view;
    this.problem = "";
    if (view !== "closed") return;
    try {
      this.closed = (await store.api.alarms({ state: "closed", limit: CLOSED_ROWS })).alarms;
    } catch (cause) {
      this.problem = problemText(cause);
    }
  }

  private hold(event: Event): void {
    // A finger does not hover: it presses, and holding after it would hold for ever.
    if (event instanceof PointerEvent && event.pointerType === "touch") return;
    this.held = true;
  }

  private letGo(event: Event): void {
    const rows = event.currentTarget as HTMLElement;
    const next = event instanceof FocusEvent ? (event.relatedTarget as Node | null) : null;
    if (next && rows.contains(next)) return;
    this.held = rows.matches(":hover") || (next === null && rows.matches(":focus-within"));
  }

  /** Take in what waits at once, though the hand stays. */
  private release(): void {
    this.shown = [];
    this.renderRoot.querySelector(".rows")?.scrollTo({ top: 0 });
    this.requestUpdate();
  }

  /** Arrow keys go from alarm to alarm. */
  private step(event: KeyboardEvent): void {
    if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
    const rows = [...this.renderRoot.querySelectorAll("bt-alarm-row")];
    const at = rows.findIndex((row) => row.matches(":focus-within"));
    const next = rows[at + (event.key === "ArrowDown" ? 1 : -1)];
    const button = next?.shadowRoot?.querySelector<HTMLElement>("button.what");
    if (!button) return;
    event.preventDefault();
    button.focus();
  }
}
