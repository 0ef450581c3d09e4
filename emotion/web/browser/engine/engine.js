// The whole: from pixels to answers. It runs in a module worker, in a page, and in Node alike.

import { calibrated } from "./calibration.js";
import { Cropper } from "./crop.js";
import { CELL, Detector, STRIDES } from "./detector.js";
import { startLiteRT } from "./litert.js";
import { look } from "./look.js";
import { Network } from "./network.js";
import { roundEven } from "./picture.js";
import { faceLikelihood, qualityProblem } from "./quality.js";
import { reduce } from "./resize.js";
import { Search } from "./search.js";
import { Tracker } from "./tracker.js";

/**
 * @import { Picture, Point } from "./picture.js"
 * @import { Place } from "./crop.js"
 * @import { Answer } from "./calibration.js"
 * @import { Moment, TrackedFace } from "./tracker.js"
 * @import { Settings } from "./constants.js"
 */

/**
 * What one face shows, and where it is.
 * @typedef {Answer & Place} Face
 */

/**
 * The faces that are followed after a frame, and the last half minute; null where that is as it was.
 * @typedef {{ faces: TrackedFace[], moments: Moment[] | null }} Followed
 */

/** Reads a file of the engine's folder. @typedef {(name: string) => Promise<Uint8Array>} Read */

/** LiteRT, which comes with the engine, and what emotion/web/browser/files.py makes of a model. */
export const FILES = {
  settings: "engine.json",
  litert: "litert.wasm.gz",
  detector: "face_detector.tflite.gz",
  model: "model.tflite.gz",
};

/**
 * @param {Read} read
 * @returns {Promise<Engine>} after it has looked at one empty picture, so that the first real one is quick
 */
export async function startEngine(read) {
  /** @param {string} name */
  const unpacked = async (name) => gunzip(await read(name));
  const [litert, detector, model, settings] = await Promise.all([
    unpacked(FILES.litert).then(startLiteRT),
    unpacked(FILES.detector),
    unpacked(FILES.model),
    read(FILES.settings).then((bytes) => JSON.parse(new TextDecoder().decode(bytes))),
  ]);
  return new Engine(litert, detector, model, settings);
}

export class Engine {
  /**
   * @param {import("./litert.js").LiteRT} litert
   * @param {Uint8Array} detector @param {Uint8Array} model files of networks
   * @param {Settings} settings
   */
  constructor(litert, detector, model, settings) {
    const { constants } = settings;
    const { size, channels, outputs } = settings.model;
    const maps = (/** @type {number[]} */ [, rows, columns]) =>
      STRIDES.map((stride) => [1, rows / stride, columns / stride, CELL]);
    const faces = new Network(litert, detector, maps, constants.KEPT_PIXELS);
    this.settings = settings;
    this.search = new Search(new Detector(faces, constants), constants);
    this.cropper = new Cropper(constants, size, channels);
    this.network = new Network(litert, model, () => [[1, outputs]], size * size);
    this.tracker = new Tracker(constants, settings.model);
  }

  /**
   * Find the faces in a picture, largest first, and tell what each shows.
   * @param {Picture} picture upright, RGB or RGBA
   * @returns {Promise<Face[]>}
   */
  async look(picture) {
    const factor = this.#reduction(picture);
    const searched = factor === 1 ? picture : reduce(picture, factor);
    const scale = Math.max(picture.width, picture.height) / Math.max(searched.width, searched.height);
    const found = await this.search.inPicture(searched);
    // A face that the network would have to enlarge is cut from the full picture.
    const small = found.some(({ box: [, , width, height] }) => Math.max(width, height) < this.cropper.size);
    const source = small ? picture : searched;
    const answers = [];
    for (const place of found) {
      const whole = scaled(place, scale);
      const crop = this.cropper.crop(source, small ? whole : scaled(whole, 1 / scale));
      answers.push({ ...whole, ...(await this.#answer(whole, crop)) });
    }
    return answers;
  }

  /**
   * Follow the faces of a camera or a clip from frame to frame.
   * @param {Picture} frame upright, RGB or RGBA
   * @param {number} time in seconds, on a clock that does not run backwards
   * @returns {Promise<Followed>}
   */
  async follow(frame, time) {
    const answers = [];
    const looks = [];
    for (const place of await this.search.inFrame(frame)) {
      const crop = this.cropper.crop(frame, place);
      answers.push({ ...place, ...(await this.#answer(place, crop)) });
      looks.push(look(crop, this.settings.constants.LOOK));
    }
    const { changes } = this.tracker;
    const faces = this.tracker.update(answers, time, looks);
    return { faces, moments: changes === this.tracker.changes ? null : this.tracker.moments };
  }

  /** Forget the faces that were followed. */
  forget() {
    this.tracker = new Tracker(this.settings.constants, this.settings.model);
  }

  /**
   * Prepare what the first frame of a camera needs.
   * @param {number} width @param {number} height of its frames
   */
  async warmUp(width, height) {
    const grey = { data: new Uint8Array(width * height * 3).fill(128), width, height, channels: 3 };
    const place = /** @type {Place} */ ({ box: [0, 0, height, height], eyes: null, tight: true, score: 1 });
    await this.search.inFrame(grey);
    await this.#answer(place, this.cropper.crop(grey, place));
  }

  /**
   * @param {Place} place in the whole picture @param {Picture} crop
   * @returns {Promise<Answer>}
   */
  async #answer(place, crop) {
    const { constants, model } = this.settings;
    const shape = [1, model.size, model.size, model.channels];
    const [{ values }] = await this.network.run(shape, Float32Array.from(crop.data));
    const answer = calibrated(values, model, constants, faceLikelihood(place, constants));
    const problem = qualityProblem(place.box, crop, constants);
    return problem ? { ...answer, label: null, reason: problem } : answer;
  }

  /** The power of two by which a picture is reduced before faces are searched. @param {Picture} picture */
  #reduction({ width, height }) {
    const { REDUCE_ABOVE, SEARCHED_SIDE } = this.settings.constants;
    let factor = 1;
    while (
      (width * height) / factor ** 2 > REDUCE_ABOVE ||
      Math.max(width, height) / (2 * factor) >= SEARCHED_SIDE
    )
      factor *= 2;
    return factor;
  }
}

/**
 * Where a face is in a picture that was scaled by a factor.
 * @param {Place} place @param {number} factor
 * @returns {Place}
 */
function scaled(place, factor) {
  if (factor === 1) return place;
  const [x, y, width, height] = place.box.map((value) => roundEven(factor * value));
  const eyes = place.eyes?.map(([across, down]) => [factor * across, factor * down]) ?? null;
  return {
    box: [x, y, Math.max(1, width), Math.max(1, height)],
    eyes: /** @type {[Point, Point] | null} */ (eyes),
    tight: place.tight,
    score: place.score,
  };
}

/**
 * Unpack in the browser rather than on the way: few file servers compress WebAssembly.
 * @param {Uint8Array} bytes
 */
async function gunzip(bytes) {
  const stream = new Blob([/** @type {BlobPart} */ (bytes)]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}
