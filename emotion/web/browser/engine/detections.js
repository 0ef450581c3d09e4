// A detection is 15 numbers in single precision, as the network's: a box, its score, and five landmarks.
// Pixels live elsewhere.

/**
 * x, y, width, height; the score; x, y of the left eye, right eye, nose tip, left and right corner of the mouth.
 * @typedef {Float32Array} Detection
 */

export const SCORE = 4;
export const LANDMARKS = 5;
export const COLUMNS = 15;

/** The side of a square as large as the box, in pixels. @param {Detection} detection */
export function sideOf(detection) {
  return Math.sqrt(detection[2] * detection[3]);
}

/**
 * Scale a detection about the origin, then shift it.
 * @param {Detection} detection @param {number} factor @param {number} [left] @param {number} [top]
 * @returns {Detection}
 */
export function moved(detection, factor, left = 0, top = 0) {
  const result = Float32Array.from(detection);
  const single = Math.fround(factor);
  for (let column = 0; column < COLUMNS; column++) if (column !== SCORE) result[column] *= single;
  for (const column of [0, 5, 7, 9, 11, 13]) {
    result[column] += left;
    result[column + 1] += top;
  }
  return result;
}

/**
 * Keep the best of every group of overlapping detections, best first.
 * @param {Detection[]} detections @param {number} limit intersection over union
 */
export function suppress(detections, limit) {
  // Sorting is stable: of equal scores, the first stays first.
  let remaining = [...detections].sort((one, other) => other[SCORE] - one[SCORE]);
  /** @type {Detection[]} */
  const kept = [];
  while (remaining.length) {
    const best = remaining[0];
    kept.push(best);
    remaining = remaining.filter((other) => overlap(best, other) <= limit);
  }
  return kept;
}

/**
 * Intersection over union of two boxes.
 * @param {ArrayLike<number>} one @param {ArrayLike<number>} other x, y, width, height, …
 */
export function overlap(one, other) {
  const common = intersection(one, other);
  return common / (one[2] * one[3] + other[2] * other[3] - common);
}

/**
 * The area that two boxes share.
 * @param {ArrayLike<number>} one @param {ArrayLike<number>} other x, y, width, height, …
 */
export function intersection(one, other) {
  const width = Math.min(one[0] + one[2], other[0] + other[2]) - Math.max(one[0], other[0]);
  const height = Math.min(one[1] + one[3], other[1] + other[3]) - Math.max(one[1], other[1]);
  return Math.max(0, width) * Math.max(0, height);
}
