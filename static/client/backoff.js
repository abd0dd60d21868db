/**
 * How long to wait before the next attempt to connect: exponential, with full jitter, so that the views of a restarted
 * server do not come back all at the same moment.
 */

/** The first wait is at most this long, in milliseconds. */
const FIRST = 500;
/** Longest wait in the outage's first minute: a server that is restarted is found again soon. */
const SOON = 3000;
/** Longest wait after that: one that stays away is not pestered. */
const LATER = 30_000;
const MINUTE = 60_000;

export class Backoff {
  #attempts = 0;
  /** When the outage began, in milliseconds on the page's clock; null while there is none. @type {number | null} */
  #began = null;
  #random;
  #now;

  /**
   * @param {() => number} random from 0 to 1
   * @param {() => number} now milliseconds
   */
  constructor(random = Math.random, now = () => performance.now()) {
    this.#random = random;
    this.#now = now;
  }

  /** The next wait, in milliseconds. */
  next() {
    this.#began ??= this.#now();
    const longest = this.#now() - this.#began < MINUTE ? SOON : LATER;
    return this.#random() * Math.min(longest, FIRST * 2 ** this.#attempts++);
  }

  /** The outage is over. */
  reset() {
    this.#attempts = 0;
    this.#began = null;
  }
}
