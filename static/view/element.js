/**
 * The view of a widget, as an element: shows frames, tells what the user does. It knows sizes, events, title bar and
 * notices, and nothing of where frames come from or where events go.
 *
 *     const view = document.createElement(defineView());
 *     view.traits = { css_width: "640px", css_height: "480px", title: "Plot" };
 *     view.addEventListener("framehub-event", ({ detail }) => send(detail));
 *     await view.draw(frame);   // decoded and drawn: confirm it; false: ask for a whole frame
 *
 * Attributes: `fit` ("traits", the default: as large as the traits say; "fill": as large as its container), `watch`
 * (the user may look, not act), `plain` (the picture alone), `label` (what screen readers say of a widget without title).
 *
 * Whether the user can act (`acting`) takes two: the page, which sets `interactive` (or `watch`), and the server, whose word is in
 * `sharing` (see `sharing.js`): the view's role there, and who has the control. A view whose user cannot act says why.
 *
 * Events: `framehub-event` (`detail` is an event of the view, see `types.js`); `framehub-resize`, `framehub-minimize`,
 * `framehub-close` (can be cancelled) and `framehub-reopen` (the user did so to this view); `framehub-traits`,
 * `framehub-status`, `framehub-sharing` and `framehub-hud` (these were set); `framehub-lost` (the browser lost the picture: ask for a
 * whole frame).
 */

import { make } from "./dom.js";
import { Fence } from "./fence.js";
import { Hud } from "./hud.js";
import { KeyEvents } from "./keyboard.js";
import { Layout } from "./layout.js";
import { Notice } from "./notice.js";
import { Output } from "./output.js";
import { Picture } from "./picture.js";
import { PointerEvents } from "./pointer.js";
import { Pointers } from "./pointers.js";
import { Resizer } from "./resizer.js";
import { ALONE, mayAct, whyNot } from "./sharing.js";
import { Sizing } from "./sizing.js";
import { viewStyle } from "./style.js";
import { TextEvents } from "./text.js";
import { TitleBar } from "./titlebar.js";
import { DEFAULT_TRAITS, timestamp } from "./types.js";
import { WheelEvents } from "./wheel.js";

/** @import { Frame, State, Status, Traits, ViewEvent } from "./types.js" */
/** @import { Stats } from "./hud.js" */
/** @import { OthersPointer } from "./pointers.js" */
/** @import { Sharing } from "./sharing.js" */

/** States in which the picture is not what the renderer would show now. @type {Set<State>} */
const STALE = new Set(["gone", "disconnected", "denied", "ended", "closed"]);

/** Properties that pages set. */
const SETTABLE = ["traits", "fit", "interactive", "sharing", "stats", "hud"];
export class FrameView extends HTMLElement {
  /** @type {string[]} */
  static observedAttributes = ["fit", "watch", "plain", "label"];

  /** @type {Traits} */
  #traits = { ...DEFAULT_TRAITS };
  /** @type {Status} */
  #status = { state: "connecting" };
  /** @type {Sharing} */
  #sharing = { ...ALONE };
  /** @type {Stats} */
  #stats = {};
  /** Ends all listening outside of the element itself. @type {AbortController | null} */
  #connected = null;
  /** Ends the listening of a view that the user may act in. @type {AbortController | null} */
  #acting = null;
  #focused = false;
  #minimized = false;
  #dismissed = false;
  /** The size that the user gave, in CSS pixels. @type {{width: number, height: number} | null} */
  #given = null;

