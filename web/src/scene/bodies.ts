// The solid things of a scene: houses, ground and slopes, and how they are painted.
import {
  Box3,
  BufferGeometry,
  EdgesGeometry,
  Float32BufferAttribute,
  Group,
  LineBasicMaterial,
  LineSegments,
  Mesh,
  MeshStandardMaterial,
  Vector3,
  type Object3D,
  type Raycaster,
} from "three";
import { isSeverity, LADDER } from "../severity.ts";
import { contours, interval } from "./contours.ts";
import { empty, release } from "./release.ts";
import type { BodyNode, Look, Under } from "./types.ts";

const SEE_THROUGH = 0.28;

type Solid = Mesh<BufferGeometry, MeshStandardMaterial>;

export interface House {
  node: BodyNode;
  mesh: Solid;
  edges: LineSegments;
  severity: number;
  unacknowledged: boolean;
}

export class Bodies {
  readonly group = new Group();
  readonly houses: House[] = [];
  readonly #grounds: Solid[] = [];
  readonly #slopes: Mesh[] = [];
  #look: Look;
  #through = false;

  constructor(look: Look) {
    this.#look = look;
  }

  /** Take over what a model holds. */
  take(things: readonly Object3D[], bodies: readonly BodyNode[]): void {
    const nodes = new Map(bodies.map((node) => [node.name, node]));
    for (const thing of [...things]) this.#take(thing, nodes);
    this.group.updateMatrixWorld(true);
  }

  /** Draw lines of equal height on uneven ground; heights count from `origin_m`. */
  contour(origin_m: number): void {
    for (const slope of this.#slopes) {
      const box = new Box3().setFromObject(slope);
      if (box.max.y - box.min.y < 1) continue;
      const step = interval(box.min.y, box.max.y);
      const ends = contours(slope.geometry.getAttribute("position").array, step, origin_m);
      const lines = new BufferGeometry().setAttribute("position", new Float32BufferAttribute(ends, 3));
      slope.add(new LineSegments(lines, new LineBasicMaterial({ color: "#1c2a1f", transparent: true, opacity: 0.5 })));
    }
  }

  relook(look: Look): void {
    this.#look = look;
    for (const ground of this.#grounds) ground.material.color.set(look.ground);
    for (const house of this.houses) {
      (house.edges.material as LineBasicMaterial).color.set(look.edge);
      this.#paint(house);
    }
  }

  seeThrough(on: boolean): void {
    this.#through = on;
    for (const house of this.houses) this.#paint(house);
  }

  /** Paint a house by its alarm; false when it looks so already. */
  tell(house: House, severity: number, unacknowledged: boolean): boolean {
    if (house.severity === severity && house.unacknowledged === unacknowledged) return false;
    [house.severity, house.unacknowledged] = [severity, unacknowledged];
    this.#paint(house);
    return true;
  }

  /** The middle of a building, null when there is none of this code. */
  middle(code: string): Vector3 | null {
    const house = this.houses.find((one) => one.node.space_code === code);
    return house ? new Box3().setFromObject(house.mesh).getCenter(new Vector3()) : null;
  }

  /** The first thing on a ray. */
  under(ray: Raycaster): Under | null {
    const hit = ray.intersectObjects([...this.houses.map((house) => house.mesh), ...this.#slopes], false)[0];
    const house = this.houses.find((one) => one.mesh === hit?.object);
    if (house) return { kind: "building", code: house.node.space_code };
    if (!hit?.face) return null;
    const { x, y, z } = hit.face.normal;
    return { kind: "facet", normal: [x, y, z] };
  }

  /** Every corner, x, y, z in a row. */
  corners(): number[] {
    const all: number[] = [];
    for (const child of this.group.children) {
      const { array } = (child as Mesh).geometry.getAttribute("position");
      for (let i = 0; i < array.length; i += 1) all.push(array[i] ?? 0);
    }
    return all;
  }

  /** The azimuth (around y, from south, radians) that the slopes fall to on the whole. */
  facing(): number {
    const sum = new Vector3();
    for (const { geometry } of this.#slopes) {
      const normals = geometry.getAttribute("normal");
      for (let i = 0; i < normals.count; i += 3) sum.add(new Vector3().fromBufferAttribute(normals, i));
    }
    return Math.hypot(sum.x, sum.z) < 0.02 * Math.abs(sum.y) ? 0.6 : Math.atan2(sum.x, sum.z);
  }

  clear(): void {
    empty(this.group);
    this.houses.length = this.#grounds.length = this.#slopes.length = 0;
  }

  #take(thing: Object3D, bodies: ReadonlyMap<string, BodyNode>): void {
    const kind = String(thing.userData["kind"] ?? "");
    const mesh = thing as Solid;
    // The pins are drawn as signs here; their meshes are for programs that know no signs.
    if (!mesh.isMesh || kind === "device") {
      release(thing);
      return;
    }
    mesh.receiveShadow = mesh.castShadow = true;
    this.group.add(mesh);
    if (kind === "building") this.#house(mesh, bodies);
    else this.#ground(mesh, kind);
  }

  #house(mesh: Solid, bodies: ReadonlyMap<string, BodyNode>): void {
    const node = bodies.get(`building:${String(mesh.userData["space_code"])}`);
    if (!node) return;
    mesh.material = mesh.material.clone();
    const edges = new LineSegments(new EdgesGeometry(mesh.geometry, 25), new LineBasicMaterial());
    mesh.add(edges);
    this.houses.push({ node, mesh, edges, severity: 0, unacknowledged: false });
  }

  #ground(mesh: Solid, kind: string): void {
    mesh.material = mesh.material.clone();
    mesh.material.polygonOffset = true;
    mesh.material.polygonOffsetFactor = mesh.material.polygonOffsetUnits = 1;
    this.#slopes.push(mesh);
    // Surveyed ground brings the colours of its steepness with it.
    if (kind === "ground" && !mesh.geometry.hasAttribute("color")) this.#grounds.push(mesh);
  }

  #paint({ mesh, edges, node, severity }: House): void {
    const { material } = mesh;
    material.color.set(isSeverity(severity) ? LADDER[severity].colour : this.#look.building);
    material.opacity = this.#through ? SEE_THROUGH : node.placeholder ? 0.5 : 1;
    material.transparent = material.opacity < 1;
    material.depthWrite = !material.transparent;
    material.needsUpdate = true;
    (edges.material as LineBasicMaterial).opacity = 1;
  }
}
