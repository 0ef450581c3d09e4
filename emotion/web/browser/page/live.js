// The Live section: faces in front of the camera, followed from frame to frame.

import { Camera } from "./camera.js";
import { byId, download, element, write } from "./dom.js";
import { bars, colourOf, described } from "./faces.js";
import { hint, problem } from "./hints.js";
import { onTab, openTab } from "./tabs.js";
import { timelineChart, timelineCsv } from "./timeline.js";
import { labelName, reasonText, say } from "./words.js";

/**
 * @import { Emotion } from "../engine/emotion.js"
 * @import { Followed } from "../engine/engine.js"
 * @import { Moment, TrackedFace } from "../engine/tracker.js"
 * @import { Photo } from "./photo.js"
 */

// Pixels that are asked of the camera.
const FRAME = { width: 640, height: 480 };
// Milliseconds between two announcements.
const ANNOUNCED_EVERY = 4000;

/** What shows one face, changed in place. @typedef {{ box: HTMLElement, tag: HTMLElement, card: HTMLElement, name: HTMLElement, move: (probabilities: Record<string, number>) => void }} FaceView */

export class Live {
  /** @type {Map<number, FaceView>} by the number of the face */
  #views = new Map();
  /** @type {Moment[]} of the last seconds */
  #moments = [];
  /** @type {Moment[]} what the engine has forgotten since the camera started */
  #earlier = [];
  // A run of the camera: a frame of an earlier one shows nothing.
  #run = 0;
  #resting = false;
  #announced = 0;

