/**
 * Whether the page's user is signed in at the server. Behind a JupyterHub without subdomains the server is on the notebook's own
 * origin: what is opened there ends with the session, though a ticket opens it.
 */

import { Doctor } from "../client/diagnosis.js";

/** @import { Diagnosis } from "../client/diagnosis.js" */

/** The way by the Hub takes no longer than this, in milliseconds: a view without a session is better than none. */
const PATIENCE = 5000;
/** The server's reason for ending a view whose user is signed out. */
const SIGNED_OUT = "signed_out";

export class Session {
  /** Whether a view ended with the session, so that a ticket alone opens no other. */
  #over = false;
  /** Why no view may be opened now; null if one may. @type {Diagnosis | null} */
  refusal = null;

  /**
   * Has the user signed in before a view is opened, where that works unnoticed. That it does not is no hindrance, unless a session
   * ended.
   * @param {URL} base the server's base address
   * @param {string} widget its id
   * @returns {Promise<boolean>} whether the view may be opened
   */
  async begin(base, widget) {
    if (base.origin !== location.origin) return true;
    const doctor = new Doctor(base, widget);
    const signal = AbortSignal.timeout(PATIENCE);
    if (!this.#over) {
      await doctor.prime(signal);
      return true;
    }
    this.refusal = await doctor.admission(signal);
    // The kernel has just said that the widget is there.
    if (this.refusal?.verdict === "gone") this.refusal = { verdict: "denied", text: "The widget's owner is signed out.", signIn: base };
    this.#over = this.refusal !== null;
    return !this.#over;
  }

  /**
   * A view was closed.
   * @param {string} reason the server's
   */
  closed(reason) {
    if (reason === SIGNED_OUT) this.#over = true;
  }
}
