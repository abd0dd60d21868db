/** The dialog that asks before something ends. */

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
  #dialog;
  #title;
  #text;
  #problem;
  #cancel;
  #go;
  /** @type {Question | null} */
  #question = null;

  /** @param {HTMLDialogElement} dialog */
  constructor(dialog) {
    this.#dialog = dialog;
    this.#title = part(dialog, "h2", HTMLElement);
    this.#text = part(dialog, ".confirm-text", HTMLElement);
    this.#problem = part(dialog, ".problem", HTMLElement);
    this.#cancel = part(dialog, "[data-cancel]", HTMLButtonElement);
    this.#go = part(dialog, ".danger", HTMLButtonElement);
    this.#cancel.addEventListener("click", () => dialog.close());
    this.#go.addEventListener("click", () => this.#run());
  }

  /** @param {Question} question */
  ask(question) {
    this.#question = question;
    this.#title.textContent = question.title;
    this.#text.textContent = question.text;
    this.#go.textContent = question.label;
    this.#problem.hidden = true;
    this.#dialog.showModal();
    // Not the one that ends something: a key that is still down from before must not press it.
    this.#cancel.focus();
  }

  async #run() {
    const question = this.#question;
    if (!question) return;
    this.#question = null;
    // It stays where the focus is, which a button that is really disabled would lose.
    this.#go.setAttribute("aria-disabled", "true");
    try {
      await question.run();
      this.#dialog.close();
      question.done();
    } catch (error) {
      this.#question = question;
      this.#problem.textContent = error instanceof Error ? error.message : String(error);
      this.#problem.hidden = false;
    } finally {
      this.#go.removeAttribute("aria-disabled");
    }
  }
}
