// The pixels of what a browser has decoded.

/** @import { Picture } from "./picture.js" */

/** @type {OffscreenCanvasRenderingContext2D | null} */
let context = null;

/**
 * Take the pixels of an image, and release it.
 * @param {ImageBitmap} image
 * @returns {Picture} RGBA; where it was transparent, it is laid on white
 */
export function pixelsOf(image) {
  const { width, height } = image;
  context ??= new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  if (!context) throw new Error("This browser gives no pixels of a picture.");
  const { canvas } = context;
  // Setting a size clears the canvas, and takes its time.
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  context.fillStyle = "white";
  context.fillRect(0, 0, width, height);
  context.drawImage(image, 0, 0);
  image.close();
  return { data: context.getImageData(0, 0, width, height).data, width, height, channels: 4 };
}
