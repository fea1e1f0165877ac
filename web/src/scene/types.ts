// The shapes of scenes and surveys as the page reads them; docs/mesh.md is their home.
import type { FieldName } from "../types.ts";

/** Metres from the scene's origin: x east, y up, z south. */
export type Place = [x: number, y: number, z: number];

export interface Facet {
  slope_deg: number | null;
  aspect_deg: number | null;
  ground_m: number | null;
  distance_m: number | null;
}

export interface BodyNode {
  name: string;
  kind: "ground" | "building";
  space_code: string;
  title: string;
  title_en: string;
  height_m: number | null;
  placeholder?: boolean;
  roof_m?: number;
}

export interface SlopeNode {
  name: string;
  kind: "slope";
  surface_id: string;
  title: string;
  steepest_deg: number;
}

export interface DeviceNode {
  name: string;
  kind: "device";
  device_id: string;
  device_kind: string;
  kind_zh: string;
  kind_en: string;
  field: FieldName;
  title: string;
  title_en: string;
  space_code: string | null;
  height_m: number | null;
  at: Place;
  floor_m: number;
  facet: Facet | null;
}

export type SceneNode = BodyNode | SlopeNode | DeviceNode;

export interface SceneFinding {
  kind: string;
  weight: "error" | "warning" | "note";
  detail: string;
  count: number;
  about: string;
}

export interface SlopeClass {
  from_deg: number;
  to_deg: number | null;
  colour: string;
}

export interface SceneWords {
  name: string;
  name_en?: string;
  focus?: string | null;
  surface?: string | null;
  surveyed_at?: string;
  source?: string | null;
  height_datum?: string;
  origin: { lon: number; lat: number; height_m: number };
  nodes: SceneNode[];
  report: SceneFinding[];
  survey_report?: SceneFinding[];
  legend: SlopeClass[];
}

export function isDevice(node: SceneNode): node is DeviceNode {
  return node.kind === "device";
}

export function isBody(node: SceneNode): node is BodyNode {
  return node.kind === "building" || node.kind === "ground";
}

export function isBuilding(node: SceneNode): node is BodyNode {
  return node.kind === "building";
}

/** The colours of a stage. */
export interface Look {
  sky: string;
  ground: string;
  building: string;
  edge: string;
  night: boolean;
}

/** What is under the pointer. */
export type Under =
  | { kind: "device"; id: string }
  | { kind: "building"; code: string }
  | { kind: "facet"; normal: [number, number, number] };
