// Proposals of block maps and the versions made of them, as the server tells them, and what the page makes of them. Pure.
import type { Feature, Polygonal } from "./types.ts";

export type ProposalState = "open" | "applied" | "withdrawn" | "superseded";
export type Weight = "error" | "warning" | "note";
/** `corrected`: only words or the parent are others; `faulty`: cannot be compared. */
export type Change = "added" | "redrawn" | "corrected" | "gone" | "faulty" | "same";
export type Side = "both" | "before" | "after";

/** Of a proposal's comparison; `changed` are the spaces whose words are others, redrawn or not. */
export interface ChangeCounts {
  added: number;
  redrawn: number;
  changed: number;
  gone: number;
  same: number;
}

export interface FileFacts {
  name: string;
  sha256?: string;
  size?: number;
  driver?: string;
  layers?: string[];
  encoding?: string;
  frame?: string;
  origin?: string;
}

export interface ProposalHead {
  proposal_id: number;
  state: ProposalState;
  made_at: string;
  made_by: string;
  note: string;
  file: FileFacts;
  partial: boolean;
  against: number | null;
  errors: number;
  warnings: number;
  counts: ChangeCounts;
  moves: number;
  settled_at: string | null;
  settled_by: string | null;
  settled_note: string;
  version_id: number | null;
  replaced_by: number | null;
  in_force: number | null;
  /** Whether the map it was compared with is still in force. */
  current: boolean;
  within: string | null;
}

export interface Finding {
  kind: string;
  weight: Weight;
  codes: string[];
  detail: string;
  /** The Chinese sentences are absent or empty in reports kept from before there were any. */
  detail_zh?: string;
  where: string;
  mend: string;
  mend_zh?: string;
  area_m2: number | null;
  at: [number, number] | null;
}

export interface Move {
  device_id?: string;
  gateway_id?: string;
  from: string | null;
  to: string | null;
}

/** A split, a merge or a new code, guessed from the areas. */
export interface Lineage {
  kind: "split" | "merge" | "recoded";
  before: string[];
  after: string[];
}

/** What an application or a rollback did, or in a dry run would do. */
export interface Applied {
  version: number;
  added: string[];
  redrawn: string[];
  corrected: string[];
  gone: string[];
  moves: Move[];
  gateway_moves: Move[];
}

export interface Proposal extends Omit<ProposalHead, "counts" | "moves"> {
  diff: { counts: ChangeCounts; lineages: Lineage[] };
  findings: Finding[];
  moves: Move[];
  gateway_moves: Move[];
}

export interface Version {
  version_id: number;
  applied_at: string;
  applied_by: string;
  source: string;
  undoes: number | null;
  note: string;
  proposal_id: number | null;
  file: string | null;
  added: number;
  redrawn: number;
  corrected: number;
  gone: number;
  moves: number;
}

export interface CellFacts {
  code: string;
  kind: string;
  name: string;
  name_en: string;
  change: Change;
  part: "before" | "after";
}
export type Cell = Feature<Polygonal, CellFacts>;

/** The worst first; of equal weight as the server gave them. */
export function byWeight(findings: readonly Finding[]): Finding[] {
  const rank: Record<Weight, number> = { error: 0, warning: 1, note: 2 };
  return [...findings].sort((a, b) => rank[a.weight] - rank[b.weight]);
}

export function weigh(findings: readonly Finding[]): Record<Weight, number> {
  const sums = { error: 0, warning: 0, note: 0 };
  for (const { weight } of findings) sums[weight] += 1;
  return sums;
}

/** Who moves, for a sentence and for the map. */
export function mover(move: Move): string {
  return move.device_id ?? move.gateway_id ?? "";
}

/** Everybody who gets another owner, devices first. */
export function allMoves(told: Pick<Proposal, "moves" | "gateway_moves">): Move[] {
  return [...told.moves, ...told.gateway_moves];
}

/** The server calls a space redrawn also when only its words are others; it then has no outline from before. */
export function told(cells: readonly Cell[]): Cell[] {
  const before = new Set(cells.filter((c) => c.properties.part === "before").map((c) => c.properties.code));
  return cells.map((cell) => {
    const words = cell.properties.change === "redrawn" && !before.has(cell.properties.code);
    return words ? { ...cell, properties: { ...cell.properties, change: "corrected" } } : cell;
  });
}

/** What stands between an open proposal and the map in force, null when nothing does. */
export type Obstacle = "errors" | "warnings" | "stale" | "settled";

export function obstacle(proposal: Proposal, accepted: boolean): Obstacle | null {
  if (proposal.state !== "open") return "settled";
  if (proposal.errors > 0) return "errors";
  if (!proposal.current) return "stale";
  return proposal.warnings > 0 && !accepted ? "warnings" : null;
}

/** Whether a cell is drawn: of a changed one the asked side, what stays always. */
export function isShown(cell: CellFacts, side: Side): boolean {
  return side === "both" || cell.change === "same" || cell.change === "corrected" || cell.part === side;
}

/** West, south, east, north of some cells, null when none of them is known. */
export function boxOf(cells: readonly Cell[], codes: ReadonlySet<string>): [number, number, number, number] | null {
  let [west, south, east, north] = [Infinity, Infinity, -Infinity, -Infinity];
  for (const cell of cells) {
    if (!codes.has(cell.properties.code)) continue;
    for (const [lon, lat] of corners(cell.geometry)) {
      [west, south] = [Math.min(west, lon), Math.min(south, lat)];
      [east, north] = [Math.max(east, lon), Math.max(north, lat)];
    }
  }
  return west <= east ? [west, south, east, north] : null;
}

/** The changed cells' extent, for the first look at a proposal. */
export function boxOfChanges(cells: readonly Cell[]): [number, number, number, number] | null {
  const changed = cells.filter((cell) => cell.properties.change !== "same");
  return boxOf(changed, new Set(changed.map((cell) => cell.properties.code)));
}

function* corners(shape: Polygonal): Generator<[number, number]> {
  const rings = shape.type === "Polygon" ? [shape.coordinates] : shape.coordinates;
  for (const polygon of rings as number[][][][]) {
    for (const [lon, lat] of polygon[0] ?? []) if (lon !== undefined && lat !== undefined) yield [lon, lat];
  }
}

/** A file's size as people say it. */
export function bytes(size: number): string {
  if (size < 1024) return `${size} B`;
  return size < 1024 ** 2 ? `${(size / 1024).toFixed(0)} KiB` : `${(size / 1024 ** 2).toFixed(1)} MiB`;
}
