/**
 * The connection of a view in a notebook, with the face of a WebSocket: by the first way to the server that works, and
 * through the kernel where none does. Each way that is tried is a `progress` event.
 */

import { SUBPROTOCOL, viewUrl } from "../client/link.js";
import { RelaySocket } from "./relay.js";

/** @import { Access, Channel, Way } from "./channel.js" */
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
    const { known } = this.#channel;
    if (known && (await this.#direct(known))) return;
    // What was known may be of a server that was started anew since, and the kernel tells of the new one. Or the network is away, and
    // is back before a kernel that computes has answered: the next attempt begins with what is known.
    try {
      if (await this.#direct(await this.#channel.ask())) return;
      this.dispatchEvent(new Event("progress"));
      const relay = new RelaySocket(this.#channel);
      relay.addEventListener("open", () => this.#opened(), { once: true });
      this.#use(relay, "relay");
    } catch {
      // The kernel refuses, or there is no way to tell it anything.
      this.#end(1006);
    }
  }

  /**
   * Tries the ways to the server, one after another.
   * @param {Access} access
   * @returns {Promise<boolean>} whether that is all: there is a connection, or there shall be none
   */
  async #direct(access) {
    for (const way of access.ways) {
      const base = baseOf(way);
      if (this.#closed) return true;
      if (!base) continue;
      this.dispatchEvent(new Event("progress"));
      const { required } = this.#session;
      if (way.way === "public") await this.#session.begin(base);
      // What the kernel says comes first: whether a session is required is the page's to say.
      const found = await this.#tried(viewUrl({ role: "interact", ...access, base, session: required }), access.ticket);
      if (found) {
        this.#session.opened();
        this.#use(found.socket, way.way);
        this.#hear(found.first);
        return true;
      }
      if (required) {
        this.#channel.forget();
        this.#session.refused(base);
        this.#end(1006);
        return true;
      }
    }
    return this.#closed;
  }

  /**
   * An open socket by one way, and the server's first words on it; null if it does not lead there.
   * @param {URL} url
   * @param {string} ticket
   * @returns {Promise<{socket: WebSocket, first: unknown} | null>}
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
      const settle = (/** @type {{socket: WebSocket, first: unknown} | null} */ result) => {
        settling.abort();
        clearTimeout(timer);
        if (!result) socket.close();
        resolve(result);
      };
      const timer = setTimeout(() => settle(null), PATIENCE);
      // Something else may be at that address: only the server speaks this protocol.
      socket.addEventListener("open", () => socket.protocol === SUBPROTOCOL || settle(null), { signal });
      // The notebook's proxy opens a socket before it knows whether the server does: that it does, the server's word shows.
      socket.addEventListener("message", ({ data }) => settle({ socket, first: data }), { signal });
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
    socket.addEventListener("message", (event) => this.#hear(/** @type {MessageEvent} */ (event).data));
    socket.addEventListener("close", (event) => {
      const { code, reason } = /** @type {CloseEvent} */ (event);
      this.#end(code, reason);
    });
    if (socket.readyState === WebSocket.OPEN) this.#opened();
  }

  /** @param {unknown} data what the server said */
  #hear(data) {
    if (!this.#closed) this.dispatchEvent(new MessageEvent("message", { data }));
  }

  #opened() {
    if (!this.#closed) this.dispatchEvent(new Event("open"));
  }

  /**
   * @param {number} code
   * @param {string} [reason]
   */
  #end(code, reason = "") {
    this.#session.closed(reason);
    if (this.#closed) return;
    this.#closed = true;
    this.dispatchEvent(new CloseEvent("close", { code, reason }));
  }
}

/**
 * The server's base address by a way, as this page has to call it; null if the way is not for this page, or leads nowhere.
 * @param {Way} way
 * @returns {URL | null}
 */
function baseOf(way) {
  try {
    const base = addressOf(way);
    return base && /^https?:$/.test(base.protocol) ? withSlash(base) : null;
  } catch {
    // Somebody configured what is no address.
    return null;
  }
}

/**
 * @param {Way} way
 * @returns {URL | null}
 */
function addressOf(way) {
  switch (way.way) {
    case "public":
      return new URL(way.url, location.href);
    case "loopback":
      return isLocal() ? new URL(way.url) : null;
    case "proxy": {
      const base = notebookBase();
      return base && new URL(`proxy/${way.port}${way.path}`, base);
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
