/** Frames of which every pixel tells when it was painted, and a look at canvases that tells which of them they show. */

/** Pixels a side of a cell, which has one brightness: a quarter of a tile's. */
const CELL = 32;
/** What cells are painted with, by brightness: colours whose brightness is 20, 60, 100, … */
const COLOURS = /** @type {const} */ ([
  [10, 10, 100],
  [150, 20, 30],
  [30, 130, 130],
  [230, 110, 60],
  [140, 220, 80],
  [245, 225, 130],
]);
/** How far the brightness of a pixel may be from its cell's: half the way to the next. */
const TOLERANCE = 19;

/**
 * @typedef {object} Cells the brightness of each cell, row after row, as its number in `COLOURS`
 * @property {number} width in pixels
 * @property {number} height in pixels
 * @property {number[]} cells
 */

/**
 * @typedef {Cells & {format: "gray8" | "rgb8" | "rgba8", pixels: Buffer}} Painted
 */

/** Paints frame after frame. */
export class Painter {
  /** @type {Cells} */
  #cells = { width: 0, height: 0, cells: [] };
  /** @type {Painted["format"]} */
  #format = "rgb8";
  #random;

  /** @param {(below: number) => number} random */
  constructor(random) {
    this.#random = random;
  }

  /**
   * The next frame is of another size and format.
   * @param {number} width
   * @param {number} height
   */
  resize(width, height) {
    const across = Math.ceil(width / CELL);
    this.#cells = { width, height, cells: Array(across * Math.ceil(height / CELL)).fill(0) };
    this.#format = /** @type {const} */ (["gray8", "rgb8", "rgba8"])[this.#random(3)] ?? "rgb8";
    return this.paint(across, this.#cells.cells.length);
  }

  /**
   * Paints some cells of a rectangle anew, each in another brightness than it had.
   * @param {number} wide most columns
   * @param {number} high most rows
   * @returns {Painted}
   */
  paint(wide, high) {
    const { width, height, cells } = this.#cells;
    const [across, down] = [Math.ceil(width / CELL), Math.ceil(height / CELL)];
    const [columns, rows] = [Math.min(wide, across), Math.min(high, down)];
    const [left, top] = [this.#random(across - columns + 1), this.#random(down - rows + 1)];
    const painted = cells.map((cell, index) => {
      const [x, y] = [index % across, Math.floor(index / across)];
      const inside = x >= left && x < left + columns && y >= top && y < top + rows;
      return inside ? (cell + 1 + this.#random(COLOURS.length - 1)) % COLOURS.length : cell;
    });
    this.#cells = { width, height, cells: painted };
    return this.#frame();
  }

  /** The frame as it is. */
  #frame() {
    const { width, height, cells } = this.#cells;
    const format = this.#format;
    const channels = { gray8: 1, rgb8: 3, rgba8: 4 }[format];
    const pixels = Buffer.alloc(width * height * channels, 77);
    const across = Math.ceil(width / CELL);
    for (let y = 0, at = 0; y < height; y++) {
      for (let x = 0; x < width; x++, at += channels) {
        const cell = cells[Math.floor(y / CELL) * across + Math.floor(x / CELL)] ?? 0;
        // Some cells have a grain, which makes them textured; others are flat.
        const grain = cell % 2 ? ((x * 7 + y * 13) % 11) - 5 : 0;
        const [red, green, blue] = COLOURS[cell] ?? COLOURS[0];
        pixels[at] = (format === "gray8" ? 20 + 40 * cell : red) + grain;
        if (format === "gray8") continue;
        pixels[at + 1] = green + grain;
        pixels[at + 2] = blue + grain;
      }
    }
    return { width, height, cells, format, pixels };
  }
}

/**
 * The frame's pixels as a canvas has them.
 * @param {Painted} frame
 * @returns {import("./pixels.mjs").Picture}
 */
export function pictureOf({ width, height, format, pixels }) {
  const channels = { gray8: 1, rgb8: 3, rgba8: 4 }[format];
  const data = Buffer.alloc(width * height * 4, 255);
  for (let i = 0; i < width * height; i++) {
    for (let channel = 0; channel < 3; channel++) {
      data[i * 4 + channel] = pixels[i * channels + (channels === 1 ? 0 : channel)] ?? 0;
    }
  }
  return { width, height, data };
}

/**
 * What the page of a test keeps.
 * @typedef {object} Watch
 * @property {Cells[]} frames those that views may show by now
 * @property {string[]} faults what a canvas showed that is no frame
 * @property {number} looks how many canvases were looked at
 * @property {Set<string>} seen which frames in which sizes
 * @property {boolean} failing whether the next image cannot be decoded
 * @property {(canvas: HTMLCanvasElement) => boolean} showsLatest whether a canvas shows the latest of the frames
 */

/**
 * To be run in a page before its own scripts: looks at each view's canvas whenever the browser is about to show it anew.
 * @param {{cell: number, tolerance: number}} options
 */
function watch({ cell, tolerance }) {
  /** The frame that each canvas showed last. @type {WeakMap<HTMLCanvasElement, number>} */
  const last = new WeakMap();

  /**
   * Where a canvas is not of a frame; empty when every pixel is. Where it is scaled, blocks of a JPEG hold several cells, whose mean
   * counts then, without what is between them.
   * @param {ImageData} image
   * @param {Cells} frame
   */
  const fault = ({ width, height, data }, frame) => {
    const scaled = width !== frame.width || height !== frame.height;
    const margin = scaled ? 2 : 0;
    const across = Math.ceil(frame.width / cell);
    /** @type {(at: number, from: number, to: number) => [number, number]} */
    const along = (at, from, to) => {
      const end = Math.min(at + 1, from / cell);
      return [Math.ceil((at * cell * to) / from) + margin, Math.floor((end * cell * to) / from) - margin];
    };
    for (const [index, level] of frame.cells.entries()) {
      const [left, right] = along(index % across, frame.width, width);
      const [top, bottom] = along(Math.floor(index / across), frame.height, height);
      const brightness = 20 + 40 * level;
      let sum = 0;
      for (let y = top; y < bottom; y++) {
        for (let x = left, at = (y * width + left) * 4; x < right; x++, at += 4) {
          const is = 0.299 * (data[at] ?? 0) + 0.587 * (data[at + 1] ?? 0) + 0.114 * (data[at + 2] ?? 0);
          sum += is;
          if (!scaled && Math.abs(is - brightness) > tolerance) return `${is.toFixed()} instead of ${brightness} at ${x}, ${y}`;
        }
      }
      const mean = sum / ((right - left) * (bottom - top));
      const some = right > left && bottom > top;
      if (some && Math.abs(mean - brightness) > tolerance) return `a mean of ${mean.toFixed()} instead of ${brightness} at ${left}, ${top}`;
    }
    return "";
  };

  /** @param {HTMLCanvasElement} canvas */
  const imageOf = (canvas) => {
    const pen = canvas.getContext("2d");
    if (!pen) throw new Error("no 2d context");
    return pen.getImageData(0, 0, canvas.width, canvas.height);
  };

  /** @type {Watch} */
  const kept = {
    frames: [],
    faults: [],
    looks: 0,
    seen: new Set(),
    failing: false,
    showsLatest: (canvas) => {
      const latest = kept.frames.at(-1);
      return latest !== undefined && fault(imageOf(canvas), latest) === "";
    },
  };
  Object.assign(globalThis, { kept });

  /** Canvases on which something was drawn since they were looked at. @type {Set<HTMLCanvasElement>} */
  const drawn = new Set();
  const pens = CanvasRenderingContext2D.prototype;
  const { drawImage } = pens;
  pens.drawImage = /** @this {CanvasRenderingContext2D} */ function (/** @type {any[]} */ ...args) {
    drawn.add(this.canvas);
    return Reflect.apply(drawImage, this, args);
  };

  const real = globalThis.createImageBitmap;
  // @ts-expect-error: takes what the real one takes
  globalThis.createImageBitmap = async (...args) => {
    const fails = kept.failing;
    kept.failing = false;
    if (fails) throw new Error("no memory");
    return await Reflect.apply(real, globalThis, args);
  };

  const look = () => {
    requestAnimationFrame(look);
    if (kept.frames.length === 0) return;
    for (const view of document.querySelectorAll("framehub-view")) {
      const { canvas, frameIndex } = /** @type {HTMLElement & {canvas: HTMLCanvasElement, frameIndex: number | null}} */ (view);
      if (frameIndex === null || !drawn.delete(canvas)) continue;
      const before = last.get(canvas) ?? 0;
      const image = imageOf(canvas);
      const found = kept.frames.findIndex((frame, i) => i >= before && fault(image, frame) === "");
      if (found >= 0) last.set(canvas, found);
      kept.looks++;
      kept.seen.add(`${found} at ${canvas.width} × ${canvas.height}`);
      if (found >= 0 || kept.faults.length >= 3) continue;
      const told = kept.frames.slice(before).map((frame, i) => `\nnot frame ${before + i}: ${fault(image, frame)}`);
      kept.faults.push(`message ${frameIndex} at ${canvas.width} × ${canvas.height}${told.join("")}`);
    }
  };
  requestAnimationFrame(look);
}

/**
 * Has the canvases of a page looked at, from its next load on.
 * @param {import("playwright-core").Page} page
 */
export function watchCanvases(page) {
  return page.addInitScript(watch, { cell: CELL, tolerance: TOLERANCE });
}
