/** Where things are in a view, however the page around scales it: by CSS `zoom`, or by a transform, also one that scales the axes differently. */

/** @import { ViewSize } from "./types.js" */

/**
 * Where an event is in an element, in the pixels in which the element's size was told: its place in the box on the screen, times that size.
 * @param {HTMLElement} element
 * @param {MouseEvent} event
 * @param {ViewSize | null} size
 */
export function positionIn(element, event, size) {
  const box = element.getBoundingClientRect();
  return {
    x: (event.clientX - box.left) * scale(size?.width, box.width),
    y: (event.clientY - box.top) * scale(size?.height, box.height),
  };
}

/**
 * How large an element is in the pixels of its own style, and how many of these a pixel of the screen is.
 * @param {HTMLElement} element without padding and border
 */
export function measure(element) {
  const box = element.getBoundingClientRect();
  const { width: across, height: down } = getComputedStyle(element);
  const [width, height] = [Number.parseFloat(across), Number.parseFloat(down)];
  return { box, width, height, scaleX: scale(width, box.width), scaleY: scale(height, box.height) };
}

/**
 * Sizes that are equal but for rounding are equal.
 * @param {number | undefined} own
 * @param {number} onScreen
 */
export function scale(own, onScreen) {
  return own && onScreen > 0 && Math.abs(own - onScreen) > 1 ? own / onScreen : 1;
}
