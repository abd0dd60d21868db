/**
 * The connection of a view in a notebook, with the face of a WebSocket: by the first way to the server that works, and
 * through the kernel where none does. Each way that is tried is a `progress` event.
 */

import { SUBPROTOCOL, viewUrl } from "../client/link.js";
import { RelaySocket } from "./relay.js";

/** @import { Channel, Way } from "./channel.js" */
/** @import { Session } from "./session.js" */

/** A way that neither leads to the server nor fails within this time, in milliseconds, is given up. */
const PATIENCE = 2500;
const TICKET = "framehub.ticket.";

export class NotebookSocket extends EventTarget {
  /** The way that was taken; null before. @type {string | null} */
  way = null;
  #channel;
  #session;
  /** @type {WebSocket | RelaySocket | null} */
  #socket = null;
  #closed = false;

  /**
   * @param {Channel} channel
   * @param {Session} session
   */
  constructor(channel, session) {
    super();
    this.#channel = channel;
    this.#session = session;
    this.#connect();
  }

  /** As of a WebSocket. */
  get readyState() {
    if (this.#closed) return WebSocket.CLOSED;
    return this.#socket?.readyState ?? WebSocket.CONNECTING;
  }

  /** @param {string} text */
  send(text) {
    this.#socket?.send(text);
  }

  close() {
    this.#closed = true;
    this.#socket?.close();
  }

  async #connect() {
    let access;
    try {
      access = await this.#channel.access();
    } catch {
      this.#end(1006);
      return;
    }
    for (const way of access.ways) {
      const base = baseOf(way);
      if (this.#closed) return;
      if (!base) continue;
      this.dispatchEvent(new Event("progress"));
      const { required } = this.#session;
      if (way.way === "public") await this.#session.begin(base);
      const socket = await this.#tried(viewUrl({ base, role: "interact", session: required, ...access }), access.ticket);
      if (socket) {
        this.#session.opened();
        this.#use(socket, way.way);
        return;
      }
      if (required) {
        this.#session.refused(base);
        this.#end(1006);
        return;
      }
    }
    if (this.#closed) return;
    this.dispatchEvent(new Event("progress"));
    const relay = new RelaySocket(this.#channel);
    relay.addEventListener("open", () => this.#opened(), { once: true });
    this.#use(relay, "relay");
  }

  /**
   * An open socket by one way; null if it does not lead there.
   * @param {URL} url
   * @param {string} ticket
   * @returns {Promise<WebSocket | null>}
   */
  #tried(url, ticket) {
    /** @type {WebSocket} */
    let socket;
    try {
      socket = new WebSocket(url, [SUBPROTOCOL, TICKET + ticket]);
    } catch {
      // The page's security policy forbids it.
      return Promise.resolve(null);
    }
    socket.binaryType = "arraybuffer";
    return new Promise((resolve) => {
      const settling = new AbortController();
      const { signal } = settling;
      const settle = (/** @type {WebSocket | null} */ result) => {
        settling.abort();
        clearTimeout(timer);
        if (!result) socket.close();
        resolve(result);
      };
      const timer = setTimeout(() => settle(null), PATIENCE);
      // Something else may be at that address: only the server speaks this protocol.
      socket.addEventListener("open", () => settle(socket.protocol === SUBPROTOCOL ? socket : null), { signal });
      socket.addEventListener("close", () => settle(null), { signal });
    });
  }

  /**
   * @param {WebSocket | RelaySocket} socket
   * @param {string} way
   */
  #use(socket, way) {
    if (this.#closed) {
      socket.close();
      return;
    }
    this.#socket = socket;
    this.way = way;
    socket.addEventListener("message", (event) => {
      this.dispatchEvent(new MessageEvent("message", { data: /** @type {MessageEvent} */ (event).data }));
    });
    socket.addEventListener("close", (event) => {
      const { code, reason } = /** @type {CloseEvent} */ (event);
      this.#end(code, reason);
    });
    if (socket.readyState === WebSocket.OPEN) this.#opened();
  }

  #opened() {
    if (!this.#closed) this.dispatchEvent(new Event("open"));
  }

  /**
   * @param {number} code
   * @param {string} [reason]
   */
  #end(code, reason = "") {
    this.#channel.forget();
    this.#session.closed(reason);
    if (this.#closed) return;
    this.#closed = true;
    this.dispatchEvent(new CloseEvent("close", { code, reason }));
  }
}

/**
 * The server's base address by a way, as this page has to call it; null if the way is not for this page.
 * @param {Way} way
 * @returns {URL | null}
 */
function baseOf(way) {
  switch (way.way) {
    case "public":
      return withSlash(new URL(way.url, location.href));
    case "loopback":
      return isLocal() ? withSlash(new URL(way.url)) : null;
    case "proxy": {
      const base = notebookBase();
      return base && withSlash(new URL(`proxy/${way.port}${way.path}`, base));
    }
    default:
      return null;
  }
}

/** @param {URL} url */
function withSlash(url) {
  if (!url.pathname.endsWith("/")) url.pathname += "/";
  return url;
}

/**
 * Whether the page comes from the user's own machine, where the kernel's loopback address is likely the browser's, too. From
 * elsewhere it is not tried: browsers ask the user before they let a page look around.
 */
function isLocal() {
  const { hostname, protocol } = location;
  return !/^https?:$/.test(protocol) || /^(localhost|127(\.\d+){3}|\[::1\])$/.test(hostname);
}

/** The notebook server's base address; null in pages that name none. */
function notebookBase() {
  const config = document.getElementById("jupyter-config-data")?.textContent;
  try {
    const path = config ? JSON.parse(config).baseUrl : document.body.dataset.baseUrl;
    return typeof path === "string" ? new URL(path, location.href) : null;
  } catch {
    return null;
  }
}
