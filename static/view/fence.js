/**
 * Keys stay in the view: while the focus is anywhere in it, neither the page nor the notebook around it hears them, whoever may
 * act and whatever the view says of itself. What would type into a picture must not delete a notebook's cells.
 *
 * They are stopped at the window, before they go down: notebooks listen on the document, ahead of all that is in it. So the view
 * hears them from here. A page has its own shortcuts all the same: with a capturing listener on the window.
 */

const TYPES = /** @type {const} */ (["keydown", "keyup", "keypress"]);

export class Fence {
  #host;
  #hear;

  /**
   * @param {HTMLElement} host the view
   * @param {(event: KeyboardEvent, at: EventTarget | undefined) => void} hear what the view does with a key that is stopped
   */
  constructor(host, hear) {
    this.#host = host;
    this.#hear = hear;
    // Where the window cannot tell that a key is the view's: within another component's closed tree.
    for (const type of TYPES) {
      host.addEventListener(type, (event) => {
        if (!pageKeeps(event)) event.stopPropagation();
      });
    }
  }

  /** @param {AbortSignal} signal ends it */
  listen(signal) {
    for (const type of TYPES) addEventListener(type, (event) => this.#stop(event), { capture: true, signal });
  }

  /** @param {KeyboardEvent} event */
  #stop(event) {
    const path = event.composedPath();
    if (!path.includes(this.#host) || pageKeeps(event)) return;
    event.stopPropagation();
    this.#hear(event, path[0]);
  }
}

/**
 * Whether a key is the page's, too: Ctrl+S and Ctrl+Shift+S (on a Mac with Command) save the notebook, or the page.
 * @param {KeyboardEvent} event
 */
export function pageKeeps(event) {
  return (event.ctrlKey || event.metaKey) && !event.altKey && event.key.toLowerCase() === "s";
}
