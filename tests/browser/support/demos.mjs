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
  const square = bounds(await canvasPixels(canvas), ([red, green, blue]) => red < 60 && green < 120 && blue > 180);
  assert.ok(square, "the square is in the picture");
  return { ...square, middle: { x: (square.left + square.right) / 2, y: (square.top + square.bottom) / 2 } };
}
