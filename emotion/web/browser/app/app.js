// The Live tab of the Gradio app: the page's own Live, on the visitor's device, or else with the server's answers.

import { Live } from "../page/live.js";
import { preferredLanguage, speak } from "../page/words.js";
import { DeviceOrServer } from "./answering.js";
import { Server } from "./server.js";

/**
 * What emotion/web/live.py gives.
 * @typedef {object} Gradio
 * @property {HTMLElement} element of the component, which holds page/live.html
 * @property {(frame: { id: number, picture: string }) => void} frame triggers an event: a frame to answer for
 * @property {(moment: { picture: string }) => void} moment triggers one: a picture for the Photo tab
 * @property {{ value: any }} props whose value is what the server answered last
 * @property {(name: string, changed: () => void) => void} watch for another value
 * @property {boolean} onDevice whether the host wants the engine to run here
 * @property {number} minutes after which a forgotten camera goes off where the server answers
 */

/** @param {Gradio} gradio */
export async function startLive({ element, frame, moment, props, watch, onDevice, minutes }) {
  await speak(preferredLanguage());
  const server = new Server(frame, minutes);
  const answering = new DeviceOrServer(server, onDevice);
  const live = new Live(answering, async (picture) => moment({ picture: await dataUrl(picture) }));
  answering.changed = () => live.refresh();
  const take = () => {
    if (props.value?.own === undefined) server.take(props.value);
    else answering.useOwn(props.value.own);
  };
  watch("value", take);
  // The model may have been chosen before the tab was opened.
  take();
  document.addEventListener("emotion-tab", () => live.stop());
  // The engine is 5 MB: it is loaded for those who open the tab.
  new IntersectionObserver(([{ isIntersecting }]) => isIntersecting && answering.prepare()).observe(element);
  live.refresh();
}

/** @param {Blob} blob @returns {Promise<string>} */
async function dataUrl(blob) {
  const reader = new FileReader();
  await new Promise((resolve) => {
    reader.onloadend = resolve;
    reader.readAsDataURL(blob);
  });
  return String(reader.result);
}
