// Pillow's `GaussianBlur`, equal to the bit: three box blurs each way, with a fractional radius.

import { blank } from "./picture.js";

/** @import { Picture } from "./picture.js" */

const PASSES = 3;

/**
 * @param {Picture} picture grey
 * @param {number} radius standard deviation in pixels
 * @returns {Picture}
 */
export function gaussianBlur(picture, radius) {
  const box = boxRadius(radius);
  return transposed(blurredRows(transposed(blurredRows(picture, box)), box));
}

/**
 * The radius of a box whose blur, done `PASSES` times, is about a Gaussian (Gwosdek et al., "Theoretical
 * foundations of Gaussian convolution by extended box filtering", 2011).
 * @param {number} radius
 */
function boxRadius(radius) {
  const variance = Math.fround((radius * radius) / PASSES);
  const length = Math.fround(Math.sqrt(12 * variance + 1));
  const whole = Math.floor((length - 1) / 2);
  const share = Math.fround((2 * whole + 1) * (whole * (whole + 1) - 3 * variance));
  return Math.fround(whole + Math.fround(share / (6 * (variance - (whole + 1) * (whole + 1)))));
}

/** @param {Picture} picture @param {number} radius */
function blurredRows(picture, radius) {
  const { width, height } = picture;
  const whole = Math.trunc(radius);
  const weight = Math.trunc(2 ** 24 / Math.fround(radius * 2 + 1));
  const edge = Math.trunc((2 ** 24 - (whole * 2 + 1) * weight) / 2);
  const result = blank(width, height, 1);
  let line = new Uint8Array(width);
  let next = new Uint8Array(width);
  for (let y = 0; y < height; y++) {
    line.set(picture.data.subarray(y * width, (y + 1) * width));
    for (let pass = 0; pass < PASSES; pass++) {
      let sum = 0;
      for (let x = -whole - 1; x < whole; x++) sum += line[inside(x, width)];
      for (let x = 0; x < width; x++) {
        sum += line[inside(x + whole, width)] - line[inside(x - whole - 1, width)];
        const far = line[inside(x - whole - 1, width)] + line[inside(x + whole + 1, width)];
        next[x] = Math.floor((sum * weight + far * edge + 2 ** 23) / 2 ** 24);
      }
      [line, next] = [next, line];
    }
    result.data.set(line, y * width);
  }
  return result;
}

/** @param {number} x @param {number} length */
function inside(x, length) {
  return x < 0 ? 0 : x < length ? x : length - 1;
}

/** @param {Picture} picture */
function transposed(picture) {
  const { width, height, data } = picture;
  const result = blank(height, width, 1);
  for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) result.data[x * height + y] = data[y * width + x];
  return result;
}
