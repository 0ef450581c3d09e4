// Answers drawn on a picture, as emotion/drawing.py draws them.

import { colourOf, described } from "./faces.js";

/**
 * @import { Face } from "../engine/engine.js"
 * @import { Settings } from "../engine/constants.js"
 */

// Pixels of the screen: a tag is never smaller, however small its face.
const SMALLEST_TEXT = 12;

/**
 * Draw a numbered box around every face, with the answer in words.
 * @param {HTMLCanvasElement} canvas
 * @param {ImageBitmap} image of the canvas's size
 * @param {Face[]} faces with boxes in pixels of it
 * @param {Settings} settings
 * @param {number | null} selected
 */
export function annotate(canvas, image, faces, settings, selected) {
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  context.drawImage(image, 0, 0, canvas.width, canvas.height);
  const longest = Math.max(canvas.width, canvas.height);
  // As many pixels of the canvas as one of the screen.
  const enlarged = canvas.width / (canvas.clientWidth || canvas.width);
  for (const [index, face] of faces.entries()) {
    const [x, y, width, height] = face.box;
    const unit = Math.max(1, Math.min(Math.floor(longest / 320), Math.floor(width / 24)));
    const { background, text } = colourOf(settings, face.label);
    const emphasis = index === selected ? 1 : 0;
    // A white rim keeps the coloured line visible on any picture.
    context.strokeStyle = "white";
    context.lineWidth = unit * (4 + 2 * emphasis);
    context.strokeRect(x, y, width, height);
    context.strokeStyle = background;
    context.lineWidth = unit * (2 + emphasis);
    context.strokeRect(x, y, width, height);
    const size = Math.max(SMALLEST_TEXT * enlarged, Math.min(longest / 30, width / 4));
    context.font = `600 ${size}px system-ui, sans-serif`;
    const words = `${index + 1}  ${described(face)}`;
    const across = context.measureText(words).width + size;
    const down = 1.5 * size;
    const left = Math.max(0, Math.min(x - unit, canvas.width - across));
    const top = y - down - unit >= 0 ? y - down - unit : y + unit;
    context.fillStyle = background;
    context.fillRect(left, top, across, down);
    context.fillStyle = text;
    context.textBaseline = "middle";
    context.direction = "ltr";
    context.fillText(words, left + size / 2, top + down / 2);
  }
}

/**
 * What a box shows, as a small picture.
 * @param {ImageBitmap} image @param {[number, number, number, number]} box in pixels of the image @param {number} side
 */
export function portrait(image, [x, y, width, height], side) {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = side;
  canvas.className = "portrait";
  canvas.setAttribute("aria-hidden", "true");
  const longest = Math.max(width, height);
  const [left, top] = [x + (width - longest) / 2, y + (height - longest) / 2];
  canvas.getContext("2d")?.drawImage(image, left, top, longest, longest, 0, 0, side, side);
  return canvas;
}
