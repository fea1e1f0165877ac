// One proposal: what was found, what it changes, who gets another owner; applied or withdrawn after a last question.
import { LitElement, html, nothing } from "lit";
import { customElement, property, query, state } from "lit/decorators.js";
import { placeInFile, sentences } from "../finding_text.ts";
import { moment } from "../format.ts";
import { placeName } from "../i18n.ts";
import { Live } from "../live.ts";
import { CELLS, MARKS, marked, ProposalGuest, sided } from "../map/proposal_guest.ts";
import { again, apply, proposal, proposalCells, withdraw } from "../maps_api.ts";
import { problemText } from "../problem.ts";
import {
  allMoves,
  boxOf,
  boxOfChanges,
  byWeight,
  mover,
  obstacle,
  weigh,
  type Cell,
  type Finding,
  type Move,
  type Proposal,
  type Side,
} from "../proposal.ts";
import { mayChangeMaps } from "../session.ts";
import { store } from "../store.ts";
import { kindTitle, say } from "../words/maps.ts";
import type { ConfirmDialog } from "./confirm-dialog.ts";
import { mapsStyles } from "./maps-styles.ts";
import { changeSign, weightSign } from "./maps-signs.ts";
import type { MapView } from "./map-view.ts";
import { choose, shared } from "./shared.ts";
import "./confirm-dialog.ts";

const LISTED = 200;
const CHANGES = [
  ["added", "added"],
  ["redrawn", "redrawn"],
  ["corrected", "changed"],
  ["gone", "gone"],
  ["same", "same"],
] as const;
const SIDES: readonly Side[] = ["both", "before", "after"];
const WEIGHTS = ["error", "warning", "note"] as const;

@customElement("bt-map-proposal")
export class MapProposal extends LitElement {
  @property({ type: Number }) proposal = 0;
  @property({ attribute: false }) map: MapView | null = null;
  @state() private told: Proposal | null = null;
  @state() private cells: Cell[] = [];
  @state() private side: Side = "both";
  @state() private accepted = false;
  @state() private note = "";
  @state() private problem = "";
  @state() private chosen = "";
  @query("bt-confirm-dialog") private dialog!: ConfirmDialog;
  private readonly guest = new ProposalGuest();
  protected live = new Live(this);

  static override styles = [shared, mapsStyles];

  override connectedCallback(): void {
    super.connectedCallback();
    this.guest.pressed = (code) => this.choose(code);
    this.map?.guests.host(this.guest);
  }

  override disconnectedCallback(): void {
    this.map?.guests.leave(this.guest);
    super.disconnectedCallback();
  }

  protected override willUpdate(changed: Map<string, unknown>): void {
    if (changed.has("map")) this.map?.guests.host(this.guest);
    if (changed.has("proposal")) void this.load();
  }

  protected override render() {
    const { told } = this;
    return html`<div class="body" data-proposal=${told?.proposal_id ?? ""} data-cells=${this.cells.length}>
        ${this.problem ? html`<section class="problem" role="alert">${this.problem}</section>` : nothing}
        ${told ? this.parts(told) : nothing}
        ${!told && !this.problem ? html`<section class="hush">${say("loading")}</section>` : nothing}
      </div>
      <bt-confirm-dialog></bt-confirm-dialog>`;
  }

  private parts(told: Proposal) {
    return html`<section>${this.head(told)}</section>
      <section>${this.changes(told)}</section>
      <section>
        <h3>${say("findings")}</h3>
        ${this.findings(told)}
      </section>
      <section>
        <h3>${say("moves")} · ${allMoves(told).length}</h3>
        ${this.moves(told)}
      </section>
      ${told.state === "open" && mayChangeMaps(store.desk.session) ? this.decision(told) : nothing}`;
  }

