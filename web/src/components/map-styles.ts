// How the map and what lies on it is laid out.
import { css } from "lit";

export const mapStyles = css`
  :host {
    display: block;
    position: relative;
    overflow: hidden;
    background: var(--ground);
  }
  .chart {
    position: absolute;
    inset: 0;
  }
  bt-map-tools {
    position: absolute;
    right: 10px;
    top: 10px;
  }
  .tip {
    position: absolute;
    left: 10px;
    bottom: 10px;
    padding: 5px 11px;
    background: var(--panel);
    border: 1px solid var(--line);
    border-radius: 6px;
    pointer-events: none;
    font-size: 13px;
    max-width: calc(100% - 20px);
  }
  /* Enter asks what is in the middle: shown while the map is worked by keys. */
  .chart:has(canvas:focus-visible)::after {
    content: "";
    position: absolute;
    inset: 0;
    pointer-events: none;
    background:
      linear-gradient(var(--ink), var(--ink)) center / 31px 1px no-repeat,
      linear-gradient(var(--ink), var(--ink)) center / 1px 31px no-repeat;
  }
  .word {
    position: absolute;
    inset: 0;
    display: grid;
    place-items: center;
    padding: 20px;
    text-align: center;
    pointer-events: none;
  }
`;
