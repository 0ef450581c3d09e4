// A place for files in the Gradio app: they are chosen, dropped, pasted, or taken with the camera.

import { Camera } from "../page/camera.js";
import { onDrop } from "../page/drops.js";
import { noPicture } from "../page/opened.js";
import { say, speak } from "../page/words.js";

/**
 * What emotion/web/zone.py gives.
 * @typedef {object} Gradio
 * @property {HTMLElement} element of the component
 * @property {(given: { files: string[], pictures: string[] }) => void} given triggers an event: uploads by their paths on
 *   the server, snapshots as data URLs
 * @property {(file: File) => Promise<{ path: string }>} upload
 * @property {boolean} holds whether the camera stays on, and a button that is held takes one snapshot after the other
 * @property {{ width: number, height: number }} size of a snapshot
 * @property {number} most snapshots of one press
 * @property {number} minutes after which a forgotten camera goes off
 * @property {number} megabytes of a file at most
 */

// Milliseconds between the snapshots of a button that is held.
const EVERY = 350;
const JPEG_QUALITY = 0.92;
// Browsers know no type for some pictures, as HEIC in Chrome.
const PICTURE = /\.(jpe?g|png|webp|gif|hei[cf]|avif|tiff?|bmp)$/i;

/** @type {Zone[]} in the order of the page */
const zones = [];

/** @param {Gradio} gradio */
export async function startZone(gradio) {
  await speak(document.documentElement.dataset.language ?? "en");
  new Zone(gradio);
}

class Zone {
  /** @type {number | undefined} */
  #forgotten;
  /** @type {string[]} taken since the button was pressed */
  #shots = [];
  /** @type {number | undefined} */
  #held;

  /** @param {Gradio} gradio */
  constructor(gradio) {
    this.gradio = gradio;
    this.element = gradio.element;
    this.file = /** @type {HTMLInputElement} */ (this.#part("file"));
    this.message = this.#part("message");
    this.video = /** @type {HTMLVideoElement | null} */ (this.element.querySelector("video"));
    const choice = this.element.querySelector("select");
    if (this.video && choice) {
      this.camera = new Camera(this.video, choice, () => this.#off(say("camera.ended")));
      this.#wireCamera(choice);
    }
    this.#press("choose", () => this.file.click());
    this.file.addEventListener("change", () => {
      const files = [...(this.file.files ?? [])];
      // The same file may be chosen again.
      this.file.value = "";
      this.#send(files);
    });
    this.element.dataset.ready = "";
    zones.push(this);
  }

  get inSight() {
    return (this.element.closest("[role=tabpanel]") ?? this.element).getClientRects().length > 0;
  }

  get takesPictures() {
    return this.file.accept.includes("image");
  }

  /** @param {DataTransfer | null} given */
  take(given) {
    const files = [...(given?.files ?? [])];
    const wanted = files.filter((file) => !this.takesPictures || isPicture(file));
    // What is no picture is sent all the same: the server says what is wrong with it.
    const sent = wanted.length ? wanted : files;
    if (sent.length) this.#send(this.file.multiple ? sent : sent.slice(0, 1));
    else this.#say(noPicture(given));
  }

  /** @param {HTMLSelectElement} choice */
  #wireCamera(choice) {
    const take = this.#part("take");
    this.#press("camera", () => this.#on());
    choice.addEventListener("change", () => this.#on());
    this.#press("stop", () => {
      this.#off();
      this.#part("camera").focus();
    });
    if (this.gradio.holds) {
      take.addEventListener("pointerdown", () => {
        this.#hold();
        addEventListener("pointerup", () => this.#release(), { once: true });
        addEventListener("pointercancel", () => this.#release(), { once: true });
      });
      // The keyboard takes one at a time; a pointer's click was answered above.
      take.addEventListener("click", (event) => event.detail === 0 && (this.#hold(), this.#release()));
    } else take.addEventListener("click", () => (this.#hold(), this.#release(), this.#off()));
    document.addEventListener("emotion-tab", () => this.#off());
    document.addEventListener("visibilitychange", () => document.hidden && this.#off());
    addEventListener("pagehide", () => this.#off());
  }

  async #on() {
    // The page has one camera at a time.
    for (const other of zones) if (other !== this) other.#off();
    this.#say("");
    this.#show("viewfinder");
    clearTimeout(this.#forgotten);
    const { minutes, size } = this.gradio;
    try {
      if (await this.camera?.start(size)) {
        this.#part("take").focus();
        this.#forgotten = setTimeout(() => this.#off(say("live.long", { minutes })), minutes * 60_000);
      }
    } catch (error) {
      this.#off(error instanceof Error ? error.message : String(error));
    }
  }

  #off(message = "") {
    clearTimeout(this.#forgotten);
    clearInterval(this.#held);
    this.camera?.stop();
    this.#show("empty");
    if (message) this.#say(message);
  }

  #hold() {
    this.#shots = [];
    this.#shoot();
    clearInterval(this.#held);
    if (this.gradio.holds) this.#held = setInterval(() => this.#shoot(), EVERY);
  }

  #shoot() {
    if (!this.video?.videoWidth || this.#shots.length >= this.gradio.most) return;
    const canvas = document.createElement("canvas");
    Object.assign(canvas, { width: this.video.videoWidth, height: this.video.videoHeight });
    canvas.getContext("2d")?.drawImage(this.video, 0, 0);
    this.#shots.push(canvas.toDataURL("image/jpeg", JPEG_QUALITY));
    this.#part("count").textContent = this.#shots.length > 1 ? ` × ${this.#shots.length}` : "";
  }

  #release() {
    clearInterval(this.#held);
    const pictures = this.#shots.splice(0);
    this.#part("count").textContent = "";
    if (pictures.length) this.gradio.given({ files: [], pictures });
  }

  /** @param {File[]} files */
  async #send(files) {
    if (!files.length) return;
    this.#say("");
    this.element.setAttribute("aria-busy", "true");
    try {
      const uploads = await Promise.all(files.map((file) => this.gradio.upload(file)));
      this.gradio.given({ files: uploads.map(({ path }) => path), pictures: [] });
    } catch {
      this.#say(say("problem.upload", { size: this.gradio.megabytes }));
    } finally {
      this.element.removeAttribute("aria-busy");
    }
  }

  /** @param {string} message */
  #say(message) {
    this.message.textContent = message;
    this.message.hidden = !message;
  }

  /** @param {"empty" | "viewfinder"} shown */
  #show(shown) {
    if (!this.camera) return;
    this.#part("empty").hidden = shown !== "empty";
    this.#part("viewfinder").hidden = shown !== "viewfinder";
  }

  /** @param {string} name @param {() => void} pressed */
  #press(name, pressed) {
    this.#part(name).addEventListener("click", pressed);
  }

  /** @param {string} name @returns {HTMLElement} */
  #part(name) {
    return /** @type {HTMLElement} */ (this.element.querySelector(`[data-part=${name}]`));
  }
}

/** @param {File} file */
function isPicture(file) {
  return file.type.startsWith("image/") || PICTURE.test(file.name);
}

/** The zone that is in sight, or else the first one, whose tab is opened. */
function target() {
  const found = zones.find((zone) => zone.inSight);
  if (found) return found;
  /** @type {HTMLElement | null} */ (document.querySelector("[role=tab]"))?.click();
  return zones[0];
}

onDrop((given) => target()?.take(given));
