// A .tflite file that is run on one core. A network is compiled for every shape of its input, and kept.

import { withShapes } from "./shapes.js";

/** @import { LiteRT } from "./litert.js" */

/** An output. @typedef {{ values: Float32Array, shape: number[] }} Tensor */

/**
 * A network that is compiled for one shape.
 * @typedef {object} Compiled
 * @property {any} model @property {any} compiled @property {any} input
 * @property {number} pointer to the file in the memory of the WebAssembly
 * @property {number[][]} outputs
 * @property {number} pixels of the input
 */

export class Network {
  /** @type {Map<string, Compiled>} the one used last at the end */
  #ready = new Map();

  /**
   * @param {LiteRT} litert
   * @param {Uint8Array} file
   * @param {(input: number[]) => number[][]} outputShapes of an input's shape
   * @param {number} keptPixels of all inputs whose networks are kept for the next picture
   */
  constructor(litert, file, outputShapes, keptPixels) {
    this.litert = litert;
    this.file = file;
    this.outputShapes = outputShapes;
    this.keptPixels = keptPixels;
  }

  /**
   * @param {number[]} shape of the input
   * @param {Int8Array | Float32Array} values of it, in the type that the file asks for
   * @returns {Promise<Tensor[]>}
   */
  async run(shape, values) {
    const { wasm } = this.litert;
    const { compiled, input, outputs } = await this.#for(shape);
    const { READ, WRITE } = wasm.LiteRtTensorBufferLockMode;
    const place = input.lock(WRITE);
    wasm.HEAPU8.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), place);
    input.unlock();
    /** @type {any[]} */
    const buffers = await compiled.run(0, [input]);
    return buffers.map((buffer, index) => {
      const from = buffer.lock(READ);
      const copy = wasm.HEAPU8.slice(from, from + buffer.packedSize());
      buffer.unlock();
      buffer.delete();
      return { values: new Float32Array(copy.buffer), shape: outputs[index] };
    });
  }

  /** @param {number[]} shape */
  async #for(shape) {
    const key = shape.join("×");
    const network = this.#ready.get(key) ?? (await this.#compile(shape));
    this.#ready.delete(key);
    this.#ready.set(key, network);
    let pixels = 0;
    for (const each of this.#ready.values()) pixels += each.pixels;
    for (const [other, old] of this.#ready) {
      if (pixels <= this.keptPixels || old === network) break;
      pixels -= old.pixels;
      this.#free(old);
      this.#ready.delete(other);
    }
    return network;
  }

  /** @param {number[]} shape @returns {Promise<Compiled>} */
  async #compile(shape) {
    const { wasm, environment } = this.litert;
    const outputs = this.outputShapes(shape);
    const file = withShapes(this.file, shape, outputs);
    const pointer = wasm._malloc(file.byteLength);
    wasm.HEAPU8.set(file, pointer);
    const model = wasm.loadModel(environment, pointer, file.byteLength);
    const compiled = await wasm.compileModel(environment, model, {
      environment,
      accelerator: "wasm",
      cpuOptions: { numThreads: 1 },
      gpuOptions: {},
      webNNOptions: {},
    });
    const type = model.getInputTensorType(0, 0);
    const { HOST_MEMORY } = wasm.LiteRtTensorBufferType;
    const input = wasm.LiteRtTensorBuffer.createManaged(environment, HOST_MEMORY, type, type.bytes());
    type.delete();
    const [, height, width] = shape;
    return { model, compiled, input, pointer, outputs, pixels: height * width };
  }

  /** @param {Compiled} network */
  #free({ model, compiled, input, pointer }) {
    input.delete();
    compiled.delete();
    model.delete();
    this.litert.wasm._free(pointer);
  }
}
