// Give a .tflite file fixed shapes without a converter: LiteRT's WebAssembly takes no others. The numbers are
// overwritten where they are in the FlatBuffer.

// Numbers of the fields in LiteRT's schema (schema.fbs).
const MODEL_SUBGRAPHS = 2;
const SUBGRAPH_TENSORS = 0;
const SUBGRAPH_INPUTS = 1;
const SUBGRAPH_OUTPUTS = 2;
const TENSOR_SHAPE = 0;
const TENSOR_SHAPE_SIGNATURE = 7;

/**
 * @param {Uint8Array} file
 * @param {number[]} input shape of the only input
 * @param {number[][]} outputs shape of each output
 * @returns {Uint8Array} a copy of the file with these shapes
 */
export function withShapes(file, input, outputs) {
  const bytes = file.slice();
  const tables = new Tables(bytes);
  const subgraphs = tables.follow(tables.field(tables.follow(0), MODEL_SUBGRAPHS));
  const graph = tables.element(subgraphs, 0);
  const tensors = tables.follow(tables.field(graph, SUBGRAPH_TENSORS));
  /** @param {number} list @param {number} index @param {number[]} shape */
  const set = (list, index, shape) => {
    const numbers = tables.follow(tables.field(graph, list));
    const tensor = tables.element(tensors, tables.number(numbers, index));
    for (const field of [TENSOR_SHAPE, TENSOR_SHAPE_SIGNATURE]) tables.overwrite(tensor, field, shape);
  };
  set(SUBGRAPH_INPUTS, 0, input);
  outputs.forEach((shape, index) => set(SUBGRAPH_OUTPUTS, index, shape));
  return bytes;
}

/** The few things that have to be known of a FlatBuffer; places are offsets from its beginning. */
class Tables {
  /** @param {Uint8Array} bytes */
  constructor(bytes) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** Where an offset at a place leads. @param {number} place */
  follow(place) {
    return place + this.view.getUint32(place, true);
  }

  /** Where a field of a table is; 0 if the table lacks it. @param {number} table @param {number} number */
  field(table, number) {
    const vtable = table - this.view.getInt32(table, true);
    const entry = 4 + 2 * number;
    if (entry >= this.view.getUint16(vtable, true)) return 0;
    const offset = this.view.getUint16(vtable + entry, true);
    return offset && table + offset;
  }

  /** A table in a vector of tables. @param {number} vector @param {number} index */
  element(vector, index) {
    return this.follow(vector + 4 + 4 * index);
  }

  /** A number in a vector of numbers. @param {number} vector @param {number} index */
  number(vector, index) {
    return this.view.getInt32(vector + 4 + 4 * index, true);
  }

  /** Write over a vector of numbers, where the table has it. @param {number} table @param {number} field @param {number[]} values */
  overwrite(table, field, values) {
    const place = this.field(table, field);
    if (!place) return;
    const vector = this.follow(place);
    const length = this.view.getUint32(vector, true);
    if (length !== values.length) throw new Error(`The network takes ${length} dimensions, not ${values.length}`);
    values.forEach((value, index) => this.view.setInt32(vector + 4 + 4 * index, value, true));
  }
}
