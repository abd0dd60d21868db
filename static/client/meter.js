/** Measures how frames flow, as the browser sees it. */

/** Figures are over this last while, in milliseconds. */
const WINDOW = 2000;

export class Meter {
  /** Frames drawn in the window. @type {{at: number, bytes: number, encoding: number, decoding: number}[]} */
  #drawn = [];
  #count = 0;

  /**
   * A frame was drawn.
   * @param {number} bytes
   * @param {number} encoding seconds
   * @param {number} decoding seconds from its arrival until now
   */
  drew(bytes, encoding, decoding) {
    this.#count++;
    this.#drawn.push({ at: performance.now(), bytes, encoding, decoding });
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
    const mean = (/** @type {"bytes" | "encoding" | "decoding"} */ name) =>
      this.#drawn.reduce((sum, frame) => sum + frame[name], 0) / n;
    return { frames: this.#count, fps, bytes: mean("bytes"), encoding: mean("encoding"), decoding: mean("decoding") };
  }

  #forget() {
    const oldest = performance.now() - WINDOW;
    const keep = this.#drawn.findIndex(({ at }) => at >= oldest);
    this.#drawn.splice(0, keep < 0 ? this.#drawn.length : keep);
  }
}
