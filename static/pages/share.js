/** The dialog in which a widget's owner shares it: with whom it is shared, one more, one less. */

import { make } from "../view/dom.js";
import { problemOf, request } from "./api.js";
import { part } from "./part.js";

/**
 * @typedef {"user" | "group" | "link"} With
 * @typedef {object} Share
 * @property {string} id
 * @property {string | null} user
 * @property {string | null} group
 * @property {boolean} link
 * @property {"watch" | "interact"} role
 * @property {number | null} expires Unix time in seconds; null if it ends with the widget
 * @property {string} url
 */

/** With whom, as the dialog says it. @type {Record<With, string>} */
const WITH = { user: "A user", group: "A group", link: "Anyone with the link" };
/** How long, in seconds; 0 is without an end, which a link does not have. @type {[number, string][]} */
const TERMS = [
  [3600, "1 hour"],
  [86_400, "1 day"],
  [604_800, "7 days"],
  [2_592_000, "30 days"],
  [0, "Never"],
];
const DAY = 86_400;

export class ShareDialog {
  #dialog;
  #path;
  #list;
  #with;
  #name;
  #role;
  #term;
  #problem;
  #said;
  #go;

  /**
   * @param {HTMLDialogElement} dialog
   * @param {string} widget its id
   */
  constructor(dialog, widget) {
    this.#dialog = dialog;
    this.#path = `widgets/${encodeURIComponent(widget)}/shares`;
    this.#list = part(dialog, "#shares", HTMLElement);
    this.#with = part(dialog, "#share-with", HTMLSelectElement);
    this.#name = part(dialog, "#share-name", HTMLInputElement);
    this.#role = part(dialog, "#share-role", HTMLSelectElement);
    this.#term = part(dialog, "#share-term", HTMLSelectElement);
    this.#problem = part(dialog, "#share-problem", HTMLElement);
    this.#said = part(dialog, "#share-said", HTMLElement);
    this.#go = part(dialog, "#share-new .primary", HTMLButtonElement);
    this.#with.addEventListener("change", () => this.#offer());
    part(dialog, "#share-new", HTMLFormElement).addEventListener("submit", (event) => {
      event.preventDefault();
      this.#start();
    });
    part(dialog, "#share-close", HTMLElement).addEventListener("click", () => dialog.close());
  }

  /** @param {With[]} targets with whom this server can share */
  open(targets) {
    this.#with.replaceChildren(...targets.map((target) => make("option", { value: target }, WITH[target])));
    this.#name.value = this.#said.textContent = "";
    this.#offer();
    this.#dialog.showModal();
    this.#with.focus();
    this.#try(() => this.#show());
  }

  /** Offers what there is to say of the chosen kind of share. */
  #offer() {
    const link = this.#with.value === "link";
    const label = this.#name.closest("label");
    if (label) label.hidden = link;
    this.#name.required = !link;
    const terms = TERMS.filter(([seconds]) => seconds > 0 || !link);
    this.#term.replaceChildren(...terms.map(([seconds, text]) => make("option", { value: String(seconds) }, text)));
    this.#term.value = link ? String(DAY) : "0";
  }

  /** Adds a share, unless one is being added. */
  async #start() {
    if (this.#go.ariaDisabled) return;
    // It stays where the focus is, which a button that is really disabled would lose.
    this.#go.ariaDisabled = "true";
    await this.#try(() => this.#add());
    this.#go.ariaDisabled = null;
  }

  async #add() {
    const chosen = /** @type {With} */ (this.#with.value);
    const seconds = Number(this.#term.value);
    const body = {
      [chosen]: chosen === "link" ? true : this.#name.value.trim(),
      role: this.#role.value,
      ...(seconds > 0 ? { expires_in: seconds } : {}),
    };
    /** @type {Share} */
    const share = await request(this.#path, { method: "POST", body });
    this.#name.value = "";
    await this.#show();
    const shown = this.#list.querySelector(`[data-share="${share.id}"]`);
    shown?.scrollIntoView({ block: "nearest" });
    // What one does next with a link.
    if (share.link) shown?.querySelector("button")?.focus();
    this.#said.textContent = share.link ? "Link created." : `Shared with ${nameOf(share)}.`;
  }

  /** Shows with whom the widget is shared now. */
  async #show() {
    /** @type {{shares: Share[]}} */
    const { shares } = await request(this.#path);
    this.#list.replaceChildren(...shares.map((share) => this.#item(share)));
    if (shares.length === 0) this.#list.append(make("li", { class: "nobody" }, "Not shared yet."));
  }

  /** @param {Share} share */
  #item(share) {
    const name = nameOf(share);
    const item = make(
      "li",
      { "data-share": share.id },
      make("div", {}, make("strong", {}, name), make("span", {}, `${ROLES[share.role]}${endOf(share)}`)),
    );
    if (share.link) {
      const address = make("input", { type: "text", readonly: "", "aria-label": "The link", value: new URL(share.url, location.href).href });
      address.addEventListener("focus", () => address.select());
      const copy = make("button", { type: "button" }, "Copy");
      copy.addEventListener("click", () => this.#copy(address));
      item.append(address, copy);
    }
    const revoke = make("button", { type: "button", "aria-label": `Revoke: ${name}, ${ROLES[share.role]}` }, "Revoke");
    revoke.addEventListener("click", () => this.#try(() => this.#revoke(share)));
    item.append(revoke);
    return item;
  }

  /** @param {Share} share */
  async #revoke(share) {
    try {
      await request(`${this.#path}/${share.id}`, { method: "DELETE" });
    } finally {
      await this.#show();
      this.#with.focus();
    }
    this.#said.textContent = `Revoked: ${nameOf(share)}.`;
  }

  /** @param {HTMLInputElement} address */
  async #copy(address) {
    try {
      await navigator.clipboard.writeText(address.value);
      this.#said.textContent = "Copied.";
    } catch {
      // Browsers have no clipboard for pages that came over plain HTTP.
      address.focus();
      this.#said.textContent = "The link is selected: copy it with Ctrl+C.";
    }
  }

  /**
   * Does something that the server may refuse, and says so then.
   * @param {() => Promise<void>} action
   */
  async #try(action) {
    this.#problem.hidden = true;
    this.#said.textContent = "";
    try {
      await action();
    } catch (error) {
      this.#problem.textContent = problemOf(error);
      this.#problem.hidden = false;
    }
  }
}

const ROLES = { watch: "can view", interact: "can interact" };

/** @param {Share} share */
function nameOf({ user, group }) {
  if (user !== null) return user;
  return group === null ? "Anyone with the link" : `Group ${group}`;
}

/** @param {Share} share */
function endOf({ expires }) {
  if (expires === null) return "";
  const end = new Date(expires * 1000);
  return ` · expires ${end.toLocaleString([], { dateStyle: "medium", timeStyle: "short" })}`;
}
