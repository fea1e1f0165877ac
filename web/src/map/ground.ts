// The parts of the map that seldom change: outlines, blocks, buildings and the devices' places.
import type { Api } from "../api.ts";
import type { DeviceCollection, SpaceCollection } from "../types.ts";

export interface Ground {
  areas: SpaceCollection;
  blocks: SpaceCollection;
  devices: DeviceCollection;
}

export async function loadGround(api: Api): Promise<Ground> {
  const [areas, blocks, devices] = await Promise.all([
    api.spaces(["street", "community"]),
    api.spaces(["block"]),
    api.devices(),
  ]);
  return { areas, blocks, devices };
}

/** True when an outline is made up, which the page must say. */
export function isSynthetic(spaces: SpaceCollection): boolean {
  return spaces.features.some((space) => space.properties.source.startsWith("synthetic"));
}
