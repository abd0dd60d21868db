/** What the widget's program prints. */

import { make } from "./dom.js";

/** Older text goes first: a program that prints in a loop must not fill the browser's memory. */
const LONGEST = 20_000;

export class Output {
  #text = make("pre", { role: "log", "aria-live": "polite", "aria-label": "Output of the widget", tabindex: "0" });
  #clear = make("button", { type: "button", "aria-label": "Clear and close the output" }, "Clear");
  element = make("div", { class: "output", part: "output" }, make("header", {}, make("span", {}, "Output"), this.#clear), this.#text);

  constructor() {
    this.element.hidden = true;
    this.#clear.addEventListener("click", () => {
      this.#text.textContent = "";
      this.element.hidden = true;
    });
  }

  /** @param {string} text */
  print(text) {
    this.element.hidden = false;
    const atEnd = this.#text.scrollTop + this.#text.clientHeight >= this.#text.scrollHeight - 4;
    const all = `${this.#text.textContent}${text}`;
    this.#text.textContent = all.slice(-LONGEST);
    // Who scrolled back to read is left there.
    if (atEnd) this.#text.scrollTop = this.#text.scrollHeight;
  }
}
