/** Pictures, as rows of RGBA pixels, and how they differ. */

import { PNG } from "pngjs";

/**
 * A picture: `data` holds width × height × 4 bytes, RGBA, rows from top to bottom.
 * @typedef {{width: number, height: number, data: Buffer}} Picture
 */

/**
 * The pixels that a canvas holds.
 * @param {import("playwright-core").Locator} canvas
 * @returns {Promise<Picture>}
 */
export async function canvasPixels(canvas) {
  const { width, height, base64 } = await canvas.evaluate((element) => {
    const { width, height } = /** @type {HTMLCanvasElement} */ (element);
    // Through a copy, which is exact at the same size, whatever kind of context the canvas has.
    const copy = new OffscreenCanvas(width, height).getContext("2d");
    if (!copy) throw new Error("no 2d context");
    copy.drawImage(/** @type {HTMLCanvasElement} */ (element), 0, 0);
    const { data } = copy.getImageData(0, 0, width, height);
    let binary = "";
    for (let i = 0; i < data.length; i += 0x8000) {
      binary += String.fromCharCode(...data.subarray(i, i + 0x8000));
    }
    return { width, height, base64: btoa(binary) };
  });
  return { width, height, data: Buffer.from(base64, "base64") };
}

/**
 * The pixels that the compositor put on screen where an element is, at the page's pixel ratio.
 * @param {import("playwright-core").Page} page
 * @param {import("playwright-core").Locator} element
 * @param {{width: number, height: number}} size in physical pixels
 * @returns {Promise<Picture>}
 */
export async function screenPixels(page, element, { width, height }) {
  const origin = await element.evaluate((e) => {
    const { x, y } = e.getBoundingClientRect();
    return { x: x * devicePixelRatio, y: y * devicePixelRatio };
  });
  const png = decodePng(await page.screenshot({ scale: "device" }));
  return crop(png, Math.round(origin.x), Math.round(origin.y), width, height);
}

/**
 * @param {Uint8Array} bytes
 * @returns {Picture}
 */
export function decodePng(bytes) {
  return PNG.sync.read(Buffer.from(bytes));
}

/**
 * @param {Picture} picture
 * @returns {Buffer}
 */
export function encodePng({ width, height, data }) {
  const png = new PNG({ width, height });
  data.copy(png.data);
  return PNG.sync.write(png);
}

/**
 * A picture of a function from a pixel to its colour.
 * @param {number} width
 * @param {number} height
 * @param {(x: number, y: number) => [red: number, green: number, blue: number]} colour
 * @returns {Picture}
 */
export function paint(width, height, colour) {
  const data = Buffer.alloc(width * height * 4, 255);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) data.set(colour(x, y), (y * width + x) * 4);
  }
  return { width, height, data };
}

/**
 * @param {Picture} picture
 * @param {number} left
 * @param {number} top
 * @param {number} width
 * @param {number} height
 * @returns {Picture}
 */
export function crop(picture, left, top, width, height) {
  if (left + width > picture.width || top + height > picture.height) {
    throw new Error(`${width} × ${height} at ${left}, ${top} is not within ${picture.width} × ${picture.height}`);
  }
  const data = Buffer.alloc(width * height * 4);
  for (let y = 0; y < height; y++) {
    const from = ((top + y) * picture.width + left) * 4;
    picture.data.copy(data, y * width * 4, from, from + width * 4);
  }
  return { width, height, data };
}

/**
 * The colour of a pixel.
 * @param {Picture} picture
 * @param {number} x
 * @param {number} y
 * @returns {[red: number, green: number, blue: number]}
 */
export function colourAt({ width, data }, x, y) {
  const at = (y * width + x) * 4;
  return [data.readUInt8(at), data.readUInt8(at + 1), data.readUInt8(at + 2)];
}

/**
 * Says how two pictures differ; empty when every pixel's red, green and blue are equal.
 * @param {Picture} actual
 * @param {Picture} expected
 * @param {(x: number, y: number) => boolean} [covers] the pixels to compare; all by default
 */
export function difference(actual, expected, covers = () => true) {
  if (actual.width !== expected.width || actual.height !== expected.height) {
    return `${actual.width} × ${actual.height} pixels instead of ${expected.width} × ${expected.height}`;
  }
  let count = 0;
  let first = "";
  for (let y = 0; y < actual.height; y++) {
    for (let x = 0; x < actual.width; x++) {
      const at = (y * actual.width + x) * 4;
      if (actual.data.compare(expected.data, at, at + 3, at, at + 3) === 0 || !covers(x, y)) continue;
      count++;
      first ||= `(${x}, ${y}) is ${colourAt(actual, x, y)} instead of ${colourAt(expected, x, y)}`;
    }
  }
  return count ? `${count} of ${actual.width * actual.height} pixels differ; the first: ${first}` : "";
}

/**
 * The smallest rectangle around the pixels whose colour fulfils a condition; null when none does.
 * @param {Picture} picture
 * @param {(colour: [red: number, green: number, blue: number]) => boolean} fulfils
 */
export function bounds(picture, fulfils) {
  let left = Infinity;
  let top = Infinity;
  let right = -1;
  let bottom = -1;
  for (let y = 0; y < picture.height; y++) {
    for (let x = 0; x < picture.width; x++) {
      if (!fulfils(colourAt(picture, x, y))) continue;
      left = Math.min(left, x);
      top = Math.min(top, y);
      right = Math.max(right, x + 1);
      bottom = Math.max(bottom, y + 1);
    }
  }
  return right < 0 ? null : { left, top, right, bottom, width: right - left, height: bottom - top };
}
