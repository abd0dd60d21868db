/** Measures how frames flow, as the browser sees it. */

/** Figures are over this last while, in milliseconds. */
const WINDOW = 2000;

export class Meter {
  /** Frames drawn in the window. @type {{at: number, bytes: number}[]} */
  #drawn = [];
  #count = 0;

  /**
   * A frame was drawn.
   * @param {number} bytes
   */
  drew(bytes) {
    this.#count++;
    this.#drawn.push({ at: performance.now(), bytes });
    this.#forget();
  }

  /** Figures that have no value without frames are left out. */
  get stats() {
    this.#forget();
    const n = this.#drawn.length;
    const first = this.#drawn[0];
    const last = this.#drawn.at(-1);
    const fps = first && last && n > 1 && last.at > first.at ? ((n - 1) * 1000) / (last.at - first.at) : 0;
    if (n === 0) return { frames: this.#count, fps };
    return { frames: this.#count, fps, bytes: this.#drawn.reduce((sum, { bytes }) => sum + bytes, 0) / n };
  }

  #forget() {
    const oldest = performance.now() - WINDOW;
    const keep = this.#drawn.findIndex(({ at }) => at >= oldest);
    this.#drawn.splice(0, keep < 0 ? this.#drawn.length : keep);
  }
}
