// The network that finds faces, YuNet, at one scale; see emotion/vision/detector.py. The search is in search.js.

import { COLUMNS, LANDMARKS, SCORE, suppress } from "./detections.js";

/**
 * @import { Detection } from "./detections.js"
 * @import { Picture } from "./picture.js"
 * @import { Constants } from "./constants.js"
 * @import { Network, Tensor } from "./network.js"
 */

// Pixels: cells of the three feature maps.
export const STRIDES = [8, 16, 32];
// Numbers of a cell: class, object, box, landmarks.
export const CELL = 16;

export class Detector {
  /** @param {Network} network @param {Constants} constants */
  constructor(network, constants) {
    this.network = network;
    this.constants = constants;
  }

  /**
   * The faces of about 10 to 400 pixels in a picture, best first.
   * @param {Picture} picture RGB or RGBA
   * @param {number} least 0..1; what scores lower is left out
   */
  find(picture, least) {
    const { width, height } = picture;
    return this.findSampled(picture, width, height, least);
  }

  /**
   * The same in a picture that is scaled to a size by its nearest pixels.
   * @param {Picture} picture @param {number} width @param {number} height @param {number} least
   */
  async findSampled(picture, width, height, least) {
    const step = this.constants.CANVAS_STEP;
    const rows = Math.ceil(height / step) * step;
    const columns = Math.ceil(width / step) * step;
    const canvas = drawn(picture, width, height, rows, columns);
    const outputs = await this.network.run([1, rows, columns, 3], canvas);
    return suppress(outputs.flatMap((output) => decoded(output, columns, least)), this.constants.OVERLAP);
  }
}

/**
 * The network's input: -128..127 for 0..255, the same eight bits but for the highest; what is left is black.
 * @param {Picture} picture @param {number} width @param {number} height @param {number} rows @param {number} columns
 */
function drawn({ data, channels, ...picture }, width, height, rows, columns) {
  const canvas = new Int8Array(rows * columns * 3).fill(-128);
  const sources = Int32Array.from(
    { length: width },
    (_, x) => Math.trunc((x + 0.5) * (picture.width / width)) * channels,
  );
  for (let y = 0; y < height; y++) {
    const line = Math.trunc((y + 0.5) * (picture.height / height)) * picture.width * channels;
    for (let x = 0, to = y * columns * 3; x < width; x++) {
      const from = line + sources[x];
      canvas[to++] = data[from] ^ 0x80;
      canvas[to++] = data[from + 1] ^ 0x80;
      canvas[to++] = data[from + 2] ^ 0x80;
    }
  }
  return canvas;
}

/**
 * Turn a feature map into detections.
 * @param {Tensor} output (1, rows, columns, 16) @param {number} width of the canvas @param {number} least
 * @returns {Detection[]}
 */
function decoded({ values, shape: [, rows, columns] }, width, least) {
  const stride = width / columns;
  const found = [];
  for (let row = 0, at = 0; row < rows; row++)
    for (let column = 0; column < columns; column++, at += CELL) {
      const score = 1 / Math.sqrt((1 + Math.exp(-values[at])) * (1 + Math.exp(-values[at + 1])));
      if (!(score >= least)) continue;
      const face = new Float32Array(COLUMNS);
      const width = Math.fround(Math.exp(values[at + 4])) * stride;
      const height = Math.fround(Math.exp(values[at + 5])) * stride;
      face[0] = (column + values[at + 2]) * stride - width / 2;
      face[1] = (row + values[at + 3]) * stride - height / 2;
      face[2] = width;
      face[3] = height;
      face[SCORE] = score;
      for (let index = 0; index < COLUMNS - LANDMARKS; index += 2) {
        face[LANDMARKS + index] = (column + values[at + 6 + index]) * stride;
        face[LANDMARKS + index + 1] = (row + values[at + 7 + index]) * stride;
      }
      found.push(face);
    }
  return found;
}
