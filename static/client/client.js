/**
 * The connection of one view to its widget on the server. It knows the socket, and nothing of elements.
 *
 *     const client = new FrameHubClient({ base: new URL("..", import.meta.url), widget: "square" });
 *     client.addEventListener("message", ({ detail }) => …);
 *     client.connect();
 *
 * Events: `state` (`detail` is a `ClientState`), `message` (a JSON message of the server), `frame` (an `ArrivedFrame`), `fault`
 * (an Error: a message that could not be read).
 */

import { Backoff } from "./backoff.js";
import { directLink } from "./link.js";
import { readBinaryFrame, readTextFrame } from "./message.js";

/** @import { Link, SocketLike, ViewOptions } from "./link.js" */
/** @import { Frame } from "../view/types.js" */

/**
 * @typedef {ViewOptions | {link: Link}} ClientOptions the view that a page opens itself, or another way to reach one
 *
 * @typedef {object} ClientState
 * @property {"connecting" | "open" | "waiting" | "closed" | "denied" | "ended" | "idle"} name `waiting`: for the next attempt;
 *   `closed`: the widget is, for good; `denied`: the server refuses this page; `ended`: somebody ended this view, and the user may
 *   connect it again; `idle`: this side disconnected
 * @property {string} text for people
 * @property {URL} [signIn] where the user can sign in, in a tab of its own, to be let in
 *
 * @typedef {object} ArrivedFrame
 * @property {Frame} frame
 * @property {() => void} confirm tells the server that the frame was decoded and drawn
 */

/** The server's close code for a widget that was closed. */
const WIDGET_CLOSED = 4000;
/** The server's close code for a view that may do more or less from now on. */
const ROLE_CHANGED = 4002;
/**
 * The server's reasons for which a view is over, and what the user is told.
 * @type {Partial<Record<string, {name: "closed" | "denied" | "ended", text: string}>>}
 */
const OVER = {
  closed: { name: "closed", text: "The widget was closed." },
  revoked: { name: "denied", text: "This widget is no longer shared with you." },
  expired: { name: "denied", text: "Your access to this widget has expired." },
  disconnected: { name: "ended", text: "This view was disconnected by the widget's owner or an administrator." },
};
/** A connection that lasted this long, in milliseconds, ends an outage. */
const STABLE = 3000;
/**
 * A page that had the widget looks for it for so long, in milliseconds, where there is none: the kernel that draws it may bring it back.
 */
const LOOKS_FOR = 60_000;
/** An attempt that neither succeeds nor fails, nor gets on, is given up after this time. */
const CONNECT_TIMEOUT = 10_000;
/**
 * The server pings every 2 s: after silence of this length the connection is dead, whatever the network says. Silence is measured
 * on both clocks: the page's stops on some systems while they sleep, and the other side has long given up then.
 */
const SILENCE = 20_000;

export class FrameHubClient extends EventTarget {
  /** @type {ClientState} */
  #state = { name: "idle", text: "" };
  /** @type {SocketLike | null} */
  #socket = null;
  /** Ends everything of the current attempt or connection. @type {AbortController | null} */
  #attempt = null;
  /** Ends listening to the page, as long as connecting is wanted. @type {AbortController | null} */
  #wanted = null;
  #backoff = new Backoff();
  /** Whether this was connected to the widget before. */
  #known = false;
  /** Since when the server has no such widget, on the page's clock; null while it has. @type {number | null} */
  #missing = null;
  #link;

  /** @param {ClientOptions} options */
  constructor(options) {
    super();
    this.#link = "link" in options ? options.link : directLink(options);
  }

  get state() {
    return this.#state;
  }

