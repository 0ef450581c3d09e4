// The Photo section: one picture and its faces.

import { Camera } from "./camera.js";
import { byId, download, element } from "./dom.js";
import { annotate, portrait } from "./drawing.js";
import { onDrop } from "./drops.js";
import { cards, inReadingOrder, verdict } from "./faces.js";
import { hint, noFace, problem } from "./hints.js";
import { opened, pictureIn } from "./opened.js";
import { onTab, openTab } from "./tabs.js";
import { say } from "./words.js";

/**
 * @import { Emotion } from "../engine/emotion.js"
 * @import { Face } from "../engine/engine.js"
 */

// Pixels: the longest side of what is shown and downloaded; portraits; a snapshot.
const SHOWN_SIDE = 1280;
const PORTRAIT_SIDE = 128;
const SNAPSHOT = { width: 1920, height: 1440 };
const JPEG_QUALITY = 0.9;

/** A picture with its answer. @typedef {{ image: ImageBitmap, faces: Face[], name: string, selected: number }} Shown */

export class Photo {
  /** @type {Shown | null} */
  #shown = null;
  #pictures = 0;

  /** @param {Promise<Emotion>} emotion */
  constructor(emotion) {
    this.emotion = emotion;
    this.canvas = byId("photo-canvas", HTMLCanvasElement);
    this.answer = byId("photo-answer", HTMLElement);
    this.empty = byId("photo-empty", HTMLElement);
    this.result = byId("photo-result", HTMLElement);
    this.viewfinder = byId("photo-viewfinder", HTMLElement);
    this.file = byId("photo-file", HTMLInputElement);
    const video = byId("photo-video", HTMLVideoElement);
    const choice = byId("photo-camera", HTMLSelectElement);
    this.camera = new Camera(video, choice, () => this.#fail(new Error(say("camera.ended"))));
    this.#wire();
  }

  /** Look at a picture, which may still have to come. @param {Blob | Promise<Blob>} source @param {string} name */
  async show(source, name) {
    const number = ++this.#pictures;
    this.camera.stop();
    this.#answered(hint(say("photo.looking"), ""));
    try {
      const [emotion, file] = await Promise.all([this.emotion, source]);
      const whole = await opened(file, name, emotion.settings);
      const found = inReadingOrder(await emotion.look(whole));
      const [image, faces] = await atShownSize(whole, found);
      // Another one was added meanwhile.
      if (number !== this.#pictures) return image.close();
      this.#shown?.image.close();
      this.#shown = { image, faces, name, selected: 0 };
      this.#draw();
    } catch (error) {
      if (number === this.#pictures) this.#fail(error);
    }
  }

  /** Write the words anew, in another language. */
  refresh() {
    if (this.#shown) this.#draw();
    else this.clear();
  }

  /** Forget the picture. */
  clear() {
    this.#pictures++;
    this.camera.stop();
    this.#shown?.image.close();
    this.#shown = null;
    this.#stage("empty");
    this.#answered(hint(say("photo.welcome"), say("photo.welcome.how")));
  }

  #wire() {
    this.file.addEventListener("change", () => {
      const [file] = this.file.files ?? [];
      if (file) this.show(file, file.name);
      // The same file may be chosen again.
      this.file.value = "";
    });
    byId("photo-choose", HTMLElement).addEventListener("click", () => this.file.click());
    byId("photo-another", HTMLElement).addEventListener("click", () => {
      this.clear();
      byId("photo-choose", HTMLElement).focus();
    });
    byId("photo-download", HTMLElement).addEventListener("click", () => this.#download());
    byId("photo-snapshot", HTMLElement).addEventListener("click", () => this.#openCamera());
    byId("photo-camera", HTMLElement).addEventListener("change", () => this.#openCamera());
    byId("photo-shoot", HTMLElement).addEventListener("click", () => this.#shoot());
    byId("photo-cancel", HTMLElement).addEventListener("click", () => this.clear());
    this.canvas.addEventListener("click", (event) => this.#choosePoint(event));
    for (const example of document.querySelectorAll("[data-example]"))
      example.addEventListener("click", () => this.#showExample(/** @type {HTMLElement} */ (example)));
    onDrop((given) => this.#take(given));
    addEventListener("resize", () => this.#shown && this.#paint());
    onTab((tab) => {
      if (tab !== "photo" && this.camera.on) this.clear();
    });
    document.addEventListener("visibilitychange", () => {
      if (document.hidden && this.camera.on) this.clear();
    });
  }

  /** @param {DataTransfer | null} given */
  #take(given) {
    openTab("photo");
    try {
      const file = pictureIn(given);
      this.show(file, file.name);
    } catch (error) {
      this.#fail(error);
    }
  }

  /** @param {HTMLElement} example */
  #showExample(example) {
    const path = example.dataset.example ?? "";
    const picture = fetch(path).then((response) => response.blob());
    this.show(picture, path.split("/").at(-1) ?? path);
  }

  async #openCamera() {
    this.#stage("viewfinder");
    try {
      await this.camera.start(SNAPSHOT);
    } catch (error) {
      this.clear();
      this.#fail(error);
    }
  }

  async #shoot() {
    if (!this.camera.on) return;
    const { video } = this.camera;
    const canvas = element("canvas", { width: String(video.videoWidth), height: String(video.videoHeight) });
    canvas.getContext("2d")?.drawImage(video, 0, 0);
    const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
    if (blob) await this.show(blob, "snapshot.png");
  }

  #draw() {
    if (!this.#shown) return;
    const { image, faces, selected } = this.#shown;
    this.#stage("result");
    this.canvas.width = image.width;
    this.canvas.height = image.height;
    this.#paint();
    byId("photo-download", HTMLButtonElement).hidden = !faces.length;
    this.#tellFaces(image, faces, selected);
  }

  #paint() {
    if (!this.#shown) return;
    const { image, faces, selected } = this.#shown;
    const { settings } = /** @type {Emotion} */ (this.#ready);
    annotate(this.canvas, image, faces, settings, faces.length > 1 ? selected : null);
  }

  /** @param {ImageBitmap} image @param {Face[]} faces @param {number} selected */
  #tellFaces(image, faces, selected) {
    if (!faces.length) return this.#answered(noFace());
    const { settings } = /** @type {Emotion} */ (this.#ready);
    const portraits = faces.map((face) => portrait(image, face.box, PORTRAIT_SIDE));
    const chosen = portrait(image, faces[selected].box, PORTRAIT_SIDE);
    const parts = verdict(settings, faces[selected], selected, faces.length, chosen);
    if (faces.length > 1)
      parts.push(cards(settings, faces, portraits, selected, (index) => this.#select(index, true)));
    this.#answered(...parts);
  }

  /** @param {number} index @param {boolean} byCard where the focus stays */
  #select(index, byCard) {
    if (!this.#shown) return;
    this.#shown.selected = index;
    this.#draw();
    if (byCard) /** @type {HTMLElement} */ (this.answer.querySelectorAll(".em-cards button")[index]).focus();
  }

  /** Select the smallest face whose box was clicked. @param {MouseEvent} event */
  #choosePoint(event) {
    if (!this.#shown) return;
    const scale = this.canvas.width / this.canvas.clientWidth;
    const [across, down] = [event.offsetX * scale, event.offsetY * scale];
    const hits = this.#shown.faces
      .map(({ box: [x, y, width, height] }, index) => ({ x, y, width, height, index }))
      .filter(({ x, y, width, height }) => across >= x && across < x + width && down >= y && down < y + height)
      .sort((one, other) => one.width * one.height - other.width * other.height);
    if (hits.length) this.#select(hits[0].index, false);
  }

  async #download() {
    if (!this.#shown) return;
    const stem = this.#shown.name.replace(/\.[^.]*$/, "") || "picture";
    const blob = await new Promise((resolve) => this.canvas.toBlob(resolve, "image/jpeg", JPEG_QUALITY));
    if (blob) download(blob, `${stem}-faces.jpg`);
  }

  /** @param {unknown} error */
  #fail(error) {
    const message = error instanceof Error ? error.message : String(error);
    if (!this.#shown) this.#stage("empty");
    this.#answered(problem(message));
  }

  /** @param {...Node} parts */
  #answered(...parts) {
    this.answer.replaceChildren(...parts);
  }

  /** @param {"empty" | "viewfinder" | "result"} shown */
  #stage(shown) {
    this.empty.hidden = shown !== "empty";
    this.viewfinder.hidden = shown !== "viewfinder";
    this.result.hidden = shown !== "result";
  }

  /** @type {Emotion | null} */
  #ready = null;

  /** @param {Emotion} emotion that has started */
  ready(emotion) {
    this.#ready = emotion;
  }
}

/**
 * Reduce a picture to what is shown of it, and its faces with it.
 * @param {ImageBitmap} whole @param {Face[]} found
 * @returns {Promise<[ImageBitmap, Face[]]>}
 */
async function atShownSize(whole, found) {
  const factor = SHOWN_SIDE / Math.max(whole.width, whole.height);
  if (factor >= 1) return [whole, found];
  const [resizeWidth, resizeHeight] = [whole.width, whole.height].map((side) => Math.round(side * factor));
  const image = await createImageBitmap(whole, { resizeWidth, resizeHeight, resizeQuality: "high" });
  whole.close();
  const scaled = found.map((face) => ({
    ...face,
    box: /** @type {Face["box"]} */ (face.box.map((value) => Math.round(value * factor))),
  }));
  return [image, scaled];
}
