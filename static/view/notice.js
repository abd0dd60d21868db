/**
 * What the view says of itself, on top of the picture: that it connects, that its renderer is busy or failed, that it is
 * closed. The line itself is a child of the element proper, in the slot here, so that pages can find and style it.
 */

import { make } from "./dom.js";

/** @import { State, Status } from "./types.js" */

/** An error is shown for so long, in milliseconds, after the widget went on: the next event that succeeds would wipe it out. */
const LINGER = 10_000;
/** Work is shown once it takes so long, in milliseconds, and then for so long at least: what blinks with each draw tells nothing. */
const BUSY = 1000;
/** States in which the widget goes on after an error. @type {Set<State>} */
const GOES_ON = new Set(["live", "busy"]);

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
  /** The last error, and how many there were since one saw none. @type {{status: Status, count: number} | null} */
  #error = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #lingering;
  #hasFrame = false;
  /** The last word of work. @type {Status | null} */
  #busyStatus = null;
  /** Whether work is shown; it is, or is not any more, when the timer ends. */
  #busy = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #busyTimer;
  #host;

  /** @param {HTMLElement} host whose child the line becomes */
  constructor(host) {
    this.#host = host;
    this.element.append(this.#mark, this.#text, this.#detail, this.#action, this.#dismiss);
    this.#action.addEventListener("click", () => this.#status.action?.run());
    this.#dismiss.addEventListener("click", () => {
      this.#forget();
      this.element.hidden = true;
    });
    for (const type of ["pointerdown", "pointermove", "pointerup", "mousedown", "dblclick", "contextmenu", "wheel"]) {
      this.element.addEventListener(type, (event) => event.stopPropagation());
    }
  }

  /**
   * @param {Status} status
   * @param {boolean} hasFrame whether there is a picture behind it
   */
  show(status, hasFrame) {
    const before = this.#status;
    this.#status = status;
    this.#hasFrame = hasFrame;
    if (status.state === "error" && status !== before) this.failed(status);
    if (this.#error && GOES_ON.has(status.state)) this.#linger();
    this.#work(status.state);
    if (status.state !== "error" && !GOES_ON.has(status.state)) this.#forget();
    this.#render();
  }

  /** @param {Status} status of state `error`: shown until it is dismissed, or some seconds after the widget went on */
  failed(status) {
    this.#error = { status, count: (this.#error?.count ?? 0) + 1 };
    clearTimeout(this.#lingering);
    this.#lingering = undefined;
    if (GOES_ON.has(this.#status.state)) this.#linger();
    this.#render();
  }

  /** @param {State} state */
  #work(state) {
    if (!GOES_ON.has(state)) {
      clearTimeout(this.#busyTimer);
      this.#busyTimer = undefined;
      this.#busy = false;
      return;
    }
    if (this.#busyTimer !== undefined || this.#busy === (state === "busy")) return;
    this.#busyTimer = setTimeout(() => {
      this.#busyTimer = undefined;
      this.#busy = this.#status.state === "busy";
      this.#render();
    }, BUSY);
  }

  #linger() {
    this.#lingering ??= setTimeout(() => {
      this.#forget();
      this.#render();
    }, LINGER);
  }

  #forget() {
    clearTimeout(this.#lingering);
    this.#lingering = undefined;
    this.#error = null;
  }

  /** What is to be seen: an error before all else, and no work that has only begun. @returns {Status} */
  get #shown() {
    if (this.#error) return this.#error.status;
    if (this.#status.state === "busy") this.#busyStatus = this.#status;
    if (!GOES_ON.has(this.#status.state)) return this.#status;
    return this.#busy && this.#busyStatus ? this.#busyStatus : { state: "live" };
  }

  #render() {
    const { state, text: line = "", detail = "", action } = this.#shown;
    const count = this.#error?.count ?? 1;
    const text = count > 1 ? `${line} (${count} errors)` : line;
    this.element.dataset.state = state;
    this.element.hidden = text === "";
    // Each slow draw would be read out.
    this.#text.ariaLive = state === "busy" ? "off" : "polite";
    this.element.classList.toggle("centred", FINAL.has(state) || !this.#hasFrame);
    if (this.#line.parentNode !== this.#host) this.#host.append(this.#line);
    if (this.#line.textContent !== text) this.#line.textContent = text;
    this.#pre.textContent = detail;
    this.#detail.style.display = detail ? "" : "none";
    this.#action.textContent = action?.label ?? "";
    this.#action.style.display = action ? "" : "none";
    this.#dismiss.style.display = state === "error" ? "" : "none";
  }
}
