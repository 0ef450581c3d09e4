// What a face looks like, in few numbers: enough to know it again after a few seconds; see emotion/vision/crop.py.

import { gaussianBlur } from "./blur.js";
import { grey } from "./picture.js";
import { BOX, resize } from "./resize.js";

/**
 * @import { Picture } from "./picture.js"
 * @import { Constants } from "./constants.js"
 */

/**
 * Describe a face by its features without the light on it.
 * @param {Picture} crop the face as the network sees it
 * @param {Constants["LOOK"]} constants
 * @returns {Float32Array} of length 1; the product of two of them is their likeness, -1 to 1
 */
export function look(crop, { SIDE, LIGHT, DARK }) {
  const image = crop.channels === 1 ? crop : grey(crop);
  const features = resize(image, SIDE, SIDE, BOX).data;
  const around = resize(gaussianBlur(image, LIGHT * image.width), SIDE, SIDE, BOX).data;
  const values = Float32Array.from(features, (value, index) => (value - around[index]) / (around[index] + DARK));
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const length = Math.hypot(...values.map((value) => value - mean));
  return values.map((value) => (value - mean) / Math.max(length, 1e-9));
}

/** @param {Float32Array} one @param {Float32Array} other */
export function likeness(one, other) {
  return one.reduce((sum, value, index) => sum + value * other[index], 0);
}
