// For any page: what the faces in its pictures and videos show, worked out on the visitor's own device.
//
//     import { load } from "…/engine/emotion.js";
//     const emotion = await load();
//     const faces = await emotion.look(document.querySelector("img"));

/**
 * @import { Settings } from "./constants.js"
 * @import { Face, Followed } from "./engine.js"
 */

/** What can be looked at. @typedef {ImageBitmapSource} Source */

/**
 * Load the engine into a worker of its own.
 * @param {string | URL} [site] where `model/` is; by default the folder that holds the engine's, too
 * @returns {Promise<Emotion>}
 */
export async function load(site = new URL("../", import.meta.url)) {
  const model = new URL("model/", new URL(site, document.baseURI));
  const script = new URL("worker.js", import.meta.url);
  const worker = new Worker(script.origin === location.origin ? script : fromElsewhere(script), { type: "module" });
  const emotion = new Emotion(worker);
  try {
    await emotion.start(model.href);
  } catch (error) {
    emotion.close();
    throw error;
  }
  return emotion;
}

export class Emotion {
  /** @type {Map<number, { resolve: (value: any) => void, reject: (error: Error) => void }>} */
  #waiting = new Map();
  #requests = 0;
  /** @type {Settings | null} */
  #settings = null;
  /** @type {Error | null} why no answer comes any more */
  #ended = null;

  /** @param {Worker} worker */
  constructor(worker) {
    this.worker = worker;
    worker.onmessage = ({ data: { id, result, error } }) => {
      const waiting = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (error === undefined) waiting?.resolve(result);
      else waiting?.reject(new Error(error));
    };
    // A module that cannot be loaded, or a crash of the WebAssembly.
    worker.onerror = (event) => this.#failed(new Error(event.message || "The engine could not be loaded."));
  }

  /** @param {string} folder with the model's files */
  async start(folder) {
    this.#settings = await this.#ask({ task: "start", folder });
  }

  /** What the engine knows of the model. @returns {Settings} */
  get settings() {
    if (!this.#settings) throw new Error("The engine has not started.");
    return this.#settings;
  }

  /** The emotions that answers name, in order. */
  get labels() {
    return this.settings.model.labels;
  }

  /**
   * Find the faces in a picture, largest first, and tell what each shows.
   * @param {Source} source an image, video, canvas, file, … that the page may read
   * @returns {Promise<Face[]>} boxes are in pixels of the picture, upright
   */
  async look(source) {
    const image = await decoded(source);
    return this.#ask({ task: "look", image }, [image]);
  }

  /**
   * Follow the faces of a camera or a clip from frame to frame: stable numbers, smoothed answers.
   * @param {Source} source the video, at this moment
   * @param {number} [time] in seconds, on a clock that does not run backwards
   * @returns {Promise<Followed>}
   */
  async follow(source, time = performance.now() / 1000) {
    const image = await decoded(source);
    return this.#ask({ task: "follow", image, time }, [image]);
  }

  /** Forget the faces that were followed. @returns {Promise<void>} */
  forget() {
    return this.#ask({ task: "forget" });
  }

  /**
   * Prepare for a camera, so that its first frame is answered sooner.
   * @param {number} width @param {number} height of its frames
   * @returns {Promise<void>}
   */
  warmUp(width, height) {
    return this.#ask({ task: "warmUp", width, height });
  }

  /** End the worker and free its memory. */
  close() {
    this.worker.terminate();
    this.#failed(new Error("The engine was closed."));
  }

  /** @param {object} request @param {Transferable[]} [given] */
  #ask(request, given = []) {
    const id = ++this.#requests;
    return /** @type {Promise<any>} */ (
      new Promise((resolve, reject) => {
        if (this.#ended) throw this.#ended;
        this.#waiting.set(id, { resolve, reject });
        this.worker.postMessage({ id, ...request }, given);
      })
    );
  }

  /** @param {Error} error */
  #failed(error) {
    this.#ended = error;
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }
}

/** Upright, in the picture's own colours. @param {Source} source */
function decoded(source) {
  return createImageBitmap(source, { colorSpaceConversion: "none" });
}

/** A worker may not be of another server; a module in it may. @param {URL} script */
function fromElsewhere(script) {
  const code = `import ${JSON.stringify(script.href)};`;
  return URL.createObjectURL(new Blob([code], { type: "text/javascript" }));
}
