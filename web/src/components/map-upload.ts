// From a file to a proposal: look into it, let a person say what it is, hand it in.
import { LitElement, css, html, nothing } from "lit";
import { customElement, property, state } from "lit/decorators.js";
import { levelWord } from "../i18n.ts";
import {
  ENCODINGS,
  fieldNames,
  FIXED,
  offered,
  question,
  ROLES,
  shapes,
  UNDECLARED,
  type Declared,
  type Inspection,
  type LayerFacts,
  type Role,
} from "../inspection.ts";
import { Live } from "../live.ts";
import { inspect, propose } from "../maps_api.ts";
import { problemText } from "../problem.ts";
import { bytes } from "../proposal.ts";
import { say } from "../words/maps.ts";
import { mapsStyles } from "./maps-styles.ts";
import { shared } from "./shared.ts";

const KINDS = ["street", "community", "grid", "block", "building"] as const;
const FIELDS_SHOWN = 12;
const ACCEPTED = ".gpkg,.geojson,.json,.zip,.kml,.dxf";

@customElement("bt-map-upload")
export class MapUpload extends LitElement {
  @property({ attribute: false }) file: File | null = null;
  @state() private seen: Inspection | null = null;
  @state() private said: Declared = UNDECLARED;
  @state() private busy: "inspecting" | "proposing" | null = null;
  @state() private problem = "";
  @state() private over = false;
  protected live = new Live(this);

  static override styles = [
    shared,
    mapsStyles,
    css`
      :host {
        flex: 1;
      }
      .drop {
        margin: 12px;
        padding: 26px 14px;
        text-align: center;
        border: 2px dashed var(--line);
        border-radius: 8px;
      }
      .drop.over {
        border-color: var(--accent);
        background: var(--raised);
      }
      .drop input {
        position: absolute;
        width: 1px;
        height: 1px;
        opacity: 0;
      }
      .drop label {
        display: inline-block;
        padding: 5px 14px;
        border-radius: 6px;
        background: var(--accent);
        color: var(--accent-ink);
        font-weight: 600;
        cursor: pointer;
      }
      .drop:focus-within label {
        outline: 2px solid var(--focus);
        outline-offset: 2px;
      }
      label.check {
        display: flex;
        gap: 8px;
        align-items: flex-start;
        margin: 4px 0;
      }
      details {
        margin: 2px 0 4px 26px;
        font-size: 12.5px;
      }
      details li {
        overflow-wrap: anywhere;
      }
      ul {
        margin: 4px 0;
        padding-left: 18px;
      }
      .pairs {
        display: grid;
        grid-template-columns: auto minmax(0, 1fr);
        gap: 6px 10px;
        align-items: center;
      }
      .must {
        border-left: 4px solid var(--accent);
      }
      .chips {
        display: flex;
        flex-wrap: wrap;
        gap: 6px;
        margin: 6px 0;
      }
      .chips button {
        min-height: 28px;
        padding: 1px 9px;
        font-size: 13px;
      }
      progress {
        width: 100%;
      }
    `,
  ];

  protected override render() {
    const { file, seen } = this;
    return html`<div class="body">
      ${file ? this.chosenFile(file) : this.dropPlace()}
      ${this.busy
        ? html`<section role="status">
            <p>${say(this.busy, { name: file?.name ?? "" })}</p>
            <progress></progress>
          </section>`
        : nothing}
      ${this.problem ? html`<section class="problem" role="alert">${this.problem}</section>` : nothing}
      ${seen ? this.form(seen) : nothing}
    </div>`;
  }

  private dropPlace() {
    return html`<div
      class="drop ${this.over ? "over" : ""}"
      @dragover=${(event: DragEvent) => {
        event.preventDefault();
        this.over = true;
      }}
      @dragleave=${() => (this.over = false)}
      @drop=${this.dropped}
    >
      <p>${say("drop")}</p>
      <label
        >${say("choose")}<input
          type="file"
          accept=${ACCEPTED}
          @change=${(event: Event) => this.take((event.target as HTMLInputElement).files?.[0])}
      /></label>
      <p class="hush">${say("formats")}</p>
    </div>`;
  }

