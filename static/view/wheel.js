/** The wheel: the view's while it has the focus, the page's otherwise. */

import { modifiersOf } from "./modifiers.js";
import { positionIn } from "./position.js";
import { Throttle, sameHeld } from "./throttle.js";
import { timestamp } from "./types.js";

/** @import { Emit, ViewSize } from "./types.js" */

/** Pixels per line and per page, for browsers that count in these. */
const LINE = 16;
const PAGE = 600;

export class WheelEvents {
  #stage;
  #buttons;
  #size;
  #turns;
  /** Ends the listening while the view has the focus. @type {AbortController | null} */
  #listening = null;

  /**
   * @param {HTMLElement} stage
   * @param {Emit} emit
   * @param {() => number[]} buttons those that are held
   * @param {() => ViewSize | null} size that was told
   */
  constructor(stage, emit, buttons, size) {
    this.#stage = stage;
    this.#buttons = buttons;
    this.#size = size;
    this.#turns = new Throttle(emit, (pending, next) => {
      if (!sameHeld(pending, next)) return false;
      const { dx, dy, timestamp: first } = pending;
      Object.assign(pending, next, {
        dx: Number(dx) + Number(next.dx),
        dy: Number(dy) + Number(next.dy),
        timestamp: first,
      });
      return true;
    });
  }

  /** Takes the wheel. A listener that is not there cannot slow the page's scrolling. */
  start() {
    this.#listening ??= new AbortController();
    const { signal } = this.#listening;
    this.#stage.addEventListener("wheel", (event) => this.#turn(event), { signal, passive: false });
  }

  /** Leaves the wheel to the page. */
  stop() {
    this.#turns.flush();
    this.#listening?.abort();
    this.#listening = null;
  }

  /** Sends what is pending. */
  flush() {
    this.#turns.flush();
  }

  /** @param {WheelEvent} event */
  #turn(event) {
    event.preventDefault();
    event.stopPropagation();
    const scale = [1 / devicePixelRatio, LINE, PAGE][event.deltaMode] ?? 1;
    this.#turns.push({
      type: "wheel",
      timestamp: timestamp(),
      ...positionIn(this.#stage, event, this.#size()),
      dx: event.deltaX * scale,
      dy: event.deltaY * scale,
      buttons: this.#buttons(),
      modifiers: modifiersOf(event),
    });
  }
}
