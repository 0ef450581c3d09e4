// Pillow's `Image.rotate`, equal to the bit.

import { blank } from "./picture.js";

/** @import { Picture, Point } from "./picture.js" */

/**
 * Turn a picture counter-clockwise, as `Image.rotate(degrees, BILINEAR or BICUBIC, center, fillcolor)`.
 * @param {Picture} picture
 * @param {number} degrees
 * @param {Point} centre
 * @param {(source: Source, x: number, y: number, channel: number) => number} sample `linear` or `cubic`
 * @param {number} [fill] 0..255, of all channels, where the picture has no pixels
 */
export function rotate(picture, degrees, [centreX, centreY], sample, fill = 0) {
  const { width, height, channels } = picture;
  const angle = (-(((degrees % 360) + 360) % 360) * Math.PI) / 180;
  const cosine = rounded(Math.cos(angle));
  const sine = rounded(Math.sin(angle));
  const left = cosine * -centreX + sine * -centreY + centreX;
  const top = -sine * -centreX + cosine * -centreY + centreY;
  const source = new Source(picture);
  const result = blank(width, height, channels);
  if (fill) result.data.fill(fill);
  for (let y = 0, to = 0; y < height; y++)
    for (let x = 0; x < width; x++, to += channels) {
      const u = cosine * (x + 0.5) + sine * (y + 0.5) + left;
      const v = -sine * (x + 0.5) + cosine * (y + 0.5) + top;
      if (u < 0 || u >= width || v < 0 || v >= height) continue;
      for (let channel = 0; channel < channels; channel++)
        result.data[to + channel] = sample(source, u - 0.5, v - 0.5, channel);
    }
  return result;
}

/**
 * @param {Source} source @param {number} x @param {number} y @param {number} channel
 */
export function linear(source, x, y, channel) {
  const column = Math.floor(x);
  const row = Math.floor(y);
  const [dx, dy] = [x - column, y - row];
  const first = source.at(column, row, channel);
  const upper = first + (source.at(column + 1, row, channel) - first) * dx;
  if (!source.hasRow(row + 1)) return Math.trunc(upper);
  const second = source.at(column, row + 1, channel);
  const lower = second + (source.at(column + 1, row + 1, channel) - second) * dx;
  return Math.trunc(upper + (lower - upper) * dy);
}

/**
 * @param {Source} source @param {number} x @param {number} y @param {number} channel
 */
export function cubic(source, x, y, channel) {
  const column = Math.floor(x) - 1;
  const row = Math.floor(y) - 1;
  const [dx, dy] = [x - column - 1, y - row - 1];
  let previous = source.cubicRow(column, row, channel, dx);
  const first = previous;
  // Below its last row, Pillow repeats what it had.
  const second = source.hasRow(row + 1) ? (previous = source.cubicRow(column, row + 1, channel, dx)) : previous;
  const third = source.hasRow(row + 2) ? (previous = source.cubicRow(column, row + 2, channel, dx)) : previous;
  const fourth = source.hasRow(row + 3) ? source.cubicRow(column, row + 3, channel, dx) : previous;
  const value = interpolated(first, second, third, fourth, dy);
  return value <= 0 ? 0 : value >= 255 ? 255 : Math.trunc(value);
}

/** A picture whose edges go on beyond it. */
class Source {
  /** @param {Picture} picture */
  constructor(picture) {
    this.data = picture.data;
    this.width = picture.width;
    this.height = picture.height;
    this.channels = picture.channels;
  }

  /** @param {number} x @param {number} y @param {number} channel */
  at(x, y, channel) {
    const column = x < 0 ? 0 : x < this.width ? x : this.width - 1;
    const row = y < 0 ? 0 : y < this.height ? y : this.height - 1;
    return this.data[(row * this.width + column) * this.channels + channel];
  }

  /** @param {number} y */
  hasRow(y) {
    return y >= 0 && y < this.height;
  }

  /** @param {number} x @param {number} y @param {number} channel @param {number} share */
  cubicRow(x, y, channel, share) {
    return interpolated(
      this.at(x, y, channel),
      this.at(x + 1, y, channel),
      this.at(x + 2, y, channel),
      this.at(x + 3, y, channel),
      share,
    );
  }
}

/**
 * @param {number} a @param {number} b @param {number} c @param {number} d four neighbours
 * @param {number} share of the way from b to c
 */
function interpolated(a, b, c, d, share) {
  return b + share * (-a + c + share * (2 * (a - b) + c - d + share * (-a + b - c + d)));
}

/** Pillow rounds the sines so that right angles are exact. @param {number} value */
function rounded(value) {
  return Number(value.toFixed(15));
}
