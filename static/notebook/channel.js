/**
 * The notebook's own channel: messages between this page and the kernel, by way of the widget's model. The kernel hears
 * them only while it does not compute; what it sends arrives at any time.
 */

/**
 * The part of anywidget's model that is used here.
 * @typedef {object} Model
 * @property {(name: string) => any} get
 * @property {(name: string, value: unknown) => void} set
 * @property {(content: object) => void} send
 * @property {(event: string, listener: (...args: any[]) => void) => void} on
 * @property {(event: string, listener: (...args: any[]) => void) => void} off
 *
 * @typedef {{way: "public", url: string} | {way: "loopback", url: string} | {way: "proxy", port: number, path: string}} Way How to reach the server.
 *
 * @typedef {object} Access What a view needs to connect.
 * @property {string} widget its id on the server
 * @property {string} ticket
 * @property {"binary" | "base64"} frames how frames travel
 * @property {Way[]} ways the best first
 */

/** The kernel does not let the page connect: for now, or because the widget is closed. */
export class Refusal extends Error {
  /**
   * @param {string} message
   * @param {boolean} closed
   */
  constructor(message, closed) {
    super(message);
    this.closed = closed;
  }
}

/** A ticket is good for 60 s; used up to this age, in milliseconds, it arrives in time. */
const FRESH = 50_000;
/** A question that the kernel has not answered for so long, in milliseconds, is asked again: it may have got lost. */
const PATIENCE = 30_000;

export class Channel extends EventTarget {
  #model;
  /** The last that the kernel gave, and when. @type {{access: Access, at: number} | null} */
  #last = null;
  /** @type {{promise: Promise<Access>, resolve: (access: Access) => void, reject: (error: Refusal) => void, at: number} | null} */
  #asked = null;
  /** Tells apart the pages that show the same widget. */
  #page = randomName();
  /** How many relays were opened. */
  #relays = 0;
  #listener = (/** @type {any} */ content, /** @type {DataView[]} */ buffers) => this.#message(content, buffers);

  /** @param {Model} model */
  constructor(model) {
    super();
    this.#model = model;
    model.on("msg:custom", this.#listener);
  }

  /** Ends the listening. */
  close() {
    this.#model.off("msg:custom", this.#listener);
  }

  /** What the kernel gave last, while the ticket is not too old; else null. */
  get known() {
    return this.#last && performance.now() - this.#last.at < FRESH ? this.#last.access : null;
  }

  /**
   * Asks the kernel for what is needed to connect, with a ticket that is good now.
   * @returns {Promise<Access>} rejects with a `Refusal`, or with what the notebook throws where nothing can be sent
   */
  async ask() {
    const now = performance.now();
    if (!this.#asked || now - this.#asked.at > PATIENCE) {
      // First: what was not sent is not waited for.
      this.#model.send({ framehub: "connect", request: this.#page });
      const { promise, resolve, reject } = withResolvers();
      this.#asked?.reject(new Refusal("The kernel does not answer.", false));
      this.#asked = { promise, resolve, reject, at: now };
      promise.catch(() => {});
    }
    return this.#asked.promise;
  }

  /** Forgets what the kernel gave: it did not lead to a connection. */
  forget() {
    this.#last = null;
  }

  /** A name for a new relay, of all pages. */
  relayName() {
    return `${this.#page}-${++this.#relays}`;
  }

  /** @param {object} content */
  send(content) {
    this.#model.send(content);
  }

  /**
   * @param {any} content
   * @param {DataView[]} buffers
   */
  #message(content, buffers) {
    if (typeof content?.framehub !== "string") return;
    const { framehub: kind, request } = content;
    if (kind === "connect") {
      this.#last = { access: content, at: performance.now() };
      this.#asked?.resolve(content);
      this.#asked = null;
    } else if (kind === "refused") {
      if (request !== this.#page) return;
      this.#asked?.reject(new Refusal(content.message, content.closed));
      this.#asked = null;
    } else {
      this.dispatchEvent(new CustomEvent("relay", { detail: { ...content, kind, bytes: buffers?.[0] } }));
    }
  }
}

/** As `Promise.withResolvers`, which is too young. */
function withResolvers() {
  let resolve = (/** @type {Access} */ _) => {};
  let reject = (/** @type {Refusal} */ _) => {};
  /** @type {Promise<Access>} */
  const promise = new Promise((fulfil, fail) => {
    resolve = fulfil;
    reject = fail;
  });
  return { promise, resolve, reject };
}

/** `crypto.randomUUID` exists in secure contexts only. */
function randomName() {
  return Array.from(crypto.getRandomValues(new Uint32Array(4)), (n) => n.toString(36)).join("");
}
