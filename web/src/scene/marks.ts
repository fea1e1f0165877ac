// The signs of a scene: one on a stalk over each instrument, one over a house whose alarm is none of theirs.
import {
  Box3,
  BufferGeometry,
  CanvasTexture,
  Float32BufferAttribute,
  Group,
  LineBasicMaterial,
  LineSegments,
  Sprite,
  SpriteMaterial,
  SRGBColorSpace,
  type Camera,
  type Vector3,
} from "three";
import { isSeverity } from "../severity.ts";
import type { House } from "./bodies.ts";
import { HALF_TANGENT } from "./camera.ts";
import { ALARM_SIZE, PIN_SIZE, pinKey, pinPicture, roofPicture } from "./pins.ts";
import { empty } from "./release.ts";
import { nearest, type PinState } from "./state.ts";
import type { DeviceNode, Look } from "./types.ts";

const LIFT_M = 3;
const REACH_PX = 20;

interface Pin {
  node: DeviceNode;
  sprite: Sprite;
  key: string;
  severity: number;
}

export class Marks {
  readonly group = new Group();
  readonly #canvas: HTMLCanvasElement;
  readonly #textures = new Map<string, CanvasTexture>();
  readonly #pins: Pin[] = [];
  readonly #roofs = new Map<House, Sprite>();
  #stalks: LineSegments | null = null;
  #chosen = "";

  constructor(canvas: HTMLCanvasElement) {
    this.#canvas = canvas;
  }

  /** Stand the signs over their instruments, each on a stalk. */
  plant(devices: readonly DeviceNode[]): void {
    const stalks: number[] = [];
    for (const node of devices) {
      const [x, y, z] = node.at;
      const top = Math.max(y, node.floor_m) + LIFT_M;
      stalks.push(x, Math.min(y, node.floor_m), z, x, top, z);
      const sprite = this.#sprite();
      sprite.position.set(x, top, z);
      this.#pins.push({ node, sprite, key: "", severity: 0 });
    }
    if (!stalks.length) return;
    const lines = new BufferGeometry().setAttribute("position", new Float32BufferAttribute(stalks, 3));
    this.#stalks = new LineSegments(lines, new LineBasicMaterial({ depthTest: false, transparent: true, opacity: 0.7 }));
    this.#stalks.renderOrder = 5;
    this.group.add(this.#stalks);
  }

  /** Where the instruments' signs stand. */
  places(): Vector3[] {
    return this.#pins.map(({ sprite }) => sprite.position);
  }

  /** Where a device's sign stands, null when it has none. */
  place(id: string): Vector3 | null {
    return this.#pins.find((pin) => pin.node.device_id === id)?.sprite.position ?? null;
  }

  dressPins(states: ReadonlyMap<string, PinState>): void {
    for (const pin of this.#pins) this.#dressPin(pin, states.get(pin.node.device_id) ?? { fresh: 0, severity: 0 });
  }

  choose(id: string, states: ReadonlyMap<string, PinState>): void {
    this.#chosen = id;
    this.dressPins(states);
  }

  dressRoof(house: House): void {
    const { node, severity, unacknowledged } = house;
    // Its instruments carry the sign already, unless the alarm is none of theirs.
    const told = this.#pins.some((pin) => pin.node.space_code === node.space_code && pin.severity === severity);
    const sign = this.#roofs.get(house);
    if (!isSeverity(severity) || told) {
      if (sign) sign.visible = false;
      return;
    }
    const shown = sign ?? this.#roofSign(house);
    shown.visible = true;
    this.#dress(shown, `roof/${severity}/${unacknowledged}`, ALARM_SIZE, () => roofPicture(severity, unacknowledged));
  }

  relook(look: Look): void {
    if (this.#stalks) (this.#stalks.material as LineBasicMaterial).color.set(look.night ? "#cfe0ef" : "#22384d");
  }

  /** Signs keep their size in pixels when the canvas changes. */
  rescale(): void {
    for (const child of this.group.children) {
      const size = Number(child.userData["size"] ?? 0);
      if (size) child.scale.setScalar(this.#scale(size));
    }
  }

  /** The device whose sign lies under a point of the canvas, in its pixels. */
  under(x: number, y: number, camera: Camera): string | null {
    const { clientWidth: width, clientHeight: height } = this.#canvas;
    const points = this.#pins.map(({ sprite }) => onScreen(sprite, camera, width, height));
    const index = nearest(points, x, y, REACH_PX);
    return index === null ? null : (this.#pins[index]?.node.device_id ?? null);
  }

  clear(): void {
    empty(this.group);
    this.#pins.length = 0;
    this.#roofs.clear();
    this.#stalks = null;
  }

  dispose(): void {
    for (const texture of this.#textures.values()) texture.dispose();
    this.#textures.clear();
  }

  #sprite(): Sprite {
    const sprite = new Sprite(new SpriteMaterial({ depthTest: false, sizeAttenuation: false, transparent: true }));
    sprite.center.set(0.5, 0);
    this.group.add(sprite);
    return sprite;
  }

  #roofSign(house: House): Sprite {
    const sprite = this.#sprite();
    const box = new Box3().setFromObject(house.mesh);
    box.getCenter(sprite.position);
    sprite.position.y = box.max.y + LIFT_M;
    sprite.renderOrder = 40;
    this.#roofs.set(house, sprite);
    return sprite;
  }

  #dressPin(pin: Pin, state: PinState): void {
    const chosen = pin.node.device_id === this.#chosen;
    const key = pinKey(pin.node.field, state, chosen);
    if (key === pin.key) return;
    pin.key = key;
    pin.severity = state.severity;
    const size = isSeverity(state.severity) ? ALARM_SIZE : PIN_SIZE;
    this.#dress(pin.sprite, key, size, () => pinPicture(pin.node.field, state, chosen));
    pin.sprite.renderOrder = 10 + state.severity + (chosen ? 10 : 0);
  }

  #dress(sprite: Sprite, key: string, size: number, make: () => HTMLCanvasElement): void {
    let texture = this.#textures.get(key);
    if (!texture) {
      texture = new CanvasTexture(make());
      texture.colorSpace = SRGBColorSpace;
      this.#textures.set(key, texture);
    }
    sprite.material.map = texture;
    sprite.material.needsUpdate = true;
    sprite.userData["size"] = size;
    sprite.scale.setScalar(this.#scale(size));
  }

  /** Without attenuation a sprite's scale is its height on a plane one unit before the camera. */
  #scale(size: number): number {
    return (2 * HALF_TANGENT * size) / Math.max(1, this.#canvas.clientHeight);
  }
}

function onScreen(sprite: Sprite, camera: Camera, width: number, height: number): [number, number] | null {
  const at = sprite.position.clone().project(camera);
  if (at.z > 1) return null;
  // The sign's middle is half its box above the point.
  const size = Number(sprite.userData["size"] ?? PIN_SIZE);
  return [((at.x + 1) / 2) * width, ((1 - at.y) / 2) * height - size * 0.6];
}
