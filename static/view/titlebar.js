/** The title bar: the title, and the buttons that minimise and close the view. */

import { icon, make } from "./dom.js";

/** @import { Traits } from "./types.js" */

const MINIMIZE = "M3 12.5h10";
const RESTORE = "M3.5 3.5h9v9h-9z";
const CLOSE = "M4 4l8 8M12 4l-8 8";

export class TitleBar {
  element = make("div", { class: "titlebar", part: "titlebar" });
  #title = make("span", { class: "title" });
  #minimize = make("button", { type: "button" });
  #close = make("button", { type: "button", "aria-label": "Close this view", title: "Close this view" }, icon(CLOSE));

  /** @param {{minimize: () => void, close: () => void}} actions */
  constructor(actions) {
    this.#minimize.addEventListener("click", () => actions.minimize());
    this.#close.addEventListener("click", () => actions.close());
    this.element.append(this.#title, this.#minimize, this.#close);
    this.minimized = false;
  }

  /** @param {boolean} minimized what the first button shows and offers to undo */
  set minimized(minimized) {
    const label = minimized ? "Restore this view" : "Minimise this view";
    this.#minimize.replaceChildren(icon(minimized ? RESTORE : MINIMIZE));
    this.#minimize.title = label;
    this.#minimize.setAttribute("aria-label", label);
    this.#minimize.setAttribute("aria-expanded", String(!minimized));
  }

  /** @param {Traits} traits */
  set traits({ title, has_titlebar, is_minimizable, is_closable }) {
    this.element.hidden = !has_titlebar;
    this.element.style.display = has_titlebar ? "" : "none";
    this.#title.textContent = title;
    this.#title.title = title;
    this.#minimize.style.display = is_minimizable ? "" : "none";
    this.#close.style.display = is_closable ? "" : "none";
  }
}
