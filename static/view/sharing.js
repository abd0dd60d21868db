/** What a view knows of the others that show the same widget. */

/**
 * @typedef {object} Sharing
 * @property {string | null} view this view's name among them, such as `v1`; null while it is not connected
 * @property {"interact" | "watch"} role what the server lets this view do
 * @property {string | null} control the view that alone may act; null when all may
 * @property {number} views how many there are, this one included
 * @property {string[]} administrators who watch the widget though it is not theirs, as its owner is told
 */

/** A view that knows of no others. @type {Readonly<Sharing>} */
export const ALONE = Object.freeze({ view: null, role: "interact", control: null, views: 1, administrators: [] });

/**
 * Whether the server lets this view's user act now.
 * @param {Sharing} sharing
 */
export function mayAct({ view, role, control }) {
  return role === "interact" && (control === null || control === view);
}

/**
 * Why the user cannot act, in words; empty when they can.
 * @param {Sharing} sharing
 * @param {boolean} interactive whether the page lets them act
 */
export function whyNot(sharing, interactive) {
  if (!interactive || sharing.role === "watch") return "Watching";
  return mayAct(sharing) ? "" : `${sharing.control} has control`;
}
