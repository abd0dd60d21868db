/** Waiting for conditions. */

import { setTimeout as delay } from "node:timers/promises";

const POLL = 25;

/**
 * Waits until `condition` answers something truthy, and answers that. A condition that throws ends the wait.
 * @template T
 * @param {() => T | Promise<T>} condition
 * @param {string} what what is waited for, told when it does not come
 * @param {{timeout?: number, every?: number}} [options] in milliseconds
 * @returns {Promise<NonNullable<T>>}
 */
export async function until(condition, what, { timeout = 15_000, every = POLL } = {}) {
  const deadline = performance.now() + timeout;
  for (;;) {
    const value = await condition();
    if (value) return /** @type {NonNullable<T>} */ (value);
    if (performance.now() > deadline) throw new Error(`not within ${timeout / 1000} s: ${what}; last: ${JSON.stringify(value)}`);
    await delay(every);
  }
}
