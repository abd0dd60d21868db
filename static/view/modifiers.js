/** Modifier keys and mouse buttons, as events name them. */

/** @import { Modifier } from "./types.js" */

/**
 * The modifier keys that are held. AltGr is how a layout reaches its characters, no modifier: where the browser
 * reports it as Control and Alt together, neither is held.
 * @param {MouseEvent | KeyboardEvent} event
 * @returns {Modifier[]}
 */
export function modifiersOf(event) {
  const altGraph = event.getModifierState("AltGraph");
  /** @type {Modifier[]} */
  const held = [];
  if (event.shiftKey) held.push("Shift");
  if (event.ctrlKey && !altGraph) held.push("Control");
  if (event.altKey && !altGraph) held.push("Alt");
  if (event.metaKey) held.push("Meta");
  return held;
}

/** By the browser's number of a button (left, middle, right, back, forward): ours (left 1, right 2, middle 3, …). */
const BUTTONS = [1, 3, 2, 4, 5];

/** @param {number} button the browser's number; -1 is none */
export function buttonOf(button) {
  return BUTTONS[button] ?? 0;
}

/**
 * The buttons in a browser's bit mask, whose bits already are in our order.
 * @param {number} mask
 */
export function buttonsOf(mask) {
  return [1, 2, 3, 4, 5].filter((button) => mask & (1 << (button - 1)));
}
