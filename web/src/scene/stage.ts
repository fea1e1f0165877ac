// The three-dimensional stage: a model, its signs, light and camera. Loaded only when a scene is opened.
import {
  AmbientLight,
  Box3,
  Color,
  DirectionalLight,
  HemisphereLight,
  PCFShadowMap,
  Raycaster,
  Scene,
  Sphere,
  Vector2,
  Vector3,
  WebGLRenderer,
} from "three";
import { GLTFLoader } from "three/examples/jsm/loaders/GLTFLoader.js";
import { Bodies } from "./bodies.ts";
import { Eye } from "./camera.ts";
import { Marks } from "./marks.ts";
import type { PinState, Worst } from "./state.ts";
import type { BodyNode, DeviceNode, Look, Under } from "./types.ts";

export class Stage {
  /** Called with the camera's azimuth, radians, whenever a picture was drawn. */
  onDrawn: (azimuth: number) => void = () => {};
  readonly #renderer: WebGLRenderer;
  readonly #scene = new Scene();
  readonly #eye: Eye;
  readonly #sun = new DirectionalLight(0xfff6e8, 2.6);
  readonly #bodies: Bodies;
  readonly #marks: Marks;
  #asked = 0;
  #look: Look;

  /** Throws if this browser gives no WebGL 2. */
  constructor(canvas: HTMLCanvasElement, look: Look) {
    this.#renderer = new WebGLRenderer({ canvas, antialias: true, powerPreference: "low-power" });
    this.#renderer.setPixelRatio(Math.min(devicePixelRatio, 2));
    this.#renderer.shadowMap.enabled = true;
    this.#renderer.shadowMap.type = PCFShadowMap;
    this.#renderer.shadowMap.autoUpdate = false;
    this.#eye = new Eye(canvas, () => this.draw());
    this.#bodies = new Bodies(look);
    this.#marks = new Marks(canvas);
    this.#sun.castShadow = true;
    this.#sun.shadow.mapSize.set(2048, 2048);
    this.#scene.add(new AmbientLight(0xffffff, 0.3), new HemisphereLight(0xdfeaff, 0x4a4438, 0.9));
    this.#scene.add(this.#sun, this.#sun.target, this.#bodies.group, this.#marks.group);
    this.#look = look;
    this.relook(look);
  }

