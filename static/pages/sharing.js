/** What the viewer's toolbar says and offers about the other views of the widget: how many, who has the control, pointers. */

import { whyNot } from "../view/sharing.js";
import { request } from "./api.js";

/** @import { ConnectedView } from "../view.js" */

/**
 * @typedef {object} Places
 * @property {HTMLElement} others how many other views there are
 * @property {HTMLElement} watching which administrators watch
 * @property {HTMLElement} whyNot why the user cannot act
 * @property {HTMLElement} problem what the server refused
 * @property {HTMLButtonElement} control
 * @property {HTMLButtonElement} pointers
 */

export class SharingTools {
  #view;
  #places;
  /** Whether the user is the widget's owner, and so may do what the other views notice. */
  #owner = false;

  /**
   * @param {ConnectedView} view
   * @param {Places} places
   */
  constructor(view, places) {
    this.#view = view;
    this.#places = places;
    places.control.addEventListener("click", () => this.#try(() => this.#turnControl()));
    places.pointers.addEventListener("click", () => this.#try(() => this.#turnPointers()));
    view.addEventListener("framehub-sharing", () => this.#show());
    view.addEventListener("framehub-traits", () => this.#show());
    this.#show();
  }

  /** @param {boolean} owner */
  set owner(owner) {
    this.#owner = owner;
    this.#show();
  }

  #show() {
    const { others, watching, whyNot: reason, control, pointers } = this.#places;
    const { sharing, interactive, traits } = this.#view;
    others.textContent = sharing.views === 2 ? "1 other" : `${sharing.views - 1} others`;
    others.title = `This view is ${sharing.view}`;
    others.hidden = sharing.views < 2;
    const { administrators } = sharing;
    watching.textContent = administrators.map((name) => `${name} (administrator)`).join(", ") + (administrators.length > 1 ? " are" : " is") + " watching";
    watching.hidden = administrators.length === 0;
    reason.textContent = whyNot(sharing, interactive);
    reason.hidden = reason.textContent === "";

    const watches = !interactive || sharing.role === "watch";
    control.hidden = watches;
    pointers.hidden = watches || !this.#owner;
    const holds = sharing.control !== null && sharing.control === sharing.view;
    const taken = sharing.control !== null && !holds;
    pointers.disabled = sharing.view === null;
    control.disabled = sharing.view === null || (taken && !this.#owner);
    control.setAttribute("aria-pressed", String(holds));
    label(control, holds ? "Release control" : taken && this.#owner ? "Take over" : "Take control");
    control.title = holds
      ? "Let everyone interact again"
      : taken
        ? this.#owner ? `Take the control from ${sharing.control}` : `${sharing.control} has the control`
        : "Only you can interact; others watch";
    pointers.setAttribute("aria-pressed", String(traits.show_pointers));
  }

  async #turnControl() {
    const { view, control } = this.#view.sharing;
    if (control !== null && control === view) {
      this.#view.releaseControl();
      return;
    }
    if (control !== null) await request(`widgets/${this.#path}/control`, { method: "DELETE" });
    this.#view.takeControl();
  }

  async #turnPointers() {
    const traits = { show_pointers: !this.#view.traits.show_pointers };
    await request(`widgets/${this.#path}`, { method: "PATCH", body: { traits } });
  }

  get #path() {
    return encodeURIComponent(this.#view.getAttribute("widget") ?? "");
  }

  /**
   * Does something that the server may refuse, and says so then.
   * @param {() => Promise<void>} action
   */
  async #try(action) {
    const { problem } = this.#places;
    problem.hidden = true;
    try {
      await action();
    } catch (error) {
      problem.textContent = error instanceof Error ? error.message : String(error);
      problem.title = problem.textContent;
      problem.hidden = false;
    }
  }
}

/**
 * @param {HTMLElement} tool
 * @param {string} text
 */
function label(tool, text) {
  const span = tool.querySelector("span");
  if (span) span.textContent = text;
}