  private chosenFile(file: File) {
    return html`<section>
      <p>
        <b>${file.name}</b> <span class="hush">${bytes(file.size)} ${this.seen?.driver ?? ""}</span>
      </p>
      <button @click=${this.another} ?disabled=${this.busy !== null}>${say("another")}</button>
    </section>`;
  }

  private form(seen: Inspection) {
    return html`<section>
        <h3>${say("layers")}</h3>
        ${seen.layers.map((layer) => this.layer(layer))}
      </section>
      <section class="must">${this.frame(seen)}</section>
      <section>
        <h3>${say("mapping")}</h3>
        <div class="pairs">${ROLES.map((role) => this.roleRow(seen, role))} ${this.encoding(seen)}</div>
        ${evidence(seen.guess.evidence)} ${evidence(encodingEvidence(seen))}
      </section>
      <section>${this.last()}</section>`;
  }

  private layer(layer: LayerFacts) {
    const { layers } = this.said;
    const on = layers.length === 0 || layers.includes(layer.name);
    return html`<label class="check"
        ><input type="checkbox" .checked=${on} data-layer=${layer.name} @change=${() => this.turnLayer(layer.name)} />
        <span
          ><b>${layer.name}</b> <small>${say("layerFacts", { n: layer.features, geometry: shapes(layer) })}</small></span
        ></label
      >
      <details>
        <summary>${say("fields")} ${layer.fields.length}</summary>
        <ul>
          ${layer.fields
            .slice(0, FIELDS_SHOWN)
            .map((field) => html`<li><b>${field.name}</b> ${field.type} <small>${field.samples.join("、")}</small></li>`)}
        </ul>
      </details>`;
  }

  private frame(seen: Inspection) {
    const { declared, possible, sentences } = seen.frame;
    const names = offered(seen);
    return html`<h3><label for="frame">${say("frame")}</label></h3>
      <p>${declared ? say("frameFound", { frame: declared }) : say("frameNone")}</p>
      ${!declared && possible.length ? html`<p>${say("couldBe", { frames: possible.join("、") })}</p>` : nothing}
      <input
        id="frame"
        list="frames"
        required
        placeholder=${say("frameChoose")}
        .value=${this.said.frame}
        @input=${(event: Event) => this.say_({ frame: valueOf(event) })}
      />
      <datalist id="frames">${names.map((name) => html`<option value=${name}></option>`)}</datalist>
      <div class="chips">
        ${names.map(
          (name) =>
            html`<button
              aria-pressed=${this.said.frame === name}
              data-frame=${name}
              @click=${() => this.say_({ frame: name })}
            >
              ${name}
            </button>`,
        )}
      </div>
      <small>${say("frameHint")}</small>
      ${evidence(sentences)}`;
  }

  private roleRow(seen: Inspection, role: Role) {
    const chosen = this.said.mapping[role] ?? "";
    const found = seen.guess.mapping[role];
    const option = (value: string, text: string) =>
      html`<option value=${value} ?selected=${value === chosen}>${text}</option>`;
    return html`<label for="role-${role}">${say(`role.${role}`)}</label>
      <select id="role-${role}" @change=${(event: Event) => this.map_(role, valueOf(event))}>
        ${option("", found ? `${say("asFound")}：${kindName(found)}` : say("unused"))}
        ${fieldNames(seen, this.said.layers).map((name) => option(name, name))}
        ${role === "kind" ? KINDS.map((kind) => option(FIXED + kind, say("allKind", { kind: levelWord(kind) }))) : nothing}
      </select>`;
  }

