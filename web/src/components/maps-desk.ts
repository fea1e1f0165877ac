// The desk for block maps: proposals and versions, and the way from a file to the map in force.
import { LitElement, html, nothing } from "lit";
import { customElement, property, query, state } from "lit/decorators.js";
import { focused, isWriting } from "../focus.ts";
import { moment } from "../format.ts";
import { Live } from "../live.ts";
import { proposals, rollback, versions } from "../maps_api.ts";
import { tool } from "../pictures.ts";
import { problemText } from "../problem.ts";
import { allMoves, type ProposalHead, type Version } from "../proposal.ts";
import { mayChangeMaps } from "../session.ts";
import { store } from "../store.ts";
import { say, type MAPS_WORDS } from "../words/maps.ts";
import type { ConfirmDialog } from "./confirm-dialog.ts";
import { mapsStyles } from "./maps-styles.ts";
import { changeSign, weightSign } from "./maps-signs.ts";
import type { MapView } from "./map-view.ts";
import { shared } from "./shared.ts";
import "./confirm-dialog.ts";
import "./map-proposal.ts";
import "./map-upload.ts";

type View = "proposals" | "versions" | "upload" | { proposal: number };
const CHANGES = ["added", "redrawn", "corrected", "gone"] as const;
type Counts = Record<(typeof CHANGES)[number], number>;

@customElement("bt-maps-desk")
export class MapsDesk extends LitElement {
  @property({ attribute: false }) map: MapView | null = null;
  @state() private view: View = "proposals";
  @state() private proposals: ProposalHead[] = [];
  @state() private versions: Version[] = [];
  @state() private loaded = false;
  @state() private problem = "";
  @query("h2") private heading!: HTMLElement;
  @query("bt-confirm-dialog") private dialog!: ConfirmDialog;
  private registry = store.registry;
  protected live = new Live(this);

  static override styles = [shared, mapsStyles];

  override connectedCallback(): void {
    super.connectedCallback();
    void this.load();
  }

  /** Somebody else may have applied a map or taken one back. */
  protected override willUpdate(): void {
    if (this.registry === store.registry) return;
    this.registry = store.registry;
    void this.load();
  }

  protected override firstUpdated(): void {
    if (!isWriting()) this.heading.focus();
  }

  protected override updated(changed: Map<string, unknown>): void {
    // What was pressed to come here went with the view before.
    if (changed.get("view") !== undefined) this.refocus();
  }

  protected override render() {
    return html`${this.header()} ${this.content()} <bt-confirm-dialog></bt-confirm-dialog>`;
  }

  private header() {
    const { view } = this;
    const tab = (name: "proposals" | "versions") =>
      html`<button aria-pressed=${view === name} data-tab=${name} @click=${() => this.turn(name)}>${say(name)}</button>`;
    const inside = typeof view === "object" || view === "upload";
    return html`<header>
      <h2 tabindex="-1">${say("title")}</h2>
      ${inside ? html`<button class="back" @click=${() => this.turn("proposals")}>${say("back")}</button>` : nothing}
      ${inside ? nothing : html`${tab("proposals")} ${tab("versions")}`}
      ${mayChangeMaps(store.desk.session) && view !== "upload"
        ? html`<button class="main upload" @click=${() => this.turn("upload")}>${say("upload")}</button>`
        : nothing}
      <button class="bare shut" aria-label=${say("back")} title=${say("back")} @click=${this.shut}>${tool("close")}</button>
    </header>`;
  }

  private content() {
    const { view } = this;
    if (view === "upload") {
      return html`<bt-map-upload @proposed=${(event: CustomEvent<number>) => this.proposed(event.detail)}></bt-map-upload>`;
    }
    if (typeof view === "object") {
      return html`<bt-map-proposal
        .proposal=${view.proposal}
        .map=${this.map}
        @settled=${this.settled}
        @proposed=${(event: CustomEvent<number>) => this.proposed(event.detail)}
        style="flex:1;min-height:0"
      ></bt-map-proposal>`;
    }
    return html`<div class="body">
      ${mayChangeMaps(store.desk.session) ? nothing : html`<section class="hush">${say("look")}</section>`}
      ${this.problem ? html`<section class="problem" role="alert">${this.problem}</section>` : nothing}
      ${this.loaded ? (view === "versions" ? this.versionRows() : this.proposalRows()) : nothing}
      ${!this.loaded && !this.problem ? html`<section class="hush">${say("loading")}</section>` : nothing}
    </div>`;
  }

