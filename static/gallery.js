/** The gallery: every widget of the server with a live picture, and a way to make more. */

import { ApiError, kinds, request, widgets } from "./pages/api.js";
import { cardOf } from "./pages/card.js";
import { Creator } from "./pages/creator.js";

/** @import { Kind, WidgetEntry } from "./pages/api.js" */

/** The list is asked for this often, in milliseconds, while the page is visible: lightly, and sooner while it fails. */
const EVERY = 4000;
const SOON = 1500;

const gallery = by("gallery");
const status = by("status");
const empty = by("empty");

/** By widget. @type {Map<string, HTMLElement>} */
const cards = new Map();
/** By name; null until the server has told. @type {Map<string, Kind> | null} */
let known = null;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer;
/** Ends the look that is under way. */
let looking = new AbortController();

const creator = new Creator(/** @type {HTMLDialogElement} */ (by("creator")), async (id) => {
  await look();
  const card = cards.get(id);
  card?.scrollIntoView({ block: "nearest" });
  card?.querySelector("a")?.focus({ preventScroll: true });
});
by("new").addEventListener("click", () => creator.open([...(known?.values() ?? [])]));
addEventListener("focus", look);
addEventListener("online", look);
document.addEventListener("visibilitychange", look);
look();

/** Brings the page up to date, and plans the next time. */
async function look() {
  clearTimeout(timer);
  looking.abort();
  if (document.visibilityState !== "visible") return;
  looking = new AbortController();
  const { signal } = looking;
  let next = EVERY;
  try {
    known ??= new Map((await kinds()).map((kind) => [kind.kind, kind]));
    const list = await widgets(AbortSignal.any([signal, AbortSignal.timeout(10_000)]));
    if (signal.aborted) return;
    show(list);
  } catch (error) {
    if (signal.aborted) return;
    // A restarted server may know other kinds.
    known = null;
    next = SOON;
    tell(error);
  }
  timer = setTimeout(look, next);
}

/** @param {WidgetEntry[]} list */
function show(list) {
  status.textContent = list.length === 1 ? "1 widget" : `${list.length} widgets`;
  status.dataset.state = "";
  empty.hidden = list.length > 0;
  const listed = new Set(list.map(({ id }) => id));
  for (const [id, card] of cards) {
    if (listed.has(id)) continue;
    card.remove();
    cards.delete(id);
  }
  for (const entry of list) {
    const before = cards.get(entry.id);
    if (before?.dataset.role === entry.role) continue;
    const card = cardOf(entry, known?.get(entry.kind), close);
    card.dataset.role = entry.role;
    cards.set(entry.id, card);
    if (before) before.replaceWith(card);
    else gallery.append(card);
  }
}

/** @param {string} id */
async function close(id) {
  try {
    await request(`widgets/${encodeURIComponent(id)}`, { method: "DELETE" });
  } catch (error) {
    tell(error);
  }
  await look();
}

/** @param {unknown} error */
function tell(error) {
  status.dataset.state = "bad";
  if (error instanceof ApiError && error.code === "signed_out") {
    status.textContent = "You are signed out: reload the page to sign in at the JupyterHub.";
  } else if (error instanceof ApiError && error.status === 401) {
    status.textContent = "This needs the access key: open the address that the server printed when it started.";
  } else if (error instanceof ApiError && error.status > 0) {
    status.textContent = `The server answered: ${error.message}`;
  } else {
    status.textContent = "The server does not answer. Trying again …";
  }
}

/** @param {string} name of an element of the page */
function by(name) {
  const element = document.getElementById(name);
  if (!element) throw new Error(`the page has no element ${name}`);
  return element;
}
