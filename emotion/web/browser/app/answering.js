// On this device where it can, else on the server: the engine does not start, stops, or the host wants it so.

import { load } from "../engine/emotion.js";
import { OnDevice } from "../page/device.js";
import { say } from "../page/words.js";

/**
 * @import { Emotion } from "../engine/emotion.js"
 * @import { Answering } from "../page/device.js"
 * @import { Server } from "./server.js"
 */

// Milliseconds that the engine gets to start while the camera runs: 5 MB at 5 Mbit/s.
const PATIENCE = 8000;

/** @implements {Answering} */
export class DeviceOrServer {
  /** @type {Promise<Emotion> | null} */
  #engine = null;
  #ready = false;
  /** Why this device does not answer. */
  #trouble = "";
  #own = false;
  /** @type {Answering} */
  #current;
  /** Called when the device takes over from the server, or the server from the device. */
  changed = () => {};

  /** @param {Server} server @param {boolean} onDevice whether the host wants it */
  constructor(server, onDevice) {
    this.server = server;
    this.onDevice = onDevice;
    this.#current = server;
  }

  where() {
    if (!this.onDevice) return say("live.server");
    if (this.#own) return say("live.own");
    if (this.#trouble) return say("live.instead", { reason: this.#trouble });
    return say(this.#ready ? "live.device" : "live.preparing");
  }

  /** The visitor has a model of their own, which is on the server alone, or has it no more. @param {boolean} own */
  useOwn(own) {
    this.#own = own;
    this.changed();
  }

  /** Load the engine, if it is not there yet. */
  prepare() {
    if (!this.onDevice || this.#own || this.#engine) return;
    const engine = (this.#engine = load());
    engine.then(
      (emotion) => {
        this.#ready = true;
        emotion.warmUp(640, 480);
        this.changed();
      },
      (error) => {
        this.#forget(error);
        this.changed();
      },
    );
  }

  async begin() {
    this.#current = this.server;
    if (this.onDevice && !this.#own) {
      this.#trouble = "";
      this.prepare();
      await this.#tryDevice();
    }
    await this.#current.begin();
  }

  /** @param {HTMLVideoElement} video */
  follow(video) {
    return this.#current.follow(video);
  }

  get settings() {
    return this.#current.settings;
  }

  /** @param {unknown} error */
  replace(error) {
    if (this.#current === this.server) return false;
    this.#engine?.then((emotion) => emotion.close());
    this.#forget(error);
    this.#current = this.server;
    this.server.begin();
    return true;
  }

  async #tryDevice() {
    const engine = /** @type {Promise<Emotion>} */ (this.#engine);
    try {
      await within(PATIENCE, engine);
      this.#current = new OnDevice(engine);
    } catch (error) {
      // It goes on loading: the next start may find it.
      this.#trouble = message(error);
    }
  }

  /** @param {unknown} error */
  #forget(error) {
    this.#engine = null;
    this.#ready = false;
    this.#trouble = message(error);
  }
}

/** @param {number} milliseconds @param {Promise<unknown>} promise */
function within(milliseconds, promise) {
  const late = new Promise((_, reject) => {
    setTimeout(() => reject(new Error(say("live.slow", { seconds: milliseconds / 1000 }))), milliseconds);
  });
  return Promise.race([promise, late]);
}

/** @param {unknown} error */
function message(error) {
  return error instanceof Error ? error.message : String(error);
}
