// LiteRT's WebAssembly, which tools/vendor_litert.py puts into vendor/. It is called directly: the JavaScript of
// its package refuses int8 (@litertjs/core 2.5.3).

import ModuleFactory from "./vendor/litert.js";

/**
 * What is used of the bindings.
 * @typedef {object} LiteRT
 * @property {any} wasm the Emscripten module
 * @property {any} environment
 */

/**
 * @param {Uint8Array} binary the WebAssembly, unpacked
 * @returns {Promise<LiteRT>}
 */
export async function startLiteRT(binary) {
  const quiet = () => {};
  const wasm = await ModuleFactory({ wasmBinary: binary, print: quiet, printErr: quiet });
  return { wasm, environment: wasm.LiteRtEnvironment.create(null) };
}
