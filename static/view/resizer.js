/** The corner that resizes the view, by dragging or with the arrow keys. */

import { icon, make } from "./dom.js";
import { measure } from "./position.js";

/** A view smaller than this could not be grabbed again. */
const SMALLEST = 48;
/** Pixels per press of an arrow key, and with Shift. */
const STEP = 10;
const BIG_STEP = 50;

/** @type {Record<string, [number, number]>} */
const DIRECTIONS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export class Resizer {
  element = make(
    "button",
    {
      type: "button",
      class: "resizer",
      part: "resizer",
      "aria-label": "Resize this view",
      "aria-description": "Drag, or press the arrow keys",
      title: "Drag to resize",
    },
    icon("M14 4L4 14M14 9.5L9.5 14"),
  );
  /** Where in the corner it was grabbed, from the view's bottom right; null when it is not. @type {{x: number, y: number} | null} */
  #grab = null;
  #stage;
  #resize;

  /**
   * @param {HTMLElement} stage
   * @param {(width: number, height: number) => void} resize sets the stage's size in CSS pixels
   */
  constructor(stage, resize) {
    this.#stage = stage;
    this.#resize = resize;
    const on = /** @type {HTMLElement["addEventListener"]} */ (this.element.addEventListener.bind(this.element));
    on("pointerdown", (event) => this.#down(event));
    on("pointermove", (event) => this.#move(event));
    on("lostpointercapture", () => (this.#grab = null));
    on("keydown", (event) => this.key(event));
    // The corner lies on the stage, whose own events these are not.
    for (const type of ["pointerup", "pointerenter", "pointerleave", "mousedown", "dblclick", "contextmenu"]) {
      this.element.addEventListener(type, (event) => event.stopPropagation());
    }
  }

  /** @param {PointerEvent} event */
  #down(event) {
    event.stopPropagation();
    if (event.button !== 0) return;
    const { right, bottom } = this.#stage.getBoundingClientRect();
    this.#grab = { x: right - event.clientX, y: bottom - event.clientY };
    this.element.setPointerCapture(event.pointerId);
  }

  /** @param {PointerEvent} event */
  #move(event) {
    event.stopPropagation();
    if (!this.#grab) return;
    // Where the page centres the view, the corner moves by half of what the view grows by. So look where it came to.
    for (let pass = 0; pass < 4; pass++) {
      const { box, width, height, scaleX, scaleY } = measure(this.#stage);
      const dx = event.clientX + this.#grab.x - box.right;
      const dy = event.clientY + this.#grab.y - box.bottom;
      if (Math.abs(dx) < 0.5 && Math.abs(dy) < 0.5) return;
      this.#set(width + dx * scaleX, height + dy * scaleY);
    }
  }

  /** @param {KeyboardEvent} event of the corner, wherever it was heard */
  key(event) {
    const direction = DIRECTIONS[event.key];
    if (!direction) return;
    event.preventDefault();
    const step = event.shiftKey ? BIG_STEP : STEP;
    const { width, height } = measure(this.#stage);
    this.#set(width + direction[0] * step, height + direction[1] * step);
  }

  /**
   * @param {number} width
   * @param {number} height
   */
  #set(width, height) {
    this.#resize(Math.max(SMALLEST, Math.round(width)), Math.max(SMALLEST, Math.round(height)));
  }
}
