/** The server's HTTP API, as the pages use it. */

/**
 * @typedef {{name: string, type: string, default: unknown, description: string}} KindOption
 * @typedef {{kind: string, title: string, description: string, options: KindOption[]}} Kind
 * @typedef {{id: string, kind: string, title: string, owner: string | null, role: "owner" | "administrator" | "interact" | "watch" | "observer", created: number}} WidgetEntry
 * @typedef {WidgetEntry & {traits: Record<string, any>, share_with: ("user" | "group" | "link")[]}} WidgetDetails
 */

/** An answer that is no success, or none at all: then `status` is 0. */
export class ApiError extends Error {
  /**
   * @param {number} status
   * @param {string} message
   * @param {string} code
   * @param {string | null} field what of the request was wrong, by its path
   */
  constructor(status, message, code = "", field = null) {
    super(message);
    this.status = status;
    this.code = code;
    this.field = field;
  }
}

/** The address below which everything is. */
export const BASE = new URL("../..", import.meta.url);

/**
 * @param {string} path below `api/`
 * @param {{method?: string, body?: object, signal?: AbortSignal}} [options]
 * @returns {Promise<any>}
 */
export function request(path, options) {
  return ask(`api/${path}`, options);
}

/** Ends this browser's session, and what it has of links. */
export function signOut() {
  return ask("sign_out", { method: "POST" });
}

/**
 * @param {string} path below the base
 * @param {{method?: string, body?: object, signal?: AbortSignal}} [options]
 * @returns {Promise<any>}
 */
async function ask(path, { method = "GET", body, signal } = {}) {
  const response = await fetch(new URL(path, BASE), {
    method,
    cache: "no-store",
    ...(signal ? { signal } : {}),
    ...(body ? { body: JSON.stringify(body), headers: { "content-type": "application/json" } } : {}),
  }).catch((error) => {
    throw new ApiError(0, error instanceof Error ? error.message : String(error));
  });
  if (response.status === 204) return null;
  const answer = await response.json().catch(() => null);
  if (!response.ok) {
    const { message, code, field } = answer?.error ?? {};
    throw new ApiError(response.status, message ?? `the server answered ${response.status}`, code, field);
  }
  return answer;
}

/**
 * What people are told of a request that failed.
 * @param {unknown} error
 */
export function explain(error) {
  if (!(error instanceof ApiError) || error.status === 0) return "The server does not answer. Trying again …";
  if (error.code === "signed_out") return "You are signed out: reload the page to sign in at the JupyterHub.";
  if (error.status === 401) return "This needs the access key: reload the page to enter it.";
  return `The server answered: ${error.message}`;
}

/**
 * Why something that the user asked for in a dialog was not done.
 * @param {unknown} error
 */
export function problemOf(error) {
  if (error instanceof ApiError && error.status === 0) return "The server does not answer. Try again when it is back.";
  return error instanceof Error ? error.message : String(error);
}

/**
 * @param {AbortSignal} signal
 * @returns {Promise<Kind[]>}
 */
export async function kinds(signal) {
  return (await request("kinds", { signal })).kinds;
}

/**
 * @param {AbortSignal} signal
 * @returns {Promise<{widgets: WidgetEntry[], administrator: boolean, session?: boolean}>} `session`: the browser has one, by the key
 */
export function widgets(signal) {
  return request("widgets", { signal });
}

/**
 * @param {string} id
 * @returns {Promise<WidgetDetails>}
 */
export function widget(id) {
  return request(`widgets/${encodeURIComponent(id)}`);
}
