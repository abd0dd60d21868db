/** The browser, and a visit to the server's pages that records what happens. */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { chromium } from "playwright-core";

import { until } from "./until.mjs";

const CHROMIUM = process.env.CHROMIUM_BIN ?? "/usr/bin/chromium";
const FLAGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/**
 * Starts a browser. Its pages have a true pixel ratio: the emulated one of a page would leave the layout's
 * device-pixel boxes at ratio 1.
 * @param {{ratio?: number}} [options] `ratio`: physical pixels per CSS pixel
 */
export function launchBrowser({ ratio = 1 } = {}) {
  return chromium.launch({
    executablePath: CHROMIUM,
    args: [...FLAGS, `--force-device-scale-factor=${ratio}`, "--window-size=1100,900"],
  });
}

/**
 * Starts a browser whose tabs hide each other, as a user's do: the test library's usual set-up tells every page that
 * it is visible and focused.
 * @returns {Promise<{context: import("playwright-core").BrowserContext, close: () => Promise<void>}>}
 */
export async function launchBrowserWithTabs() {
  const profile = await mkdtemp(join(tmpdir(), "framehub-test-"));
  const child = spawn(CHROMIUM, [...FLAGS, "--remote-debugging-port=0", `--user-data-dir=${profile}`, "about:blank"], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  let log = "";
  child.stderr.setEncoding("utf8").on("data", (text) => (log += text));
  const close = async () => {
    if (child.exitCode === null && child.signalCode === null) {
      const gone = once(child, "exit");
      child.kill();
      await gone;
    }
    await rm(profile, { recursive: true, force: true, maxRetries: 5 });
  };
  try {
    const address = await until(() => /DevTools listening on (ws:\S+)/.exec(log)?.[1], "the browser tells its address");
    const browser = await chromium.connectOverCDP(address, { noDefaults: true });
    const [context] = browser.contexts();
    if (!context) throw new Error("the browser has no context");
    return { context, close: async () => (await browser.close(), close()) };
  } catch (error) {
    await close();
    throw error;
  }
}

/**
 * A message on a view's socket: the JSON, or the header of a binary message.
 * @typedef {{type: string, [field: string]: any}} Message
 */

/** One page of the browser: records its sockets' messages, its requests, and whatever goes wrong in it. */
export class Visit {
  /** @param {import("playwright-core").Page} page */
  constructor(page) {
    this.page = page;
    /** Errors in the console (refusals by the content security policy among them) and uncaught ones. @type {string[]} */
    this.faults = [];
    /** Addresses of requests and sockets. @type {string[]} */
    this.requests = [];
    /** Messages from the page to the server. @type {Message[]} */
    this.sent = [];
    /** Messages from the server to the page. @type {Message[]} */
    this.received = [];
    /** The messages of both directions in order, shortened. @type {string[]} */
    this.log = [];

    page.on("console", (message) => {
      if (message.type() === "error") this.faults.push(`${message.text()} (${message.location().url})`);
    });
    page.on("pageerror", (error) => this.faults.push(String(error)));
    page.on("request", (request) => this.requests.push(request.url()));
    page.on("websocket", (socket) => {
      this.requests.push(socket.url());
      socket.on("framesent", ({ payload }) => this.#record(this.sent, ">", parse(payload)));
      socket.on("framereceived", ({ payload }) => this.#record(this.received, "<", parse(payload)));
    });
  }

  /**
   * @param {Message[]} messages
   * @param {string} direction
   * @param {Message} message
   */
  #record(messages, direction, message) {
    messages.push(message);
    this.log.push(`${direction} ${JSON.stringify(message).slice(0, 240)}`);
  }

  /** The last messages, for whoever wonders why a condition is not met. */
  clues = () => `; the last messages:\n${this.log.slice(-40).join("\n")}\n${this.faults.join("\n")}`;

  /** The view's element; the first one where there are several. */
  get view() {
    return this.page.locator("framehub-view").first();
  }

  /** The canvas that frames are drawn on. */
  get canvas() {
    return this.view.locator("canvas");
  }

  /**
   * The messages of some types that the page sent.
   * @param {...string} types
   */
  sentOf(...types) {
    return this.sent.filter(({ type }) => types.includes(type));
  }

  /** How many frames the page has confirmed as decoded and drawn. */
  get confirmed() {
    return this.sentOf("frame_feedback").length;
  }

  /** Whether the page has drawn all frames that it was sent. */
  get atRest() {
    const frame = this.received.findLast(({ type }) => type === "framebufferdata");
    return this.sentOf("frame_feedback").at(-1)?.index === frame?.index;
  }

  /**
   * Opens a page and waits until a view in it has drawn a frame.
   * @param {string} url
   */
  async show(url) {
    const before = this.confirmed;
    await this.page.goto(url);
    await until(() => this.confirmed > before, "the view draws a frame", { clues: this.clues });
  }

  /** Waits until the page has drawn the latest frame, and that is a lossless one of the view's size. */
  async settled() {
    await until(() => {
      const frame = this.received.findLast(({ type }) => type === "framebufferdata");
      const size = this.sentOf("resize").at(-1);
      if (!frame?.lossless || !size || !this.atRest) return false;
      // A frame of another shape than the view's touches two of its sides.
      return frame.width === size.pwidth || frame.height === size.pheight;
    }, "the view draws a lossless frame", { clues: this.clues });
  }

  /**
   * Keeps from the server what the page posts from now on, as a slow one would.
   * @returns {Promise<() => Promise<number>>} lets it go, and answers how many requests that were
   */
  async holdPosts() {
    await this.page.evaluate(() => {
      const { fetch: ask } = window;
      /** @type {(() => void)[]} */
      const held = [];
      window.fetch = (address, options) =>
        options?.method === "POST"
          ? new Promise((resolve) => held.push(() => resolve(ask(address, options))))
          : ask(address, options);
      Reflect.set(window, "letGo", () => held.splice(0).map((go) => go()).length);
    });
    return () => this.page.evaluate(() => Reflect.get(window, "letGo")());
  }

  /**
   * Opens a page of the test's own on the server's origin, which imports the view's module, and waits until a view in it
   * has drawn a frame.
   * @param {import("./server.mjs").Server} server
   * @param {string} body the page's body
   * @param {{drawn?: boolean}} [options] `drawn`: whether to wait so
   */
  async embed(server, body, { drawn = true } = {}) {
    const html = `<!doctype html><html lang="en"><head><title>Test</title><meta charset="utf-8">
      <link rel="stylesheet" href="static/framehub.css">
      <script type="module" src="static/view.js"></script></head><body>${body}</body></html>`;
    await this.page.request.get(server.page());
    // A page that the test answers has no network address of its own, which makes the server a foreign network to it.
    await this.page.context().grantPermissions(["local-network-access"], { origin: new URL(server.base).origin });
    await this.page.route(server.url("embedding-page"), (route) =>
      route.fulfill({ contentType: "text/html", body: html }),
    );
    const url = server.url("embedding-page");
    if (drawn) await this.show(url);
    else await this.page.goto(url);
  }
}

/**
 * Visits the server in a window of its own, and fails if anything went wrong in the page.
 * @param {import("playwright-core").Browser} browser
 * @param {(visit: Visit) => Promise<void>} body
 * @param {{tolerate?: RegExp}} [options] `tolerate`: faults that the test brings about
 */
export async function visiting(browser, body, { tolerate } = {}) {
  const context = await browser.newContext({ viewport: null });
  try {
    const visit = new Visit(await context.newPage());
    await body(visit);
    assert.deepEqual(visit.faults.filter((fault) => !tolerate?.test(fault)), [], "nothing goes wrong in the page");
  } finally {
    await context.close();
  }
}

/** @param {string | Buffer} payload @returns {Message} */
function parse(payload) {
  if (typeof payload === "string") return JSON.parse(payload);
  const length = payload.readUInt32LE(0);
  return JSON.parse(payload.toString("utf8", 4, 4 + length));
}
