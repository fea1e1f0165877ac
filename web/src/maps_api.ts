// The calls about block maps; loaded with their desk.
import type { Query } from "./api.ts";
import type { Inspection } from "./inspection.ts";
import type { Collection, Polygonal } from "./types.ts";
import { told, type Applied, type Cell, type CellFacts, type Proposal, type ProposalHead, type Version } from "./proposal.ts";
import { store } from "./store.ts";

export async function proposals(): Promise<ProposalHead[]> {
  return (await store.api.get<{ proposals: ProposalHead[] }>("maps/proposals")).proposals;
}

export const proposal = (id: number): Promise<Proposal> => store.api.get(`maps/proposals/${id}`);

export async function proposalCells(id: number): Promise<Cell[]> {
  return told((await store.api.get<Collection<Polygonal, CellFacts>>(`maps/proposals/${id}/features`)).features);
}

export async function versions(): Promise<Version[]> {
  return (await store.api.get<{ versions: Version[] }>("maps/versions")).versions;
}

export const apply = (id: number, note: string, acceptWarnings: boolean): Promise<unknown> =>
  store.api.post(`maps/proposals/${id}/apply`, { note, accept_warnings: acceptWarnings });

export const withdraw = (id: number, note: string): Promise<unknown> =>
  store.api.post(`maps/proposals/${id}/withdraw`, { note });

/** Undo a version; a dry run only tells what that would do. */
export const rollback = (id: number, dryRun: boolean): Promise<Applied> =>
  store.api.post(`maps/versions/${id}/rollback`, { dry_run: dryRun });

export const inspect = (file: File): Promise<Inspection> => store.api.upload("maps/inspect", { name: file.name }, file);

export const propose = (file: File, query: Query): Promise<{ proposal_id: number }> =>
  store.api.upload("maps/proposals", query, file);

export const again = (id: number): Promise<{ proposal_id: number }> => store.api.post(`maps/proposals/${id}/again`, {});
