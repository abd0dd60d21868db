/**
 * What the view says of itself, on top of the picture: that it connects, that its renderer is busy or failed, that it is
 * closed. The line itself is a child of the element proper, in the slot here, so that pages can find and style it.
 */

import { make } from "./dom.js";

/** @import { State, Status } from "./types.js" */

/** States that leave nothing to do in the picture, and say so in its middle. @type {Set<State>} */
const FINAL = new Set(["denied", "ended", "closed", "dismissed"]);

export class Notice {
  #line = make("span", { slot: "status" });
  #mark = make("span", { class: "mark", "aria-hidden": "true" });
  #text = make("span", { class: "text", role: "status", "aria-live": "polite" }, make("slot", { name: "status" }));
  #pre = make("pre");
  #detail = make("details", {}, make("summary", {}, "Details"), this.#pre);
  #action = make("button", { type: "button" });
  #dismiss = make("button", { type: "button", "aria-label": "Dismiss this message" }, "Dismiss");
  element = make("div", { class: "notice", part: "notice" });
  /** @type {Status} */
  #status = { state: "connecting" };
  #host;

  /** @param {HTMLElement} host whose child the line becomes */
  constructor(host) {
    this.#host = host;
    this.element.append(this.#mark, this.#text, this.#detail, this.#action, this.#dismiss);
    this.#action.addEventListener("click", () => this.#status.action?.run());
    this.#dismiss.addEventListener("click", () => (this.element.hidden = true));
    for (const type of ["pointerdown", "pointermove", "pointerup", "mousedown", "dblclick", "contextmenu", "wheel"]) {
      this.element.addEventListener(type, (event) => event.stopPropagation());
    }
  }

  /**
   * @param {Status} status
   * @param {boolean} hasFrame whether there is a picture behind it
   */
  show(status, hasFrame) {
    this.#status = status;
    const { state, text = "", detail = "", action } = status;
    this.element.dataset.state = state;
    this.element.hidden = text === "";
    this.element.classList.toggle("centred", FINAL.has(state) || !hasFrame);
    if (this.#line.parentNode !== this.#host) this.#host.append(this.#line);
    if (this.#line.textContent !== text) this.#line.textContent = text;
    this.#pre.textContent = detail;
    this.#detail.style.display = detail ? "" : "none";
    this.#action.textContent = action?.label ?? "";
    this.#action.style.display = action ? "" : "none";
    this.#dismiss.style.display = state === "error" ? "" : "none";
  }
}
