/** Why a connection was refused: a browser does not say, so the widget's own address is asked. */

/**
 * @typedef {object} Diagnosis
 * @property {"gone" | "missing" | "denied" | "retry"} verdict `missing`: it is not there now; `gone`: for good
 * @property {string} text for people
 * @property {URL} [signIn] where the user can sign in, in a tab of its own, to be let in
 */

/** An answer of the server takes no longer than this, in milliseconds; the way by the Hub and back is a few of them. */
const PATIENCE = 5000;
const SIGN_IN_PATIENCE = 15_000;
const REFUSED = Object.freeze({ verdict: /** @type {const} */ ("retry"), text: "The connection was refused. Reconnecting …" });
export const UNREACHABLE = Object.freeze({ verdict: /** @type {const} */ ("retry"), text: "The server does not answer. Reconnecting …" });

/** The ways by the Hub that are gone now, by base address: one at a time, however many views of the page want it. @type {Map<string, Promise<boolean>>} */
const ways = new Map();

/**
 * Asks for the server's first page. Behind a JupyterHub the answer leads by the Hub and back, and leaves the cookie that lets this
 * browser in, if the user is signed in there and the Hub asks nothing. Answers whether something came of it.
 * @param {URL} base the server's base address
 * @param {AbortSignal} signal ends the wait for it
 * @returns {Promise<boolean>}
 */
export function prime(base, signal) {
  let way = ways.get(base.href);
  if (!way) {
    const options = /** @type {const} */ ({ cache: "no-store", mode: "no-cors", credentials: "include" });
    way = fetch(base, { ...options, signal: AbortSignal.timeout(SIGN_IN_PATIENCE) })
      .then(() => true, () => false)
      .finally(() => ways.delete(base.href));
    ways.set(base.href, way);
  }
  const ended = new Promise((resolve) => {
    if (signal.aborted) resolve(false);
    else signal.addEventListener("abort", () => resolve(false), { once: true });
  });
  return Promise.race([way, /** @type {Promise<boolean>} */ (ended)]);
}

/** Finds out why connections to a widget are refused, and has a user of a JupyterHub signed in without further ado, where that works. */
export class Doctor {
  #base;
  #widget;
  /** Whether the way by the Hub was tried since the last connection, for a page of another origin, which is told nothing. */
  #primed = false;

  /**
   * @param {URL} base the server's base address
   * @param {string} widget its id
   */
  constructor(base, widget) {
    this.#base = base;
    this.#widget = new URL(`api/widgets/${encodeURIComponent(widget)}`, base);
  }

  /** There is a connection. */
  connected() {
    this.#primed = false;
  }

  /**
   * @param {AbortSignal} signal
   * @returns {Promise<Diagnosis>}
   */
  async diagnose(signal) {
    if (this.#base.origin !== location.origin) return this.#fromElsewhere(signal);
    const found = await this.#ask(signal);
    return found.signIn && (await prime(this.#base, signal)) ? this.#ask(signal) : found;
  }

  /**
   * A page of another origin learns no more than whether there is a server.
   * @param {AbortSignal} signal
   * @returns {Promise<Diagnosis>}
   */
  async #fromElsewhere(signal) {
    const before = this.#primed;
    if (!(await prime(this.#base, signal))) return UNREACHABLE;
    this.#primed = true;
    if (!before) return { verdict: "retry", text: "Connecting …" };
    return { verdict: "denied", text: "The server does not let this page in, or you are not signed in there.", signIn: this.#base };
  }

  /**
   * @param {AbortSignal} signal
   * @returns {Promise<Diagnosis>}
   */
  async #ask(signal) {
    const patience = AbortSignal.any([signal, AbortSignal.timeout(PATIENCE)]);
    const response = await fetch(this.#widget, { cache: "no-store", signal: patience }).catch(() => null);
    switch (response?.status) {
      case undefined:
        return UNREACHABLE;
      case 401: {
        const body = await response?.json().catch(() => null);
        if (body?.error?.code === "signed_out") {
          return { verdict: "denied", text: "You are signed out of the JupyterHub.", signIn: this.#base };
        }
        return { verdict: "denied", text: "This needs the access key: reload the page to enter it." };
      }
      case 403:
        return { verdict: "denied", text: "The server does not accept connections from this page's address." };
      case 404:
        return { verdict: "missing", text: "There is no such widget on the server: it was closed, or the server was restarted." };
      default:
        return REFUSED;
    }
  }
}
