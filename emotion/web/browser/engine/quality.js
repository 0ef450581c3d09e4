// Whether a face can be judged at all: a face, large enough, sharp enough; see emotion/vision/crop.py.

import { grey } from "./picture.js";
import { CUBIC, resize } from "./resize.js";

/**
 * @import { Box, Picture } from "./picture.js"
 * @import { Constants } from "./constants.js"
 * @import { Place } from "./crop.js"
 */

/**
 * How likely a found face is one, 0..1; a picture that was cropped to a face counts as one.
 * @param {Place} place @param {Constants} constants
 */
export function faceLikelihood({ tight, score }, { THING, FACE }) {
  return tight ? 1 : Math.min(1, Math.max(0, (score - THING) / (FACE - THING)));
}

/**
 * Why a face cannot be judged, or null if it can.
 * @param {Box} box in pixels of the whole picture
 * @param {Picture} crop the face as the network sees it
 * @param {Constants} constants
 * @returns {"too small" | "too blurred" | null}
 */
export function qualityProblem([, , width, height], crop, constants) {
  if (Math.sqrt(width * height) < constants.SMALLEST_FACE) return "too small";
  return sharpness(crop, constants.JUDGED_SIDE) < constants.LEAST_SHARPNESS ? "too blurred" : null;
}

/**
 * Spread of the Laplacian over spread of the grey levels, 0 or more.
 * @param {Picture} crop @param {number} side at which it is measured, in pixels
 */
function sharpness(crop, side) {
  let image = crop.channels === 1 ? crop : grey(crop);
  if (image.width !== side) image = resize(image, side, side, CUBIC);
  const { data } = image;
  const edges = [];
  for (let y = 1; y < side - 1; y++)
    for (let at = y * side + 1, end = (y + 1) * side - 1; at < end; at++)
      edges.push(data[at - 1] + data[at + 1] + data[at - side] + data[at + side] - 4 * data[at]);
  return deviation(edges) / Math.max(deviation(data), 1);
}

/** Standard deviation. @param {ArrayLike<number>} values */
function deviation(values) {
  let mean = 0;
  for (let index = 0; index < values.length; index++) mean += values[index];
  mean /= values.length;
  let sum = 0;
  for (let index = 0; index < values.length; index++) sum += (values[index] - mean) ** 2;
  return Math.sqrt(sum / values.length);
}
