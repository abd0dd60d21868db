/**
 * The canvas. Its backing store has exactly the pixels of the frame; how large it appears, CSS decides. It never takes
 * part in the layout, so that no frame can change the size of what holds it.
 */

import { decode } from "./decoder.js";

/** @import { Frame, FrameHeader, ViewSize } from "./types.js" */
/** @import { DecodedFrame } from "./decoder.js" */

export class Picture {
  /** The frame that is shown. @type {FrameHeader | null} */
  shown = null;
  /** Fulfilled when all frames before the next one have been drawn, or given up. @type {Promise<unknown>} */
  #before = Promise.resolve();
  /** Counts how often the picture was cleared: what was on its way before is not drawn any more. */
  #cleared = 0;
  #canvas;
  #pen;

  /** The index of the frame that the canvas has, all of it: what the next one may amend. Null when nobody knows. @type {number | null} */
  #base = null;

  /**
   * @param {HTMLCanvasElement} canvas
   * @param {() => void} lost called when the browser lost what was on the canvas
   */
  constructor(canvas, lost) {
    this.#canvas = canvas;
    const pen = canvas.getContext("2d", { alpha: false });
    if (!pen) throw new Error("this browser draws no 2d canvas");
    this.#pen = pen;
    canvas.addEventListener("contextrestored", () => {
      this.#base = null;
      lost();
    });
  }

  /**
   * Draws a frame after all that came before it. Decoding does not wait for them.
   * @param {Frame} frame
   * @param {() => ViewSize | null} size the view's size by then
   * @returns {Promise<boolean>} fulfilled in its turn: whether the frame is on the canvas, or amends one that is not there; rejected
   *   when it cannot be decoded
   */
  async draw(frame, size) {
    const decoding = decode(frame);
    // A failure is this frame's own, told below.
    const turn = Promise.allSettled([this.#before, decoding]);
    const cleared = this.#cleared;
    const drawn = turn.then(async () => this.#paint(await decoding, size(), cleared));
    this.#before = drawn.catch(() => {
      this.#base = null;
    });
    return await drawn;
  }

  /** Shows nothing any more, also of what is on its way. */
  clear() {
    this.#cleared += 1;
    this.#base = null;
    this.shown = null;
  }

  /**
   * Lays the canvas over the view: pixel by pixel where the frame is as large as the view in physical pixels, or but for
   * a pixel (programs round sizes in their own ways); else whole, centred and undistorted.
   * @param {ViewSize | null} size
   */
  fit(size) {
    const { width, height } = this.#canvas;
    const off = size ? Math.max(Math.abs(size.pwidth - width), Math.abs(size.pheight - height)) : Infinity;
    const { style } = this.#canvas;
    style.width = size && off === 1 ? `${width / size.ratio}px` : "";
    style.height = size && off === 1 ? `${height / size.ratio}px` : "";
    // Exact pixels must not be smoothed when the compositor places them between two of the screen's.
    style.imageRendering = off <= 1 ? "pixelated" : "auto";
  }

  /**
   * @param {DecodedFrame} frame
   * @param {ViewSize | null} size
   * @param {number} cleared how often the picture had been cleared when the frame came
   */
  #paint({ header, bitmaps }, size, cleared) {
    const { width, height, parts, index, whole } = header;
    if (cleared !== this.#cleared) {
      for (const bitmap of bitmaps) bitmap.close();
      return false;
    }
    const fits = this.#canvas.width === width && this.#canvas.height === height;
    if (!whole && !(fits && this.#base === index - 1)) {
      for (const bitmap of bitmaps) bitmap.close();
      this.#base = null;
      return false;
    }
    if (!fits) {
      // In the same task as the drawing, so that the emptied canvas is never seen.
      this.#canvas.width = width;
      this.#canvas.height = height;
      this.#pen.imageSmoothingEnabled = false;
    }
    if (!this.shown || this.shown.width !== width || this.shown.height !== height) this.fit(size);
    bitmaps.forEach((bitmap, i) => {
      const part = parts[i];
      if (part) this.#pen.drawImage(bitmap, part.x, part.y, part.width, part.height);
      bitmap.close();
    });
    this.#base = index;
    this.shown = header;
    return true;
  }
}
