/** A slow link: a TCP proxy that lets bytes through at a rate and after a time. */

import { once } from "node:events";
import { connect, createServer } from "node:net";
import { setTimeout as delay } from "node:timers/promises";

/** Bytes that pass at once. */
const PIECE = 1400;

/**
 * @typedef {object} Link
 * @property {number} port where it listens, on 127.0.0.1
 * @property {() => Promise<void>} close ends it, connections with it
 */

/**
 * Puts a slow link in front of a port of 127.0.0.1.
 * @param {number} port
 * @param {{rate: number, oneWay: number}} options both directions alike: bits a second, and milliseconds from end to end
 * @returns {Promise<Link>}
 */
export async function startLink(port, { rate, oneWay }) {
  /** @type {Set<import("node:net").Socket>} */
  const ends = new Set();
  const listener = createServer((near) => {
    const far = connect({ port, host: "127.0.0.1", noDelay: true });
    for (const [from, to] of /** @type {const} */ ([
      [near, far],
      [far, near],
    ])) {
      ends.add(from);
      from.on("close", () => (ends.delete(from), to.destroy())).on("error", () => to.destroy());
      void carry(from, to, rate, oneWay).catch(() => to.destroy());
    }
  });
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  const address = /** @type {import("node:net").AddressInfo} */ (listener.address());
  return {
    port: address.port,
    close: async () => {
      for (const end of ends) end.destroy();
      listener.close();
      await once(listener, "close");
    },
  };
}

/**
 * Carries bytes one way until an end is closed.
 * @param {import("node:net").Socket} from
 * @param {import("node:net").Socket} to
 * @param {number} rate
 * @param {number} oneWay
 */
async function carry(from, to, rate, oneWay) {
  let freeAt = performance.now();
  let carried = Promise.resolve();
  for await (const chunk of from) {
    for (let start = 0; start < chunk.length; start += PIECE) {
      const piece = chunk.subarray(start, start + PIECE);
      freeAt = Math.max(freeAt, performance.now()) + (piece.length * 8000) / rate;
      const arrives = freeAt + oneWay;
      carried = carried.then(async () => {
        await delay(arrives - performance.now());
        if (!to.destroyed) to.write(piece);
      });
    }
    // No more is taken before there is room.
    await delay(freeAt - performance.now());
  }
  await carried;
  to.end();
}
