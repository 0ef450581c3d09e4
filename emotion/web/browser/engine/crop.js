// The one crop: how a face is cut out of a picture, as emotion/vision/crop.py does it.

import { grey, pad, part, roundEven } from "./picture.js";
import { CUBIC, reduce, resize } from "./resize.js";
import { cubic, rotate } from "./rotate.js";

/**
 * @import { Box, Picture, Point } from "./picture.js"
 * @import { Constants } from "./constants.js"
 */

/**
 * Where a face is in a picture.
 * @typedef {object} Place
 * @property {Box} box
 * @property {[Point, Point] | null} eyes the one that is left in the picture, then the right one
 * @property {boolean} tight the box is the frame of a training face already
 * @property {number} score the belief of the detector that it is a face, 0..1
 */

export class Cropper {
  /** @param {Constants} constants @param {number} size of the crops, in pixels @param {number} channels */
  constructor(constants, size, channels) {
    this.constants = constants;
    this.size = size;
    this.channels = channels;
  }

  /**
   * Cut a face out of a picture, upright and framed like the training faces.
   * @param {Picture} picture @param {Place} place
   * @returns {Picture} of `size` and `channels`
   */
  crop(picture, place) {
    if (place.tight) return this.square(picture, place.box, 0);
    return this.square(picture, frame(place.box, this.constants), roll(place.eyes, this.constants));
  }

  /**
   * Cut the square around a box out and scale it; where it leaves the picture, the edge is repeated.
   * @param {Picture} picture
   * @param {Box} box which may be fractional
   * @param {number} angle degrees by which the head is rolled clockwise
   */
  square(picture, [x, y, width, height], angle) {
    const side = Math.max(width, height);
    const margin = 3 + (2 * side) / this.size;
    const reach = (side / 2) * (angle ? Math.SQRT2 : 1) + margin;
    const factor = Math.max(1, Math.trunc(side / (this.constants.MOST_REDUCTION * this.size)));
    const { region, left, top } = cutAround(picture, [x + width / 2, y + height / 2], reach, factor);
    let image = this.channels === 1 ? grey(region) : region;
    const centreX = (x + width / 2 - left) / factor;
    const centreY = (y + height / 2 - top) / factor;
    if (angle) image = rotate(image, angle, [centreX, centreY], cubic);
    const half = side / 2 / factor;
    const box = /** @type {Box} */ ([centreX - half, centreY - half, centreX + half, centreY + half]);
    return resize(image, this.size, this.size, CUBIC, box);
  }
}

/**
 * The square that a training picture of this face would show.
 * @param {Box} box @param {Constants} constants
 * @returns {Box}
 */
export function frame([x, y, width, height], constants) {
  const side = constants.FRAME_SIDE * Math.sqrt(width * height);
  const middle = y + height / 2 + constants.FRAME_DROP * side;
  return [x + width / 2 - side / 2, middle - side / 2, side, side];
}

/**
 * Degrees by which a head is rolled clockwise beyond what training faces are themselves.
 * @param {[Point, Point] | null} eyes @param {Constants} constants
 */
export function roll(eyes, constants) {
  if (!eyes) return 0;
  const [[leftX, leftY], [rightX, rightY]] = eyes;
  const angle = constants.ROLL_PER_EYES * degrees(Math.atan2(rightY - leftY, rightX - leftX));
  const size = Math.abs(angle);
  if (!(constants.LEAST_ROLL < size && size <= constants.MOST_ROLL)) return 0;
  return Math.sign(angle) * (size - constants.LEAST_ROLL);
}

/**
 * Cut a square of whole pixels around a point, repeating the picture's edge beyond it.
 * @param {Picture} picture
 * @param {Point} centre
 * @param {number} reach half the side, in pixels; what is cut is larger by up to two pixels of the result
 * @param {number} [factor] squares of so many pixels are averaged
 * @returns {{ region: Picture, left: number, top: number }} RGB, and its left and upper edge in the picture
 */
export function cutAround(picture, centre, reach, factor = 1) {
  const left = Math.floor(centre[0] - reach);
  const top = Math.floor(centre[1] - reach);
  const across = Math.ceil(Math.ceil(2 * reach + 1) / factor) * factor;
  const rows = span(top, across, picture.height);
  const columns = span(left, across, picture.width);
  let region = part(picture, columns.first, rows.first, columns.length, rows.length);
  let [above, aside] = [rows.missing, columns.missing];
  if (factor > 1) {
    region = reduce(region, factor);
    above = reducedMissing(above, across / factor, region.height, factor);
    aside = reducedMissing(aside, across / factor, region.width, factor);
  }
  if (above[0] || above[1] || aside[0] || aside[1]) region = pad(region, above, aside);
  return { region, left, top };
}

/**
 * The part of start..start+length in 0..limit, at least one, and what is missing before and after it.
 * @param {number} start @param {number} length @param {number} limit
 * @returns {{ first: number, length: number, missing: [number, number] }}
 */
function span(start, length, limit) {
  const first = Math.min(Math.max(start, 0), limit - 1);
  const last = Math.max(Math.min(start + length, limit), first + 1);
  const after = Math.min(Math.max(start + length - last, 0), length - (last - first));
  return { first, length: last - first, missing: [length - (last - first) - after, after] };
}

/**
 * Share the pixels that a reduced region of this length still lacks between its two sides.
 * @param {[number, number]} missing @param {number} across @param {number} length @param {number} factor
 * @returns {[number, number]}
 */
function reducedMissing(missing, across, length, factor) {
  const before = Math.min(roundEven(missing[0] / factor), across - length);
  return [before, across - length - before];
}

/** @param {number} radians */
function degrees(radians) {
  return (radians * 180) / Math.PI;
}