  private head(told: Proposal) {
    const { file, against, in_force: now } = told;
    const when = (at: string): string => moment(at, store.nowMs());
    const old = told.state === "open" && !told.current;
    return html`<p class="head">
        <b>${file.name}</b> <span class="state ${told.state}">${say(`state.${told.state}`)}</span>
      </p>
      <small>${say("made", { by: told.made_by, at: when(told.made_at) })}</small>
      ${told.settled_at
        ? html`<small>${say("settled", { by: told.settled_by ?? "", at: when(told.settled_at) })} ${told.settled_note}</small>`
        : nothing}
      <small>${[file.driver, file.frame, file.encoding, file.origin].filter(Boolean).join(" · ")}</small>
      <small>${say(told.partial ? "partial" : "whole")}</small>
      ${against === null
        ? nothing
        : html`<small class=${old ? "problem" : ""}
            >${old ? say("againstOld", { n: against, now: now ?? 0 }) : say("againstNow", { n: against })}</small
          >`}
      ${told.note ? html`<p>${told.note}</p>` : nothing}`;
  }

  private changes(told: Proposal) {
    const faulty = this.cells.filter((cell) => cell.properties.change === "faulty").length;
    return html`<div class="changes">
        ${CHANGES.map(
          ([change, count]) =>
            html`<span data-change=${change}
              >${changeSign(change)} ${say(`change.${change}`)} <b>${told.diff.counts[count]}</b></span
            >`,
        )}
        ${faulty > 0 ? html`<span>${changeSign("faulty")} ${say("change.faulty")} <b>${faulty}</b></span>` : nothing}
      </div>
      <div class="sides" role="group" aria-label=${say("sides")}>
        ${SIDES.map(
          (side) =>
            html`<button aria-pressed=${this.side === side} data-side=${side} @click=${() => this.turn(side)}>
              ${say(`side.${side}`)}
            </button>`,
        )}
      </div>
      ${this.lineages(told)}
      ${this.chosen ? html`<p role="status">${this.chosen}</p>` : nothing}`;
  }

  private lineages({ diff: { lineages } }: Proposal) {
    if (lineages.length === 0) return nothing;
    return html`<details>
      <summary>${say("lineages")} ${lineages.length}</summary>
      ${lineages
        .slice(0, LISTED)
        .map(
          ({ kind, before, after }) =>
            html`<p>${say(`lineage.${kind}`)}：${say("fromTo", { from: before.join(" "), to: after.join(" ") })}</p>`,
        )}
    </details>`;
  }

  private findings(told: Proposal) {
    if (told.findings.length === 0) return html`<p>${say("noFindings")}</p>`;
    const sums = weigh(told.findings);
    return html`<p class="changes">
        ${WEIGHTS.map((weight) => html`<span>${weightSign(weight)} <b>${sums[weight]}</b></span>`)}
      </p>
      ${byWeight(told.findings)
        .slice(0, LISTED)
        .map((finding) => this.finding(finding))}
      ${told.findings.length > LISTED ? html`<p class="hush">${say("cut", { n: LISTED })}</p>` : nothing}`;
  }

  private finding(finding: Finding) {
    const codes = finding.codes.slice(0, 4).join(" ");
    const { detail, mend } = sentences(finding);
    const text = html`<span>
      <b>${kindTitle(finding.kind)}</b> ${detail}
      ${mend ? html`<small>${say("mend")}${mend}</small>` : nothing}
      <small>${[placeInFile(finding.where), codes].filter(Boolean).join(" · ")}</small>
    </span>`;
    const seen = finding.at !== null || finding.codes.length > 0;
    if (!seen) return html`<div class="finding" data-finding=${finding.kind}>${weightSign(finding.weight)}${text}</div>`;
    return html`<button
      class="finding"
      data-finding=${finding.kind}
      title=${say("toPlace")}
      @click=${() => this.show(finding)}
    >
      ${weightSign(finding.weight)}${text}
    </button>`;
  }

  private moves(told: Proposal) {
    const moves = allMoves(told);
    if (moves.length === 0) return html`<p>${say("noMoves")}</p>`;
    return html`${moves.slice(0, LISTED).map((move) => this.move(move))}
    ${moves.length > LISTED ? html`<p class="hush">${say("cut", { n: LISTED })}</p>` : nothing}`;
  }

  private move(move: Move) {
    const ends = { from: move.from ?? say("nowhere"), to: move.to ?? say("nowhere") };
    return html`<button class="row" data-move=${mover(move)} @click=${() => this.showMove(move)}>
      <b>${mover(move)}</b> <small>${say(move.gateway_id ? "node.gateway" : "node.device")} · ${say("fromTo", ends)}</small>
    </button>`;
  }