  private encoding(seen: Inspection) {
    return html`<label for="encoding">${say("encoding")}</label>
      <select id="encoding" @change=${(event: Event) => this.say_({ encoding: valueOf(event) })}>
        <option value="" ?selected=${!this.said.encoding}>${say("encodingAuto")} ${seen.encoding.used}</option>
        ${ENCODINGS.map((name) => html`<option value=${name} ?selected=${this.said.encoding === name}>${name}</option>`)}
      </select>`;
  }

  private last() {
    const { partial, within, origin, note, frame } = this.said;
    const choice = (value: boolean, word: "partial" | "whole") =>
      html`<label class="check"
        ><input type="radio" name="scope" .checked=${partial === value} @change=${() => this.say_({ partial: value })} />${say(
          word,
        )}</label
      >`;
    return html`${choice(true, "partial")} ${choice(false, "whole")}
      <label
        >${say("within")}<input maxlength="64" .value=${within} @input=${(event: Event) => this.say_({ within: valueOf(event) })}
      /></label>
      <label
        >${say("origin")}<input maxlength="200" .value=${origin} @input=${(event: Event) => this.say_({ origin: valueOf(event) })}
      /></label>
      <label
        >${say("note")}<input maxlength="200" .value=${note} @input=${(event: Event) => this.say_({ note: valueOf(event) })}
      /></label>
      <div class="acts">
        <button class="main propose" ?disabled=${!frame.trim() || this.busy !== null} @click=${this.propose}>
          ${say("propose")}
        </button>
        ${frame.trim() ? nothing : html`<span class="hush" role="status">${say("frameMissing")}</span>`}
      </div>`;
  }

  private say_(part: Partial<Declared>): void {
    this.said = { ...this.said, ...part };
  }

  private map_(role: Role, field: string): void {
    this.say_({ mapping: { ...this.said.mapping, [role]: field } });
  }

  private turnLayer(name: string): void {
    const all = this.seen?.layers.map((layer) => layer.name) ?? [];
    const on = this.said.layers.length === 0 ? all : [...this.said.layers];
    const next = on.includes(name) ? on.filter((other) => other !== name) : [...on, name];
    // None chosen makes no proposal, so the last one stays.
    if (next.length > 0) this.say_({ layers: next.length === all.length ? [] : next });
    else this.requestUpdate();
  }

  private dropped(event: DragEvent): void {
    event.preventDefault();
    this.over = false;
    void this.take(event.dataTransfer?.files[0]);
  }

  private another(): void {
    this.file = this.seen = null;
    this.problem = "";
  }

  private async take(file: File | undefined): Promise<void> {
    if (!file) return;
    this.file = file;
    this.problem = file.size === 0 ? say("tooLarge") : "";
    if (this.problem) return;
    this.busy = "inspecting";
    try {
      this.seen = await inspect(file);
      // What the file says of its frame is offered, never taken over: a person presses it.
      this.said = UNDECLARED;
    } catch (cause) {
      this.problem = problemText(cause);
    }
    this.busy = null;
  }

  private async propose(): Promise<void> {
    if (!this.file) return;
    this.busy = "proposing";
    this.problem = "";
    try {
      const made = await propose(this.file, question(this.file.name, this.said));
      this.dispatchEvent(new CustomEvent<number>("proposed", { detail: made.proposal_id }));
    } catch (cause) {
      this.problem = problemText(cause);
    }
    this.busy = null;
  }
}

function evidence(sentences: readonly string[]) {
  if (sentences.length === 0) return nothing;
  return html`<details>
    <summary>${say("evidence")}</summary>
    <ul>
      ${sentences.map((sentence) => html`<li>${sentence}</li>`)}
    </ul>
  </details>`;
}

function encodingEvidence(seen: Inspection): string[] {
  const { remarks, candidates } = seen.encoding;
  return [...remarks, ...candidates.map(([encoding, sample]) => say("reads", { encoding, sample }))];
}

function kindName(found: string): string {
  return found.startsWith(FIXED) ? levelWord(found.slice(1)) : found;
}

function valueOf(event: Event): string {
  return (event.target as HTMLInputElement | HTMLSelectElement).value;
}
