/** Text that is typed, pasted or composed with an input method, as the hidden field hears it. */

import { timestamp } from "./types.js";

/** @import { Emit } from "./types.js" */

/** Most characters of one event: a server takes 4096 bytes, and a character is 4 at most. */
const LONGEST = 1000;
/** Most characters of one paste: what waits for the widget in the server has a bound, and a part of a text would be none. */
const LONGEST_PASTE = 50_000;

/**
 * A text in pieces that an event takes. No character is cut.
 * @param {string} text
 * @returns {string[]} at least one
 */
function pieces(text) {
  const characters = Array.from(text);
  const starts = Array.from({ length: Math.max(1, Math.ceil(characters.length / LONGEST)) }, (_, index) => index * LONGEST);
  return starts.map((start) => characters.slice(start, start + LONGEST).join(""));
}

export class TextEvents {
  /** Text that an input method has settled on, until it is told. @type {string | null} */
  #composed = null;
  /** Whether the middle button has just moved: it pastes what is selected anywhere on the desktop, which nobody meant to tell. */
  #middle = false;
  #field;
  #emit;
  #refuse;

  /**
   * @param {HTMLInputElement} field
   * @param {Emit} emit
   * @param {(text: string) => void} refuse tells the user why a text is not taken
   */
  constructor(field, emit, refuse) {
    this.#field = field;
    this.#emit = emit;
    this.#refuse = refuse;
  }

  /** @param {AbortSignal} signal ends the listening */
  listen(signal) {
    this.#field.addEventListener("input", (event) => this.#input(/** @type {InputEvent} */ (event)), { signal });
    this.#field.addEventListener("compositionend", (event) => this.#composedAs(event.data), { signal });
    this.#field.addEventListener("paste", (event) => this.#paste(event), { signal });
    for (const type of ["copy", "cut", "beforeinput"]) {
      this.#field.addEventListener(type, (event) => event.stopPropagation(), { signal });
    }
    for (const type of /** @type {const} */ (["pointerdown", "pointermove", "pointerup", "mouseup"])) {
      addEventListener(type, (event) => this.#pressed(event), { capture: true, signal });
    }
  }

  /** @param {MouseEvent} event */
  #pressed({ button }) {
    if (button !== 1) return;
    this.#middle = true;
    // The browser pastes before it does anything else.
    setTimeout(() => (this.#middle = false));
  }

  /**
   * Taken from the clipboard: a field of one line would join the lines.
   * @param {ClipboardEvent} event
   */
  #paste(event) {
    event.stopPropagation();
    event.preventDefault();
    if (this.#middle) return;
    const text = (event.clipboardData?.getData("text/plain") ?? "").replaceAll(/\r\n?/g, "\n");
    const length = Array.from(text).length;
    if (length > LONGEST_PASTE) {
      this.#refuse(`The text is too long to paste: ${length} characters. At most ${LONGEST_PASTE} can be pasted at once.`);
    } else if (text) {
      this.#tell(text, "insertFromPaste", false);
    }
  }

  /** @param {InputEvent} event */
  #input(event) {
    event.stopPropagation();
    // Not every browser says what was pasted, but the field, empty before, now holds it.
    const data = event.data ?? (this.#field.value || null);
    if (!event.isComposing) {
      this.#composed = null;
      this.#field.value = "";
    }
    this.#tell(data, event.inputType, event.isComposing);
  }

  /**
   * Some browsers tell settled text as input of its own right after this, others do not.
   * @param {string} text
   */
  #composedAs(text) {
    this.#composed = text;
    setTimeout(() => {
      if (this.#composed === null) return;
      this.#field.value = "";
      if (this.#composed) this.#tell(this.#composed, "insertCompositionText", false);
      this.#composed = null;
    });
  }

  /**
   * @param {string | null} data
   * @param {string} inputType
   * @param {boolean} isComposing
   */
  #tell(data, inputType, isComposing) {
    for (const piece of data === null ? [data] : pieces(data)) {
      this.#emit({ type: "char", timestamp: timestamp(), data: piece, input_type: inputType, is_composing: isComposing });
    }
  }
}