  private decision(told: Proposal) {
    const block = obstacle(told, this.accepted);
    return html`<section>
      ${told.warnings > 0 && told.errors === 0
        ? html`<label class="accept"
            ><input
              type="checkbox"
              .checked=${this.accepted}
              @change=${(event: Event) => (this.accepted = (event.target as HTMLInputElement).checked)}
            />${say("accept", { n: told.warnings })}</label
          >`
        : nothing}
      <label
        >${say("note")}<textarea
          rows="2"
          maxlength="200"
          .value=${this.note}
          @input=${(event: Event) => (this.note = (event.target as HTMLTextAreaElement).value)}
        ></textarea>
      </label>
      <div class="acts">
        <button class="main apply" ?disabled=${block !== null} @click=${() => this.askApply(told)}>${say("apply")}</button>
        ${block === "stale" ? html`<button class="again" @click=${() => this.again(told)}>${say("again")}</button>` : nothing}
        <button class="withdraw" @click=${() => this.askWithdraw(told)}>${say("withdraw")}</button>
      </div>
      ${block ? html`<p class="hush" role="status">${say(`obstacle.${block}`, { n: told.errors })}</p>` : nothing}
    </section>`;
  }

  private turn(side: Side): void {
    this.side = side;
    this.map?.guests.feed(this.guest, CELLS, sided(this.cells, side));
  }

  private choose(code: string): void {
    const cell = this.cells.find(({ properties }) => properties.code === code);
    if (!cell) return;
    const { change } = cell.properties;
    this.chosen = say("chosenCell", { name: placeName(cell.properties), code, change: say(`change.${change}`) });
    this.map?.guests.feed(this.guest, MARKS, marked(this.cells, { codes: [code] }));
  }

  private show(finding: Finding): void {
    this.map?.guests.feed(this.guest, MARKS, marked(this.cells, finding));
    if (finding.at) return this.map?.showPoint(...finding.at);
    const box = boxOf(this.cells, new Set(finding.codes));
    if (box) this.map?.showBox(box);
  }

  /** Both owners are marked, and the device is flown to. */
  private showMove(move: Move): void {
    const codes = [move.from, move.to].filter((code) => code !== null);
    this.map?.guests.feed(this.guest, MARKS, marked(this.cells, { codes }));
    const at = this.map?.deviceAt(mover(move));
    if (at) this.map?.showPoint(...at);
    else choose(this, { device: mover(move) });
  }

  private async askApply(told: Proposal): Promise<void> {
    const { changed, ...counts } = told.diff.counts;
    const lines = [say("willChange", { ...counts, corrected: changed }), say("willMove", { n: allMoves(told).length })];
    if (told.warnings > 0) lines.push(say("willAccept", { n: told.warnings }));
    await this.dialog.ask({
      title: say("confirmApply", { id: told.proposal_id }),
      lines,
      act: say("apply"),
      run: async () => {
        await apply(told.proposal_id, this.note.trim(), this.accepted);
        void this.settled();
      },
    });
  }

  private async askWithdraw(told: Proposal): Promise<void> {
    await this.dialog.ask({
      title: say("confirmWithdraw", { id: told.proposal_id }),
      lines: [say("willWithdraw")],
      act: say("withdraw"),
      run: async () => {
        await withdraw(told.proposal_id, this.note.trim());
        void this.settled();
      },
    });
  }

  /** The comparison with the map in force now is another proposal, which takes this one's place. */
  private async again(told: Proposal): Promise<void> {
    this.problem = "";
    try {
      const { proposal_id: id } = await again(told.proposal_id);
      this.dispatchEvent(new CustomEvent<number>("proposed", { detail: id }));
    } catch (cause) {
      this.problem = problemText(cause);
    }
  }

  private async settled(): Promise<void> {
    await this.load();
    await this.updateComplete;
    this.dispatchEvent(new CustomEvent("settled"));
  }

  private async load(): Promise<void> {
    const id = this.proposal;
    this.problem = "";
    try {
      const [told, cells] = await Promise.all([proposal(id), proposalCells(id)]);
      if (id !== this.proposal) return;
      this.told = told;
      this.cells = cells;
      this.accepted = false;
      this.turn(this.side);
      const box = boxOfChanges(cells);
      if (box && told.state === "open") this.map?.showBox(box);
    } catch (cause) {
      this.problem = problemText(cause);
    }
  }
}
