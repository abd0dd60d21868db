/** The administrator's page: who takes what of the server, and what one can end. */

import { ApiError, explain, request } from "./pages/api.js";
import { Confirmation } from "./pages/confirmation.js";
import { LimitsDialog } from "./pages/limits.js";
import { loadOf } from "./pages/load.js";
import { part } from "./pages/part.js";
import { Refresh } from "./pages/refresh.js";
import { Roster } from "./pages/roster.js";
import { bandwidth, frequency, of, percent, plural } from "./pages/units.js";

/** @import { Answer, Load } from "./pages/load.js" */

/** The server is asked this often at most, in milliseconds, while the page is visible. */
const EVERY = 2000;

const status = part(document, "#status", HTMLElement);
const scroller = part(document, "#scroller", HTMLElement);
const filter = part(document, "#filter", HTMLInputElement);
const order = part(document, "#order", HTMLSelectElement);
const confirmation = new Confirmation();
const limits = new LimitsDialog(part(document, "#limits", HTMLDialogElement), (user) => say(`The limits of ${user} are changed.`));

/** @type {Answer | null} */
let told = null;
/** @type {Load | null} */
let load = null;

const roster = new Roster(part(document, "#roster", HTMLTableElement), {
  disconnectAll(row, name) {
    const user = load?.users.find(({ user }) => user.name === name);
    const watched = (user?.widgets ?? []).filter(({ views }) => views.length > 0);
    const views = plural(watched.flatMap(({ views }) => views).length, "view");
    confirmation.ask({
      title: `Disconnect all views of ${row.name}?`,
      text: `Disconnects ${views} of ${plural(watched.length, "widget")}. Viewers can reconnect.`,
      label: "Disconnect all",
      run: async () => {
        for (const { widget } of watched) await end(widget.id, "views").catch(unlessGone);
      },
      done: () => say(`${views} of ${row.name} disconnected.`),
    });
  },
  limit(name) {
    const found = load?.users.find(({ user }) => user.name === name);
    if (found) limits.open(found.user);
  },
  close(row, id) {
    const owner = load?.users.find(({ widgets }) => widgets.some(({ widget }) => widget.id === id))?.user.name;
    confirmation.ask({
      title: `Close “${row.name}”?`,
      text: `This closes ${owner ? `${owner}'s widget` : "the widget"} for everyone. This cannot be undone.`,
      label: "Close widget",
      run: () => end(id),
      done() {
        roster.remove(row);
        say(`“${row.name}” is closed.`);
      },
    });
  },
  disconnect(row, id, view) {
    const found = load?.users.flatMap(({ widgets }) => widgets).find(({ widget }) => widget.id === id);
    const title = found?.widget.title || found?.widget.kind || "its widget";
    confirmation.ask({
      title: `Disconnect view ${row.name}?`,
      text: `Disconnects the view of “${title}”. Viewers can reconnect.`,
      label: "Disconnect view",
      run: () => end(id, "views", view),
      done() {
        roster.remove(row);
        say(`View ${row.name} of “${title}” is disconnected.`);
      },
    });
  },
});
const refresh = new Refresh({ look, failed, every: EVERY, soon: EVERY, least: EVERY });

filter.addEventListener("input", () => roster.filter(filter.value));
order.addEventListener("change", () => roster.order(order.value === "busiest"));
// A browser that comes back to the page may have kept what was chosen.
roster.filter(filter.value);
roster.order(order.value === "busiest");
refresh.now();

/**
 * Brings the page up to date.
 * @param {AbortSignal} signal
 */
async function look(signal) {
  /** @type {Answer} */
  const answer = await request("users", { signal });
  if (signal.aborted) return;
  load = loadOf(answer, told);
  told = answer;
  if (status.dataset.state === "bad") status.textContent = status.dataset.state = "";
  scroller.classList.remove("stale");
  showServer(load);
  roster.show(load);
  part(document, "#empty", HTMLElement).hidden = load.server.widgets > 0;
}

/** @param {unknown} error */
function failed(error) {
  status.dataset.state = "bad";
  status.textContent = explain(error);
  scroller.classList.add("stale");
}

/**
 * Ends something below a widget, or the widget.
 * @param {...string} path
 * @returns {Promise<void>}
 */
function end(...path) {
  return request(["widgets", ...path.map(encodeURIComponent)].join("/"), { method: "DELETE" });
}

/** @param {unknown} error */
function unlessGone(error) {
  if (!(error instanceof ApiError && error.status === 404)) throw error;
}

/**
 * Tells what was done, and looks what came of it.
 * @param {string} text
 */
function say(text) {
  status.dataset.state = "";
  status.textContent = text;
  refresh.now();
}

/** @param {Load} load */
function showServer({ server, rates }) {
  const { limits } = server;
  const shown = {
    widgets: of(server.widgets, limits.max_widgets),
    views: String(server.views),
    kernels: of(server.kernels, limits.max_kernels),
    frames: frequency(rates.frames),
    bytes: bandwidth(rates.bytes),
    threads: `Encoder, ${plural(server.encoder_threads, "thread")}`,
    encoder: percent(rates.encoder),
    jobs: String(server.encoder_jobs),
    memory: `${of(server.memory / 2 ** 20, limits.max_memory / 2 ** 20)} MiB`,
  };
  for (const [name, text] of Object.entries(shown)) part(document, `#server-${name}`, HTMLElement).textContent = text;
}
