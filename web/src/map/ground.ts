// The parts of the map that seldom change: outlines, blocks, buildings and the devices' places.
import type { Api, Tagged } from "../api.ts";
import type { DeviceCollection, SpaceCollection } from "../types.ts";

export interface Ground {
  areas: SpaceCollection;
  blocks: SpaceCollection;
  devices: DeviceCollection;
  /** Null until they were asked for: from afar nobody sees them. */
  buildings: SpaceCollection | null;
}

/** What a newer ground has no longer, by code and id. */
export interface Gone {
  spaces: ReadonlySet<string>;
  devices: ReadonlySet<string>;
}

/** Holds the ground and asks the server only for what differs: a part that did not change stays the same object. */
export class Atlas {
  ground: Ground | null = null;
  readonly #api: Api;
  #areas: Tagged<SpaceCollection> | undefined;
  #blocks: Tagged<SpaceCollection> | undefined;
  #buildings: Tagged<SpaceCollection> | undefined;
  #pages: readonly Tagged<DeviceCollection>[] = [];
  #devices: DeviceCollection = { type: "FeatureCollection", features: [] };

  constructor(api: Api) {
    this.#api = api;
  }

  /** Bring the ground up to the server's; true when something in it is new. On failure it stays as it was. */
  async load(withBuildings: boolean): Promise<boolean> {
    const [areas, blocks, pages, buildings] = await Promise.all([
      this.#api.spaces(["street", "community"], this.#areas),
      this.#api.spaces(["block"], this.#blocks),
      this.#api.devices(this.#pages),
      withBuildings || this.#buildings ? this.#api.spaces(["building"], this.#buildings) : undefined,
    ]);
    const moved = pages.length !== this.#pages.length || pages.some((page, at) => page !== this.#pages[at]);
    if (moved) this.#devices = { type: "FeatureCollection", features: pages.flatMap(({ body }) => body.features) };
    const same =
      this.ground && !moved && areas === this.#areas && blocks === this.#blocks && buildings === this.#buildings;
    [this.#areas, this.#blocks, this.#buildings, this.#pages] = [areas, blocks, buildings, pages];
    if (same) return false;
    this.ground = { areas: areas.body, blocks: blocks.body, devices: this.#devices, buildings: buildings?.body ?? null };
    return true;
  }
}

/** What was there before and is there no more. */
export function gone(before: Ground | null, after: Ground): Gone {
  const missing = (old: Set<string>, now: Set<string>): Set<string> => new Set([...old].filter((id) => !now.has(id)));
  return {
    spaces: missing(codes(before), codes(after)),
    devices: missing(ids(before), ids(after)),
  };
}

/** True when an outline is made up, which the page must say. */
export function isSynthetic(spaces: SpaceCollection): boolean {
  return spaces.features.some((space) => space.properties.source.startsWith("synthetic"));
}

function codes(ground: Ground | null): Set<string> {
  const all = [ground?.areas, ground?.blocks, ground?.buildings];
  return new Set(all.flatMap((part) => part?.features.map((space) => space.properties.code) ?? []));
}

function ids(ground: Ground | null): Set<string> {
  return new Set(ground?.devices.features.map((device) => device.properties.device_id));
}
