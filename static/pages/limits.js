/** The dialog in which an administrator says what one user may take. */

import { make } from "../view/dom.js";
import { DialogAction } from "./action.js";
import { ApiError, request } from "./api.js";
import { part } from "./part.js";

/** @import { Limits, UserAnswer } from "./load.js" */

/** Pixels are told in millions. */
const MILLION = 1e6;
/** And memory in 2²⁰ bytes. */
const MEBI = 2 ** 20;

/** @type {{name: keyof Limits, label: string, note: string, unit?: number, whole?: boolean}[]} */
const FIELDS = [
  { name: "max_widgets", label: "Widgets", note: "At a time", whole: true },
  { name: "max_views", label: "Views", note: "Across all of this user's widgets", whole: true },
  { name: "max_kernels", label: "Kernels", note: "Connected at a time", whole: true },
  { name: "pixels_per_second", label: "Mpx/s", note: "Sent to all views; frames wait beyond it", unit: MILLION },
  { name: "encoder_threads", label: "Encoder threads", note: "On average; frames wait beyond it" },
  { name: "memory", label: "Memory, MiB", note: "Frames, images on their way, messages that come; refused beyond it", unit: MEBI, whole: true },
  { name: "weight", label: "Weight", note: "Share of the encoder relative to other users (1)" },
];

export class LimitsDialog {
  #saved;
  #title;
  #fields;
  #action;
  /** What the fields held at first. @type {Map<HTMLInputElement, string>} */
  #before = new Map();
  #user = "";

  /**
   * @param {HTMLDialogElement} dialog
   * @param {(user: string) => void} saved is called when the server has taken what was changed
   */
  constructor(dialog, saved) {
    this.#saved = saved;
    this.#title = part(dialog, "h2", HTMLElement);
    this.#fields = part(dialog, ".options", HTMLElement);
    const save = part(dialog, ".primary", HTMLButtonElement);
    this.#action = new DialogAction(dialog, save, part(dialog, ".problem", HTMLElement));
    save.addEventListener("click", () => this.#run());
    // Enter in a field means the dialog's purpose, not its first button.
    this.#fields.addEventListener("keydown", (event) => {
      if (event.key !== "Enter") return;
      event.preventDefault();
      this.#run();
    });
  }

  /** @param {UserAnswer} user one of a server's users */
  open({ name, limits, flags }) {
    if (name === null || !limits || !flags) return;
    this.#user = name;
    this.#title.textContent = `Limits of ${name}`;
    this.#fields.replaceChildren(...FIELDS.map((field) => fieldOf(field, limits[field.name], flags[field.name])));
    this.#before = new Map([...this.#fields.querySelectorAll("input")].map((input) => [input, input.value]));
    this.#action.open();
    this.#fields.querySelector("input")?.focus();
  }

  #run() {
    if (this.#action.underWay) return;
    const user = this.#user;
    /** @type {Record<string, number | null>} */
    const limits = {};
    for (const [input, before] of this.#before) {
      if (!input.reportValidity()) return;
      const field = FIELDS.find(({ name }) => name === input.name);
      const { unit = 1, whole = false } = /** @type {Partial<(typeof FIELDS)[number]>} */ (field ?? {});
      const value = input.valueAsNumber * unit;
      if (input.value !== before) limits[input.name] = input.value === "" ? null : whole ? Math.round(value) : value;
    }
    const changed = Object.keys(limits).length > 0;
    this.#action.start({
      run: async () => changed && request(`users/${encodeURIComponent(user)}`, { method: "PATCH", body: { limits } }),
      done: () => changed && this.#saved(user),
      failed: (error) => this.#mark(error instanceof ApiError ? error.field : null),
    });
  }

  /**
   * Shows which field the server refused.
   * @param {string | null} wrong its path
   */
  #mark(wrong) {
    for (const input of this.#before.keys()) {
      input.ariaInvalid = String(wrong === `limits.${input.name}`);
      if (input.ariaInvalid !== "true") continue;
      input.focus();
      // The message may have come over it.
      input.scrollIntoView({ block: "center" });
    }
  }
}

/**
 * @param {(typeof FIELDS)[number]} field
 * @param {number | null} holds
 * @param {number | null} flag what the server's flags say, which holds where the field is empty
 */
function fieldOf({ name, label, note, unit = 1, whole = false }, holds, flag) {
  const text = (/** @type {number | null} */ value) => (value === null ? "" : String(value / unit));
  const input = make("input", { name, type: "number", step: whole && unit === 1 ? "1" : "any", placeholder: flag === null ? "none" : text(flag) });
  input.value = holds === flag ? "" : text(holds);
  return make("label", {}, label, input, make("small", {}, note));
}
