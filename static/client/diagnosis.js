/** Why a connection was refused: a browser does not say, so the widget's own address is asked. */

/**
 * @typedef {object} Diagnosis
 * @property {"gone" | "denied" | "retry"} verdict
 * @property {string} text for people
 */

/**
 * @param {URL} widget the widget's address in the API
 * @param {AbortSignal} signal
 * @returns {Promise<Diagnosis>}
 */
export async function diagnose(widget, signal) {
  let response;
  try {
    response = await fetch(widget, { cache: "no-store", signal: AbortSignal.any([signal, AbortSignal.timeout(5000)]) });
  } catch {
    return { verdict: "retry", text: "The server does not answer. Reconnecting …" };
  }
  switch (response.status) {
    case 401:
      return { verdict: "denied", text: await whoIsMissing(response) };
    case 403:
      return { verdict: "denied", text: "The server does not accept connections from this page's address." };
    case 404:
      return { verdict: "gone", text: "There is no such widget on the server: it was closed, or the server was restarted." };
    default:
      return { verdict: "retry", text: "The connection was refused. Reconnecting …" };
  }
}

/**
 * What a page is told that is not let in: whether the server asks for a user of a JupyterHub or for its key.
 * @param {Response} response
 */
async function whoIsMissing(response) {
  const body = await response.json().catch(() => null);
  if (body?.error?.code === "signed_out") return "You are signed out: reload the page to sign in at the JupyterHub.";
  return "This needs the access key: open the address that the server printed when it started.";
}