  #canvas = make("canvas", { class: "empty", role: "img", part: "canvas" });
  #field = make("input", {
    type: "text",
    class: "field",
    autocomplete: "off",
    autocapitalize: "off",
    autocorrect: "off",
    spellcheck: "false",
    "aria-roledescription": "interactive picture",
    "aria-description": "Keyboard input goes to the widget. Press Tab to leave.",
  });
  #stage = make("div", { class: "stage", part: "stage" });
  #titleBar = new TitleBar({ minimize: () => this.minimize(!this.#minimized), close: () => this.#dismiss() });
  #resizer = new Resizer(this.#stage, (width, height) => {
    this.#given = { width, height };
    this.#layOut();
    this.dispatchEvent(new CustomEvent("framehub-resize", { detail: { width, height } }));
  });
  #notice = new Notice(this);
  #output = new Output();
  #hud = new Hud();
  #pointers = new Pointers();
  #badge = make("p", { class: "badge", part: "badge", role: "status" });
  #layout = new Layout(this.#stage);

  #emit = (/** @type {ViewEvent} */ event) => {
    this.dispatchEvent(new CustomEvent("framehub-event", { detail: event }));
  };
  #picture = new Picture(this.#canvas, () => this.dispatchEvent(new CustomEvent("framehub-lost")));
  #sizing = new Sizing(
    this.#stage,
    (event) => {
      if (event.type === "resize") this.#picture.fit(this.#sizing.size);
      this.#emit(event);
    },
    () => this.release(),
  );
  #pointer = new PointerEvents(this.#stage, (event) => this.#act(event, "move"), () => this.focus(), () => this.#sizing.size);
  #wheel = new WheelEvents(this.#stage, (event) => this.#act(event, "wheel"), () => this.#pointer.buttons, () => this.#sizing.size);
  #keys = new KeyEvents(this.#field, (event) => this.#act(event));
  #text = new TextEvents(this.#field, (event) => this.#act(event), (text) => this.#notice.failed({ state: "error", text }));
  #fence = new Fence(this, (event, at) => {
    if (at === this.#field && this.#acting) this.#keys.hear(event);
    if (at === this.#resizer.element && event.type === "keydown") this.#resizer.key(event);
  });

  constructor() {
    super();
    // A press anywhere in the view then leaves the focus where it is in the view, also when it is a further button of a drag,
    // whose default action cannot be prevented.
    const root = this.attachShadow({ mode: "open", delegatesFocus: true });
    root.adoptedStyleSheets = [viewStyle(), this.#layout.sheet];
    this.#stage.append(
      this.#canvas,
      this.#pointers.element,
      this.#field,
      this.#badge,
      this.#hud.element,
      this.#notice.element,
      this.#resizer.element,
    );
    root.append(this.#titleBar.element, this.#stage, this.#output.element);
  }

  connectedCallback() {
    this.#upgrade();
    this.#connected = new AbortController();
    const { signal } = this.#connected;
    this.#sizing.listen(signal);
    this.#fence.listen(signal);
    this.#field.addEventListener("focus", () => this.#focus(), { signal });
    this.#field.addEventListener("blur", () => this.#blur(), { signal });
    this.#applyTraits();
    this.#layOut();
    this.#applyMode();
    this.#notice.show(this.#status, this.#picture.shown !== null);
  }

  disconnectedCallback() {
    this.#blur();
    this.release();
    this.#acting?.abort();
    this.#acting = null;
    this.#connected?.abort();
    this.#connected = null;
  }

  /** @param {string} name */
  attributeChangedCallback(name) {
    if (!this.isConnected) return;
    if (name === "fit") {
      this.#given = null;
      this.#layOut();
    } else if (name === "label") {
      this.#applyTraits();
    } else {
      this.#applyMode();
    }
  }

  /**
   * What the widget's author set. Setting takes a part of them, too.
   * @returns {Traits}
   */
  get traits() {
    return { ...this.#traits };
  }

  /** @param {Partial<Traits>} traits */
  set traits(traits) {
    const before = this.#traits;
    this.#traits = { ...before, ...traits };
    const { css_width, css_height } = this.#traits;
    // A size that the author sets anew is seen at once, also where the user had set another.
    if (this.fit === "traits" && (css_width !== before.css_width || css_height !== before.css_height)) this.#given = null;
    this.#applyTraits();
    this.#layOut();
    this.dispatchEvent(new CustomEvent("framehub-traits", { detail: this.traits }));
  }

  /** How large the view is: "traits" or "fill". */
  get fit() {
    return this.getAttribute("fit") === "fill" ? "fill" : "traits";
  }

  set fit(fit) {
    this.setAttribute("fit", fit);
  }

  /** Whether the page lets the user act in the view. */
  get interactive() {
    return !this.hasAttribute("watch");
  }

  set interactive(interactive) {
    this.toggleAttribute("watch", !interactive);
  }

  /**
   * What the view knows of the others. Setting takes a part of it, too.
   * @returns {Sharing}
   */
  get sharing() {
    return { ...this.#sharing };
  }

  /** @param {Partial<Sharing>} sharing */
  set sharing(sharing) {
    this.#sharing = { ...this.#sharing, ...sharing };
    this.#applyMode();
    this.dispatchEvent(new CustomEvent("framehub-sharing", { detail: this.sharing }));
  }

  /** Whether the user can act in the view now: the page and the server let them. */
  get acting() {
    return this.interactive && mayAct(this.#sharing);
  }

  /** The last size of the view that was not zero; null before there is one. */
  get size() {
    return this.#sizing.size && { ...this.#sizing.size };
  }

  /** Whether anybody can see the view. */
  get visible() {
    return this.#sizing.visible;
  }

  /** The canvas, whose backing store has the pixels of the frame that is shown. */
  get canvas() {
    return this.#canvas;
  }

  /** The index of the frame that is shown; null before the first. */
  get frameIndex() {
    return this.#picture.shown?.index ?? null;
  }

  /** Whether the frame that is shown has the renderer's very pixels; null before the first. */
  get lossless() {
    return this.#picture.shown?.lossless ?? null;
  }

  /** What the view says of itself. */
  get state() {
    return this.#dismissed ? "dismissed" : this.#status.state;
  }

  /** Whether the user minimised the view. */
  get minimized() {
    return this.#minimized;
  }

  /** How the frames flow. Setting adds to what is known. */
  get stats() {
    return { ...this.#stats };
  }

  /** @param {Stats} stats */
  set stats(stats) {
    Object.assign(this.#stats, stats);
    if (this.hud) this.#showHud();
  }

  /** Whether the statistics are shown. */
  get hud() {
    return !this.#hud.element.hidden;
  }

  set hud(shown) {
    if (shown) this.#showHud();
    this.#hud.element.hidden = !shown;
    this.dispatchEvent(new CustomEvent("framehub-hud", { detail: shown }));
  }

  /** Shows no picture any more: it would be taken for another widget's. */
  clear() {
    this.#canvas.classList.add("empty");
    this.#picture.clear();
  }

  /**
   * Draws a frame, after all that came before it.
   * @param {Frame} frame
   * @returns {Promise<boolean>} fulfilled in its turn: whether it is on the canvas, or amends one that is not there; rejected when it
   *   cannot be decoded
   */
  async draw(frame) {
    const first = this.#picture.shown === null;
    const drawn = await this.#picture.draw(frame, () => this.#sizing.size);
    if (first && drawn) {
      this.#canvas.classList.remove("empty");
      this.#notice.show(this.#shownStatus(), true);
    }
    return drawn;
  }

  /** @param {Status} status what the view shall say of itself */
  setStatus(status) {
    this.#status = status;
    this.#stage.classList.toggle("stale", STALE.has(status.state));
    this.#showStatus();
  }

  /** @param {string} text what the widget's program prints */
  print(text) {
    this.#output.print(text);
  }

  /** @param {OthersPointer[]} pointers where those of the other views are: all that are to be seen */
  showPointers(pointers) {
    this.#pointers.show(pointers);
  }

  /** Tells size, visibility and focus again: to a server that has not heard of them. */
  announce() {
    this.#sizing.announce();
    if (this.#focused) this.#emit({ type: "focus_in", timestamp: timestamp() });
  }

  /** Releases what the user holds down and can no longer release. */
  release() {
    this.#wheel.flush();
    this.#pointer.release();
    this.#keys.release();
  }

  /** Forgets what the user holds down: whoever would have been told is gone. */
  forget() {
    this.#pointer.forget();
    this.#keys.forget();
  }

  /** @param {boolean} minimized */
  minimize(minimized) {
    this.#minimized = minimized;
    this.#titleBar.minimized = minimized;
    this.classList.toggle("minimized", minimized);
    this.dispatchEvent(new CustomEvent("framehub-minimize", { detail: minimized }));
  }

  /**
   * Takes the keyboard's focus, without scrolling the page.
   * @override
   */
  focus() {
    (this.acting ? this.#field : this.#stage).focus({ preventScroll: true });
  }

  /** Shows the view again after the user closed it. */
  reopen() {
    this.#dismissed = false;
    this.setStatus({ state: "connecting", text: "Connecting …" });
    this.dispatchEvent(new CustomEvent("framehub-reopen"));
  }

  /** Takes what a page set on the element before this module was there, which would hide the accessors for ever. */
  #upgrade() {
    for (const name of SETTABLE) {
      if (!Object.hasOwn(this, name)) continue;
      const value = Reflect.get(this, name);
      Reflect.deleteProperty(this, name);
      Reflect.set(this, name, value);
    }
  }

  #dismiss() {
    if (!this.dispatchEvent(new CustomEvent("framehub-close", { cancelable: true }))) return;
    this.release();
    this.#dismissed = true;
    this.#canvas.classList.add("empty");
    this.#showStatus();
  }

  #showStatus() {
    const status = this.#shownStatus();
    this.#notice.show(status, this.#picture.shown !== null);
    this.dispatchEvent(new CustomEvent("framehub-status", { detail: status }));
  }

  /** @returns {Status} */
  #shownStatus() {
    if (!this.#dismissed) return this.#status;
    return {
      state: "dismissed",
      text: "You closed this view. The widget is still running.",
      action: {
        label: "Reopen",
        run: () => {
          if (this.#picture.shown) this.#canvas.classList.remove("empty");
          this.reopen();
        },
      },
    };
  }

  #showHud() {
    const { width, height } = this.#canvas;
    const size = this.#picture.shown ? `${width} × ${height}${this.lossless ? "" : ", lossy"}` : "";
    this.#hud.show(this.#stats, this.#traits.quality, size);
  }

  /**
   * Tells what the user did, in order: what is pending goes first, unless it is of the same kind.
   * @param {ViewEvent} event
   * @param {"move" | "wheel"} [kind]
   */
  #act(event, kind) {
    if (this.#dismissed || !this.#acting) return;
    const throttled = event.type === "pointer_move" || event.type === "wheel";
    if (!throttled && kind !== "move") this.#pointer.flush();
    if (!throttled && kind !== "wheel") this.#wheel.flush();
    this.#emit(event);
  }

  #focus() {
    if (this.#focused) return;
    this.#focused = true;
    this.#stage.classList.add("focused");
    this.#wheel.start();
    this.#act({ type: "focus_in", timestamp: timestamp() });
  }

  #blur() {
    if (!this.#focused) return;
    this.#focused = false;
    this.#stage.classList.remove("focused");
    this.#wheel.stop();
    this.release();
    this.#act({ type: "focus_out", timestamp: timestamp() });
  }

  #applyMode() {
    if (!this.#connected) return;
    const acts = this.acting;
    if (!acts && this.#acting) {
      // While what is held can still be told, and before the field, disabled, loses the focus without a word. It stays in the view:
      // else what the user goes on typing would be the page's.
      this.release();
      this.#stage.tabIndex = -1;
      if (this.#focused) this.#stage.focus({ preventScroll: true });
      this.#acting.abort();
      this.#acting = null;
    }
    const returns = acts && this.shadowRoot?.activeElement === this.#stage;
    // A click then takes the focus, as one into a picture that can be used does.
    if (acts) this.#stage.removeAttribute("tabindex");
    else this.#stage.tabIndex = -1;
    this.classList.toggle("plain", this.hasAttribute("plain"));
    this.#stage.classList.toggle("interactive", acts);
    this.#field.disabled = !acts;
    this.#field.style.display = acts ? "" : "none";
    if (acts && !this.#acting) {
      this.#acting = new AbortController();
      const { signal } = this.#acting;
      this.#pointer.listen(signal);
      this.#keys.listen(signal);
      this.#text.listen(signal);
    }
    if (returns) this.#field.focus({ preventScroll: true });
    this.#badge.textContent = whyNot(this.#sharing, this.interactive);
  }

  #applyTraits() {
    const { title, cursor, resizable } = this.#traits;
    this.#titleBar.traits = this.#traits;
    // A name alone: a picture would be fetched from wherever it is.
    this.#stage.style.cursor = /^[a-z-]+$/.test(cursor) ? cursor : "default";
    this.#resizer.element.style.display = resizable ? "" : "none";
    const label = title || this.getAttribute("label") || "Widget";
    this.#canvas.setAttribute("aria-label", label);
    this.#field.setAttribute("aria-label", label);
  }

  #layOut() {
    this.#layout.apply(this.#traits, this.fit === "fill", this.#given);
  }
}

/**
 * Registers the element, once, and answers its name.
 * @param {string} [name]
 * @param {CustomElementConstructor} [view]
 */
export function defineView(name = "framehub-view", view = class extends FrameView {}) {
  if (!customElements.get(name)) customElements.define(name, view);
  return name;
}
