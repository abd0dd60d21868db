/** A page with a widget's model, as a notebook's is to the module that shows the widget there; the test is its kernel. */

/** @typedef {import("./browser.mjs").Visit} Visit */
/** @typedef {{framehub: string, request?: string, [field: string]: unknown}} Content a message between page and kernel */

/**
 * @typedef {object} Notebook
 * @property {Content[]} asked what the page said to the kernel, in order
 * @property {(content: Content) => Promise<void>} tell says something to the page, as the kernel does at any time
 * @property {() => Promise<void>} render shows the widget once more
 * @property {(index: number) => Promise<void>} remove takes one of its views away, as a notebook does that clears an output
 * @property {(disposed: boolean) => Promise<void>} dispose whether the notebook throws on what is to be sent to the kernel
 * @property {() => Promise<void>} cut ends the page's open sockets, as a network does
 * @property {(away: boolean) => Promise<void>} network whether new ones lead nowhere
 */

/**
 * Opens such a page on the server's origin; it shows the widget nowhere yet.
 * @param {Visit} visit
 * @param {import("./server.mjs").Server} server
 * @param {(content: Content, tell: Notebook["tell"]) => void} kernel hears what the page says
 * @param {{saved?: boolean}} options `saved`: it is a page that was saved, which no kernel is behind
 * @returns {Promise<Notebook>}
 */
export async function openNotebook(visit, server, kernel, { saved = false } = {}) {
  const { page } = visit;
  /** @type {Content[]} */
  const asked = [];
  const tell = (/** @type {Content} */ content) => page.evaluate((content) => Reflect.get(window, "notebook").tell(content), content);
  await page.exposeFunction("kernel", (/** @type {Content} */ content) => {
    asked.push(content);
    kernel(content, tell);
  });
  await page.addInitScript(() => {
    /** @type {Set<WebSocket>} */
    const sockets = new Set();
    let gone = false;
    window.WebSocket = class extends WebSocket {
      /**
       * @param {string | URL} address
       * @param {string | string[]} [protocols]
       */
      constructor(address, protocols) {
        // A port that browsers go to for nobody.
        super(gone ? "ws://127.0.0.1:1" : address, protocols);
        sockets.add(this);
      }
    };
    Reflect.set(window, "cut", () => sockets.forEach((socket) => socket.close()));
    Reflect.set(window, "network", (/** @type {boolean} */ away) => void (gone = away));
  });
  await visit.embed(server, "", { drawn: false });
  await page.evaluate(async ({ module, saved }) => {
    const { default: widget } = await import(module);
    /** @type {Set<(content: object) => void>} */
    const listeners = new Set();
    const model = {
      get: (/** @type {string} */ name) =>
        ({ css_width: "200px", css_height: "100px", _picture_class: "the-picture", layout: { comm_live: !saved } })[name],
      send: (/** @type {object} */ content) => {
        if (disposed) throw new Error("Cannot send");
        Reflect.get(window, "kernel")(content);
      },
      on: (/** @type {string} */ _, /** @type {(content: object) => void} */ listener) => listeners.add(listener),
      off: (/** @type {string} */ _, /** @type {(content: object) => void} */ listener) => listeners.delete(listener),
    };
    const { initialize, render } = widget();
    initialize({ model });
    let disposed = false;
    /** @type {(() => void)[]} */
    const removes = [];
    Reflect.set(window, "notebook", {
      tell: (/** @type {object} */ content) => listeners.forEach((listener) => listener(content)),
      render: () => removes.push(render({ model, el: document.body.appendChild(document.createElement("div")) })),
      remove: (/** @type {number} */ index) => removes[index]?.(),
      dispose: (/** @type {boolean} */ now) => (disposed = now),
    });
  }, { module: server.url("static/notebook/cell.js"), saved });
  return {
    asked,
    tell,
    render: () => page.evaluate(() => void Reflect.get(window, "notebook").render()),
    remove: (index) => page.evaluate((index) => Reflect.get(window, "notebook").remove(index), index),
    dispose: (disposed) => page.evaluate((disposed) => Reflect.get(window, "notebook").dispose(disposed), disposed),
    cut: () => page.evaluate(() => Reflect.get(window, "cut")()),
    network: (away) => page.evaluate((away) => Reflect.get(window, "network")(away), away),
  };
}
