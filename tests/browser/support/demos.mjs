/** What the demo widgets draw, as far as tests look for it. */

import assert from "node:assert/strict";

import { bounds, canvasPixels, paint } from "./pixels.mjs";

/**
 * The `grid` widget's picture: no pixel is like its neighbours, so that any scaling or loss shows.
 * @param {{pwidth: number, pheight: number}} size
 */
export function gridOf({ pwidth, pheight }) {
  return paint(pwidth, pheight, (x, y) => ((x + y) % 2 === 0 ? [255, 255, 255] : [0, 0, 0]));
}

/**
 * Where the `square` widget's square is on a canvas, in physical pixels. Exact for lossless frames.
 * @param {import("playwright-core").Locator} canvas
 */
export async function squareOn(canvas) {
  // It is the only blue thing, darker while it is held.
  const picture = await canvasPixels(canvas);
  const square = bounds(picture, ([red, green, blue]) => red < 60 && green < 120 && blue > 180);
  assert.ok(square, "the square is in the picture");
  const middle = { x: (square.left + square.right) / 2, y: (square.top + square.bottom) / 2 };
  return { ...square, middle, canvas: { width: picture.width, height: picture.height } };
}

/**
 * Where a pixel of a canvas is on its page, in CSS pixels: the picture is whole and centred in the view.
 * @param {import("playwright-core").Locator} canvas
 * @param {{x: number, y: number}} pixel
 */
export async function placeOf(canvas, { x, y }) {
  const box = await canvas.boundingBox();
  assert.ok(box, "the canvas is on the page");
  const { width, height } = await canvas.evaluate((element) => {
    const { width, height } = /** @type {HTMLCanvasElement} */ (element);
    return { width, height };
  });
  const scale = Math.min(box.width / width, box.height / height);
  return { x: box.x + (box.width - width * scale) / 2 + x * scale, y: box.y + (box.height - height * scale) / 2 + y * scale };
}
