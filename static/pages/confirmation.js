/** The dialog that asks before something ends. */

import { make } from "../view/dom.js";
import { DialogAction } from "./action.js";

/**
 * @typedef {object} Question
 * @property {string} title
 * @property {string} text what will happen
 * @property {string} label of the button that does it
 * @property {() => Promise<void>} run does it; what it throws is shown, and may be tried again
 * @property {() => void} done follows once it is done and the dialog is closed
 */

export class Confirmation {
  #title = make("h2", { id: "confirm-title" });
  #text = make("p", { class: "confirm-text", id: "confirm-text" });
  #cancel = make("button", { type: "button" }, "Cancel");
  #go = make("button", { type: "button", class: "danger" });
  #action;
  /** @type {Question | null} */
  #question = null;

  /** Puts the dialog into the page. */
  constructor() {
    const problem = make("p", { class: "problem", role: "alert", hidden: "" });
    const dialog = make(
      "dialog",
      { class: "creator confirm", role: "alertdialog", "aria-labelledby": "confirm-title", "aria-describedby": "confirm-text" },
      make("header", {}, this.#title),
      this.#text,
      problem,
      make("footer", {}, this.#cancel, this.#go),
    );
    document.body.append(dialog);
    this.#action = new DialogAction(dialog, this.#go, problem);
    this.#cancel.addEventListener("click", () => dialog.close());
    this.#go.addEventListener("click", () => {
      if (this.#question) this.#action.start(this.#question);
    });
  }

  /** @param {Question} question */
  ask(question) {
    this.#question = question;
    this.#title.textContent = question.title;
    this.#text.textContent = question.text;
    this.#go.textContent = question.label;
    this.#action.open();
    // Not the one that ends something: a key that is still down from before must not press it.
    this.#cancel.focus();
  }
}
