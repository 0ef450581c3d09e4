// The Live section: faces in front of the camera, followed from frame to frame.

import { Camera } from "./camera.js";
import { byId, download, element, write } from "./dom.js";
import { bars, colourOf, described } from "./faces.js";
import { hint, problem } from "./hints.js";
import { timelineChart, timelineCsv } from "./timeline.js";
import { labelName, reasonText, say } from "./words.js";

/**
 * @import { Settings } from "../engine/constants.js"
 * @import { Followed } from "../engine/engine.js"
 * @import { Moment, TrackedFace } from "../engine/tracker.js"
 * @import { Answering } from "./device.js"
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
  // A run of the camera: what an earlier one asked for shows nothing.
  #run = 0;
  #running = false;
  #resting = false;
  #announced = 0;

  /**
   * @param {Answering} answering
   * @param {(moment: Blob) => void} showMoment in the Photo section
   */
  constructor(answering, showMoment) {
    this.answering = answering;
    this.showMoment = showMoment;
    this.video = byId("live-video", HTMLVideoElement);
    this.overlay = byId("live-overlay", HTMLElement);
    this.answers = byId("live-answers", HTMLElement);
    this.chart = byId("live-chart", HTMLElement);
    this.where = byId("live-where", HTMLElement);
    this.status = byId("live-status", HTMLElement);
    this.toggle = byId("live-toggle", HTMLButtonElement);
    this.moment = byId("live-moment", HTMLButtonElement);
    this.csv = byId("live-csv", HTMLButtonElement);
    const choice = byId("live-camera", HTMLSelectElement);
    this.camera = new Camera(this.video, choice, () => this.#fail(new Error(say("camera.ended"))));
    // A press before this script ran would be lost.
    this.toggle.disabled = false;
    this.toggle.addEventListener("click", () => (this.#running ? this.stop() : this.start()));
    choice.addEventListener("change", () => this.start());
    this.moment.addEventListener("click", () => this.#takeMoment());
    this.csv.addEventListener("click", () => this.#download());
    // The camera's light goes out while the page cannot be seen.
    document.addEventListener("visibilitychange", () => {
      if (document.hidden && this.#running) {
        this.stop();
        this.#resting = true;
        this.answers.replaceChildren(hint(say("live.resting"), ""));
      } else if (!document.hidden && this.#resting) this.start();
    });
    addEventListener("pagehide", () => this.stop());
  }

  async start() {
    const run = ++this.#run;
    this.#running = true;
    this.#resting = false;
    this.#showControls();
    try {
      if (!(await this.camera.start(FRAME))) return;
      this.#showControls();
      await this.answering.begin();
      this.#moments = [];
      this.#earlier = [];
      await this.#watch(run);
    } catch (error) {
      if (run === this.#run) this.#fail(error);
    }
  }

  /** Put the camera out; the timeline stays. */
  stop() {
    this.#run++;
    this.#running = false;
    this.#resting = false;
    this.camera.stop();
    this.refresh();
  }

  /** Write the words again: the language has changed, or where frames are looked at. */
  refresh() {
    for (const id of [...this.#views.keys()]) this.#forget(id);
    if (!this.#running) this.answers.replaceChildren(hint(say("live.welcome"), say("live.welcome.how")));
    this.#showControls();
  }

  /** @param {number} run */
  async #watch(run) {
    while (run === this.#run) {
      // A frame that comes while this one is looked at is taken at once.
      const next = nextFrame(this.video);
      try {
        const followed = await this.answering.follow(this.video);
        if (run === this.#run) this.#show(followed);
      } catch (error) {
        if (run !== this.#run || !this.answering.replace(error)) throw error;
      }
      await next;
    }
  }

  /** @param {Followed} followed */
  #show({ faces, moments }) {
    const { settings } = this.answering;
    this.#showFaces(faces, settings);
    if (moments) {
      const oldest = moments[0]?.time ?? Infinity;
      this.#earlier.push(...this.#moments.filter(({ time }) => time < oldest));
      this.#moments = moments;
      this.chart.replaceChildren(...timelineChart(settings, moments, faces));
      this.csv.hidden = false;
    }
    write(this.where, this.answering.where());
    this.#announce(faces);
  }

  /** @param {TrackedFace[]} faces @param {Settings} settings */
  #showFaces(faces, settings) {
    const seen = new Set(faces.map(({ id }) => id));
    for (const id of [...this.#views.keys()]) if (!seen.has(id)) this.#forget(id);
    if (!faces.length) {
      if (!this.answers.querySelector(".em-hint.none")) {
        const none = hint(say("live.none"), say("live.none.how"));
        none.classList.add("none");
        this.answers.replaceChildren(none);
      }
      return;
    }
    this.answers.querySelector(".em-hint")?.remove();
    for (const face of faces) this.#place(face, settings);
  }

  /** @param {TrackedFace} face @param {Settings} settings */
  #place(face, settings) {
    const view = this.#views.get(face.id) ?? this.#begin(face, settings);
    const { videoWidth, videoHeight } = this.video;
    const [x, y, width, height] = face.box;
    const left = this.video.classList.contains("mirrored") ? videoWidth - x - width : x;
    const { background, text } = colourOf(settings, face.label);
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

  /** @param {TrackedFace} face @param {Settings} settings @returns {FaceView} */
  #begin(face, settings) {
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
    write(this.toggle, say(this.#running ? "live.stop" : "live.start"));
    write(this.where, this.answering.where());
    this.moment.hidden = !this.camera.on;
    byId("live-stage", HTMLElement).classList.toggle("on", this.camera.on);
  }

  async #takeMoment() {
    const { videoWidth, videoHeight } = this.video;
    const canvas = element("canvas", { width: String(videoWidth), height: String(videoHeight) });
    canvas.getContext("2d")?.drawImage(this.video, 0, 0);
    const moment = await new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
    if (moment) this.showMoment(moment);
  }

  #download() {
    const csv = timelineCsv(this.answering.settings, [...this.#earlier, ...this.#moments], "camera");
    download(new Blob([csv], { type: "text/csv" }), "emotions.csv");
  }

  /** @param {unknown} error */
  #fail(error) {
    this.stop();
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
