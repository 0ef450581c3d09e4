// Answer for pictures in Node: node run.mjs ENGINE FOLDER, where FOLDER holds the model's files and tasks.json.
// A task is {kind, file, width, height, channels, …}; the answers go to answers.json in the same order.
import { readFile, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

// LiteRT's loader takes every Node for one of before there were modules.
Object.assign(globalThis, { require: createRequire(import.meta.url), __dirname: import.meta.dirname });

const [, , engineFolder, folder] = process.argv;
const load = (name) => import(pathToFileURL(join(engineFolder, name)).href);
const [{ FILES, startEngine }, { Cropper }, { look }, { gaussianBlur }, resizing, turning] = await Promise.all(
  ["engine.js", "crop.js", "look.js", "blur.js", "resize.js", "rotate.js"].map(load),
);
const read = (name) =>
  readFile(name === FILES.litert ? join(engineFolder, "vendor", name) : join(folder, name));
const engine = await startEngine(read);
const { constants } = engine.settings;

const kinds = {
  look: (picture) => engine.look(picture),
  follow: (picture, { time }) => engine.follow(picture, time),
  forget: () => engine.forget(),
  resize: (picture, { width, height, filter, box }) =>
    resizing.resize(picture, width, height, resizing[filter], box),
  reduce: (picture, { factor }) => resizing.reduce(picture, factor),
  reduced: (picture, { side, gap }) => resizing.resizeReduced(picture, side, side, resizing.LINEAR, gap),
  rotate: (picture, { angle, filter, fill }) =>
    turning.rotate(picture, angle, [picture.width / 2, picture.height / 2], turning[filter], fill),
  blur: (picture, { radius }) => gaussianBlur(picture, radius),
  crop: (picture, { place, size, channels }) => new Cropper(constants, size, channels).crop(picture, place),
  describe: (picture) => look(picture, constants.LOOK),
};

const plain = (_, value) => (ArrayBuffer.isView(value) ? Array.from(value) : value);
const answers = [];
for (const { kind, file, size, options } of JSON.parse(await readFile(join(folder, "tasks.json")))) {
  const picture = file && {
    data: new Uint8Array(await readFile(join(folder, file))),
    width: size[1],
    height: size[0],
    channels: size[2],
  };
  // A copy, as it is now: what is followed goes on changing.
  answers.push(JSON.parse(JSON.stringify((await kinds[kind](picture, options)) ?? null, plain)));
}
await writeFile(join(folder, "answers.json"), JSON.stringify(answers));
