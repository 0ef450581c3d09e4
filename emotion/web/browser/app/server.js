// The server's answers for the frames of a camera: one frame after the other goes there and is forgotten.

import { Tracker } from "../engine/tracker.js";
import { say } from "../page/words.js";

/**
 * @import { Settings } from "../engine/constants.js"
 * @import { Followed } from "../engine/engine.js"
 * @import { LocatedAnswer } from "../engine/tracker.js"
 * @import { Answering } from "../page/device.js"
 */

/**
 * What emotion/web/live.py answers for a frame.
 * @typedef {object} Answer
 * @property {number} id of the request
 * @property {string} [problem]
 * @property {LocatedAnswer[]} faces
 * @property {number[][]} looks of the faces
 * @property {Settings} settings of the model that answered
 */

// Milliseconds.
const PATIENCE = 20_000;
const JPEG_QUALITY = 0.85;

/** @implements {Answering} */
export class Server {
  /** @type {Settings | null} */
  #settings = null;
  /** @type {Tracker | null} */
  #tracker = null;
  #asked = 0;
  /** @type {(answer: Answer) => void} */
  #answered = () => {};
  #began = 0;
  #canvas = document.createElement("canvas");

  /** @param {(request: { id: number, picture: string }) => void} send @param {number} minutes of one camera */
  constructor(send, minutes) {
    this.send = send;
    this.minutes = minutes;
  }

  where() {
    return say("live.server");
  }

  async begin() {
    this.#tracker = null;
    this.#began = performance.now();
  }

  /** @param {HTMLVideoElement} video @returns {Promise<Followed>} */
  async follow(video) {
    const now = performance.now();
    const { minutes } = this;
    if (now - this.#began > minutes * 60_000) throw new Error(say("live.long", { minutes }));
    const { problem, faces, looks, settings } = await this.#ask(this.#frameOf(video));
    if (problem) throw new Error(problem);
    const tracker = this.#trackerFor(settings);
    const { changes } = tracker;
    const followed = tracker.update(faces, now / 1000, looks.map((look) => Float32Array.from(look)));
    return { faces: followed, moments: changes === tracker.changes ? null : [...tracker.moments] };
  }

  get settings() {
    if (!this.#settings) throw new Error("The server has not answered yet.");
    return this.#settings;
  }

  replace() {
    return false;
  }

  /** Take an answer. @param {Answer | null} answer */
  take(answer) {
    if (answer?.id === this.#asked) this.#answered(answer);
  }

  /** @param {string} picture @returns {Promise<Answer>} */
  #ask(picture) {
    const id = ++this.#asked;
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => reject(new Error(say("live.silent"))), PATIENCE);
      this.#answered = (answer) => {
        clearTimeout(late);
        resolve(answer);
      };
      this.send({ id, picture });
    });
  }

  /** @param {HTMLVideoElement} video */
  #frameOf(video) {
    const canvas = this.#canvas;
    Object.assign(canvas, { width: video.videoWidth, height: video.videoHeight });
    canvas.getContext("2d", { willReadFrequently: true })?.drawImage(video, 0, 0);
    return canvas.toDataURL("image/jpeg", JPEG_QUALITY);
  }

  /** The faces of a model with other labels are followed anew. @param {Settings} settings */
  #trackerFor(settings) {
    const same = this.#settings?.model.labels.join() === settings.model.labels.join();
    this.#settings = settings;
    if (!this.#tracker || !same) this.#tracker = new Tracker(settings.constants, settings.model);
    return this.#tracker;
  }
}