  /** @param {Promise<Emotion>} emotion @param {Photo} photo */
  constructor(emotion, photo) {
    this.emotion = emotion;
    this.photo = photo;
    this.video = byId("live-video", HTMLVideoElement);
    this.overlay = byId("live-overlay", HTMLElement);
    this.answers = byId("live-answers", HTMLElement);
    this.chart = byId("live-chart", HTMLElement);
    this.status = byId("live-status", HTMLElement);
    this.toggle = byId("live-toggle", HTMLButtonElement);
    this.moment = byId("live-moment", HTMLButtonElement);
    this.csv = byId("live-csv", HTMLButtonElement);
    const choice = byId("live-camera", HTMLSelectElement);
    this.camera = new Camera(this.video, choice, () => this.#fail(new Error(say("camera.ended"))));
    this.toggle.addEventListener("click", () => (this.camera.on ? this.stop() : this.start()));
    choice.addEventListener("change", () => this.start());
    this.moment.addEventListener("click", () => this.#showMoment());
    this.csv.addEventListener("click", () => this.#download());
    onTab((tab) => {
      if (tab !== "live") this.stop();
    });
    // The camera's light goes out while the page cannot be seen.
    document.addEventListener("visibilitychange", () => {
      if (document.hidden && this.camera.on) {
        this.stop();
        this.#resting = true;
        this.answers.replaceChildren(hint(say("live.resting"), ""));
      } else if (!document.hidden && this.#resting) this.start();
    });
  }

  async start() {
    const run = ++this.#run;
    this.#resting = false;
    this.toggle.disabled = true;
    try {
      await this.camera.start(FRAME);
      this.#showControls();
      const emotion = await this.emotion;
      await emotion.forget();
      this.#moments = [];
      this.#earlier = [];
      await this.#watch(emotion, run);
    } catch (error) {
      if (run === this.#run) this.#fail(error);
    } finally {
      this.toggle.disabled = false;
    }
  }

  /** Put the camera out; the timeline stays. */
  stop() {
    if (!this.camera.on && !this.#resting) return;
    this.#run++;
    this.#resting = false;
    this.camera.stop();
    this.#showFaces([]);
    this.refresh();
  }

  /** Write the words anew, in another language. */
  refresh() {
    for (const id of [...this.#views.keys()]) this.#forget(id);
    if (!this.camera.on) this.answers.replaceChildren(hint(say("live.welcome"), say("live.welcome.how")));
    this.#showControls();
  }

  /** @param {Emotion} emotion @param {number} run */
  async #watch(emotion, run) {
    this.toggle.disabled = false;
    while (run === this.#run) {
      // A frame that comes while this one is looked at is taken at once.
      const next = nextFrame(this.video);
      const followed = await emotion.follow(this.video);
      if (run !== this.#run) return;
      this.#show(emotion, followed);
      await next;
    }
  }

  /** @param {Emotion} emotion @param {Followed} followed */
  #show(emotion, { faces, moments }) {
    const { settings } = emotion;
    this.#showFaces(faces, emotion);
    if (moments) {
      const oldest = moments[0]?.time ?? Infinity;
      this.#earlier.push(...this.#moments.filter(({ time }) => time < oldest));
      this.#moments = moments;
      this.chart.replaceChildren(...timelineChart(settings, moments, faces));
      this.csv.hidden = false;
    }
    this.#announce(faces);
  }

  /** @param {TrackedFace[]} faces @param {Emotion} [emotion] */
  #showFaces(faces, emotion) {
    const seen = new Set(faces.map(({ id }) => id));
    for (const id of [...this.#views.keys()]) if (!seen.has(id)) this.#forget(id);
    if (!emotion) return;
    if (!faces.length) {
      if (!this.answers.querySelector(".em-hint.none")) {
        const none = hint(say("live.none"), say("live.none.how"));
        none.classList.add("none");
        this.answers.replaceChildren(none);
      }
      return;
    }
    this.answers.querySelector(".em-hint")?.remove();
    for (const face of faces) this.#place(face, emotion);
  }

  /** @param {TrackedFace} face @param {Emotion} emotion */
  #place(face, emotion) {
    const view = this.#views.get(face.id) ?? this.#begin(face, emotion);
    const { videoWidth, videoHeight } = this.video;
    const [x, y, width, height] = face.box;
    const left = this.video.classList.contains("mirrored") ? videoWidth - x - width : x;
    const { background, text } = colourOf(emotion.settings, face.label);
    const { style } = view.box;
    style.left = `${((100 * left) / videoWidth).toFixed(1)}%`;
    style.top = `${((100 * y) / videoHeight).toFixed(1)}%`;
    style.width = `${((100 * width) / videoWidth).toFixed(1)}%`;
    style.height = `${((100 * height) / videoHeight).toFixed(1)}%`;
    style.setProperty("--em", background);
    style.setProperty("--em-text", text);
    view.card.style.setProperty("--em", background);
    write(view.tag, `${face.id} ${described(face)}`);
    const reason = face.label === null ? ` (${reasonText(face.reason, "short")})` : "";
    write(view.name, ` ${labelName(face.label)}${reason}`);
    view.move(face.probabilities);
  }

  /** @param {TrackedFace} face @param {Emotion} emotion @returns {FaceView} */
  #begin(face, { settings }) {
    const { shown, move } = bars(settings);
    const tag = element("span");
    const box = element("div", { class: "em-box" }, tag);
    const name = element("span");
    const title = element("span", {}, element("b", {}, String(face.id)), name);
    const card = element("div", { class: "em-card" }, title, shown);
    const view = { box, tag, card, name, move };
    this.#views.set(face.id, view);
    this.overlay.append(box);
    this.answers.append(card);
    return view;
  }

  /** @param {number} id */
  #forget(id) {
    const view = this.#views.get(id);
    view?.box.remove();
    view?.card.remove();
    this.#views.delete(id);
  }

  /** Tell what changed to those who do not see it, every few seconds at most. @param {TrackedFace[]} faces */
  #announce(faces) {
    const now = performance.now();
    if (now - this.#announced < ANNOUNCED_EVERY) return;
    const words = faces.map(({ id, label }) => say("live.said", { number: id, label: labelName(label) }));
    const text = words.join(" ") || say("live.none");
    if (text === this.status.textContent) return;
    this.#announced = now;
    this.status.textContent = text;
  }

  #showControls() {
    const { on } = this.camera;
    write(this.toggle, say(on ? "live.stop" : "live.start"));
    this.moment.hidden = !on;
    byId("live-stage", HTMLElement).classList.toggle("on", on);
  }

  async #showMoment() {
    const { videoWidth, videoHeight } = this.video;
    const canvas = element("canvas", { width: String(videoWidth), height: String(videoHeight) });
    canvas.getContext("2d")?.drawImage(this.video, 0, 0);
    const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
    openTab("photo");
    if (blob) await this.photo.show(blob, "moment.png");
  }

  async #download() {
    const { settings } = await this.emotion;
    const csv = timelineCsv(settings, [...this.#earlier, ...this.#moments], "camera");
    download(new Blob([csv], { type: "text/csv" }), "emotions.csv");
  }

  /** @param {unknown} error */
  #fail(error) {
    this.stop();
    this.#showControls();
    this.answers.replaceChildren(problem(error instanceof Error ? error.message : String(error)));
  }
}

/** Resolves when the video has another frame. @param {HTMLVideoElement} video @returns {Promise<unknown>} */
function nextFrame(video) {
  return new Promise((resolve) => {
    if ("requestVideoFrameCallback" in video) video.requestVideoFrameCallback(resolve);
    else requestAnimationFrame(resolve);
  });
}
