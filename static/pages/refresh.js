/** Looks at something on the server again and again, while the page is visible. */

/** An answer of the server takes no longer than this, in milliseconds. */
const PATIENCE = 10_000;

/**
 * Times are in milliseconds.
 * @typedef {object} Looking
 * @property {(signal: AbortSignal) => Promise<void>} look brings the page up to date; what it does after the signal is forgotten
 * @property {(error: unknown) => void} failed is told why it could not
 * @property {number} every from a look to the next
 * @property {number} soon the same after a failure
 * @property {number} [least] from the beginning of a look to that of the next, whatever asks for it
 */

export class Refresh {
  #looking;
  /** Ends the look that is under way. */
  #under = new AbortController();
  /** When the last look began. */
  #began = -Infinity;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /** @param {Looking} looking */
  constructor(looking) {
    this.#looking = looking;
    const now = () => this.now();
    addEventListener("focus", now);
    addEventListener("online", now);
    document.addEventListener("visibilitychange", now);
  }

  /** Looks as soon as may be, and plans the next time. A look that is under way is given up. */
  async now() {
    const { look, failed, every, soon, least = 0 } = this.#looking;
    clearTimeout(this.#timer);
    this.#under.abort();
    if (document.visibilityState !== "visible") return;
    const wait = this.#began + least - performance.now();
    if (wait > 0) {
      this.#timer = setTimeout(() => this.now(), wait);
      return;
    }
    this.#began = performance.now();
    this.#under = new AbortController();
    const { signal } = this.#under;
    let next = every;
    try {
      await look(AbortSignal.any([signal, AbortSignal.timeout(PATIENCE)]));
    } catch (error) {
      if (!signal.aborted) failed(error);
      next = soon;
    }
    if (!signal.aborted) this.#timer = setTimeout(() => this.now(), next);
  }
}
