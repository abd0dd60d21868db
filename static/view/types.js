/**
 * The shapes that the view and its transports exchange.
 *
 * @typedef {"Shift" | "Control" | "Alt" | "Meta"} Modifier
 *
 * @typedef {object} Touch One pointer that is down, in logical pixels from the view's top left; `pressure` is 0..1.
 * @property {number} x
 * @property {number} y
 * @property {number} pressure
 *
 * @typedef {object} ViewSize
 * @property {number} width logical pixels
 * @property {number} height logical pixels
 * @property {number} pwidth physical pixels
 * @property {number} pheight physical pixels
 * @property {number} ratio physical pixels per logical pixel
 *
 * @typedef {{type: string, timestamp: number, [field: string]: unknown}} ViewEvent What the user did in the view, or
 *   what became of the view. `timestamp` is in seconds on the page's monotonic clock.
 *
 * @typedef {(event: ViewEvent) => void} Emit
 *
 * @typedef {object} Traits What the widget's author set for all its views.
 * @property {string} css_width preferred width, a CSS length
 * @property {string} css_height preferred height, a CSS length
 * @property {boolean} resizable
 * @property {string} cursor a CSS keyword
 * @property {string} title
 * @property {boolean} has_titlebar
 * @property {boolean} is_minimizable
 * @property {boolean} is_closable
 * @property {number} quality of frames that move, 1 to 100; 100 is lossless
 * @property {boolean} show_pointers whether views show where the pointers of the others are
 *
 * @typedef {object} Part A rectangle of a frame, in the frame's pixels, and the length of its encoded image.
 * @property {number} x
 * @property {number} y
 * @property {number} width
 * @property {number} height
 * @property {string} mimetype
 * @property {number} bytes
 *
 * @typedef {object} FrameHeader
 * @property {number} index
 * @property {number} timestamp when the server sent it, Unix seconds
 * @property {number} width pixels of the whole frame
 * @property {number} height pixels of the whole frame
 * @property {boolean} whole whether the parts need nothing that came before; else they amend the frame of the index before
 * @property {boolean} lossless whether the view then shows the renderer's very pixels
 * @property {number} encoding seconds that the encoder took
 * @property {Part[]} parts
 *
 * @typedef {object} Frame An encoded frame: `images[i]` is the encoded image of `header.parts[i]`.
 * @property {FrameHeader} header
 * @property {Uint8Array<ArrayBuffer>[]} images
 * @property {number} bytes of the whole message
 *
 * @typedef {"connecting" | "live" | "busy" | "error" | "gone" | "disconnected" | "denied" | "ended" | "closed" | "dismissed"} State
 *
 * @typedef {object} Status What the view says of itself.
 * @property {State} state
 * @property {string} [text] one line for people; empty when there is nothing to say
 * @property {string} [detail] more than one line, such as a traceback
 * @property {{label: string, run: () => void}} [action] what the user can do about it
 */

/** @type {Traits} */
export const DEFAULT_TRAITS = Object.freeze({
  css_width: "500px",
  css_height: "300px",
  resizable: true,
  cursor: "default",
  title: "",
  has_titlebar: false,
  is_minimizable: false,
  is_closable: false,
  quality: 80,
  show_pointers: false,
});

/** Now, in seconds on the page's monotonic clock, as all events of a view tell it. */
export function timestamp() {
  return performance.now() / 1000;
}
