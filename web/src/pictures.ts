// SVG templates of the signs: decorative by default, named when they stand alone.
import { svg, html, nothing, type TemplateResult } from "lit";
import { FIELD_PATH, GATEWAY_PATH, TOOL_PATH, type Tool } from "./signs.ts";
import { isSeverity, LADDER, SHAPE_PATH } from "./severity.ts";
import { t, type Word } from "./i18n.ts";
import type { FieldName } from "./types.ts";

function picture(path: string, size: number): TemplateResult {
  return html`<svg class="sign" width=${size} height=${size} viewBox="0 0 24 24" aria-hidden="true">
    <path d=${path} fill="currentColor" fill-rule="evenodd"></path>
  </svg>`;
}

export const tool = (name: Tool, size = 18): TemplateResult => picture(TOOL_PATH[name], size);
export const fieldSign = (name: FieldName, size = 18): TemplateResult => picture(FIELD_PATH[name], size);

/** A gateway, struck through when it is offline. */
export const gatewaySign = (off: boolean, size = 18): TemplateResult =>
  html`<svg class="sign" width=${size} height=${size} viewBox="0 0 24 24" aria-hidden="true">
    <path d=${GATEWAY_PATH} fill="currentColor" fill-rule="evenodd"></path>
    ${off ? svg`<path d="M3 3L21 21" stroke="#ff8a1f" stroke-width="3"></path>` : nothing}
  </svg>`;

/** A step of the ladder: colour, shape and roman numeral together. */
export function ladderSign(severity: number, size = 22): TemplateResult | typeof nothing {
  if (!isSeverity(severity)) return nothing;
  const step = LADDER[severity];
  const low = step.shape === "triangle" ? 19.5 : 16.4;
  return html`<svg class="ladder" width=${size} height=${size} viewBox="0 0 24 24" aria-hidden="true">
    ${svg`<path d=${SHAPE_PATH[step.shape]} fill=${step.colour}></path>
    <text x="12" y=${low} text-anchor="middle" font-size="12.5" font-weight="800" fill=${step.ink}
      >${step.roman}</text>`}
  </svg>`;
}

/** `红色（Ⅰ级）`. */
export function levelName(severity: number): string {
  if (!isSeverity(severity)) return t("map.none");
  const step = LADDER[severity];
  return t("severity.level", { colour: t(`severity.${step.key}` as Word), roman: step.roman });
}
