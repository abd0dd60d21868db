/**
 * Keys, while the picture has the focus. They end at the view (see `fence.js`).
 *
 * What the browser itself does with a key is prevented, but for:
 * - Tab and Shift+Tab, which leave the view as they leave any field, so that nobody is caught in it;
 * - what types text (characters, dead keys, AltGr, input methods, paste), which `text.js` hears;
 * - saving, which the page around hears as well;
 * - reloading, full screen, developer tools, zoom, and the browser's tabs and windows.
 */

import { pageKeeps } from "./fence.js";
import { modifiersOf } from "./modifiers.js";
import { timestamp } from "./types.js";

/** @import { Emit, Modifier } from "./types.js" */

/** Before the name of a key whose place is unknown. */
const NOWHERE = "key ";
/** Names that some browsers spell differently. @type {Record<string, string>} */
const NAMES = { Ctrl: "Control", Del: "Delete", Esc: "Escape", OS: "Meta" };

const BROWSER_KEYS = new Set(["Tab", "F5", "F11", "F12"]);
/** With Control or Command: clipboard, tabs and windows, address, reload, zoom, quit. */
const BROWSER_CHORDS = new Set([..."cvxtnwrlq+-=0", "Tab"]);
/** With Control or Command, and Shift: developer tools, private windows, closed tabs, hard reload. */
const BROWSER_SHIFT_CHORDS = new Set([..."ijcknptrw+-="]);
/** Keys that do nothing but in a field with text in it. */
const FIELD_KEYS = new Set(["Backspace", "Delete", "Enter", "Dead", "Process", "Unidentified"]);

export class KeyEvents {
  /** By the key's place on the keyboard, the name that it was told with. @type {Map<string, string>} */
  #held = new Map();
  /** Whether the field has the focus: a key that comes late would be held for ever. */
  #focused = false;
  #field;
  #emit;

  /**
   * @param {HTMLElement} field what has the focus
   * @param {Emit} emit
   */
  constructor(field, emit) {
    this.#field = field;
    this.#emit = emit;
  }

  /** @param {AbortSignal} signal ends the listening */
  listen(signal) {
    const root = /** @type {ShadowRoot | Document} */ (this.#field.getRootNode());
    this.#focused = root.activeElement === this.#field;
    this.#field.addEventListener("focus", () => (this.#focused = true), { signal });
    this.#field.addEventListener("blur", () => (this.#focused = false), { signal });
    this.#field.addEventListener("keydown", (event) => this.hear(event), { signal });
    this.#field.addEventListener("keyup", (event) => this.hear(event), { signal });
  }

  /** @param {KeyboardEvent} event of the field, wherever it was heard */
  hear(event) {
    if (event.type === "keydown") this.#down(event);
    if (event.type === "keyup") this.#up(event);
  }

  /** Releases all keys for a user who no longer can. */
  release() {
    for (const key of this.#held.values()) {
      this.#emit({ type: "key_up", timestamp: timestamp(), key, modifiers: [] });
    }
    this.forget();
  }

  /** Forgets all keys that are held, without telling it. */
  forget() {
    this.#held.clear();
  }

  /** @param {KeyboardEvent} event */
  #down(event) {
    if (!browserKeeps(event)) event.preventDefault();
    // Keys that go to an input method are no keys of the widget.
    if (event.isComposing || event.key === "Process" || event.key === "Unidentified") return;
    if (event.repeat || !this.#focused) return;
    const place = placeOf(event);
    // Its release never came: a shortcut of the desktop took it, or whoever sends keys from afar.
    this.#lift(place, modifiersOf(event));
    const key = NAMES[event.key] ?? event.key;
    this.#held.set(place, key);
    this.#emit({ type: "key_down", timestamp: timestamp(), key, modifiers: modifiersOf(event) });
  }

  /** @param {KeyboardEvent} event */
  #up(event) {
    const place = placeOf(event);
    // Without a place, `!` may come up as `1`: none of these may stay held.
    const places = event.code || this.#held.has(place) ? [place] : [...this.#held.keys()].filter((held) => held.startsWith(NOWHERE));
    const [key] = places.map((each) => this.#lift(each, modifiersOf(event)));
    // On a Mac, keys that were pressed together with Command never come up.
    if (key === "Meta") this.release();
  }

  /**
   * Tells that a key came up, if it is held, under the name that it went down with: `A` comes up as `a` when Shift came up first.
   * @param {string} place
   * @param {Modifier[]} modifiers
   */
  #lift(place, modifiers) {
    const key = this.#held.get(place);
    this.#held.delete(place);
    if (key !== undefined) this.#emit({ type: "key_up", timestamp: timestamp(), key, modifiers });
    return key;
  }
}

/**
 * Where a key is on the keyboard. Remote desktops and some layouts do not say: then its name, without what Shift makes of it.
 * @param {KeyboardEvent} event
 */
function placeOf(event) {
  return event.code || NOWHERE + event.key.toLowerCase();
}

/**
 * Whether the browser's own action on a key stays.
 * @param {KeyboardEvent} event
 */
export function browserKeeps(event) {
  if (event.isComposing || pageKeeps(event) || BROWSER_KEYS.has(event.key) || FIELD_KEYS.has(event.key)) return true;
  if (event.getModifierState("AltGraph")) return true;
  const chord = event.ctrlKey || event.metaKey;
  if (chord && !event.altKey) {
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    return (event.shiftKey ? BROWSER_SHIFT_CHORDS : BROWSER_CHORDS).has(key) || event.key === "Tab";
  }
  // A single character types itself. On a Mac, Option types characters too.
  return !chord && [...event.key].length === 1;
}
