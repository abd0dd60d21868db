/**
 * Mouse, pen and fingers: from the browser's pointer events to the view's.
 *
 * Every pointer that goes down is captured until it comes up. Whatever is pending goes out before a pointer comes down or
 * up, so that no stale move follows a release.
 */

import { buttonOf, buttonsOf, modifiersOf } from "./modifiers.js";
import { positionIn } from "./position.js";
import { Throttle, sameHeld } from "./throttle.js";
import { timestamp } from "./types.js";

/** @import { Emit, Modifier, Touch, ViewSize } from "./types.js" */

/**
 * A pointer that is down.
 * @typedef {object} Held
 * @property {number} button the one that began the drag
 * @property {number} mask the browser's bits of the buttons that are held
 * @property {Touch} touch where it is
 * @property {boolean} recaptured whether the browser took the capture away once, and it was taken again
 */

export class PointerEvents {
  /** @type {Map<number, Held>} */
  #held = new Map();
  /**
   * By pointer, the buttons that were released on the user's behalf and are still down in truth: they no longer count.
   * @type {Map<number, number>}
   */
  #released = new Map();
  /** When the last pointer came up, as the browser dates its events. */
  #cameUp = -Infinity;
  #stage;
  #emit;
  #focus;
  #size;
  #moves;

  /**
   * @param {HTMLElement} stage
   * @param {Emit} emit
   * @param {() => void} focus takes the keyboard's focus
   * @param {() => ViewSize | null} size that was told
   */
  constructor(stage, emit, focus, size) {
    this.#stage = stage;
    this.#emit = emit;
    this.#focus = focus;
    this.#size = size;
    this.#moves = new Throttle(emit, (pending, next) => {
      if (!sameHeld(pending, next)) return false;
      Object.assign(pending, next);
      return true;
    });
  }

  /** @param {AbortSignal} signal ends the listening */
  listen(signal) {
    const on = /** @type {HTMLElement["addEventListener"]} */ (
      (/** @type {string} */ type, /** @type {EventListener} */ listener) =>
        this.#stage.addEventListener(type, listener, { signal })
    );
    on("pointerdown", (event) => this.#down(event));
    on("pointermove", (event) => this.#move(event));
    on("pointerup", (event) => {
      // Else the middle button pastes what is selected anywhere on the desktop, and the back button leaves the page.
      if (event.button !== 0) event.preventDefault();
      this.#up(event, this.#position(event));
    });
    // A cancelled pointer has no position of its own.
    on("pointercancel", (event) => this.#up(event));
    on("lostpointercapture", (event) => this.#lost(event));
    on("pointerenter", (event) => this.#cross("pointer_enter", event));
    on("pointerleave", (event) => this.#cross("pointer_leave", event));
    on("dblclick", (event) => this.#doubleClick(event));
    // Keeps the browser from moving the focus, selecting text and scrolling with the middle button.
    on("mousedown", (event) => {
      if (!event.altKey) event.preventDefault();
    });
    on("contextmenu", (event) => {
      if (event.shiftKey) return;
      event.preventDefault();
      event.stopPropagation();
    });
    signal.addEventListener("abort", () => this.#moves.clear());
  }

  /** The buttons that are held. */
  get buttons() {
    let mask = 0;
    for (const held of this.#held.values()) mask |= held.mask;
    return buttonsOf(mask);
  }

  /** Sends what is pending. */
  flush() {
    this.#moves.flush();
  }

  /** Releases all pointers for a user who no longer can: each tells a `pointer_up` where it was last. */
  release() {
    this.#moves.flush();
    for (const [id, held] of [...this.#held]) {
      this.#held.delete(id);
      this.#released.set(id, held.mask);
      this.#emit(this.#event("pointer_up", held.touch, held.button, []));
      if (this.#stage.hasPointerCapture(id)) this.#stage.releasePointerCapture(id);
    }
  }

  /** Forgets all pointers that are down, without telling it. */
  forget() {
    this.#moves.clear();
    for (const [id, held] of this.#held) this.#released.set(id, held.mask);
    this.#held.clear();
  }

  /** @param {PointerEvent} event */
  #down(event) {
    // The browser's own menu opens, and swallows the release.
    if (event.button === 2 && event.shiftKey) return;
    if (!event.altKey) event.preventDefault();
    // On a touch screen the focus would bring up the keyboard on every tap.
    if (event.pointerType !== "touch") this.#focus();
    this.#capture(event.pointerId);
    this.#moves.flush();
    this.#released.delete(event.pointerId);
    const touch = this.#position(event);
    const button = buttonOf(event.button);
    this.#held.set(event.pointerId, { button, mask: event.buttons, touch, recaptured: false });
    this.#emit(this.#event("pointer_down", touch, button, modifiersOf(event)));
  }

  /**
   * A browser may take the capture away although the button stays down, as Chromium does now and then when the press also moves
   * the focus into the page: the drag goes on. Whoever takes it away twice means it.
   * @param {PointerEvent} event
   */
  #lost(event) {
    const held = this.#held.get(event.pointerId);
    // Released on the user's behalf, which ends the capture: what is down in truth comes up later.
    if (!held) return;
    if (event.buttons !== 0 && !held.recaptured && this.#capture(event.pointerId)) held.recaptured = true;
    else this.#up(event);
  }

  /**
   * @param {number} id of a pointer
   * @returns {boolean} false when the pointer is gone already; its release comes all the same
   */
  #capture(id) {
    try {
      this.#stage.setPointerCapture(id);
      return true;
    } catch {
      return false;
    }
  }

  /** @param {PointerEvent} event */
  #move(event) {
    // Browsers deliver moves once per drawn frame, and a busy one can deliver them after the release that followed them.
    if (event.timeStamp < this.#cameUp) return;
    const held = this.#held.get(event.pointerId);
    if (!held && this.#held.size > 0) return;
    const touch = this.#position(event);
    if (held) Object.assign(held, { mask: event.buttons, touch });
    const buttons = held ? this.buttons : this.#hoverButtons(event);
    this.#moves.push(this.#event("pointer_move", touch, held?.button ?? 0, modifiersOf(event), buttons));
  }

  /**
   * @param {PointerEvent} event
   * @param {Touch} [at] where the pointer was last, by default
   */
  #up(event, at) {
    const held = this.#held.get(event.pointerId);
    this.#released.delete(event.pointerId);
    if (!held) return;
    this.#cameUp = event.timeStamp;
    if (at && (at.x !== held.touch.x || at.y !== held.touch.y)) {
      // The move to where it comes up, which the browser has not delivered in time.
      held.touch = at;
      this.#moves.push(this.#event("pointer_move", at, held.button, modifiersOf(event)));
    }
    this.#moves.flush();
    this.#held.delete(event.pointerId);
    this.#emit(this.#event("pointer_up", at ?? held.touch, held.button, modifiersOf(event)));
  }

  /**
   * @param {"pointer_enter" | "pointer_leave"} type
   * @param {PointerEvent} event
   */
  #cross(type, event) {
    if (this.#held.size > 0) return;
    this.#moves.flush();
    this.#emit(this.#event(type, this.#position(event), 0, modifiersOf(event), this.#hoverButtons(event)));
  }

  /** @param {MouseEvent} event */
  #doubleClick(event) {
    if (!event.altKey) event.preventDefault();
    this.#moves.flush();
    const { x, y } = this.#position(event);
    this.#emit({
      type: "double_click",
      timestamp: timestamp(),
      x,
      y,
      button: buttonOf(event.button),
      buttons: this.buttons,
      modifiers: modifiersOf(event),
    });
  }

  /**
   * The buttons of a pointer that did not go down in this view, but for those that were released on the user's behalf.
   * @param {PointerEvent} event
   */
  #hoverButtons(event) {
    // A finger that enters is about to go down, and has not yet.
    if (event.pointerType === "touch") return [];
    const released = (this.#released.get(event.pointerId) ?? 0) & event.buttons;
    if (released) this.#released.set(event.pointerId, released);
    else this.#released.delete(event.pointerId);
    return buttonsOf(event.buttons & ~released);
  }

  /**
   * @param {string} type
   * @param {Touch} at
   * @param {number} button
   * @param {Modifier[]} modifiers
   * @param {number[]} [buttons]
   */
  #event(type, { x, y }, button, modifiers, buttons = this.buttons) {
    /** @type {Record<string, Touch>} */
    const touches = {};
    for (const [id, { touch }] of this.#held) touches[id] = { ...touch };
    return { type, timestamp: timestamp(), x, y, button, buttons, modifiers, ntouches: this.#held.size, touches };
  }

  /**
   * Where an event is, in logical pixels, wherever the page has scrolled, scaled or moved the view to.
   * @param {MouseEvent} event
   * @returns {Touch}
   */
  #position(event) {
    return { ...positionIn(this.#stage, event, this.#size()), pressure: event instanceof PointerEvent ? event.pressure : 0 };
  }
}
