// The three-dimensional stage: a model, its signs, light and camera. Loaded only when a scene is opened.
import {
  AmbientLight,
  Box3,
  BufferGeometry,
  CanvasTexture,
  Color,
  DirectionalLight,
  EdgesGeometry,
  Float32BufferAttribute,
  Group,
  HemisphereLight,
  LineBasicMaterial,
  LineSegments,
  Material,
  Mesh,
  MeshStandardMaterial,
  PCFShadowMap,
  PerspectiveCamera,
  Raycaster,
  Scene,
  Sphere,
  Spherical,
  Sprite,
  SpriteMaterial,
  SRGBColorSpace,
  Vector2,
  Vector3,
  WebGLRenderer,
  type Object3D,
} from "three";
import { OrbitControls } from "three/examples/jsm/controls/OrbitControls.js";
import { GLTFLoader } from "three/examples/jsm/loaders/GLTFLoader.js";
import { isSeverity, LADDER } from "../severity.ts";
import { ALARM_SIZE, PIN_SIZE, pinKey, pinPicture, roofPicture } from "./pins.ts";
import { contours, interval } from "./contours.ts";
import { frame, nearestSide } from "./frame.ts";
import { nearest, type PinState, type Worst } from "./state.ts";
import type { BodyNode, DeviceNode } from "./types.ts";

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

const FIELD_OF_VIEW = 42;
const LIFT_M = 3;
const REACH_PX = 20;
const STEEPEST = Math.PI / 2 - 0.03;
const SEE_THROUGH = 0.28;

interface Pin {
  node: DeviceNode;
  sprite: Sprite;
  key: string;
  severity: number;
}

interface House {
  node: BodyNode;
  mesh: Mesh<BufferGeometry, MeshStandardMaterial>;
  edges: LineSegments;
  sign: Sprite | null;
  severity: number;
  unacknowledged: boolean;
}

export class Stage {
  /** Called with the camera's azimuth, radians, whenever a picture was drawn. */
  onDrawn: (azimuth: number) => void = () => {};
  readonly #renderer: WebGLRenderer;
  readonly #scene = new Scene();
  readonly #camera = new PerspectiveCamera(FIELD_OF_VIEW, 1, 0.5, 20_000);
  readonly #controls: OrbitControls;
  readonly #sun = new DirectionalLight(0xfff6e8, 2.6);
  readonly #model = new Group();
  readonly #signs = new Group();
  readonly #textures = new Map<string, CanvasTexture>();
  readonly #houses: House[] = [];
  readonly #pins: Pin[] = [];
  readonly #grounds: Mesh<BufferGeometry, MeshStandardMaterial>[] = [];
  readonly #slopes: Mesh[] = [];
  #stalks: LineSegments | null = null;
  #bounds = new Sphere(new Vector3(), 50);
  #outline: number[] = [];
  #home = new Spherical(1, 0.95, 0.5);
  #asked = 0;
  #chosen = "";
  #look: Look;
  #through = false;

  /** Throws if this browser gives no WebGL 2. */
  constructor(canvas: HTMLCanvasElement, look: Look) {
    this.#renderer = new WebGLRenderer({ canvas, antialias: true, powerPreference: "low-power" });
    this.#renderer.setPixelRatio(Math.min(devicePixelRatio, 2));
    this.#renderer.shadowMap.enabled = true;
    this.#renderer.shadowMap.type = PCFShadowMap;
    this.#renderer.shadowMap.autoUpdate = false;
    this.#controls = new OrbitControls(this.#camera, canvas);
    this.#controls.enableDamping = false;
    this.#controls.maxPolarAngle = STEEPEST;
    this.#controls.addEventListener("change", () => this.draw());
    this.#sun.castShadow = true;
    this.#sun.shadow.mapSize.set(2048, 2048);
    this.#scene.add(new AmbientLight(0xffffff, 0.3), new HemisphereLight(0xdfeaff, 0x4a4438, 0.9));
    this.#scene.add(this.#sun, this.#sun.target, this.#model, this.#signs);
    this.#look = look;
    this.relook(look);
  }

