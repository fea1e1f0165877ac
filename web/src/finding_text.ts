// A finding of a map in the chosen language.
import { pick } from "./i18n.ts";
import type { Finding } from "./proposal.ts";
import { say } from "./words/maps.ts";

/** What a finding says, and what would mend it; reports kept from before have the English alone. */
export function sentences(finding: Finding): { detail: string; mend: string } {
  return {
    detail: pick({ zh: finding.detail_zh ?? "", en: finding.detail }),
    mend: pick({ zh: finding.mend_zh ?? "", en: finding.mend }),
  };
}

/** The place of a finding in its file, which the server writes as `layer L, feature N`. */
export function placeInFile(where: string): string {
  const found = /^layer (.+?)(?:, feature (\d+))?$/s.exec(where);
  if (!found) return where;
  const [, layer = "", n] = found;
  return n === undefined ? say("layerOf", { layer }) : say("featureOf", { layer, n });
}
