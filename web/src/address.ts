// Standard addresses as the server finds them, and how the page tells them apart. Pure.
import { type Bilingual, type PathStep } from "./types.ts";

export interface AddressMatch {
  address: string;
  level: string;
  score: number;
  space_code: string | null;
  space_kind: string | null;
  lon: number;
  lat: number;
  device_id: string | null;
  /** Reckoned between two known door numbers. */
  interpolated: boolean;
  why: Bilingual;
  path: PathStep[];
}

export interface AddressFound {
  query: { note: Bilingual };
  matches: AddressMatch[];
}

export interface AddressAt {
  address: string | null;
  level: string | null;
  space_code: string | null;
  how: string;
  /** Null where the address is made of the spaces' names. */
  distance_m: number | null;
  nearest: { address: string; level: string; distance_m: number; direction: Bilingual; lon: number; lat: number } | null;
  why: Bilingual;
  path: PathStep[];
}

/** Below this a match is a guess, and is said to be one. */
export const SURE = 0.6;

/** What may be asked: the server refuses less, and a single letter finds everything and nothing. */
export const LEAST = 2;
const MOST = 200;

/** What is worth asking the address service for; empty when nothing is. */
export function askable(typed: string): string {
  const text = typed.trim().slice(0, MOST);
  return text.length < LEAST ? "" : text;
}

/** Two answers at one place, to 1 cm, under one name are one. */
export function distinct(matches: readonly AddressMatch[], most: number): AddressMatch[] {
  const seen = new Set<string>();
  const kept = matches.filter(({ address, lon, lat }) => {
    const key = `${address} ${lon.toFixed(7)} ${lat.toFixed(7)}`;
    return !seen.has(key) && seen.add(key);
  });
  return kept.slice(0, most);
}

/** `22.550000, 114.130000` is latitude first in speech; the page always says longitude first, as maps do. */
export function position(lon: number, lat: number): string {
  return `${lon.toFixed(6)}, ${lat.toFixed(6)}`;
}

/** A distance as people say it: `0.4 m`, `37 m`, `1.2 km`. */
export function distance(metres: number): string {
  if (metres < 10) return `${metres.toFixed(1)} m`;
  return metres < 1000 ? `${Math.round(metres)} m` : `${(metres / 1000).toFixed(1)} km`;
}
