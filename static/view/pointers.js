/** The pointers of the other views, as small arrows with the views' names, above the picture. They catch no events. */

import { icon, make } from "./dom.js";

/** @typedef {{view: string, x: number, y: number}} OthersPointer where another view's pointer is, in this view's logical pixels */

/** The golden angle: however many views there are, neighbours in number are far apart in hue. */
const HUE_STEP = 137.508;
/** Room that an arrow and its name need to the right of the pointer, in logical pixels. */
const ROOM = 56;
const ARROW = "M1.5 1.5l4.2 12 2.3-5.2 5.2-2.3z";

export class Pointers {
  element = make("div", { class: "pointers", part: "pointers", "aria-hidden": "true" });
  /** By view. @type {Map<string, HTMLElement>} */
  #shown = new Map();

  /** @param {OthersPointer[]} pointers all that are to be seen */
  show(pointers) {
    const listed = new Set(pointers.map(({ view }) => view));
    for (const [view, pointer] of this.#shown) {
      if (listed.has(view)) continue;
      pointer.remove();
      this.#shown.delete(view);
    }
    const width = this.element.clientWidth;
    for (const { view, x, y } of pointers) {
      const pointer = this.#shown.get(view) ?? this.#add(view);
      pointer.style.transform = `translate(${x}px, ${y}px)`;
      pointer.classList.toggle("at-edge", x > width - ROOM);
    }
  }

  /** @param {string} view */
  #add(view) {
    const pointer = make("div", { class: "pointer" }, icon(ARROW), make("span", {}, view));
    pointer.style.setProperty("--hue", hueOf(view).toFixed(1));
    this.#shown.set(view, pointer);
    this.element.append(pointer);
    return pointer;
  }
}

/**
 * A view's hue in degrees, the same in all views.
 * @param {string} view its name, such as `v1`
 */
export function hueOf(view) {
  return (Number.parseInt(view.replace(/\D/g, ""), 10) * HUE_STEP || 0) % 360;
}
