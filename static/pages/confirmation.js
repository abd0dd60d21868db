/** The dialog that asks before something ends. */

import { DialogAction } from "./action.js";
import { part } from "./part.js";

/**
 * @typedef {object} Question
 * @property {string} title
 * @property {string} text what will happen
 * @property {string} label of the button that does it
 * @property {() => Promise<void>} run does it; what it throws is shown, and may be tried again
 * @property {() => void} done follows once it is done and the dialog is closed
 */

export class Confirmation {
  #title;
  #text;
  #cancel;
  #go;
  #action;
  /** @type {Question | null} */
  #question = null;

  /** @param {HTMLDialogElement} dialog */
  constructor(dialog) {
    this.#title = part(dialog, "h2", HTMLElement);
    this.#text = part(dialog, ".confirm-text", HTMLElement);
    this.#cancel = part(dialog, "[data-cancel]", HTMLButtonElement);
    this.#go = part(dialog, ".danger", HTMLButtonElement);
    this.#action = new DialogAction(dialog, this.#go, part(dialog, ".problem", HTMLElement));
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
