// The camera: on, off, another one, and what is wrong with it in words.

import { element } from "./dom.js";
import { say } from "./words.js";

export class Camera {
  /** @type {MediaStream | null} */
  #stream = null;
  // How often it was asked for or put out.
  #changes = 0;

  /**
   * @param {HTMLVideoElement} video
   * @param {HTMLSelectElement} choice of cameras, shown where there are several
   * @param {() => void} ended when the camera goes away by itself
   */
  constructor(video, choice, ended) {
    this.video = video;
    this.choice = choice;
    this.ended = ended;
  }

  get on() {
    return this.#stream !== null;
  }

  /**
   * Ask for a camera and show its picture.
   * @param {{ width: number, height: number }} size that is wished for
   * @returns {Promise<boolean>} false where it was stopped meanwhile
   * @throws {Error} whose message a person can act on
   */
  async start(size) {
    this.stop();
    const change = this.#changes;
    if (!globalThis.MediaDevices || !(navigator.mediaDevices instanceof MediaDevices))
      throw new Error(say("camera.insecure"));
    const { value } = this.choice;
    const which = value ? { deviceId: { exact: value } } : { facingMode: "user" };
    const wish = { width: { ideal: size.width }, height: { ideal: size.height }, ...which };
    let stream;
    try {
      // The app's page puts a function of its own before this one, for Gradio's cameras.
      stream = await MediaDevices.prototype.getUserMedia.call(navigator.mediaDevices, { video: wish });
    } catch (error) {
      if (change !== this.#changes) return false;
      throw new Error(inWords(error), { cause: error });
    }
    if (change !== this.#changes) {
      // The visitor left while the browser asked for leave.
      for (const track of stream.getTracks()) track.stop();
      return false;
    }
    this.#stream = stream;
    const [track] = stream.getVideoTracks();
    track.addEventListener("ended", () => {
      if (this.#stream !== stream) return;
      this.stop();
      this.ended();
    });
    const { facingMode } = track.getSettings();
    // A person expects a mirror, and of the rear camera none.
    this.video.classList.toggle("mirrored", facingMode !== "environment");
    this.video.srcObject = stream;
    // It fails where the camera is stopped meanwhile.
    await this.video.play().catch(() => {});
    await this.#offer(track);
    return change === this.#changes;
  }

  /** Put its light out. */
  stop() {
    this.#changes++;
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
    this.#stream = null;
    this.video.srcObject = null;
  }

  /** Offer the other cameras; browsers name them once one of them was allowed. @param {MediaStreamTrack} current */
  async #offer(current) {
    const devices = await navigator.mediaDevices.enumerateDevices();
    const cameras = devices.filter(({ kind }) => kind === "videoinput");
    const { deviceId } = current.getSettings();
    const options = cameras.map((device, index) => {
      const name = device.label || say("camera.number", { number: index + 1 });
      return element("option", { value: device.deviceId, selected: device.deviceId === deviceId }, name);
    });
    this.choice.replaceChildren(...options);
    const field = this.choice.closest("label");
    if (field) field.hidden = cameras.length < 2;
  }
}

/** @param {unknown} error of getUserMedia */
function inWords(error) {
  const { name, message } = error instanceof DOMException ? error : new DOMException(String(error));
  if (name === "NotAllowedError" || name === "SecurityError") return say("camera.denied");
  if (name === "NotFoundError" || name === "OverconstrainedError") return say("camera.missing");
  if (name === "NotReadableError" || name === "AbortError") return say("camera.busy");
  return say("camera.failed", { reason: message || name });
}
