/**
 * Lets at most one event of a kind go out per interval. The first goes at once, so that a single move costs no delay;
 * what follows within the interval is merged into one pending event.
 */

/** @import { Emit, ViewEvent } from "./types.js" */

/** Fifty events a second are as smooth as a drag can look, and few enough for a slow link. */
const INTERVAL = 20;

export class Throttle {
  /** When the last event went out, in milliseconds on the page's clock. */
  #sent = -Infinity;
  /** @type {ViewEvent | null} */
  #pending = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #emit;
  #merge;

  /**
   * @param {Emit} emit
   * @param {(pending: ViewEvent, next: ViewEvent) => boolean} merge takes `next` into `pending`, or answers false when
   *   both have to be told
   */
  constructor(emit, merge) {
    this.#emit = emit;
    this.#merge = merge;
  }

  /** @param {ViewEvent} event */
  push(event) {
    if (this.#pending && this.#merge(this.#pending, event)) return;
    this.flush();
    // Whole milliseconds: browsers cut the rest off, and would be early.
    const wait = Math.ceil(this.#sent + INTERVAL - performance.now());
    if (wait <= 0) {
      this.#send(event);
      return;
    }
    this.#pending = event;
    this.#timer = setTimeout(() => this.flush(), wait);
  }

  /** Sends what is pending: before any event that must not overtake it. */
  flush() {
    if (this.#pending) this.#send(this.#pending);
  }

  /** Forgets what is pending. */
  clear() {
    clearTimeout(this.#timer);
    this.#pending = null;
  }

  /** @param {ViewEvent} event */
  #send(event) {
    this.clear();
    this.#sent = performance.now();
    this.#emit(event);
  }
}

/**
 * Whether two events were made with the same things held down.
 * @param {ViewEvent} a
 * @param {ViewEvent} b
 */
export function sameHeld(a, b) {
  return String(a.buttons) === String(b.buttons) && String(a.modifiers) === String(b.modifiers);
}

