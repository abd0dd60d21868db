/**
 * A widget in a notebook: the module that anywidget loads. One model has one channel to the kernel, and as many views as
 * outputs show it.
 */

import { bind } from "../client/binding.js";
import { FrameHubClient } from "../client/client.js";
import { FrameView, defineView } from "../view/element.js";
import { Channel, Refusal } from "./channel.js";
import { NotebookSocket } from "./socket.js";

/** @import { Diagnosis } from "../client/diagnosis.js" */
/** @import { ArrivedFrame } from "../client/client.js" */
/** @import { Traits } from "../view/types.js" */
/** @import { Model } from "./channel.js" */

/** Each version of the modules has an element of its own: a page may outlive an upgrade. Set when they are bundled. */
const BUILD = "development";
const TRAITS = ["css_width", "css_height", "resizable", "cursor", "title", "has_titlebar", "is_minimizable", "is_closable"];
const SNAPSHOT = "_snapshot";
/** A picture that stays for so long, in milliseconds, is worth keeping. */
const RESTING = 1000;

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
  const name = defineView(`framehub-cell-${BUILD}`, class extends FrameView {});
  const view = /** @type {FrameView} */ (document.createElement(name));
  view.setAttribute("label", "Widget");
  view.traits = /** @type {Partial<Traits>} */ (Object.fromEntries(TRAITS.map((trait) => [trait, model.get(trait)])));
  const client = new FrameHubClient({
    link: {
      open() {
        const socket = new NotebookSocket(channel);
        socket.addEventListener("open", () => view.setAttribute("data-way", socket.way ?? ""));
        return socket;
      },
      diagnose: () => diagnose(channel),
    },
  });
  const unbind = bind(view, client);
  const ending = new AbortController();
  const { signal } = ending;
  view.addEventListener("framehub-close", () => client.disconnect(), { signal });
  view.addEventListener("framehub-reopen", () => client.connect(), { signal });
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let resting;
  client.addEventListener("frame", (event) => {
    clearTimeout(resting);
    const { frame } = /** @type {CustomEvent<ArrivedFrame>} */ (event).detail;
    if (frame.header.lossless) resting = setTimeout(() => remember(model, view), RESTING);
  });
  container.append(view);
  showSnapshot(model, view).finally(() => {
    if (!signal.aborted) client.connect();
  });
  return () => {
    ending.abort();
    clearTimeout(resting);
    client.disconnect();
    unbind();
    view.remove();
  };
}

/**
 * Shows the picture that the notebook holds, until there is a frame: also where there is no kernel.
 * @param {Model} model
 * @param {FrameView} view
 */
async function showSnapshot(model, view) {
  const url = model.get(SNAPSHOT);
  if (!url) return;
  try {
    const bytes = new Uint8Array(await (await fetch(url)).arrayBuffer());
    const bitmap = await createImageBitmap(new Blob([bytes]));
    const { width, height } = bitmap;
    bitmap.close();
    const part = { x: 0, y: 0, width, height, mimetype: "image/png", bytes: bytes.length };
    const header = { index: 0, timestamp: 0, width, height, lossless: true, encoding: 0, parts: [part] };
    await view.draw({ header, images: [bytes], bytes: bytes.length });
  } catch (error) {
    console.warn("framehub: the notebook's picture of the widget cannot be shown:", error);
  }
}

/**
 * Puts the picture that is shown into the model, where notebooks that save the widgets' state find it. The kernel is not told.
 * @param {Model} model
 * @param {FrameView} view
 */
function remember(model, view) {
  // Not `toDataURL`, which encodes on the page's thread.
  view.canvas.toBlob((blob) => {
    if (!blob) return;
    const reader = new FileReader();
    reader.addEventListener("load", () => model.set(SNAPSHOT, reader.result));
    reader.readAsDataURL(blob);
  });
}

/**
 * Why there is no connection: what the kernel says.
 * @param {Channel} channel
 * @returns {Promise<Diagnosis>}
 */
async function diagnose(channel) {
  try {
    await channel.access();
    return { verdict: "retry", text: "The server does not answer. Reconnecting …" };
  } catch (error) {
    const closed = error instanceof Refusal && error.closed;
    return { verdict: closed ? "gone" : "retry", text: error instanceof Error ? error.message : String(error) };
  }
}
