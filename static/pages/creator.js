/** The dialog that makes a widget: its kind, and the kind's options. */

import { make } from "../view/dom.js";
import { DialogAction } from "./action.js";
import { request } from "./api.js";
import { part } from "./part.js";

/** @import { Kind, KindOption } from "./api.js" */

export class Creator {
  /** @type {Kind | null} */
  #kind = null;
  #created;
  #kinds;
  #options;
  #action;

  /**
   * @param {HTMLDialogElement} dialog
   * @param {(id: string) => void} created is called with the new widget's id
   */
  constructor(dialog, created) {
    this.#created = created;
    this.#kinds = part(dialog, "#kinds", HTMLElement);
    this.#options = part(dialog, "#options", HTMLElement);
    const create = part(dialog, "#create", HTMLButtonElement);
    this.#action = new DialogAction(dialog, create, part(dialog, "#problem", HTMLElement));
    create.addEventListener("click", () => this.#create());
    // Enter in a field means the dialog's purpose, not its first button.
    part(dialog, "form", HTMLElement).addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || !(event.target instanceof HTMLInputElement)) return;
      event.preventDefault();
      this.#create();
    });
  }

  /** @param {Kind[]} kinds */
  open(kinds) {
    this.#kinds.replaceChildren(
      ...kinds.map((kind, i) => {
        const radio = make("input", { type: "radio", name: "kind", value: kind.kind });
        radio.checked = i === 0;
        radio.addEventListener("change", () => this.#choose(kind));
        return make("label", {}, radio, make("strong", {}, kind.title), make("span", {}, kind.description));
      }),
    );
    this.#choose(kinds[0] ?? null);
    this.#action.open();
    this.#kinds.querySelector("input")?.focus();
  }

  /** @param {Kind | null} kind */
  #choose(kind) {
    this.#kind = kind;
    this.#options.replaceChildren(...(kind?.options ?? []).map((option) => fieldOf(option)));
  }

  #create() {
    if (!this.#kind) return;
    const { kind } = this.#kind;
    /** @type {Record<string, unknown>} */
    const options = {};
    for (const field of this.#options.querySelectorAll("input")) {
      if (!field.reportValidity()) return;
      options[field.name] = valueOf(field);
    }
    this.#action.start({
      run: () => request("widgets", { method: "POST", body: { kind, options, traits: {} } }),
      done: ({ id }) => this.#created(id),
    });
  }
}

/** @param {KindOption} option */
function fieldOf({ name, type, default: value, description }) {
  const number = type === "integer" || type === "number";
  const field = make("input", { name, type: type === "boolean" ? "checkbox" : number ? "number" : "text" });
  if (type === "boolean") field.checked = value === true;
  else field.value = String(value ?? "");
  if (type === "number") field.step = "any";
  field.required = number;
  const words = name.replaceAll("_", " ");
  return make("label", {}, words.charAt(0).toUpperCase() + words.slice(1), field, make("small", {}, description));
}

/** @param {HTMLInputElement} field */
function valueOf(field) {
  if (field.type === "checkbox") return field.checked;
  return field.type === "number" ? field.valueAsNumber : field.value;
}