  /** Connects, and keeps at it until the widget is closed or `disconnect` is called. */
  connect() {
    if (this.#wanted) return;
    this.#wanted = new AbortController();
    const { signal } = this.#wanted;
    const retry = () => this.retry();
    addEventListener("online", retry, { signal });
    addEventListener("focus", retry, { signal });
    addEventListener("pageshow", retry, { signal });
    document.addEventListener(
      "visibilitychange",
      () => {
        if (document.visibilityState === "visible") retry();
      },
      { signal },
    );
    this.#open();
  }

  /** Ends the connection from this side. A view that somebody else ended stays so until it is connected again. */
  disconnect() {
    if (this.#state.name !== "ended") this.#stop({ name: "idle", text: "" });
  }

  /** Tries again at once, if it waits for the next attempt. */
  retry() {
    if (this.#state.name === "waiting") this.#open();
  }

  /**
   * Sends a message. While there is no connection it is dropped: what the user did then is not to happen later.
   * @param {object} message
   */
  send(message) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
  }

  #open() {
    this.#attempt?.abort();
    this.#attempt = new AbortController();
    const { signal } = this.#attempt;
    this.#enter({ name: "connecting", text: this.#state.name === "waiting" ? this.#state.text : "Connecting …" });
    // Whoever was told so may not want the connection any more.
    if (signal.aborted) return;

    const socket = this.#link.open();
    this.#socket = socket;
    let opened = 0;
    let heard = 0;
    let heardAt = 0;
    /** A sign of life came, or the attempt begins. Answers when, on the page's clock. */
    const hear = () => {
      heardAt = Date.now();
      return (heard = performance.now());
    };
    hear();
    const watch = setInterval(() => {
      const silence = Math.max(performance.now() - heard, Date.now() - heardAt);
      if (silence > (opened ? SILENCE : CONNECT_TIMEOUT)) this.#lost(opened, "The server does not answer. Reconnecting …");
    }, 2000);
    signal.addEventListener("abort", () => {
      clearInterval(watch);
      // A late frame of this connection must not be confirmed on the next one.
      if (this.#socket === socket) this.#socket = null;
      socket.close();
    });

    // The next of several ways is tried: the last shall have its time, however long the others took.
    socket.addEventListener("progress", hear, { signal });
    socket.addEventListener(
      "open",
      () => {
        opened = hear();
        this.#known = true;
        this.#missing = null;
        this.#enter({ name: "open", text: "" });
      },
      { signal },
    );
    socket.addEventListener(
      "message",
      (event) => {
        this.#message(socket, /** @type {MessageEvent} */ (event).data, hear());
      },
      { signal },
    );
    socket.addEventListener(
      "close",
      (event) => {
        const { code, reason } = /** @type {CloseEvent} */ (event);
        // To find out why may take longer than an attempt: by the Hub and back.
        clearInterval(watch);
        this.#closed(code, reason, opened, signal);
      },
      { signal },
    );
  }

  /**
   * @param {SocketLike} socket
   * @param {string | ArrayBuffer} data
   * @param {number} arrived milliseconds on the page's clock
   */
  #message(socket, data, arrived) {
    const localtime = Date.now() / 1000;
    try {
      const message = typeof data === "string" ? JSON.parse(data) : null;
      if (message === null || message.type === "framebufferdata") {
        const frame = message ? readTextFrame(message) : readBinaryFrame(/** @type {ArrayBuffer} */ (data));
        const { index, timestamp } = frame.header;
        const confirm = () => {
          if (this.#socket !== socket) return;
          const drawing = (performance.now() - arrived) / 1000;
          this.send({ type: "frame_feedback", index, timestamp, localtime, drawing });
        };
        this.#tell("frame", { frame, confirm });
        return;
      }
      if (message.type === "ping") {
        this.send({ type: "pong", timestamp: message.timestamp, localtime });
        return;
      }
      // At once: a browser tells that a connection is closed when the server has let go of it, up to a second later.
      const over = message.type === "close" && OVER[message.reason];
      if (over) {
        this.#stop(over);
        return;
      }
      this.#tell("message", message);
    } catch (error) {
      this.#tell("fault", error instanceof Error ? error : new Error(String(error)));
    }
  }

  /**
   * @param {number} code
   * @param {string} reason
   * @param {number} opened when the connection was made, 0 when it never was
   * @param {AbortSignal} signal
   */
  async #closed(code, reason, opened, signal) {
    const over = code === WIDGET_CLOSED ? OVER.closed : opened && OVER[reason];
    if (over) {
      this.#stop(over);
      return;
    }
    if (code === ROLE_CHANGED) {
      this.#lost(opened, "Your permissions changed. Reconnecting …");
      return;
    }
    if (opened) {
      this.#lost(opened, code === 1001 ? "The server is shutting down. Reconnecting …" : "Connection lost. Reconnecting …", reason);
      return;
    }
    const { verdict, text, signIn } = await this.#link.diagnose(signal);
    if (signal.aborted) return;
    if (verdict === "missing" && this.#known) {
      this.#missing ??= performance.now();
      if (performance.now() - this.#missing < LOOKS_FOR) {
        this.#lost(0, "The widget is not on the server. Looking for it …");
        return;
      }
    }
    if (verdict === "retry") {
      this.#missing = null;
      this.#lost(0, text);
    } else {
      this.#stop({ name: verdict === "denied" ? "denied" : "closed", text, ...(signIn ? { signIn } : {}) });
    }
  }

  /** Starts over with a fresh connection: when what came over this one could not be used. */
  restart() {
    if (this.#state.name === "open") this.#lost(performance.now(), "A frame could not be shown. Reconnecting …");
  }

  /**
   * @param {number} opened
   * @param {string} text
   * @param {string} [reason]
   */
  #lost(opened, text, reason) {
    this.#attempt?.abort();
    this.#attempt = new AbortController();
    if (opened && performance.now() - opened > STABLE) this.#backoff.reset();
    const timer = setTimeout(() => this.#open(), this.#backoff.next());
    this.#attempt.signal.addEventListener("abort", () => clearTimeout(timer));
    this.#enter({ name: "waiting", text: reason === "max_views" ? "The server has no room for another view. Trying again …" : text });
  }

  /** @param {ClientState} state */
  #stop(state) {
    this.#wanted?.abort();
    this.#wanted = null;
    this.#attempt?.abort();
    this.#attempt = null;
    this.#backoff.reset();
    this.#enter(state);
  }

  /** @param {ClientState} state */
  #enter(state) {
    this.#state = state;
    this.#tell("state", state);
  }

  /**
   * @param {"state" | "message" | "frame" | "fault"} type
   * @param {unknown} detail
   */
  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
