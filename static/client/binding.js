/** Joins a view and a client: frames and words to the one, events and confirmations to the other. */

import { ALONE } from "../view/sharing.js";
import { Meter } from "./meter.js";

/** @import { FrameView } from "../view/element.js" */
/** @import { ArrivedFrame, ClientState, FrameHubClient } from "./client.js" */
/** @import { State, ViewEvent } from "../view/types.js" */

/** Statistics are asked for this often, in milliseconds, while they are shown. */
const STATS_EVERY = 1000;

/**
 * What the server says on joining and on change.
 * @typedef {{view: string, role: "interact" | "watch", state: "live" | "busy" | "error" | "gone", message: string | null,
 *   driver: boolean, views: number, control: string | null, administrators?: string[]}} ServerStatus
 */

/** How a client's state looks in the view. @type {Record<ClientState["name"], State>} */
const SHOWN = {
  connecting: "connecting",
  open: "live",
  waiting: "disconnected",
  closed: "closed",
  denied: "denied",
  ended: "ended",
  idle: "disconnected",
};

/**
 * @param {FrameView} view
 * @param {FrameHubClient} client
 * @returns {() => void} takes them apart again
 */
export function bind(view, client) {
  const ending = new AbortController();
  const { signal } = ending;
  const meter = new Meter();
  /** @type {ServerStatus | null} */
  let server = null;
  /** Whether this view was ever connected: then it is reconnecting, not connecting. */
  let wasOpen = false;
  /** Whether this connection's server has heard of the view's size. */
  let announced = false;
  /** Whether a whole frame was asked for and has not been drawn yet. */
  let refreshing = false;
  /** Asks for a whole frame, since what the next ones amend is lost. */
  const refresh = () => {
    if (!refreshing) client.send({ type: "refresh" });
    refreshing = true;
  };

  /**
   * @template Detail
   * @param {EventTarget} target
   * @param {string} type
   * @param {(detail: Detail) => void} listener
   */
  const on = (target, type, listener) =>
    target.addEventListener(type, (event) => listener(/** @type {CustomEvent<Detail>} */ (event).detail), { signal });

  on(view, "framehub-event", (/** @type {ViewEvent} */ event) => client.send(event));

  on(client, "state", (/** @type {ClientState} */ { name, text, signIn }) => {
    if (name === "open") {
      wasOpen = true;
      announced = refreshing = false;
      view.setStatus({ state: "live" });
      return;
    }
    view.forget();
    view.sharing = { ...ALONE, role: view.sharing.role };
    view.showPointers([]);
    const state = wasOpen && name === "connecting" ? "disconnected" : SHOWN[name];
    let action = name === "waiting" ? { label: "Try now", run: () => client.retry() } : undefined;
    if (name === "ended") action = { label: "Connect again", run: () => client.connect() };
    if (signIn) action = { label: "Sign in", run: () => signInAt(signIn) };
    view.setStatus({ state, text: name === "idle" ? "" : text, ...(action ? { action } : {}) });
  });

  on(client, "frame", async (/** @type {ArrivedFrame} */ { frame, confirm }) => {
    const { whole } = frame.header;
    let drawn = false;
    try {
      drawn = await view.draw(frame);
    } catch (error) {
      if (signal.aborted) return;
      console.error("framehub:", error);
      if (whole) {
        client.restart();
        return;
      }
    }
    confirm();
    if (drawn) {
      if (whole) refreshing = false;
      meter.drew(frame.bytes);
    } else {
      refresh();
    }
  });

  on(view, "framehub-lost", refresh);

  on(client, "fault", (/** @type {Error} */ error) => {
    console.error("framehub:", error);
    client.restart();
  });

  on(client, "message", (/** @type {{type: string, [field: string]: any}} */ message) => {
    switch (message.type) {
      case "traits":
        view.traits = message.traits;
        // Only now the view has the size that its author wants: an earlier one would cost a draw for nothing.
        if (!announced) view.announce();
        announced = true;
        break;
      case "status":
        server = /** @type {ServerStatus} */ (/** @type {unknown} */ (message));
        view.sharing = { view: server.view, role: server.role, control: server.control, views: server.views, administrators: server.administrators ?? [] };
        showServerStatus(view, server);
        break;
      case "pointers":
        view.showPointers(message.pointers);
        break;
      case "print":
        view.print(message.text);
        view.dispatchEvent(new CustomEvent("framehub-print", { detail: message.text }));
        break;
      case "stats":
        view.stats = ownStats(message.stats, server?.view);
        break;
      case "error":
        console.warn(`framehub: the server refused a message: ${message.message}`);
        break;
    }
  });

  /** @param {URL} address */
  const signInAt = (address) => {
    open(address, "_blank", "noopener");
    // Whoever comes back is signed in, or is offered it again.
    addEventListener("focus", () => client.connect(), { once: true, signal });
  };

  const timer = setInterval(() => {
    view.stats = meter.stats;
    if (view.hud && client.state.name === "open") client.send({ type: "get_stats" });
  }, STATS_EVERY);
  on(view, "framehub-hud", () => {
    if (!view.hud) return;
    view.stats = meter.stats;
    client.send({ type: "get_stats" });
  });
  signal.addEventListener("abort", () => clearInterval(timer));
  return () => ending.abort();
}

/**
 * @param {FrameView} view
 * @param {ServerStatus} status
 */
function showServerStatus(view, { state, message }) {
  if (state === "live") {
    view.setStatus({ state });
  } else if (state === "busy") {
    view.setStatus({ state, text: message ?? "Rendering …" });
  } else if (state === "gone") {
    view.setStatus({ state, text: "The kernel has stopped. Waiting for it to return …" });
  } else {
    const text = message?.trim() || "The widget failed.";
    // A traceback's last line says what it was.
    const lines = text.split("\n");
    view.setStatus({ state, text: lines.at(-1) ?? text, detail: lines.length > 1 ? text : "" });
  }
}

/**
 * What the server's statistics say of one view.
 * @param {{views?: {view: string, [name: string]: any}[]}} stats
 * @param {string | undefined} id
 */
function ownStats(stats, id) {
  const own = stats.views?.find(({ view }) => view === id);
  if (!own) return {};
  const { roundtrip, delivery, in_flight, skipped_frames: skipped, quality, scale, time, bottleneck } = own;
  return { roundtrip, delivery, in_flight, skipped, quality, scale, time, bottleneck };
}
