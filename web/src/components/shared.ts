// Styles every component shares, and the events by which they speak to the page.
import { css } from "lit";

export const shared = css`
  :host {
    box-sizing: border-box;
  }
  *,
  *::before,
  *::after {
    box-sizing: border-box;
  }
  [hidden] {
    display: none !important;
  }
  button {
    font: inherit;
    color: var(--ink);
    background: var(--raised);
    border: 1px solid var(--line);
    border-radius: 6px;
    padding: 5px 11px;
    min-height: 32px;
    cursor: pointer;
  }
  button:hover:not(:disabled) {
    border-color: var(--accent);
  }
  button:disabled {
    cursor: progress;
    opacity: 0.65;
  }
  button.main {
    background: var(--accent);
    border-color: var(--accent);
    color: var(--accent-ink);
    font-weight: 600;
  }
  button.bare {
    background: none;
    border-color: transparent;
    padding: 4px 7px;
  }
  button[aria-pressed="true"] {
    background: var(--accent);
    border-color: var(--accent);
    color: var(--accent-ink);
  }
  :focus-visible {
    outline: 2px solid var(--focus);
    outline-offset: 2px;
  }
  .sign,
  .ladder {
    flex: none;
    vertical-align: -0.25em;
  }
  .hush {
    color: var(--soft);
  }
  .problem {
    color: var(--danger);
    margin: 6px 0 0;
  }
  .unseen {
    position: absolute;
    width: 1px;
    height: 1px;
    overflow: hidden;
    clip-path: inset(50%);
    white-space: nowrap;
  }
  h2,
  h3 {
    margin: 0;
    font-size: 14px;
    font-weight: 700;
  }
  input,
  textarea {
    font: inherit;
    color: var(--ink);
    background: var(--ground);
    border: 1px solid var(--line);
    border-radius: 6px;
    padding: 6px 9px;
    width: 100%;
  }
  @media (pointer: coarse) {
    button {
      min-height: 40px;
    }
  }
`;

/** What the person chose to look at. */
export interface Choice {
  alarm?: string;
  device?: string;
  space?: string;
  /** Longitude, latitude: what is here. */
  point?: [number, number];
  /** What the point was found by. */
  named?: string;
}

export function choose(from: EventTarget, choice: Choice): void {
  from.dispatchEvent(new CustomEvent<Choice>("bt-choose", { detail: choice, bubbles: true, composed: true }));
}

/** Ask for the dialog that closes an alarm. */
export function askClose(from: EventTarget, alarmId: string): void {
  from.dispatchEvent(new CustomEvent<string>("bt-ask-close", { detail: alarmId, bubbles: true, composed: true }));
}

/** What to show in three dimensions: a space, or a surveyed surface. */
export interface SceneOf {
  space?: string;
  surface?: string;
}

export function askScene(from: EventTarget, scene: SceneOf): void {
  from.dispatchEvent(new CustomEvent<SceneOf>("bt-scene", { detail: scene, bubbles: true, composed: true }));
}

declare global {
  interface HTMLElementEventMap {
    "bt-scene": CustomEvent<SceneOf>;
    "bt-choose": CustomEvent<Choice>;
    "bt-ask-close": CustomEvent<string>;
  }
}
