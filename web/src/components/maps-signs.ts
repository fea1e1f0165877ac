// Signs of changes and findings: shape, pattern and word beside the colour.
import { html, svg, type TemplateResult } from "lit";
import { CHANGE_COLOUR, CHANGE_DASH, PATTERN } from "../map/proposal_guest.ts";
import { say } from "../words/maps.ts";
import type { Change, Weight } from "../proposal.ts";

const WEIGHT_PATH: Readonly<Record<Weight, string>> = {
  error: "M8 2h8l6 6v8l-6 6H8l-6-6V8zM8.4 7L7 8.4 10.6 12 7 15.6 8.4 17 12 13.4 15.6 17 17 15.6 13.4 12 17 8.4 15.6 7 12 10.6z",
  warning: "M12 2.5L23 21.5H1zM11 9v6h2V9zM11 17v2h2v-2z",
  note: "M12 2a10 10 0 1 1 0 20a10 10 0 1 1 0-20zM11 6v2.5h2V6zM11 10.5V18h2v-7.5z",
};

/** An octagon, a triangle or a disc, with its word. */
export function weightSign(weight: Weight): TemplateResult {
  return html`<span class="weight ${weight}">
    <svg width="16" height="16" viewBox="0 0 24 24" aria-hidden="true">
      <path d=${WEIGHT_PATH[weight]} fill="currentColor" fill-rule="evenodd"></path></svg
    >${say(`weight.${weight}`)}</span
  >`;
}

/** A swatch as the map draws the change: its line and its pattern. */
export function changeSign(change: Change): TemplateResult {
  if (change === "same") {
    return html`<svg width="26" height="18" aria-hidden="true"
      ><rect x="1.5" y="1.5" width="23" height="15" fill="none" stroke="currentColor" stroke-width="1" opacity="0.6"></rect
    ></svg>`;
  }
  const colour = CHANGE_COLOUR[change];
  const dash = change === "added" ? "none" : CHANGE_DASH[change].map((part) => part * 2).join(" ");
  return html`<svg width="26" height="18" aria-hidden="true">
    ${svg`<rect x="1.5" y="1.5" width="23" height="15" fill=${colour} fill-opacity="0.25" stroke=${colour}
      stroke-width="2.2" stroke-dasharray=${dash}></rect>
      <path d=${PATTERN[change]} transform="translate(6 2)" stroke=${colour} stroke-width="1.6"
        fill=${change === "corrected" ? colour : "none"} clip-path="inset(0)"></path>`}
  </svg>`;
}