  private proposalRows() {
    if (this.proposals.length === 0) return html`<section>${say("noProposals")}</section>`;
    const now = this.versions[0];
    return html`${now ? html`<section class="hush">${say("inForce", { n: now.version_id })}</section>` : nothing}
    ${this.proposals.map((head) => this.proposalRow(head))}`;
  }

  private proposalRow(head: ProposalHead) {
    const at = moment(head.made_at, store.nowMs());
    return html`<button
      class="row"
      data-row=${head.proposal_id}
      @click=${() => (this.view = { proposal: head.proposal_id })}
    >
      <span class="head"
        ><b>#${head.proposal_id} ${head.file.name}</b><span class="state ${head.state}">${say(`state.${head.state}`)}</span></span
      >
      <small>${say("made", { by: head.made_by, at })} ${head.note}</small>
      <span class="changes">
        ${counts({ ...head.counts, corrected: head.counts.changed })}
        ${head.moves ? html`<span>${say("moves")} <b>${head.moves}</b></span>` : nothing}
        ${head.errors ? html`<span>${weightSign("error")} <b>${head.errors}</b></span>` : nothing}
        ${head.warnings ? html`<span>${weightSign("warning")} <b>${head.warnings}</b></span>` : nothing}
      </span>
    </button>`;
  }

  private versionRows() {
    if (this.versions.length === 0) return html`<section>${say("noVersions")}</section>`;
    return this.versions.map((version, at) => this.versionRow(version, at === 0));
  }

  private versionRow(version: Version, current: boolean) {
    const at = moment(version.applied_at, store.nowMs());
    const source = `source.${version.source}` as keyof typeof MAPS_WORDS;
    const how = version.undoes === null ? say(source) : say("undoes", { n: version.undoes });
    const undoable = mayChangeMaps(store.desk.session) && this.versions.at(-1) !== version;
    return html`<section data-version=${version.version_id}>
      <p>
        <b>${say("versionOf", { n: version.version_id })}</b> · ${how}
        ${current ? html`<span class="state open">${say("current")}</span>` : nothing}
      </p>
      <small>${say("appliedBy", { by: version.applied_by, at })} ${version.file ?? ""} ${version.note}</small>
      <p class="changes">${counts(version)}<span>${say("moves")} <b>${version.moves}</b></span></p>
      ${undoable
        ? html`<div class="acts">
            <button class="rollback" @click=${() => this.askRollback(version)}>${say("rollback")}</button>
          </div>`
        : nothing}
    </section>`;
  }

  /** What it would change is asked first: later versions may stand in its way. */
  private async askRollback({ version_id: id }: Version): Promise<void> {
    this.problem = "";
    try {
      const { added, redrawn, corrected, gone, ...moved } = await rollback(id, true);
      const counts = { added: added.length, redrawn: redrawn.length, corrected: corrected.length, gone: gone.length };
      await this.dialog.ask({
        title: say("confirmRollback", { id }),
        lines: [say("willUndo", { id }), say("willChange", counts), say("willMove", { n: allMoves(moved).length })],
        act: say("rollback"),
        run: async () => {
          await rollback(id, false);
          void this.settled();
        },
      });
    } catch (cause) {
      this.problem = problemText(cause);
    }
  }

  private turn(view: View): void {
    this.view = view;
    void this.load();
  }

  private proposed(id: number): void {
    this.view = { proposal: id };
  }

  /** The map in force may be another now. */
  private async settled(): Promise<void> {
    this.map?.renew();
    await this.load();
    await this.updateComplete;
    this.refocus();
  }

  private refocus(): void {
    if (!focused()) this.heading.focus();
  }

  private async load(): Promise<void> {
    this.problem = "";
    try {
      [this.proposals, this.versions] = await Promise.all([proposals(), versions()]);
      this.loaded = true;
    } catch (cause) {
      this.problem = problemText(cause);
    }
  }

  private shut(): void {
    this.dispatchEvent(new CustomEvent("shut"));
  }
}

function counts(told: Counts) {
  return CHANGES.filter((change) => told[change] > 0).map(
    (change) => html`<span data-change=${change}>${changeSign(change)} ${say(`change.${change}`)} <b>${told[change]}</b></span>`,
  );
}
