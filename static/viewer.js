/** The page of one widget: the view, large, and what one does with it. */

import { BASE, widget } from "./pages/api.js";
import { ShareDialog } from "./pages/share.js";
import { SharingTools } from "./pages/sharing.js";
import "./view.js";

/** @import { ConnectedView } from "./view.js" */
/** @import { Status } from "./view/types.js" */

/** What the toolbar says of a state; of others, the view itself says it. @type {Partial<Record<string, string>>} */
const STATES = {
  connecting: "Connecting",
  live: "Live",
  busy: "Busy",
  error: "Error",
  gone: "Waiting for the kernel",
  disconnected: "Reconnecting",
  denied: "No access",
  ended: "Disconnected",
  closed: "Closed",
  dismissed: "View closed",
};

const id = decodeURIComponent(location.pathname.split("/").at(-1) ?? "");
const query = new URLSearchParams(location.search);

const title = by("title");
const state = by("state");
const fit = by("fit");
const hud = by("hud");
const stage = by("stage");
const snapshot = /** @type {HTMLAnchorElement} */ (by("snapshot"));

const view = /** @type {ConnectedView} */ (document.createElement("framehub-view"));
view.fit = query.get("size") === "traits" ? "traits" : "fill";
view.interactive = query.get("role") !== "watch";
view.setAttribute("widget", id);
if (query.get("frames") === "base64") view.setAttribute("frames", "base64");

const tools = new SharingTools(view, {
  others: by("others"),
  watching: by("watching"),
  whyNot: by("why-not"),
  problem: by("problem"),
  control: /** @type {HTMLButtonElement} */ (by("control")),
  pointers: /** @type {HTMLButtonElement} */ (by("pointers")),
});
view.addEventListener("framehub-traits", () => entitle(view.traits.title));
view.addEventListener("framehub-status", (event) => {
  const status = /** @type {CustomEvent<Status>} */ (event).detail;
  state.dataset.state = status.state;
  state.textContent = STATES[status.state] ?? "";
});
view.addEventListener("framehub-resize", showFit);
view.addEventListener("framehub-hud", () => hud.setAttribute("aria-pressed", String(view.hud)));

const second = /** @type {HTMLAnchorElement} */ (by("second"));
second.href = location.href;
hud.title = "Statistics (Alt+H)";
hud.addEventListener("click", () => (view.hud = !view.hud));
// Before the view hears it, which would take it for the widget's.
addEventListener(
  "keydown",
  (event) => {
    if (event.code !== "KeyH" || !event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    view.hud = !view.hud;
  },
  { capture: true },
);
fit.addEventListener("click", () => {
  view.fit = fit.getAttribute("aria-pressed") === "true" ? "traits" : "fill";
  const address = new URL(location.href);
  if (view.fit === "traits") address.searchParams.set("size", "traits");
  else address.searchParams.delete("size");
  history.replaceState(null, "", address);
  second.href = address.href;
  showFit();
});
snapshot.addEventListener("click", () => {
  const address = new URL(`api/widgets/${encodeURIComponent(id)}/snapshot`, BASE);
  address.search = String(new URLSearchParams({ format: "png", pixel_ratio: String(devicePixelRatio) }));
  snapshot.href = address.href;
});
snapshot.href = "#";
const share = by("share");
const dialog = new ShareDialog(/** @type {HTMLDialogElement} */ (by("share-dialog")), id);
const fullscreen = by("fullscreen");
fullscreen.hidden = !document.fullscreenEnabled;
fullscreen.addEventListener("click", async () => {
  await stage.requestFullscreen();
  view.focus();
});

showFit();
stage.append(view);
nameIt();

/** Asks for the title that the widget has when its traits have none, and for what this user may do with it. */
async function nameIt() {
  try {
    const { title, role, share_with: targets } = await widget(id);
    tools.owner = role === "owner" || role === "administrator";
    share.hidden = targets.length === 0;
    share.addEventListener("click", () => dialog.open(targets));
    view.setAttribute("label", title);
    if (!view.traits.title) entitle(title);
  } catch {
    // The view says what is wrong.
  }
}

/** @param {string} text */
function entitle(text) {
  const shown = text || view.getAttribute("label") || "";
  title.textContent = shown;
  document.title = shown ? `${shown} – FrameHub` : "FrameHub";
  snapshot.download = `${shown || "snapshot"}.png`;
}

/** @param {Event} [event] the user's own resizing, after which the view neither fills nor follows the traits */
function showFit(event) {
  const fills = view.fit === "fill" && event === undefined;
  fit.setAttribute("aria-pressed", String(fills));
  fit.title = fills ? "Show at the widget's own size" : "Fill the window";
}

/** @param {string} name of an element of the page */
function by(name) {
  const element = document.getElementById(name);
  if (!element) throw new Error(`the page has no element ${name}`);
  return element;
}
