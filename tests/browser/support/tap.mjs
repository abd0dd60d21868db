/** A link that can be cut, and on which what a browser says can be held back: a TCP proxy. */

import { once } from "node:events";
import { connect, createServer } from "node:net";

/**
 * @typedef {object} Tap
 * @property {number} port where it listens, on 127.0.0.1
 * @property {() => void} cut ends all connections; new ones are taken
 * @property {() => void} hold from now on nothing that browsers say arrives
 * @property {() => void} release what was held arrives
 * @property {() => Promise<void>} close ends it, connections with it
 */

/**
 * Puts a tap in front of a port of 127.0.0.1.
 * @param {number} port
 * @returns {Promise<Tap>}
 */
export async function startTap(port) {
  /** Ends at browsers. @type {Set<import("node:net").Socket>} */
  const nears = new Set();
  let held = false;
  const listener = createServer((near) => {
    const far = connect({ port, host: "127.0.0.1", noDelay: true });
    nears.add(near);
    near.on("data", (bytes) => far.write(bytes));
    if (held) near.pause();
    far.pipe(near);
    near.on("close", () => (nears.delete(near), far.destroy())).on("error", () => far.destroy());
    far.on("close", () => near.destroy()).on("error", () => near.destroy());
  });
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  const address = /** @type {import("node:net").AddressInfo} */ (listener.address());
  const cut = () => {
    for (const near of nears) near.destroy();
  };
  return {
    port: address.port,
    cut,
    hold: () => {
      held = true;
      for (const near of nears) near.pause();
    },
    release: () => {
      held = false;
      for (const near of nears) near.resume();
    },
    close: async () => {
      cut();
      listener.close();
      await once(listener, "close");
    },
  };
}
