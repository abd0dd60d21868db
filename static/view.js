/**
 * The element of pages: `<framehub-view widget="square"></framehub-view>` shows a widget of the server that this module
 * comes from.
 *
 * Attributes, besides those of `view/element.js`: `widget` (its id), `base` (the server's address, where it is another
 * one than this module's), `frames` ("base64" for networks that carry no bytes), `lazy` (connects only while it is on screen).
 *
 * Methods: `takeControl` and `releaseControl`; what came of it tells the event `framehub-sharing`.
 */

import { bind } from "./client/binding.js";
import { FrameHubClient } from "./client/client.js";
import { FrameView, defineView } from "./view/element.js";

/** A view that is off screen keeps its connection for this long, in milliseconds: scrolling back and forth is cheap then. */
const LINGER = 5000;

export class ConnectedView extends FrameView {
  /**
   * @override
   * @type {string[]}
   */
  static observedAttributes = [...FrameView.observedAttributes, "widget", "base", "frames"];

  /** Whether the element is in a page: one that the parser made hears of its attributes before that. */
  #placed = false;
  /** @type {FrameHubClient | null} */
  #client = null;
  /** What the connection was made for. @type {"interact" | "watch"} */
  #role = "interact";
  /** Takes view and client apart. */
  #unbind = () => {};
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #lingering;

  constructor() {
    super();
    this.addEventListener("framehub-event", (event) => this.#shownOrHidden(/** @type {CustomEvent} */ (event).detail.type));
    this.addEventListener("framehub-close", () => this.#client?.disconnect());
    this.addEventListener("framehub-reopen", () => this.#client?.connect());
  }

  /** @override */
  connectedCallback() {
    super.connectedCallback();
    this.#placed = true;
    if (!this.#client) this.#start();
  }

  /** @override */
  disconnectedCallback() {
    super.disconnectedCallback();
    this.#placed = false;
    // A view that is only moved to another place in the page keeps its connection.
    queueMicrotask(() => {
      if (!this.#placed) this.#end();
    });
  }

  /**
   * @override
   * @param {string} name
   */
  attributeChangedCallback(name) {
    if (FrameView.observedAttributes.includes(name)) {
      super.attributeChangedCallback(name);
      // The server lets a view that began as a watcher do no more.
      if (name !== "watch" || !this.interactive || this.#role !== "watch") return;
    }
    if (!this.#placed) return;
    this.#end();
    if (name === "widget" || name === "base") this.clear();
    this.#start();
  }

  /** Takes the control: nobody else acts in the widget until it is released. The server refuses while another view holds it. */
  takeControl() {
    this.#client?.send({ type: "control", action: "take" });
  }

  /** Lets all who may act do so again. */
  releaseControl() {
    this.#client?.send({ type: "control", action: "release" });
  }

  /** The connection; null while no widget is named. */
  get client() {
    return this.#client;
  }

  #start() {
    const widget = this.getAttribute("widget");
    if (!widget) {
      this.setStatus({ state: "ended", text: "No widget is named. Set the attribute “widget”." });
      return;
    }
    this.#role = this.interactive ? "interact" : "watch";
    this.#client = new FrameHubClient({
      base: new URL(this.getAttribute("base") ?? new URL("..", import.meta.url).href, document.baseURI),
      widget,
      role: this.#role,
      frames: this.getAttribute("frames") === "base64" ? "base64" : "binary",
    });
    this.#unbind = bind(this, this.#client);
    this.#connect();
  }

  /** Connects the view, if it is one to be seen now. */
  #connect() {
    if (this.state === "dismissed" || (this.hasAttribute("lazy") && !this.visible)) return;
    if (this.#client?.state.name === "idle") this.#client.connect();
  }

  #end() {
    clearTimeout(this.#lingering);
    this.#client?.disconnect();
    this.#unbind();
    this.#unbind = () => {};
    this.#client = null;
  }

  /** @param {string} type of an event of the view */
  #shownOrHidden(type) {
    if (!this.hasAttribute("lazy")) return;
    if (type === "show") {
      clearTimeout(this.#lingering);
      this.#connect();
    }
    if (type === "hide") {
      clearTimeout(this.#lingering);
      this.#lingering = setTimeout(() => this.#client?.disconnect(), LINGER);
    }
  }
}

defineView("framehub-view", ConnectedView);
