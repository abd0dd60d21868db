/**
 * The view's size in logical and physical pixels, and whether anybody can see it.
 *
 * Nothing is told before both are known, so that a view that begins off screen is never taken for a visible one.
 */

import { timestamp } from "./types.js";

/** @import { Emit, ViewSize } from "./types.js" */

export class Sizing {
  /** The last size that was not zero. @type {ViewSize | null} */
  size = null;
  /** Whether the view has an area now. */
  #hasArea = false;
  /** Whether it is on the screen; null while unknown. @type {boolean | null} */
  #onScreen = null;
  /** What was told last; null before. @type {boolean | null} */
  #told = null;
  /** Has the stage measured, also when its size stays the same. */
  #observe = () => {};
  #stage;
  #emit;
  #beforeHide;

  /**
   * @param {HTMLElement} stage
   * @param {Emit} emit
   * @param {() => void} beforeHide called before `hide` is told
   */
  constructor(stage, emit, beforeHide) {
    this.#stage = stage;
    this.#emit = emit;
    this.#beforeHide = beforeHide;
  }

  /** @param {AbortSignal} signal ends the listening */
  listen(signal) {
    this.#onScreen = null;
    this.#told = null;
    const sizes = new ResizeObserver((entries) => {
      const entry = entries.at(-1);
      if (entry) this.#measured(entry);
    });
    this.#observe = () => {
      sizes.unobserve(this.#stage);
      try {
        sizes.observe(this.#stage, { box: "device-pixel-content-box" });
      } catch {
        sizes.observe(this.#stage);
      }
    };
    this.#observe();
    const screen = new IntersectionObserver((entries) => {
      this.#onScreen = entries.at(-1)?.isIntersecting ?? false;
      this.#update();
    });
    screen.observe(this.#stage);
    document.addEventListener("visibilitychange", () => this.#update(), { signal });
    watchRatio(() => this.#observe(), signal);
    signal.addEventListener("abort", () => {
      sizes.disconnect();
      screen.disconnect();
      this.#observe = () => {};
      // Nobody sees what is in no page, and no observer tells of that.
      this.#onScreen = false;
      if (this.#told) this.#update();
    });
  }

  /** Whether anybody can see the view. */
  get visible() {
    return this.#hasArea && this.#onScreen === true && document.visibilityState === "visible";
  }

  /** Tells size and visibility again, once the browser has laid out what just changed. */
  announce() {
    this.#told = null;
    this.#observe();
  }

  /** @param {ViewSize} measured */
  #tellAll(measured) {
    const size = { type: "resize", timestamp: timestamp(), ...measured };
    const visibility = { type: this.visible ? "show" : "hide", timestamp: timestamp() };
    // A hidden view must not look visible in between.
    for (const event of this.visible ? [size, visibility] : [visibility, size]) this.#emit(event);
    this.#told = this.visible;
  }

  /** @param {ResizeObserverEntry} entry */
  #measured(entry) {
    const size = sizeOf(entry);
    this.#hasArea = size.pwidth > 0 && size.pheight > 0;
    if (this.#hasArea && !sameSize(size, this.size)) {
      this.size = size;
      if (this.#told !== null) this.#emit({ type: "resize", timestamp: timestamp(), ...size });
    }
    this.#update();
  }

  #update() {
    if (this.#onScreen === null || !this.size) return;
    if (this.#told === null) {
      this.#tellAll(this.size);
      return;
    }
    if (this.visible === this.#told) return;
    this.#told = this.visible;
    if (!this.visible) this.#beforeHide();
    this.#emit({ type: this.visible ? "show" : "hide", timestamp: timestamp() });
  }
}

/**
 * @param {ResizeObserverEntry} entry
 * @returns {ViewSize}
 */
function sizeOf(entry) {
  const ratio = devicePixelRatio;
  const physical = entry.devicePixelContentBoxSize?.[0];
  const pwidth = physical?.inlineSize ?? Math.floor(entry.contentRect.width * ratio);
  const pheight = physical?.blockSize ?? Math.floor(entry.contentRect.height * ratio);
  return { width: pwidth / ratio, height: pheight / ratio, pwidth, pheight, ratio };
}

/**
 * @param {ViewSize} a
 * @param {ViewSize | null} b
 */
function sameSize(a, b) {
  return b !== null && a.pwidth === b.pwidth && a.pheight === b.pheight && a.ratio === b.ratio;
}

/**
 * Calls back when the page's pixel ratio changes: by zooming, or on the way to another screen. The size in physical
 * pixels can stay the same then, so that no other observer notices.
 * @param {() => void} changed
 * @param {AbortSignal} signal
 */
function watchRatio(changed, signal) {
  if (signal.aborted) return;
  const query = matchMedia(`(resolution: ${devicePixelRatio}dppx)`);
  query.addEventListener(
    "change",
    () => {
      changed();
      watchRatio(changed, signal);
    },
    { once: true, signal },
  );
}
