/** How a page's client reaches the server: directly, with the page's own cookie. */

import { Doctor } from "./diagnosis.js";

/** @import { Diagnosis } from "./diagnosis.js" */

/**
 * What a client needs of a WebSocket.
 * @typedef {EventTarget & {readonly readyState: number, send(text: string): void, close(): void}} SocketLike
 *
 * @typedef {object} Link
 * @property {() => SocketLike} open starts to connect; tells `open`, `message` (strings and ArrayBuffers) and `close`
 * @property {(signal: AbortSignal) => Promise<Diagnosis>} diagnose why a connection was refused; bounds its time itself
 *
 * @typedef {object} ViewOptions
 * @property {URL} base the server's base address; ends with a slash
 * @property {string} widget its id
 * @property {"interact" | "watch"} [role]
 * @property {"binary" | "base64"} [frames] how frames travel
 * @property {boolean} [session] whether the widget's owner has to be signed in with this browser, though a ticket opens the view
 */

export const SUBPROTOCOL = "framehub.view.v1";

/**
 * The address of a view's WebSocket.
 * @param {ViewOptions} options
 */
export function viewUrl({ base, widget, role = "interact", frames = "binary", session = false }) {
  const url = new URL(`api/widgets/${encodeURIComponent(widget)}/view`, base);
  url.protocol = base.protocol === "https:" ? "wss:" : "ws:";
  url.searchParams.set("role", role);
  if (frames !== "binary") url.searchParams.set("frames", frames);
  if (session) url.searchParams.set("session", "required");
  return url;
}

/**
 * @param {ViewOptions} options
 * @returns {Link}
 */
export function directLink(options) {
  const doctor = new Doctor(options.base, options.widget);
  return {
    open() {
      const socket = new WebSocket(viewUrl(options), SUBPROTOCOL);
      socket.binaryType = "arraybuffer";
      socket.addEventListener("open", () => doctor.connected());
      return socket;
    },
    diagnose: (signal) => doctor.diagnose(signal),
  };
}
