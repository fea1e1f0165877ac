// Where a camera must stand so that points fill its picture. Pure.

export type Vector = readonly [x: number, y: number, z: number];

export interface Frame {
  target: [number, number, number];
  distance: number;
}

/**
 * Fit points (x, y, z after each other) into a picture.
 *
 * `theta` is the camera's azimuth around y, from z (south) towards x (east), `phi` its angle from the
 * upright; `tangent` that of half the upright field of view. `fill` is the share of the picture to fill.
 */
export function frame(
  points: ArrayLike<number>,
  theta: number,
  phi: number,
  tangent: number,
  aspect: number,
  fill: number,
): Frame {
  const back: Vector = [Math.sin(phi) * Math.sin(theta), Math.cos(phi), Math.sin(phi) * Math.cos(theta)];
  const right: Vector = [Math.cos(theta), 0, -Math.sin(theta)];
  const up: Vector = [-Math.cos(phi) * Math.sin(theta), Math.sin(phi), -Math.cos(phi) * Math.cos(theta)];
  const [x, y, z] = [right, up, back].map((axis) => span(points, axis)) as [Span, Span, Span];
  let distance = 1;
  for (let i = 0; i + 2 < points.length; i += 3) {
    const deep = along(points, i, back) - z.middle;
    const wide = Math.abs(along(points, i, right) - x.middle) / (tangent * aspect * fill);
    const tall = Math.abs(along(points, i, up) - y.middle) / (tangent * fill);
    distance = Math.max(distance, deep + Math.max(wide, tall));
  }
  const at = (axis: 0 | 1 | 2): number => right[axis] * x.middle + up[axis] * y.middle + back[axis] * z.middle;
  return { target: [at(0), at(1), at(2)], distance };
}

/** The azimuth, of those given, from which points can be seen from nearest. */
export function nearestSide(
  points: ArrayLike<number>,
  sides: readonly number[],
  phi: number,
  tangent: number,
  aspect: number,
): number {
  const far = sides.map((theta) => frame(points, theta, phi, tangent, aspect, 1).distance);
  return sides[far.indexOf(Math.min(...far))] ?? 0;
}

interface Span {
  middle: number;
}

function along(points: ArrayLike<number>, i: number, axis: Vector): number {
  return (points[i] ?? 0) * axis[0] + (points[i + 1] ?? 0) * axis[1] + (points[i + 2] ?? 0) * axis[2];
}

function span(points: ArrayLike<number>, axis: Vector): Span {
  let [low, high] = [Infinity, -Infinity];
  for (let i = 0; i + 2 < points.length; i += 3) {
    const value = along(points, i, axis);
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  return { middle: low <= high ? (low + high) / 2 : 0 };
}
