/** A row of the administrator's table: a user, a widget or a view. */

import { icon, make } from "../view/dom.js";
import { bandwidth, frequency, percent } from "./units.js";

/** @import { Rates, Stage } from "./load.js" */

/** What a bottleneck means for who wonders what to do. @type {Record<Stage, string>} */
const MEANING = {
  render: "The widget's own code, or its kernel, takes longest",
  limit: "The user takes more than one may: the frames wait",
  queue: "The frames wait for the encoder, which is busy",
  encode: "Compressing takes longest",
  network: "The way to the browser takes longest",
  browser: "The browser takes longest to draw",
};

/**
 * What a row shows of what may change.
 * @typedef {object} Shown
 * @property {string} name
 * @property {string} deed what its button does, in full
 * @property {string} [state] what is wrong; empty if nothing is
 * @property {{text: string, full?: boolean}[]} details `full`: nearly as much as may be
 * @property {Rates} rates
 * @property {Stage | null} bottleneck
 * @property {number} children how many there are below it
 */

/**
 * @typedef {object} Make
 * @property {"user" | "widget" | "view"} level
 * @property {string} [href] of the page that the name leads to
 * @property {string} [below] what is below it, for the name of the button that folds it
 * @property {boolean} open whether what is below it is shown
 * @property {string} action the label of its button
 * @property {(row: Row) => void} act does it, after asking
 * @property {{action: string, act: () => void}} [more] a further button, before that one
 * @property {(row: Row) => void} fold what is below it is to be shown, or no longer
 */

export class Row {
  open;
  name = "";
  #below;
  #name;
  #state = make("span", { class: "badge bad" });
  #details = make("small");
  #frames = make("td", { class: "number" });
  #bytes = make("td", { class: "number" });
  #share = make("span");
  #bar = make("span", { class: "bar", "aria-hidden": "true" });
  #bottleneck = make("td");
  #head;
  #fold = make("button", { type: "button", class: "fold" }, icon("M6 4l4 4-4 4"));
  #action;
  /** @type {HTMLButtonElement | null} */
  #more = null;
  element;

  /** @param {Make} parts */
  constructor({ level, href, below = "", open, action, act, more, fold }) {
    this.open = open;
    this.#below = below;
    this.#name = href === undefined ? make("span") : make("a", { href });
    this.#action = make("button", { type: "button", class: "ends" }, action);
    this.#action.addEventListener("click", () => act(this));
    if (more) {
      this.#more = make("button", { type: "button" }, more.action);
      this.#more.addEventListener("click", more.act);
    }
    this.#fold.addEventListener("click", () => {
      this.open = !this.open;
      fold(this);
    });
    const name = make("div", { class: "entry-name" }, this.#name, this.#state);
    const entry = make("div", { class: "entry" }, this.#fold, make("div", {}, name, this.#details));
    this.#head = make("th", { scope: level === "user" ? "rowgroup" : "row" }, entry);
    this.element = make(
      "tr",
      { class: level },
      this.#head,
      this.#frames,
      this.#bytes,
      make("td", { class: "number" }, ...(level === "view" ? [] : [this.#bar, this.#share])),
      this.#bottleneck,
      make("td", { class: "actions" }, make("div", {}, ...(this.#more ? [this.#more] : []), this.#action)),
    );
  }

  /** The button that one presses in it. */
  get button() {
    return this.#action;
  }

  /** @param {Shown} shown */
  show({ name, deed, state = "", details, rates, bottleneck, children }) {
    this.name = name;
    say(this.#name, name);
    say(this.#state, state);
    this.#state.hidden = state === "";
    if (this.#details.childElementCount !== details.length) this.#details.replaceChildren(...details.map(() => make("span")));
    details.forEach(({ text, full = false }, i) => {
      const detail = /** @type {HTMLElement} */ (this.#details.children[i]);
      say(detail, text);
      detail.classList.toggle("full", full);
    });
    say(this.#frames, frequency(rates.frames));
    say(this.#bytes, bandwidth(rates.bytes));
    const { encoder } = rates;
    say(this.#share, percent(encoder));
    this.#bar.style.setProperty("--share", String(Math.min(encoder ?? 0, 1)));
    if (this.#bottleneck.textContent !== (bottleneck ?? "–")) {
      const badge = bottleneck && make("span", { class: "badge", title: MEANING[bottleneck] }, bottleneck);
      this.#bottleneck.replaceChildren(badge ?? "–");
    }
    // Read out with each cell: the name is enough.
    this.#head.setAttribute("aria-label", name);
    this.#fold.classList.toggle("empty", children === 0);
    this.#fold.disabled = children === 0;
    this.#fold.setAttribute("aria-expanded", String(this.open));
    this.#fold.setAttribute("aria-label", `${this.#below} of ${name}`);
    this.#action.setAttribute("aria-label", deed);
    this.#more?.setAttribute("aria-label", `${this.#more.textContent} of ${name}`);
  }

  /** @param {boolean} possible whether there is anything to do */
  set actionable(possible) {
    this.#action.disabled = !possible;
  }
}

/**
 * Sets a text only where it changes, so that who selects it, or has it read out, is not disturbed.
 * @param {HTMLElement} element
 * @param {string} text
 */
function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
