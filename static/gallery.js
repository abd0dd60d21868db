/** The gallery: every widget of the server with a live picture, and a way to make more. */

import { explain, kinds, request, signOut, widgets } from "./pages/api.js";
import { cardOf } from "./pages/card.js";
import { Confirmation } from "./pages/confirmation.js";
import { Creator } from "./pages/creator.js";
import { Refresh } from "./pages/refresh.js";
import { plural } from "./pages/units.js";

/** @import { Kind, WidgetEntry } from "./pages/api.js" */

/** The list is asked for this often, in milliseconds, while the page is visible: lightly, and sooner while it fails. */
const EVERY = 4000;
const SOON = 1500;

const gallery = by("gallery");
const status = by("status");
const empty = by("empty");
/** What there is to say instead where the server makes no widgets itself. */
const elsewhere = by("elsewhere");

/** By widget. @type {Map<string, HTMLElement>} */
const cards = new Map();
/** By name; null until the server has told. @type {Map<string, Kind> | null} */
let known = null;

const refresh = new Refresh({ look, failed, every: EVERY, soon: SOON });
const creator = new Creator(/** @type {HTMLDialogElement} */ (by("creator")), async (id) => {
  await refresh.now();
  const card = cards.get(id);
  card?.scrollIntoView({ block: "nearest" });
  card?.querySelector("a")?.focus({ preventScroll: true });
});
const confirmation = new Confirmation();
by("new").addEventListener("click", () => creator.open([...(known?.values() ?? [])]));
by("sign-out").addEventListener("click", leave);
refresh.now();

/**
 * Brings the page up to date.
 * @param {AbortSignal} signal
 */
async function look(signal) {
  known ??= new Map((await kinds(signal)).map((kind) => [kind.kind, kind]));
  const { widgets: list, administrator, session } = await widgets(signal);
  if (signal.aborted) return;
  by("admin").hidden = !administrator;
  by("sign-out").hidden = !session;
  show(list);
}

/** @param {unknown} error */
function failed(error) {
  // A restarted server may know other kinds.
  known = null;
  by("new").toggleAttribute("disabled", true);
  tell(error);
}

/** @param {WidgetEntry[]} list */
function show(list) {
  status.textContent = plural(list.length, "widget");
  status.dataset.state = "";
  const makes = Boolean(known?.size);
  by("new").hidden = !makes;
  by("new").toggleAttribute("disabled", false);
  empty.hidden = list.length > 0 || !makes;
  elsewhere.hidden = list.length > 0 || makes;
  const listed = new Set(list.map(({ id }) => id));
  for (const [id, card] of cards) {
    if (listed.has(id)) continue;
    card.remove();
    cards.delete(id);
  }
  for (const entry of list) {
    const before = cards.get(entry.id);
    if (before?.dataset.role === entry.role) continue;
    const card = cardOf(entry, known?.get(entry.kind), askToClose);
    card.dataset.role = entry.role;
    cards.set(entry.id, card);
    if (before) before.replaceWith(card);
    else gallery.append(card);
  }
}

/**
 * @param {string} id
 * @param {string} name
 */
function askToClose(id, name) {
  confirmation.ask({
    title: `Close “${name}”?`,
    text: "This closes the widget for everyone.",
    label: "Close widget",
    run: () => request(`widgets/${encodeURIComponent(id)}`, { method: "DELETE" }),
    done: async () => {
      const card = cards.get(id);
      const next = card?.nextElementSibling ?? card?.previousElementSibling;
      await refresh.now();
      (next?.querySelector("a") ?? by("new")).focus();
    },
  });
}

async function leave() {
  try {
    await signOut();
    location.reload();
  } catch (error) {
    tell(error);
  }
}

/** @param {unknown} error */
function tell(error) {
  status.dataset.state = "bad";
  status.textContent = explain(error);
}

/** @param {string} name of an element of the page */
function by(name) {
  const element = document.getElementById(name);
  if (!element) throw new Error(`the page has no element ${name}`);
  return element;
}
