// Pictures as arrays of bytes, and how parts of them are cut out. Resizing is in resize.js, turning in rotate.js.

/**
 * A picture, rows from top to bottom. Channels are interleaved: 1 is grey, 3 RGB, 4 RGBA.
 * @typedef {object} Picture
 * @property {Uint8Array | Uint8ClampedArray} data 0..255, height × width × channels
 * @property {number} width in pixels
 * @property {number} height in pixels
 * @property {number} channels
 */

/** A point, x right and y down, in pixels. @typedef {[number, number]} Point */

/** x, y, width and height in pixels. @typedef {[number, number, number, number]} Box */

/**
 * A black picture.
 * @param {number} width @param {number} height @param {number} channels
 * @returns {Picture}
 */
export function blank(width, height, channels) {
  return { data: new Uint8Array(width * height * channels), width, height, channels };
}

/**
 * Round as Python does: halves go to the even neighbour.
 * @param {number} value
 */
export function roundEven(value) {
  const low = Math.floor(value);
  const rest = value - low;
  return rest > 0.5 || (rest === 0.5 && low % 2 !== 0) ? low + 1 : low;
}

/**
 * Width and height of a picture scaled by a factor, at least 1.
 * @param {Picture} picture @param {number} factor
 * @returns {[number, number]}
 */
export function scaledSize(picture, factor) {
  return [
    Math.max(1, roundEven(picture.width * factor)),
    Math.max(1, roundEven(picture.height * factor)),
  ];
}

/**
 * ITU-R 601 luma in Pillow's fixed point.
 * @param {Picture} picture RGB or RGBA
 */
export function grey(picture) {
  const { data, channels } = picture;
  const result = blank(picture.width, picture.height, 1);
  for (let to = 0, from = 0; to < result.data.length; to++, from += channels)
    result.data[to] = (data[from] * 19595 + data[from + 1] * 38470 + data[from + 2] * 7471 + 0x8000) >> 16;
  return result;
}

/**
 * Cut out a part; of RGBA, the colours alone.
 * @param {Picture} picture
 * @param {number} left @param {number} top @param {number} width @param {number} height
 */
export function part(picture, left, top, width, height) {
  const { data, channels } = picture;
  const kept = Math.min(channels, 3);
  const result = blank(width, height, kept);
  for (let y = 0, to = 0; y < height; y++) {
    let from = ((top + y) * picture.width + left) * channels;
    for (let x = 0; x < width; x++, from += channels)
      for (let channel = 0; channel < kept; channel++) result.data[to++] = data[from + channel];
  }
  return result;
}

/**
 * Repeat the picture's edges.
 * @param {Picture} picture
 * @param {[number, number]} rows to add above and below
 * @param {[number, number]} columns to add before and after
 */
export function pad(picture, [above, below], [before, after]) {
  const { width, height, channels, data } = picture;
  const result = blank(width + before + after, height + above + below, channels);
  for (let y = 0, to = 0; y < result.height; y++) {
    const row = Math.min(Math.max(y - above, 0), height - 1) * width;
    for (let x = 0; x < result.width; x++) {
      const from = (row + Math.min(Math.max(x - before, 0), width - 1)) * channels;
      for (let channel = 0; channel < channels; channel++) result.data[to++] = data[from + channel];
    }
  }
  return result;
}
