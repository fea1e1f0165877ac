// From where a scene is seen: the camera and how it turns, nears and comes home.
import { Box3, PerspectiveCamera, Sphere, Spherical, type Vector3 } from "three";
import { OrbitControls } from "three/examples/jsm/controls/OrbitControls.js";
import { frame, nearestSide } from "./frame.ts";

const FIELD_OF_VIEW = 42;
/** Half the picture's height on a plane one unit before the camera. */
export const HALF_TANGENT = Math.tan((FIELD_OF_VIEW * Math.PI) / 360);
const STEEPEST = Math.PI / 2 - 0.03;
const SIDES = [0.25, -0.25, 0.5, -0.5, 0.75, -0.75, 1.0, -1.0, 1.25, -1.25];
const NEAR_M = 60;

export class Eye {
  readonly camera = new PerspectiveCamera(FIELD_OF_VIEW, 1, 0.5, 20_000);
  readonly #controls: OrbitControls;
  readonly #home = new Spherical(1, 0.95, 0.5);
  #outline: readonly number[] = [];
  #radius = 50;

  /** `moved` is called whenever the picture changes. */
  constructor(canvas: HTMLCanvasElement, moved: () => void) {
    this.#controls = new OrbitControls(this.camera, canvas);
    this.#controls.enableDamping = false;
    this.#controls.maxPolarAngle = STEEPEST;
    this.#controls.addEventListener("change", moved);
  }

  /** Radians around the vertical. */
  get azimuth(): number {
    return this.#controls.getAzimuthalAngle();
  }

  /** Take the measure of a scene: its points (x, y, z in a row), its radius, and from where it is seen at home. */
  measure(outline: readonly number[], radius: number, phi: number, theta: number): void {
    this.#outline = outline;
    this.#radius = radius;
    [this.#home.phi, this.#home.theta] = [phi, theta];
    this.camera.near = Math.max(0.3, radius / 500);
    this.camera.far = radius * 20;
    this.camera.updateProjectionMatrix();
  }

  /** The azimuth near south from which points fill the picture best. */
  side(outline: readonly number[], phi: number): number {
    return nearestSide(outline, SIDES, phi, HALF_TANGENT, this.camera.aspect);
  }

  resize(width: number, height: number): void {
    this.camera.aspect = width / height;
    this.camera.updateProjectionMatrix();
  }

  /** Bring a point into the middle, near; in a tall picture not so near, or its sides would be cut. */
  lookAt(at: Vector3): void {
    const away = this.camera.position.clone().sub(this.#controls.target);
    const near = Math.max(NEAR_M, this.#radius * 0.8) / Math.min(1, this.camera.aspect);
    away.setLength(Math.min(away.length(), near));
    this.#controls.target.copy(at);
    this.camera.position.copy(at).add(away);
    this.#controls.update();
  }

  /** Turn around the middle, radians to the right and up. */
  orbit(right: number, up: number): void {
    const away = new Spherical().setFromVector3(this.camera.position.clone().sub(this.#controls.target));
    away.theta += right;
    away.phi = Math.min(STEEPEST, Math.max(0.05, away.phi - up));
    this.camera.position.setFromSpherical(away).add(this.#controls.target);
    this.#controls.update();
  }

  /** Go nearer (below 1) or farther (above 1). */
  zoom(factor: number): void {
    const away = this.camera.position.clone().sub(this.#controls.target);
    const length = away.length() * factor;
    away.setLength(Math.min(this.#controls.maxDistance, Math.max(this.#controls.minDistance, length)));
    this.camera.position.copy(this.#controls.target).add(away);
    this.#controls.update();
  }

  /** The whole scene, from where it is seen best. */
  home(): void {
    const { theta, phi } = this.#home;
    const fitted = frame(this.#outline, theta, phi, HALF_TANGENT, this.camera.aspect, 0.9);
    this.#home.radius = fitted.distance;
    this.#controls.target.set(...fitted.target);
    this.camera.position.setFromSpherical(this.#home).add(this.#controls.target);
    this.#controls.minDistance = 8;
    this.#controls.maxDistance = this.#home.radius * 3;
    this.#controls.update();
  }

  /** Some points and the ground around them. */
  approach(points: readonly Vector3[]): void {
    const ball = new Box3().setFromPoints([...points]).getBoundingSphere(new Sphere());
    this.#controls.target.copy(ball.center);
    const away = this.#home.clone();
    away.radius = Math.min(this.#home.radius, Math.max(110, ball.radius * 4.2));
    this.camera.position.setFromSpherical(away).add(ball.center);
    this.#controls.update();
  }

  dispose(): void {
    this.#controls.dispose();
  }
}
