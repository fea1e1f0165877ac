// How the scene view looks around its canvas.
import { css } from "lit";

export const sceneStyles = css`
  :host {
    display: grid;
    grid-template: auto minmax(0, 1fr) / minmax(0, 1fr) auto;
    background: var(--panel);
    color: var(--ink);
    height: 100%;
    min-height: 0;
    overflow: hidden;
  }
  header {
    grid-column: 1 / 3;
    display: flex;
    align-items: center;
    gap: 8px;
    padding: 7px 8px 7px 14px;
    border-bottom: 1px solid var(--line);
  }
  header h2 {
    flex: 1;
    font-size: 16px;
    min-width: 0;
    overflow-wrap: anywhere;
  }
  header small {
    display: block;
    font-weight: 400;
    font-size: 12.5px;
    color: var(--soft);
  }
  .tools {
    display: flex;
    gap: 2px;
  }
  .place {
    position: relative;
    min-width: 0;
    min-height: 0;
    background: var(--ground);
  }
  canvas {
    position: absolute;
    inset: 0;
    width: 100%;
    height: 100%;
    display: block;
    touch-action: none;
    cursor: grab;
  }
  canvas:focus-visible {
    outline-offset: -3px;
  }
  .word {
    position: absolute;
    inset: 0;
    margin: 0;
    padding: 20px;
    display: grid;
    place-items: center;
    text-align: center;
    pointer-events: none;
    background: var(--ground);
  }
  .compass {
    position: absolute;
    right: 10px;
    top: 10px;
    width: 46px;
    height: 46px;
    pointer-events: none;
  }
  .compass circle {
    fill: var(--panel);
    stroke: var(--line);
    opacity: 0.9;
  }
  .needle path {
    fill: var(--ink);
  }
  .needle .tail {
    fill: none;
    stroke: var(--soft);
    stroke-width: 1.2;
  }
  .needle text {
    font-size: 9.5px;
    font-weight: 800;
    fill: var(--panel);
  }
  .tip,
  .note,
  .legend {
    background: var(--panel);
    border: 1px solid var(--line);
    border-radius: 6px;
    padding: 4px 10px;
    font-size: 13px;
    pointer-events: none;
  }
  .tip {
    position: absolute;
    left: 10px;
    top: 10px;
    max-width: calc(100% - 90px);
    font-variant-numeric: tabular-nums;
  }
  .corner {
    position: absolute;
    left: 10px;
    bottom: 10px;
    display: flex;
    flex-direction: column;
    align-items: flex-start;
    gap: 5px;
    pointer-events: none;
    max-width: calc(100% - 20px);
  }
  .note {
    color: var(--soft);
    font-size: 12.5px;
  }
  .legend {
    display: grid;
    gap: 2px;
    font-variant-numeric: tabular-nums;
  }
  .legend span {
    display: flex;
    align-items: center;
    gap: 8px;
  }
  .legend i {
    width: 22px;
    height: 14px;
    border: 1px solid var(--line);
    border-radius: 2px;
  }
  .list {
    width: 264px;
    overflow-y: auto;
    border-left: 1px solid var(--line);
    padding: 6px;
    overscroll-behavior: contain;
  }
  .list p {
    margin: 10px;
  }
  .row {
    display: flex;
    align-items: center;
    gap: 9px;
    width: 100%;
    text-align: left;
    background: none;
    border-color: transparent;
    padding: 6px 8px;
    line-height: 1.35;
  }
  .row[aria-current] {
    background: var(--raised);
    box-shadow: inset 4px 0 0 var(--accent);
  }
  .row span {
    min-width: 0;
    overflow-wrap: anywhere;
  }
  .row small {
    display: block;
    color: var(--soft);
    font-variant-numeric: tabular-nums;
  }
  .row small b {
    color: var(--ink);
  }
  @media (max-width: 760px) {
    :host {
      grid-template: auto minmax(0, 1fr) auto / minmax(0, 1fr);
    }
    header {
      grid-column: 1;
    }
    .list {
      width: auto;
      max-height: 32vh;
      border-left: 0;
      border-top: 1px solid var(--line);
    }
  }
`;
