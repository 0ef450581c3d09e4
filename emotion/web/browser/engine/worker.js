// The engine off the page's thread. A request is {id, task, …}; the answer is {id, result} or {id, error}.

import { FILES, startEngine } from "./engine.js";
import { pixelsOf } from "./pixels.js";

/**
 * @typedef {{ id: number } & (
 *   { task: "start", folder: string } |
 *   { task: "look", image: ImageBitmap } |
 *   { task: "follow", image: ImageBitmap, time: number } |
 *   { task: "warmUp", width: number, height: number } |
 *   { task: "forget" }
 * )} Request
 */

/** @type {Promise<import("./engine.js").Engine>} */
let engine;

// One after the other: the network has one input, and the tracker one past.
let last = Promise.resolve();

self.onmessage = ({ data }) => {
  last = last.then(() => answer(data));
};

/** @param {Request} request */
async function answer(request) {
  try {
    postMessage({ id: request.id, result: await done(request) });
  } catch (error) {
    postMessage({ id: request.id, error: error instanceof Error ? error.message : String(error) });
  }
}

/** @param {Request} request */
async function done(request) {
  switch (request.task) {
    case "start":
      engine = startEngine((name) => read(name, request.folder));
      return (await engine).settings;
    case "look":
      return (await engine).look(pixelsOf(request.image));
    case "follow":
      return (await engine).follow(pixelsOf(request.image), request.time);
    case "warmUp":
      return (await engine).warmUp(request.width, request.height);
    case "forget":
      return (await engine).forget();
  }
}

/** @param {string} name @param {string} folder of the model's files */
async function read(name, folder) {
  const home = name === FILES.litert ? new URL("vendor/", import.meta.url) : folder;
  const response = await fetch(new URL(name, home));
  if (!response.ok) throw new Error(`${response.url} answers ${response.status}`);
  return new Uint8Array(await response.arrayBuffer());
}
