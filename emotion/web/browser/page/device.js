// Who answers for the frames of a camera: here, the engine on this device.

import { say } from "./words.js";

/**
 * @import { Emotion } from "../engine/emotion.js"
 * @import { Settings } from "../engine/constants.js"
 * @import { Followed } from "../engine/engine.js"
 */

/**
 * @typedef {object} Answering
 * @property {() => string} where frames are looked at, in words
 * @property {() => Promise<void>} begin anew, without the faces of before
 * @property {(video: HTMLVideoElement) => Promise<Followed>} follow
 * @property {Settings} settings of the model, once a frame was answered for
 * @property {(error: unknown) => boolean} replace itself by another engine after an error; false if there is none
 */

/** @implements {Answering} */
export class OnDevice {
  /** @type {Emotion | null} */
  #emotion = null;

  /** @param {Promise<Emotion>} engine */
  constructor(engine) {
    this.engine = engine;
  }

  where() {
    return say("live.device");
  }

  async begin() {
    this.#emotion = await this.engine;
    await this.#emotion.forget();
  }

  /** @param {HTMLVideoElement} video */
  follow(video) {
    return this.#ready.follow(video);
  }

  get settings() {
    return this.#ready.settings;
  }

  replace() {
    return false;
  }

  get #ready() {
    if (!this.#emotion) throw new Error("The engine has not begun.");
    return this.#emotion;
  }
}
