// The map's colours, night and day. The ladder and the fields keep theirs in both.
export interface Palette {
  ground: string;
  block: string;
  blockLine: string;
  community: string;
  street: string;
  label: string;
  labelSoft: string;
  halo: string;
  building: string;
  gateway: string;
  pick: string;
  deviceEdge: string;
}

export const NIGHT: Palette = {
  ground: "#0b121a",
  block: "#16222f",
  blockLine: "#263748",
  community: "#3c5268",
  street: "#6f8ba6",
  label: "#dce8f3",
  labelSoft: "#9fb4c8",
  halo: "#0b121a",
  building: "#2b3d50",
  gateway: "#d5dee7",
  pick: "#ffffff",
  deviceEdge: "#0b121a",
};

export const DAY: Palette = {
  ground: "#eef2f5",
  block: "#dde5ec",
  blockLine: "#c0ccd7",
  community: "#93a6b8",
  street: "#4f6a84",
  label: "#14212e",
  labelSoft: "#3c5268",
  halo: "#eef2f5",
  building: "#b9c7d4",
  gateway: "#22384d",
  pick: "#000000",
  deviceEdge: "#27394a",
};
