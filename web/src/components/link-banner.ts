// Says, for as long as it is so, that the connection is lost and how old the picture is.
import { LitElement, css, html, nothing } from "lit";
import { customElement } from "lit/decorators.js";
import { clock, span } from "../format.ts";
import { lang, t } from "../i18n.ts";
import { Live } from "../live.ts";
import { tool } from "../pictures.ts";
import { problemText } from "../problem.ts";
import { store } from "../store.ts";
import { shared } from "./shared.ts";

@customElement("bt-link-banner")
export class LinkBanner extends LitElement {
  protected live = new Live(this, 1000);

  static override styles = [
    shared,
    css`
      div {
        background: var(--warn-ground);
        color: var(--warn-ink);
        padding: 7px 14px;
        font-weight: 600;
        border-bottom: 2px solid var(--warn-ink);
      }
    `,
  ];

  protected override render() {
    const text = this.text();
    // The region stays so that a screen reader hears what is put in; the age is not read out each second.
    return html`<section role="status" aria-live="polite">
      ${text ? html`<div data-banner>${tool("warn")} <span aria-hidden="true">${text}</span
        ><span class="unseen">${t("link.lost")}</span></div>` : nothing}
    </section>`;
  }

  private text(): string {
    const { link, heardMs, skewMs } = store.desk;
    if (link !== "lost") return store.loadProblem ? problemText(store.loadProblem) : "";
    if (heardMs === null) return t("link.never");
    const age = span((Date.now() - heardMs) / 1000, lang());
    return t("link.banner", { at: clock(heardMs + skewMs), age });
  }
}