  /** Show a model; what was shown before is let go. */
  async show(model: ArrayBuffer, nodes: { bodies: BodyNode[]; devices: DeviceNode[]; origin_m: number }): Promise<void> {
    const read = await new GLTFLoader().parseAsync(model, "");
    this.#clear();
    const bodies = new Map(nodes.bodies.map((node) => [node.name, node]));
    for (const thing of [...read.scene.children]) this.#take(thing, bodies);
    this.#model.updateMatrixWorld(true);
    this.#plant(nodes.devices);
    this.#measure();
    for (const slope of this.#slopes) this.#contour(slope, nodes.origin_m);
    this.relook(this.#look);
    this.home();
    // A survey is far larger than what is watched on it: begin there, "home" shows the whole.
    if (!this.#houses.length && this.#pins.length) this.#approach();
  }

  /** Take over what the desk knows. */
  restate(states: ReadonlyMap<string, PinState>, worst: ReadonlyMap<string, Worst>): void {
    for (const pin of this.#pins) this.#dressPin(pin, states.get(pin.node.device_id) ?? { fresh: 0, severity: 0 });
    for (const house of this.#houses) {
      const told = worst.get(house.node.space_code);
      this.#dressHouse(house, told?.severity ?? 0, (told?.unacknowledged ?? 0) > 0);
    }
    this.draw();
  }

  choose(id: string, states: ReadonlyMap<string, PinState>): void {
    this.#chosen = id;
    for (const pin of this.#pins) this.#dressPin(pin, states.get(pin.node.device_id) ?? { fresh: 0, severity: 0 });
    this.draw();
  }

  /** Bring a device or a building into the middle, near. */
  lookAt(name: string): void {
    const pin = this.#pins.find((one) => one.node.device_id === name);
    const house = this.#houses.find((one) => one.node.space_code === name);
    const at = pin?.sprite.position ?? (house ? new Box3().setFromObject(house.mesh).getCenter(new Vector3()) : null);
    if (!at) return;
    const away = this.#camera.position.clone().sub(this.#controls.target);
    away.setLength(Math.min(away.length(), Math.max(60, this.#bounds.radius * 0.8)));
    this.#controls.target.copy(at);
    this.#camera.position.copy(at).add(away);
    this.#controls.update();
    this.draw();
  }

  relook(look: Look): void {
    this.#look = look;
    this.#scene.background = new Color(look.sky);
    for (const ground of this.#grounds) ground.material.color.set(look.ground);
    for (const house of this.#houses) {
      (house.edges.material as LineBasicMaterial).color.set(look.edge);
      this.#paintHouse(house);
    }
    if (this.#stalks) (this.#stalks.material as LineBasicMaterial).color.set(look.night ? "#cfe0ef" : "#22384d");
    this.draw();
  }

  seeThrough(on: boolean): void {
    this.#through = on;
    for (const house of this.#houses) this.#paintHouse(house);
    this.draw();
  }

  resize(width: number, height: number): void {
    if (width < 1 || height < 1) return;
    this.#renderer.setSize(width, height, false);
    this.#camera.aspect = width / height;
    this.#camera.updateProjectionMatrix();
    this.draw();
  }

  /** Turn around the middle, radians to the right and up. */
  orbit(right: number, up: number): void {
    const away = new Spherical().setFromVector3(this.#camera.position.clone().sub(this.#controls.target));
    away.theta += right;
    away.phi = Math.min(STEEPEST, Math.max(0.05, away.phi - up));
    this.#camera.position.setFromSpherical(away).add(this.#controls.target);
    this.#controls.update();
    this.draw();
  }

  /** Go nearer (below 1) or farther (above 1). */
  zoom(factor: number): void {
    const away = this.#camera.position.clone().sub(this.#controls.target);
    const length = away.length() * factor;
    away.setLength(Math.min(this.#controls.maxDistance, Math.max(this.#controls.minDistance, length)));
    this.#camera.position.copy(this.#controls.target).add(away);
    this.#controls.update();
    this.draw();
  }

  /** The whole scene, from where it is seen best. */
  home(): void {
    const half = (FIELD_OF_VIEW / 2) * (Math.PI / 180);
    const { theta, phi } = this.#home;
    const fitted = frame(this.#outline, theta, phi, Math.tan(half), this.#camera.aspect, 0.9);
    this.#home.radius = fitted.distance;
    this.#controls.target.set(...fitted.target);
    this.#camera.position.setFromSpherical(this.#home).add(this.#controls.target);
    this.#controls.minDistance = 8;
    this.#controls.maxDistance = this.#home.radius * 3;
    this.#controls.update();
    this.draw();
  }

  /** The instruments and some ground around them. */
  #approach(): void {
    const box = new Box3();
    for (const { sprite } of this.#pins) box.expandByPoint(sprite.position);
    const ball = box.getBoundingSphere(new Sphere());
    this.#controls.target.copy(ball.center);
    const away = this.#home.clone();
    away.radius = Math.min(this.#home.radius, Math.max(110, ball.radius * 4.2));
    this.#camera.position.setFromSpherical(away).add(ball.center);
    this.#controls.update();
    this.draw();
  }

  /** Draw lines of equal height on uneven ground. */
  #contour(slope: Mesh, origin_m: number): void {
    const box = new Box3().setFromObject(slope);
    if (box.max.y - box.min.y < 1) return;
    const step = interval(box.min.y, box.max.y);
    const ends = contours(slope.geometry.getAttribute("position").array, step, origin_m);
    const lines = new BufferGeometry().setAttribute("position", new Float32BufferAttribute(ends, 3));
    slope.add(new LineSegments(lines, new LineBasicMaterial({ color: "#1c2a1f", transparent: true, opacity: 0.5 })));
  }

  /** What lies under a point of the canvas, in its pixels. */
  under(x: number, y: number): Under | null {
    const { clientWidth: width, clientHeight: height } = this.#renderer.domElement;
    const points = this.#pins.map(({ node, sprite }) => this.#onScreen(sprite, node, width, height));
    const index = nearest(points, x, y, REACH_PX);
    const pin = index === null ? null : this.#pins[index];
    if (pin) return { kind: "device", id: pin.node.device_id };
    const ray = new Raycaster();
    ray.setFromCamera(new Vector2((x / width) * 2 - 1, 1 - (y / height) * 2), this.#camera);
    const hit = ray.intersectObjects([...this.#houses.map((house) => house.mesh), ...this.#slopes], false)[0];
    const house = this.#houses.find((one) => one.mesh === hit?.object);
    if (house) return { kind: "building", code: house.node.space_code };
    if (!hit?.face) return null;
    const { x: nx, y: ny, z: nz } = hit.face.normal;
    return { kind: "facet", normal: [nx, ny, nz] };
  }

  /** Draw before the next frame; many calls lead to one picture. */
  draw(): void {
    if (this.#asked) return;
    this.#asked = requestAnimationFrame(() => {
      this.#asked = 0;
      this.#renderer.render(this.#scene, this.#camera);
      this.onDrawn(this.#controls.getAzimuthalAngle());
    });
  }

  /** Give back everything that the graphics card holds. */
  dispose(): void {
    cancelAnimationFrame(this.#asked);
    this.#clear();
    for (const texture of this.#textures.values()) texture.dispose();
    this.#textures.clear();
    this.#controls.dispose();
    this.#sun.dispose();
    this.#renderer.dispose();
    this.#renderer.forceContextLoss();
  }

  /** How much the graphics card holds, for tests: a scene that was shut leaves nothing. */
  memory(): { geometries: number; textures: number } {
    return { ...this.#renderer.info.memory };
  }

  #take(thing: Object3D, bodies: ReadonlyMap<string, BodyNode>): void {
    const kind = String(thing.userData["kind"] ?? "");
    const mesh = thing as Mesh<BufferGeometry, MeshStandardMaterial>;
    // The pins are drawn as signs here; their meshes are for programs that know no signs.
    if (!mesh.isMesh || kind === "device") {
      release(thing);
      return;
    }
    mesh.receiveShadow = mesh.castShadow = true;
    this.#model.add(mesh);
    if (kind === "building") this.#house(mesh, bodies);
    else this.#ground(mesh, kind);
  }

  #house(mesh: Mesh<BufferGeometry, MeshStandardMaterial>, bodies: ReadonlyMap<string, BodyNode>): void {
    const node = bodies.get(`building:${String(mesh.userData["space_code"])}`);
    if (!node) return;
    mesh.material = mesh.material.clone();
    const edges = new LineSegments(new EdgesGeometry(mesh.geometry, 25), new LineBasicMaterial());
    mesh.add(edges);
    this.#houses.push({ node, mesh, edges, sign: null, severity: 0, unacknowledged: false });
  }

  #ground(mesh: Mesh<BufferGeometry, MeshStandardMaterial>, kind: string): void {
    mesh.material = mesh.material.clone();
    mesh.material.polygonOffset = true;
    mesh.material.polygonOffsetFactor = mesh.material.polygonOffsetUnits = 1;
    this.#slopes.push(mesh);
    // Surveyed ground brings the colours of its steepness with it.
    if (kind === "ground" && !mesh.geometry.hasAttribute("color")) this.#grounds.push(mesh);
  }

  /** Stand the signs over their instruments, each on a stalk. */
  #plant(devices: readonly DeviceNode[]): void {
    const stalks: number[] = [];
    for (const node of devices) {
      const [x, y, z] = node.at;
      const top = Math.max(y, node.floor_m) + LIFT_M;
      stalks.push(x, Math.min(y, node.floor_m), z, x, top, z);
      const sprite = new Sprite(new SpriteMaterial({ depthTest: false, sizeAttenuation: false, transparent: true }));
      sprite.center.set(0.5, 0);
      sprite.position.set(x, top, z);
      this.#signs.add(sprite);
      this.#pins.push({ node, sprite, key: "", severity: 0 });
    }
    if (!stalks.length) return;
    const lines = new BufferGeometry().setAttribute("position", new Float32BufferAttribute(stalks, 3));
    this.#stalks = new LineSegments(lines, new LineBasicMaterial({ depthTest: false, transparent: true, opacity: 0.7 }));
    this.#stalks.renderOrder = 5;
    this.#signs.add(this.#stalks);
  }

  /** Find how large the scene is, where it faces, and turn the light on it. */
  #measure(): void {
    const box = new Box3().setFromObject(this.#model);
    for (const { sprite } of this.#pins) box.expandByPoint(sprite.position);
    if (box.isEmpty()) box.set(new Vector3(-20, 0, -20), new Vector3(20, 20, 20));
    box.getBoundingSphere(this.#bounds);
    this.#outline = this.#pins.flatMap(({ sprite }) => sprite.position.toArray());
    for (const child of this.#model.children) {
      const { array } = (child as Mesh).geometry.getAttribute("position");
      for (let i = 0; i < array.length; i += 1) this.#outline.push(array[i] ?? 0);
    }
    // A slope is seen from where it falls to; a block from the south, turned so that it fills the picture.
    this.#home.phi = this.#houses.length ? 0.92 : 1.08;
    this.#home.theta = this.#houses.length ? this.#side() : facing(this.#slopes);
    const { center, radius } = this.#bounds;
    // Raking light shows the lie of a slope; over houses it would only lengthen shadows.
    const high = new Vector3().setFromSphericalCoords(
      radius * 2.2,
      this.#houses.length ? 0.75 : 1.02,
      this.#home.theta - 1.1,
    );
    this.#sun.position.copy(center).add(high);
    this.#sun.target.position.copy(center);
    const { camera } = this.#sun.shadow;
    [camera.left, camera.right, camera.bottom, camera.top] = [-radius, radius, -radius, radius];
    [camera.near, camera.far] = [1, radius * 4.4];
    camera.updateProjectionMatrix();
    this.#sun.shadow.normalBias = Math.max(0.2, radius / 400);
    this.#sun.target.updateMatrixWorld();
    this.#renderer.shadowMap.needsUpdate = true;
    this.#camera.near = Math.max(0.3, radius / 500);
    this.#camera.far = radius * 20;
    this.#camera.updateProjectionMatrix();
  }

  #side(): number {
    const sides = [0.25, -0.25, 0.5, -0.5, 0.75, -0.75, 1.0, -1.0, 1.25, -1.25];
    const tangent = Math.tan((FIELD_OF_VIEW * Math.PI) / 360);
    return nearestSide(this.#outline, sides, this.#home.phi, tangent, this.#camera.aspect);
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

  #dressHouse(house: House, severity: number, unacknowledged: boolean): void {
    if (house.severity === severity && house.unacknowledged === unacknowledged) return;
    [house.severity, house.unacknowledged] = [severity, unacknowledged];
    this.#paintHouse(house);
    // Its instruments carry the sign already, unless the alarm is none of theirs.
    const told = this.#pins.some((pin) => pin.node.space_code === house.node.space_code && pin.severity === severity);
    if (!isSeverity(severity) || told) {
      if (house.sign) house.sign.visible = false;
      return;
    }
    house.sign ??= this.#roofSign(house);
    house.sign.visible = true;
    this.#dress(house.sign, `roof/${severity}/${unacknowledged}`, ALARM_SIZE, () => roofPicture(severity, unacknowledged));
  }

  #roofSign(house: House): Sprite {
    const sprite = new Sprite(new SpriteMaterial({ depthTest: false, sizeAttenuation: false, transparent: true }));
    const box = new Box3().setFromObject(house.mesh);
    box.getCenter(sprite.position);
    sprite.position.y = box.max.y + LIFT_M;
    sprite.center.set(0.5, 0);
    sprite.renderOrder = 40;
    this.#signs.add(sprite);
    return sprite;
  }

  #paintHouse({ mesh, edges, node, severity }: House): void {
    const { material } = mesh;
    material.color.set(isSeverity(severity) ? LADDER[severity].colour : this.#look.building);
    material.opacity = this.#through ? SEE_THROUGH : node.placeholder ? 0.5 : 1;
    material.transparent = material.opacity < 1;
    material.depthWrite = !material.transparent;
    material.needsUpdate = true;
    (edges.material as LineBasicMaterial).opacity = 1;
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
    // Without attenuation a sprite's scale is its height on a plane one unit before the camera.
    const pixels = Math.max(1, this.#renderer.domElement.clientHeight);
    sprite.userData["size"] = size;
    sprite.scale.setScalar((2 * Math.tan((FIELD_OF_VIEW * Math.PI) / 360) * size) / pixels);
  }

  /** Signs keep their size in pixels when the canvas changes. */
  rescale(): void {
    const pixels = Math.max(1, this.#renderer.domElement.clientHeight);
    for (const child of this.#signs.children) {
      const size = Number(child.userData["size"] ?? 0);
      if (size) child.scale.setScalar((2 * Math.tan((FIELD_OF_VIEW * Math.PI) / 360) * size) / pixels);
    }
  }

  #onScreen(sprite: Sprite, node: DeviceNode, width: number, height: number): [number, number] | null {
    const at = sprite.position.clone().project(this.#camera);
    if (at.z > 1 || !node) return null;
    // The sign's middle is half its box above the point.
    const size = Number(sprite.userData["size"] ?? PIN_SIZE);
    return [((at.x + 1) / 2) * width, ((1 - at.y) / 2) * height - size * 0.6];
  }

  #clear(): void {
    for (const group of [this.#model, this.#signs]) {
      for (const child of [...group.children]) {
        group.remove(child);
        release(child);
      }
    }
    this.#houses.length = this.#pins.length = this.#grounds.length = this.#slopes.length = 0;
    this.#stalks = null;
  }
}

/** Free what a thing and all below it hold; textures of signs are shared and freed with the stage. */
function release(thing: Object3D): void {
  thing.traverse((part) => {
    const { geometry, material } = part as Partial<Mesh>;
    if (!(part as Sprite).isSprite) geometry?.dispose();
    for (const one of Array.isArray(material) ? material : [material]) if (one instanceof Material) one.dispose();
  });
}

/** The azimuth (around y, from south, radians) that surfaces fall to on the whole. */
function facing(meshes: readonly Mesh[]): number {
  const sum = new Vector3();
  for (const { geometry } of meshes) {
    const normals = geometry.getAttribute("normal");
    for (let i = 0; i < normals.count; i += 3) sum.add(new Vector3().fromBufferAttribute(normals, i));
  }
  return Math.hypot(sum.x, sum.z) < 0.02 * Math.abs(sum.y) ? 0.6 : Math.atan2(sum.x, sum.z);
}
