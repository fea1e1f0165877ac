// How the parts of the alarm desk look alike, beside what they share with the desk for block maps.
import { css } from "lit";

export const watchStyles = css`
  table {
    width: 100%;
    border-collapse: collapse;
    font-size: 13px;
  }
  th,
  td {
    text-align: left;
    padding: 3px 6px 3px 0;
    vertical-align: top;
    overflow-wrap: anywhere;
  }
  th {
    font-weight: 600;
    color: var(--soft);
  }
  td.n,
  th.n {
    text-align: right;
    font-variant-numeric: tabular-nums;
    white-space: nowrap;
  }
  .bar {
    display: block;
    height: 8px;
    min-width: 1px;
    background: var(--accent);
    border-radius: 2px;
  }
  .verdict {
    display: inline-flex;
    align-items: center;
    gap: 4px;
    white-space: nowrap;
  }
  .verdict.missed {
    color: var(--danger);
    font-weight: 700;
  }
  .chip {
    border: 1px solid var(--line);
    border-radius: 9px;
    padding: 0 7px;
    font-size: 12px;
    white-space: nowrap;
  }
  .chip.strong {
    border-color: var(--danger);
    color: var(--danger);
  }
  .days {
    display: flex;
    align-items: flex-end;
    gap: 1px;
    height: 54px;
    border-bottom: 1px solid var(--line);
  }
  .days span {
    flex: 1;
    min-width: 1px;
    background: var(--accent);
  }
  .tabs {
    display: flex;
    flex-wrap: wrap;
    gap: 6px;
    padding: 8px 12px 0;
  }
  textarea {
    font-family: ui-monospace, monospace;
    font-size: 12.5px;
    min-height: 90px;
  }
`;
