/** Waiting for conditions. */

import { setTimeout as delay } from "node:timers/promises";

const POLL = 25;

/**
 * Waits until `condition` answers something truthy, and answers that. A condition that throws ends the wait.
 * @template T
 * @param {() => T | Promise<T>} condition
 * @param {string} what what is waited for, told when it does not come
 * @param {{timeout?: number, every?: number, clues?: () => string}} [options] times in milliseconds; `clues`: what else
 *   to tell then
 * @returns {Promise<Exclude<NonNullable<T>, false | "" | 0>>}
 */
export async function until(condition, what, { timeout = 15_000, every = POLL, clues = () => "" } = {}) {
  const deadline = performance.now() + timeout;
  for (;;) {
    const value = await condition();
    if (value) return /** @type {Exclude<NonNullable<T>, false | "" | 0>} */ (value);
    if (performance.now() > deadline) throw new Error(`not within ${timeout / 1000} s: ${what}${clues()}`);
    await delay(every);
  }
}
