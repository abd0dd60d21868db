/** Starts the server under test and talks to its HTTP API. */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

import { until } from "./until.mjs";

const BINARY = process.env.FRAMEHUB_BIN ?? new URL("../../../target/release/framehub", import.meta.url).pathname;
const START_TIMEOUT = 20_000;
const STOP_TIMEOUT = 15_000;

/** The key that every server under test asks for. */
export const KEY = "key-of-the-tests";

/**
 * What `GET …/stats` answers, as far as the tests read it.
 * @typedef {object} Stats
 * @property {number} drawn_frames
 * @property {number} sent_frames
 * @property {number} unchanged_frames
 * @property {number} encodes
 * @property {boolean} at_rest
 * @property {{width: number, height: number, ratio: number, pwidth: number, pheight: number} | null} size
 * @property {{view: string, role: string, visible: boolean, driver: boolean, width: number, height: number, ratio: number, quality: number, in_flight: number, bytes: number}[]} views
 */

/** One running server. Ends it by its own process id only. */
export class Server {
  /** @param {import("node:child_process").ChildProcessByStdio<null, import("node:stream").Readable, import("node:stream").Readable>} child */
  constructor(child) {
    this.child = child;
    /** What it logged so far. */
    this.stderr = "";
    /** The address that it told, below which everything is; ends with a slash, without the key. */
    this.base = "";
    child.stderr.setEncoding("utf8").on("data", (text) => (this.stderr += text));
  }

  /** The port that it listens on. */
  get port() {
    return Number(new URL(this.base).port);
  }

  /**
   * The address of a page or resource, without the key.
   * @param {string} path below the base URL, without a leading slash
   */
  url(path = "") {
    return new URL(path, this.base).href;
  }

  /**
   * The address of a page with the key, as a user is given it.
   * @param {string} path below the base URL, without a leading slash
   */
  page(path = "") {
    const url = new URL(path, this.base);
    url.searchParams.set("key", KEY);
    return url.href;
  }

  /**
   * A request with the key. Rejects when the answer is not a success.
   * @param {string} path below the base URL
   * @param {{method?: string, body?: unknown}} [options]
   */
  async request(path, { method = "GET", body } = {}) {
    const response = await fetch(this.url(path), {
      method,
      headers: {
        authorization: `Bearer ${KEY}`,
        // A kept connection may be closed by the server just when a slow test uses it again.
        connection: "close",
        ...(body === undefined ? {} : { "content-type": "application/json" }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
    return response;
  }

  /**
   * A request's JSON answer.
   * @param {string} path below the base URL
   * @param {{method?: string, body?: unknown}} [options]
   * @returns {Promise<any>}
   */
  async json(path, options) {
    return (await this.request(path, options)).json();
  }

  /**
   * Makes a widget.
   * @param {string} kind
   * @param {{options?: object, traits?: object}} [settings]
   * @returns {Promise<{id: string, kind: string, title: string, traits: Record<string, unknown>}>}
   */
  create(kind, settings = {}) {
    return this.json("api/widgets", { method: "POST", body: { kind, options: {}, traits: {}, ...settings } });
  }

  /**
   * Changes a widget's traits.
   * @param {string} id
   * @param {Record<string, unknown>} traits
   */
  patch(id, traits) {
    return this.json(`api/widgets/${id}`, { method: "PATCH", body: { traits } });
  }

  /**
   * A widget's statistics.
   * @param {string} id
   * @returns {Promise<Stats>}
   */
  stats(id) {
    return this.json(`api/widgets/${id}/stats`);
  }

  /**
   * Asks a widget for a draw.
   * @param {string} id
   */
  draw(id) {
    return this.request(`api/widgets/${id}/draw`, { method: "POST" });
  }

  /** Kills the process at once, as a crash would. */
  async kill() {
    await this.#end("SIGKILL");
  }

  /** Stops the process as a service manager would; kills it if it does not stop in time. */
  async stop() {
    await this.#end("SIGTERM");
  }

  /** @param {NodeJS.Signals} signal */
  async #end(signal) {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const gone = once(this.child, "exit");
    this.child.kill(signal);
    const kill = setTimeout(() => this.child.kill("SIGKILL"), STOP_TIMEOUT);
    await gone;
    clearTimeout(kill);
  }
}

/**
 * The key files of the servers that were started, by port: what signs sessions is kept beside them, for the next server there.
 * @type {Map<number, string>}
 */
const keyFiles = new Map();

/**
 * Starts the server on a free port of 127.0.0.1 and waits for the line with its address.
 * @param {string[]} args further flags
 * @param {{port?: number}} [options] `port`: a certain one instead of a free one
 */
export async function startServer(args = [], { port = 0 } = {}) {
  const keyFile = keyFiles.get(port) ?? join(mkdtempSync(join(tmpdir(), "framehub-test-")), "key");
  const child = spawn(BINARY, ["--listen", `127.0.0.1:${port}`, "--key", KEY, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, FRAMEHUB_KEY_FILE: keyFile },
  });
  const server = new Server(child);
  /** @type {string[]} */
  const lines = [];
  createInterface({ input: child.stdout }).on("line", (line) => lines.push(line));
  try {
    const line = await until(
      () => {
        if (child.exitCode !== null) throw new Error(`the server ended with status ${child.exitCode}`);
        return lines[0];
      },
      "the server tells its address",
      { timeout: START_TIMEOUT },
    );
    const address = /https?:\/\/\S+/.exec(line)?.[0];
    if (!address) throw new Error(`no address in the server's line: ${line}`);
    const url = new URL(address);
    url.search = "";
    server.base = url.href;
    keyFiles.set(server.port, keyFile);
    return server;
  } catch (error) {
    await server.kill();
    throw new Error(`the server did not start; it logged:\n${server.stderr}`, { cause: error });
  }
}
