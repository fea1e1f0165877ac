// Lines of equal height over a triangulated surface. Pure.

/** Metres between two lines, so that there are about twenty of them. */
export function interval(low: number, high: number): number {
  const steps = [0.5, 1, 2, 5, 10, 20, 50];
  return steps.find((step) => (high - low) / step <= 24) ?? 100;
}

/**
 * End points of the lines' pieces, x, y, z after each other.
 *
 * `corners` are the triangles' corners in the same order, y up; `origin` is the height of y = 0, so that
 * lines stand at whole multiples of `step` of the real height.
 */
export function contours(corners: ArrayLike<number>, step: number, origin: number): number[] {
  const lines: number[] = [];
  for (let at = 0; at + 8 < corners.length; at += 9) {
    const heights = [1, 4, 7].map((k) => (corners[at + k] ?? 0) + origin);
    const first = Math.ceil(Math.min(...heights) / step);
    const last = Math.floor(Math.max(...heights) / step);
    for (let level = first; level <= last; level += 1) cross(corners, at, level * step - origin, lines);
  }
  return lines;
}

/** Where a level crosses one triangle: two points, or none if it only touches a corner. */
function cross(corners: ArrayLike<number>, at: number, level: number, lines: number[]): void {
  const found: number[] = [];
  for (let k = 0; k < 3; k += 1) {
    const a = at + 3 * k;
    const b = at + 3 * ((k + 1) % 3);
    const [low = 0, high = 0] = [corners[a + 1], corners[b + 1]];
    // Half open, so that a line through a corner counts once.
    if (low < level === high < level) continue;
    const share = (level - low) / (high - low);
    for (let axis = 0; axis < 3; axis += 1) {
      const [from = 0, to = 0] = [corners[a + axis], corners[b + axis]];
      found.push(from + share * (to - from));
    }
  }
  if (found.length === 6) lines.push(...found);
}
