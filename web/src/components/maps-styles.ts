// How the parts of the desk for block maps look alike.
import { css } from "lit";

export const mapsStyles = css`
  :host {
    display: flex;
    flex-direction: column;
    min-height: 0;
    background: var(--panel);
  }
  header {
    display: flex;
    flex-wrap: wrap;
    align-items: center;
    gap: 6px 8px;
    position: relative;
    padding: 8px 48px 8px 12px;
    border-bottom: 1px solid var(--line);
  }
  header .shut {
    position: absolute;
    right: 8px;
    top: 8px;
  }
  header h2 {
    font-size: 16px;
    margin-right: auto;
  }
  .body {
    flex: 1;
    min-height: 0;
    overflow-y: auto;
    overscroll-behavior: contain;
  }
  section {
    padding: 9px 12px;
    border-bottom: 1px solid var(--line);
  }
  section h3 {
    margin-bottom: 5px;
    font-size: 13px;
    color: var(--soft);
  }
  p {
    margin: 3px 0;
    overflow-wrap: anywhere;
  }
  small {
    display: block;
    font-size: 12.5px;
    color: var(--soft);
    overflow-wrap: anywhere;
  }
  .state {
    padding: 0 8px;
    border: 1px solid var(--line);
    border-radius: 9px;
    font-size: 12px;
    white-space: nowrap;
  }
  .state.open {
    border-color: var(--accent);
    color: var(--accent);
    font-weight: 700;
  }
  .row {
    display: block;
    width: 100%;
    padding: 8px 12px;
    text-align: left;
    background: none;
    border-width: 0 0 1px;
    border-radius: 0;
  }
  .row .head {
    display: flex;
    gap: 8px;
    align-items: baseline;
  }
  .row .head b {
    flex: 1;
    overflow-wrap: anywhere;
  }
  .finding {
    display: grid;
    grid-template-columns: auto minmax(0, 1fr);
    gap: 8px;
    width: 100%;
    text-align: left;
    background: none;
    border-color: transparent;
    border-bottom-color: var(--line);
    border-radius: 0;
    padding: 6px 2px;
    cursor: default;
  }
  button.finding {
    cursor: pointer;
  }
  .weight {
    display: inline-flex;
    align-items: center;
    gap: 4px;
    font-size: 12.5px;
    font-weight: 700;
    white-space: nowrap;
  }
  .weight svg,
  .changes svg {
    flex: none;
  }
  .finding > .weight {
    min-width: 58px;
    align-self: start;
  }
  .weight.error {
    color: var(--danger);
  }
  .changes {
    display: flex;
    flex-wrap: wrap;
    gap: 4px 14px;
  }
  .changes span {
    display: inline-flex;
    align-items: center;
    gap: 5px;
    white-space: nowrap;
  }
  .changes b {
    font-variant-numeric: tabular-nums;
  }
  .sides {
    display: inline-flex;
    margin-top: 7px;
  }
  .sides button {
    border-radius: 0;
    margin-left: -1px;
  }
  label.accept {
    display: flex;
    gap: 8px;
    align-items: flex-start;
    padding: 7px 9px;
    margin-bottom: 8px;
    color: var(--warn-ink);
    background: var(--warn-ground);
    border-radius: 6px;
  }
  label.accept input,
  label.check input {
    width: auto;
    margin-top: 3px;
    accent-color: var(--accent);
  }
  .acts {
    display: flex;
    flex-wrap: wrap;
    gap: 8px;
    align-items: center;
    margin-top: 8px;
  }
  button.main:disabled {
    cursor: not-allowed;
  }
  select {
    font: inherit;
    color: var(--ink);
    background: var(--ground);
    border: 1px solid var(--line);
    border-radius: 6px;
    padding: 6px;
    width: 100%;
    min-height: 32px;
  }
`;
