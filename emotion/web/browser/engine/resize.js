// Pillow's `resize` and `reduce`, equal to the bit: a network sees the same pixels here and on a server.

import { blank } from "./picture.js";

/** @import { Picture } from "./picture.js" */

/**
 * A filter of Pillow's: its weight at a distance, in pixels of the smaller picture.
 * @typedef {object} Filter
 * @property {number} support beyond this distance the weight is 0
 * @property {(distance: number) => number} weight
 */

/** @type {Filter} */
export const CUBIC = {
  support: 2,
  weight(distance) {
    const x = Math.abs(distance);
    if (x < 1) return (1.5 * x - 2.5) * x * x + 1;
    return x < 2 ? (((x - 5) * x + 8) * x - 4) * -0.5 : 0;
  },
};

/** @type {Filter} */
export const LINEAR = {
  support: 1,
  weight(distance) {
    const x = Math.abs(distance);
    return x < 1 ? 1 - x : 0;
  },
};

/** @type {Filter} */
export const BOX = { support: 0.5, weight: (distance) => (distance > -0.5 && distance <= 0.5 ? 1 : 0) };

// Pillow sums whole numbers: weights are multiples of 2 to the power of minus this.
const PRECISION = 22;

/**
 * For every pixel of the result, along one side: the first pixel that it reads, how many, and their weights.
 * @typedef {{ starts: Int32Array, counts: Int32Array, weights: Int32Array, stride: number }} Coefficients
 */

/**
 * `Image.resize(size, filter, box)`: two passes in fixed point.
 * @param {Picture} picture
 * @param {number} width @param {number} height of the result
 * @param {Filter} filter
 * @param {[number, number, number, number]} [box] left, top, right, bottom of what is scaled
 * @returns {Picture}
 */
export function resize(picture, width, height, filter, box = [0, 0, picture.width, picture.height]) {
  // Pillow keeps the box in single precision.
  const [left, top, right, bottom] = box.map(Math.fround);
  const across = width !== picture.width || left !== 0 || right !== width;
  const down = height !== picture.height || top !== 0 || bottom !== height;
  const rows = coefficients(picture.height, top, bottom, height, filter);
  if (!across) return down ? resizedRows(picture, height, rows, 0) : picture;
  const columns = coefficients(picture.width, left, right, width, filter);
  const first = rows.starts[0];
  const last = rows.starts[height - 1] + rows.counts[height - 1];
  const narrow = resizedColumns(picture, width, columns, first, last);
  return down ? resizedRows(narrow, height, rows, first) : narrow;
}

/**
 * `Image.resize(size, filter, reducing_gap=gap)` of the whole picture: reduced by whole squares first.
 * @param {Picture} picture
 * @param {number} width @param {number} height of the result
 * @param {Filter} filter
 * @param {number} gap
 */
export function resizeReduced(picture, width, height, filter, gap) {
  const across = Math.trunc(picture.width / width / gap) || 1;
  const down = Math.trunc(picture.height / height / gap) || 1;
  if (across === 1 && down === 1) return resize(picture, width, height, filter);
  const reduced = reduce(picture, across, down);
  return resize(reduced, width, height, filter, [0, 0, picture.width / across, picture.height / down]);
}

/**
 * `Image.reduce`: means of whole squares; what is left over at the edges gives smaller ones.
 * @param {Picture} picture
 * @param {number} across @param {number} [down] pixels of the square
 * @returns {Picture}
 */
export function reduce(picture, across, down = across) {
  const { width, height, channels, data } = picture;
  const result = blank(Math.ceil(width / across), Math.ceil(height / down), channels);
  for (let y = 0, to = 0; y < result.height; y++) {
    const top = y * down;
    const bottom = Math.min(height, top + down);
    for (let x = 0; x < result.width; x++) {
      const left = x * across;
      const right = Math.min(width, left + across);
      const count = (bottom - top) * (right - left);
      const multiplier = Math.trunc(Math.fround(2 ** 32 / (256 * count)));
      for (let channel = 0; channel < channels; channel++) {
        let sum = count >> 1;
        for (let v = top; v < bottom; v++) {
          let at = (v * width + left) * channels + channel;
          for (let u = left; u < right; u++, at += channels) sum += data[at];
        }
        result.data[to++] = Math.floor((sum * multiplier) / 2 ** 24);
      }
    }
  }
  return result;
}

/**
 * @param {number} length of the side, in pixels
 * @param {number} from @param {number} to what is scaled of it
 * @param {number} count pixels of the result
 * @param {Filter} filter
 * @returns {Coefficients}
 */
function coefficients(length, from, to, count, filter) {
  const scale = Math.fround(to - from) / count;
  // A filter that makes smaller covers all pixels of the source: no aliasing.
  const spread = Math.max(scale, 1);
  const support = filter.support * spread;
  const stride = Math.ceil(support) * 2 + 1;
  const starts = new Int32Array(count);
  const counts = new Int32Array(count);
  const weights = new Int32Array(count * stride);
  const row = new Float64Array(stride);
  for (let index = 0; index < count; index++) {
    const centre = from + (index + 0.5) * scale;
    const first = Math.max(0, Math.trunc(centre - support + 0.5));
    const number = Math.min(length, Math.trunc(centre + support + 0.5)) - first;
    let sum = 0;
    for (let k = 0; k < number; k++)
      sum += row[k] = filter.weight((k + first - centre + 0.5) * (1 / spread));
    for (let k = 0; k < number; k++) {
      const weight = (sum ? row[k] / sum : row[k]) * (1 << PRECISION);
      weights[index * stride + k] = Math.trunc(weight + (weight < 0 ? -0.5 : 0.5));
    }
    starts[index] = first;
    counts[index] = number;
  }
  return { starts, counts, weights, stride };
}

/**
 * Scale rows `first` to `last` of a picture to a width.
 * @param {Picture} picture @param {number} width @param {Coefficients} columns
 * @param {number} first @param {number} last
 */
function resizedColumns(picture, width, columns, first, last) {
  const { data, channels } = picture;
  const { starts, counts, weights, stride } = columns;
  const result = blank(width, last - first, channels);
  for (let y = first, to = 0; y < last; y++)
    for (let x = 0; x < width; x++) {
      const start = (y * picture.width + starts[x]) * channels;
      for (let channel = 0; channel < channels; channel++) {
        let sum = 1 << (PRECISION - 1);
        for (let k = 0, at = start + channel, weight = x * stride; k < counts[x]; k++, at += channels)
          sum += data[at] * weights[weight + k];
        result.data[to++] = clipped(sum >> PRECISION);
      }
    }
  return result;
}

/**
 * Scale a picture, which begins with row `first` of the source, to a height.
 * @param {Picture} picture @param {number} height @param {Coefficients} rows @param {number} first
 */
function resizedRows(picture, height, rows, first) {
  const { data, channels, width } = picture;
  const { starts, counts, weights, stride } = rows;
  const line = width * channels;
  const result = blank(width, height, channels);
  for (let y = 0, to = 0; y < height; y++) {
    const start = (starts[y] - first) * line;
    for (let index = 0; index < line; index++) {
      let sum = 1 << (PRECISION - 1);
      for (let k = 0, at = start + index, weight = y * stride; k < counts[y]; k++, at += line)
        sum += data[at] * weights[weight + k];
      result.data[to++] = clipped(sum >> PRECISION);
    }
  }
  return result;
}

/** @param {number} value */
function clipped(value) {
  return value < 0 ? 0 : value > 255 ? 255 : value;
}
