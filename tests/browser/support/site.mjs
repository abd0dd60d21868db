/** A server and a browser for the tests of one suite. */

import { after, before } from "node:test";

import { launchBrowser, visiting } from "./browser.mjs";
import { startServer } from "./server.mjs";

/** @typedef {import("./browser.mjs").Visit} Visit */
/** @typedef {import("./server.mjs").Server} Server */

/**
 * @typedef {object} Site
 * @property {Server} server
 * @property {import("playwright-core").Browser} browser
 * @property {(body: (visit: Visit, server: Server) => Promise<void>, options?: {tolerate?: RegExp}) => Promise<void>} visiting
 *   visits the server in a window of its own, and fails if anything went wrong in the page
 */

/**
 * Starts both before the suite's tests and ends them after these.
 * @param {{args?: string[], ratio?: number}} [options] `args`: the server's flags; `ratio`: physical pixels per CSS pixel
 * @returns {Site} whose `server` and `browser` are there when the tests run
 */
export function useSite({ args = [], ratio = 1 } = {}) {
  const site = /** @type {Site} */ ({
    visiting: (body, options) => visiting(site.browser, (visit) => body(visit, site.server), options),
  });
  before(async () => {
    site.server = await startServer(args);
    site.browser = await launchBrowser({ ratio });
  });
  after(async () => {
    await site.browser?.close();
    await site.server?.stop();
  });
  return site;
}
