/** What the main button of a dialog does: once at a time, and for what the dialog shows. */

import { problemOf } from "./api.js";

/**
 * @template Result
 * @typedef {object} Act
 * @property {() => Promise<Result>} run does it; what it throws is shown in the dialog, and may be tried again
 * @property {(result: Result) => void} done follows once it is done
 * @property {(error: unknown) => void} [failed] follows what is shown
 */

export class DialogAction {
  #dialog;
  #button;
  #problem;
  /** Tells apart what the dialog shows from what it showed before. */
  #opening = {};

  /**
   * @param {HTMLDialogElement} dialog
   * @param {HTMLButtonElement} button
   * @param {HTMLElement} problem where the dialog says what went wrong
   */
  constructor(dialog, button, problem) {
    this.#dialog = dialog;
    this.#button = button;
    this.#problem = problem;
  }

  /** Opens the dialog for something else. What is under way goes on, and has no say in the dialog any more. */
  open() {
    this.#opening = {};
    this.#button.ariaDisabled = null;
    this.#problem.hidden = true;
    this.#dialog.showModal();
  }

  /** Whether it is being done for what the dialog shows. */
  get underWay() {
    return this.#button.ariaDisabled !== null;
  }

  /**
   * Does it, and closes the dialog, unless it is being done.
   * @template Result
   * @param {Act<Result>} act
   */
  async start({ run, done, failed = () => {} }) {
    if (this.underWay) return;
    const opening = this.#opening;
    // It stays where the focus is, which a button that is really disabled would lose.
    this.#button.ariaDisabled = "true";
    let result;
    try {
      result = await run();
    } catch (error) {
      if (this.#opening !== opening) return;
      this.#button.ariaDisabled = null;
      this.#problem.textContent = problemOf(error);
      this.#problem.hidden = false;
      failed(error);
      return;
    }
    if (this.#opening === opening) this.#dialog.close();
    done(result);
  }
}
