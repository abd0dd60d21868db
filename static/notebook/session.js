/**
 * Whether the page's user is signed in at the server. Behind a JupyterHub a view in the browser of the widget's owner ends with the
 * session there, though a ticket opens it.
 */

import { UNREACHABLE, prime } from "../client/diagnosis.js";

/** @import { Diagnosis } from "../client/diagnosis.js" */

/** The way by the Hub takes no longer than this, in milliseconds: a view without a session is better than none. */
const PATIENCE = 5000;
/** The server's reason for ending a view whose user is signed out. */
const SIGNED_OUT = "signed_out";

export class Session {
  /** Whether the next view has to rest on a session: one ended with it, so that a ticket alone opens no other. */
  required = false;
  /** Why no view may be opened now; null if one may. @type {Diagnosis | null} */
  refusal = null;
  #reached = false;

  /**
   * Has the user signed in before a view is opened, where that works unnoticed. That it does not is no hindrance, unless a session is
   * required: then the server refuses the view.
   * @param {URL} base the server's base address
   */
  async begin(base) {
    this.#reached = await prime(base, AbortSignal.timeout(PATIENCE));
  }

  /** A view was opened. */
  opened() {
    this.required = false;
    this.refusal = null;
  }

  /**
   * The server did not open a view that has to rest on a session.
   * @param {URL} base its base address
   */
  refused(base) {
    const signedOut = /** @type {const} */ ({ verdict: "denied", text: "You are signed out of the JupyterHub.", signIn: base });
    this.refusal = this.#reached ? signedOut : UNREACHABLE;
  }

  /**
   * A view was closed.
   * @param {string} reason the server's
   */
  closed(reason) {
    if (reason === SIGNED_OUT) this.required = true;
  }
}