  /** Show a model; what was shown before is let go. */
  async show(model: ArrayBuffer, nodes: { bodies: BodyNode[]; devices: DeviceNode[]; origin_m: number }): Promise<void> {
    const read = await new GLTFLoader().parseAsync(model, "");
    this.#clear();
    this.#bodies.take(read.scene.children, nodes.bodies);
    this.#marks.plant(nodes.devices);
    this.#measure();
    this.#bodies.contour(nodes.origin_m);
    this.relook(this.#look);
    this.home();
    const places = this.#marks.places();
    // A survey is far larger than what is watched on it: begin there, "home" shows the whole.
    if (!this.#bodies.houses.length && places.length) this.#move((eye) => eye.approach(places));
  }

  /** Take over what the desk knows. */
  restate(states: ReadonlyMap<string, PinState>, worst: ReadonlyMap<string, Worst>): void {
    this.#marks.dressPins(states);
    for (const house of this.#bodies.houses) {
      const told = worst.get(house.node.space_code);
      const changed = this.#bodies.tell(house, told?.severity ?? 0, (told?.unacknowledged ?? 0) > 0);
      if (changed) this.#marks.dressRoof(house);
    }
    this.draw();
  }

  choose(id: string, states: ReadonlyMap<string, PinState>): void {
    this.#marks.choose(id, states);
    this.draw();
  }

  /** Bring a device or a building into the middle, near. */
  lookAt(name: string): void {
    const at = this.#marks.place(name) ?? this.#bodies.middle(name);
    if (at) this.#move((eye) => eye.lookAt(at));
  }

  relook(look: Look): void {
    this.#look = look;
    this.#scene.background = new Color(look.sky);
    this.#bodies.relook(look);
    this.#marks.relook(look);
    this.draw();
  }

  seeThrough(on: boolean): void {
    this.#bodies.seeThrough(on);
    this.draw();
  }

  resize(width: number, height: number): void {
    if (width < 1 || height < 1) return;
    this.#renderer.setSize(width, height, false);
    this.#move((eye) => eye.resize(width, height));
  }

  /** Signs keep their size in pixels when the canvas changes. */
  rescale(): void {
    this.#marks.rescale();
  }

  /** Turn around the middle, radians to the right and up. */
  orbit(right: number, up: number): void {
    this.#move((eye) => eye.orbit(right, up));
  }

  /** Go nearer (below 1) or farther (above 1). */
  zoom(factor: number): void {
    this.#move((eye) => eye.zoom(factor));
  }

  /** The whole scene, from where it is seen best. */
  home(): void {
    this.#move((eye) => eye.home());
  }

  /** What lies under a point of the canvas, in its pixels. */
  under(x: number, y: number): Under | null {
    const { camera } = this.#eye;
    const id = this.#marks.under(x, y, camera);
    if (id !== null) return { kind: "device", id };
    const { clientWidth: width, clientHeight: height } = this.#renderer.domElement;
    const ray = new Raycaster();
    ray.setFromCamera(new Vector2((x / width) * 2 - 1, 1 - (y / height) * 2), camera);
    return this.#bodies.under(ray);
  }

  /** Draw before the next frame; many calls lead to one picture. */
  draw(): void {
    if (this.#asked) return;
    this.#asked = requestAnimationFrame(() => {
      this.#asked = 0;
      this.#renderer.render(this.#scene, this.#eye.camera);
      this.onDrawn(this.#eye.azimuth);
    });
  }

  /** Give back everything that the graphics card holds. */
  dispose(): void {
    cancelAnimationFrame(this.#asked);
    this.#clear();
    this.#marks.dispose();
    this.#eye.dispose();
    this.#sun.dispose();
    this.#renderer.dispose();
    this.#renderer.forceContextLoss();
  }

  /** How much the graphics card holds, for tests: a scene that was shut leaves nothing. */
  memory(): { geometries: number; textures: number } {
    return { ...this.#renderer.info.memory };
  }

  #move(how: (eye: Eye) => void): void {
    how(this.#eye);
    this.draw();
  }

  /** Find how large the scene is, where it faces, and turn the light on it. */
  #measure(): void {
    const box = new Box3().setFromObject(this.#bodies.group);
    const places = this.#marks.places();
    for (const place of places) box.expandByPoint(place);
    if (box.isEmpty()) box.set(new Vector3(-20, 0, -20), new Vector3(20, 20, 20));
    const ball = box.getBoundingSphere(new Sphere());
    const outline = [...places.flatMap((place) => place.toArray()), ...this.#bodies.corners()];
    // A slope is seen from where it falls to; a block from the south, turned so that it fills the picture.
    const built = this.#bodies.houses.length > 0;
    const phi = built ? 0.92 : 1.08;
    const theta = built ? this.#eye.side(outline, phi) : this.#bodies.facing();
    this.#eye.measure(outline, ball.radius, phi, theta);
    // Raking light shows the lie of a slope; over houses it would only lengthen shadows.
    this.#shine(ball, built ? 0.75 : 1.02, theta - 1.1);
  }

  #shine({ center, radius }: Sphere, phi: number, theta: number): void {
    const high = new Vector3().setFromSphericalCoords(radius * 2.2, phi, theta);
    this.#sun.position.copy(center).add(high);
    this.#sun.target.position.copy(center);
    const { camera } = this.#sun.shadow;
    [camera.left, camera.right, camera.bottom, camera.top] = [-radius, radius, -radius, radius];
    [camera.near, camera.far] = [1, radius * 4.4];
    camera.updateProjectionMatrix();
    this.#sun.shadow.normalBias = Math.max(0.2, radius / 400);
    this.#sun.target.updateMatrixWorld();
    this.#renderer.shadowMap.needsUpdate = true;
  }

  #clear(): void {
    this.#bodies.clear();
    this.#marks.clear();
  }
}
