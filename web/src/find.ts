// Finds devices and blocks by what a person types of their id or name. Pure.
import type { DeviceCollection, DeviceProperties, SpaceCollection, SpaceProperties } from "./types.ts";

export interface Found {
  kind: "device" | "space";
  id: string;
  name: string;
  name_en: string;
  lon: number;
  lat: number;
}

export interface Findable extends Found {
  text: string;
}

export function findableDevice(device: DeviceProperties, lon: number, lat: number): Findable {
  const { device_id: id, name } = device;
  const text = `${id} ${name} ${device.kind_zh} ${device.kind_en}`.toLowerCase();
  return { kind: "device", id, name, name_en: name, lon, lat, text };
}

export function findableSpace(space: SpaceProperties): Findable {
  const { code: id, name, name_en, lon, lat } = space;
  return { kind: "space", id, name, name_en, lon, lat, text: `${id} ${name} ${name_en}`.toLowerCase() };
}

export function findablesOf(devices: DeviceCollection, blocks: SpaceCollection): Findable[] {
  return [
    ...devices.features.map((device) => findableDevice(device.properties, ...device.geometry.coordinates)),
    ...blocks.features.map((block) => findableSpace(block.properties)),
  ];
}

/** The best `limit` matches of every word typed: those that begin so before those that contain it. */
export function find(all: readonly Findable[], typed: string, limit: number): Found[] {
  const words = typed.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return [];
  const matches = all.filter((item) => words.every((word) => item.text.includes(word)));
  const first = words[0] ?? "";
  const rank = (item: Findable): number =>
    item.id.startsWith(first) || item.name.toLowerCase().startsWith(first) ? 0 : 1;
  return matches.sort((a, b) => rank(a) - rank(b) || a.id.length - b.id.length).slice(0, limit);
}
