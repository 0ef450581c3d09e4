// From what a visitor gives to a picture that was decoded, or to a sentence that says what to do.

import { say } from "./words.js";

/** @import { Settings } from "../engine/constants.js" */

// What the first bytes of a file tell of formats that most browsers cannot open.
const HEIC = /^....ftyp(heic|heix|hevc|heim|heis|hevm|hevs|mif1|msf1)/s;
const TIFF = /^(II\*\0|MM\0\*)/;

/**
 * @param {Blob} file @param {string} name @param {Settings} settings
 * @returns {Promise<ImageBitmap>} upright
 * @throws {Error} whose message a person can act on
 */
export async function opened(file, name, settings) {
  let image;
  try {
    image = await createImageBitmap(file, { colorSpaceConversion: "none" });
  } catch (error) {
    throw new Error(await whyNot(file, name), { cause: error });
  }
  const { MAX_PIXELS, MAX_SIDE } = settings.constants;
  const { width, height } = image;
  if (width * height > MAX_PIXELS || Math.max(width, height) > MAX_SIDE) {
    image.close();
    const megapixels = ((width * height) / 1e6).toFixed(1);
    throw new Error(say("problem.large", { name, megapixels, limit: MAX_PIXELS / 1e6 }));
  }
  return image;
}

/** @param {Blob} file @param {string} name */
async function whyNot(file, name) {
  const head = String.fromCharCode(...new Uint8Array(await file.slice(0, 12).arrayBuffer()));
  if (HEIC.test(head)) return say("problem.heic");
  if (TIFF.test(head)) return say("problem.tiff");
  return say("problem.unreadable", { name });
}

/**
 * The picture in what was dropped or pasted.
 * @param {DataTransfer | null} given
 * @returns {File}
 * @throws {Error} where there is none
 */
export function pictureIn(given) {
  const files = [...(given?.files ?? [])];
  const picture = files.find((file) => file.type.startsWith("image/")) ?? files[0];
  if (picture) return picture;
  throw new Error(noPicture(given));
}

/** Say what to do where something without a picture was dropped or pasted. @param {DataTransfer | null} given */
export function noPicture(given) {
  const text = given?.types.some((type) => type.startsWith("text/"));
  return say(text ? "problem.text" : "problem.nothing");
}
