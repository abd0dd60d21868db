/**
 * A widget in a notebook: the module that anywidget loads. One model has one channel to the kernel, and as many views as
 * outputs show it.
 */

import { bind } from "../client/binding.js";
import { FrameHubClient } from "../client/client.js";
import { FrameView, defineView } from "../view/element.js";
import { Channel, Refusal } from "./channel.js";
import { Session } from "./session.js";
import { NotebookSocket } from "./socket.js";

/** @import { Diagnosis } from "../client/diagnosis.js" */
/** @import { Traits } from "../view/types.js" */
/** @import { Model } from "./channel.js" */

/** Each version of the modules has an element of its own: a page may outlive an upgrade. Set when they are bundled. */
const BUILD = "development";
const TRAITS = ["css_width", "css_height", "resizable", "cursor", "title", "has_titlebar", "is_minimizable", "is_closable"];
const PICTURE = "_picture_class";
/** A widget of its own that ipywidgets keeps beside this one; it knows whether a kernel is behind them, as a saved page's do not. */
const LAYOUT = "layout";
/** A kernel that has not answered for so long, in milliseconds, is said not to: it computes, or the question got lost. */
const PATIENCE = 10_000;

/** What anywidget calls, once for each model. */
export default () => {
  /** @type {Channel} */
  let channel;
  return {
    /** @param {{model: Model}} context */
    initialize({ model }) {
      channel = new Channel(model);
      return () => channel.close();
    },
    /** @param {{model: Model, el: HTMLElement}} context */
    render({ model, el }) {
      return render(model, channel, el);
    },
  };
};

/**
 * @param {Model} model
 * @param {Channel} channel
 * @param {HTMLElement} container
 * @returns {() => void} takes the view away
 */
function render(model, channel, container) {
  if (model.get(LAYOUT)?.comm_live === false) return renderStill(model.get(PICTURE), container);
  const name = defineView(`framehub-cell-${BUILD}`, class extends FrameView {});
  const view = /** @type {FrameView} */ (document.createElement(name));
  view.setAttribute("label", "Widget");
  // Room for the frame around the picture, which notebooks would cut off; within a width of 100 %.
  container.style.boxSizing = "border-box";
  container.style.padding = "2px";
  view.traits = /** @type {Partial<Traits>} */ (Object.fromEntries(TRAITS.map((trait) => [trait, model.get(trait)])));
  const session = new Session();
  const client = new FrameHubClient({
    link: {
      open() {
        const socket = new NotebookSocket(channel, session);
        socket.addEventListener("open", () => view.setAttribute("data-way", socket.way ?? ""));
        return socket;
      },
      diagnose: async () => session.refusal ?? diagnose(channel),
    },
  });
  const unbind = bind(view, client);
  const ending = new AbortController();
  const { signal } = ending;
  view.addEventListener("framehub-traits", () => share(container, view.traits), { signal });
  share(container, view.traits);
  view.addEventListener("framehub-close", () => client.disconnect(), { signal });
  view.addEventListener("framehub-reopen", () => client.connect(), { signal });
  container.append(view);
  const showPicture = hidePicture(model.get(PICTURE));
  drawPicture(model.get(PICTURE), view).finally(() => {
    if (!signal.aborted) client.connect();
  });
  return () => {
    ending.abort();
    showPicture();
    client.disconnect();
    unbind();
    view.remove();
  };
}

/**
 * Lets a view of relative width have its share of a row: a box as wide as what is in it leaves nothing to take a part of.
 * @param {HTMLElement} container
 * @param {Traits} traits
 */
function share(container, { css_width }) {
  container.style.flex = css_width.includes("%") ? "1 1 auto" : "";
}

/**
 * Shows the still picture in the view's place, for pages without a kernel: also within a box, where it has none of its own.
 * @param {string} name its class
 * @param {HTMLElement} container
 * @returns {() => void} takes it away
 */
function renderStill(name, container) {
  const image = document.querySelector(`.${name} img`);
  const still = image ? /** @type {Element} */ (image.cloneNode()) : new Text("No picture of this widget was kept. Run the notebook to see it.");
  const showPicture = image ? hidePicture(name) : () => {};
  container.append(still);
  return () => {
    showPicture();
    still.remove();
  };
}

/**
 * Hides the still picture that the notebook holds beside the view.
 * @param {string} name its class
 * @returns {() => void} shows it again
 */
function hidePicture(name) {
  const sheet = new CSSStyleSheet();
  // With what JupyterLab puts around that very output, which has a margin. An `Output` widget around it holds more.
  sheet.replaceSync(`.${name}, .jp-OutputArea-child:has(> .jp-OutputArea-output > .${name}) { display: none; }`);
  document.adoptedStyleSheets.push(sheet);
  return () => {
    document.adoptedStyleSheets = document.adoptedStyleSheets.filter((each) => each !== sheet);
  };
}

/**
 * Draws that picture, until there is a frame: also where there is no kernel.
 * @param {string} name its class
 * @param {FrameView} view
 */
async function drawPicture(name, view) {
  const image = document.querySelector(`.${name} img`);
  if (!(image instanceof HTMLImageElement)) return;
  try {
    const bytes = new Uint8Array(await (await fetch(image.src)).arrayBuffer());
    const { naturalWidth: width, naturalHeight: height } = image;
    const part = { x: 0, y: 0, width, height, mimetype: "image/png", bytes: bytes.length };
    const header = { index: 0, timestamp: 0, width, height, whole: true, lossless: true, encoding: 0, parts: [part] };
    await view.draw({ header, images: [bytes], bytes: bytes.length });
  } catch (error) {
    console.warn("framehub: the notebook's picture of the widget cannot be shown:", error);
  }
}

/**
 * Why there is no connection: what the kernel says.
 * @param {Channel} channel
 * @returns {Promise<Diagnosis>}
 */
async function diagnose(channel) {
  const silence = new Refusal("The kernel does not answer. Reconnecting …", false);
  const impatience = new Promise((_, reject) => setTimeout(() => reject(silence), PATIENCE));
  try {
    await Promise.race([channel.ask(), impatience]);
    return { verdict: "retry", text: "The server does not answer. Reconnecting …" };
  } catch (error) {
    const closed = error instanceof Refusal && error.closed;
    return { verdict: closed ? "gone" : "retry", text: error instanceof Error ? error.message : String(error) };
  }
}
