/**
 * A long random script over one widget and several views in pages of different pixel ratios. Whenever a browser is about to show a
 * canvas, every pixel of it is of one frame, and no canvas goes back to an earlier one; at rest each has exactly the latest.
 */

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";

import { Visit, launchBrowser } from "./support/browser.mjs";
import { Kernel } from "./support/kernel.mjs";
import { Painter, pictureOf, watchCanvases } from "./support/painter.mjs";
import { canvasPixels, difference } from "./support/pixels.mjs";
import { randomFrom } from "./support/random.mjs";
import { startServer } from "./support/server.mjs";
import { startTap } from "./support/tap.mjs";
import { until } from "./support/until.mjs";

/** @typedef {import("./support/painter.mjs").Painted} Painted */
/** @typedef {import("./support/painter.mjs").Watch} Watch */
/** @typedef {import("./support/server.mjs").Server} Server */
/** @typedef {import("./support/tap.mjs").Tap} Tap */
/** A page with views of the widget, behind a link of its own. @typedef {{visit: Visit, tap: Tap}} Place */

const SEED = Number(process.env.FRAMEHUB_TEST_SEED ?? 20_260);
/** After each round everything comes to rest. */
const ROUNDS = 18;
/** Most acts of a round. */
const ACTS = 9;
/** Seconds for which a view may keep frames unconfirmed. */
const DEADLINE = 1;

/** A page: its pixel ratio, and its views. The first view of all is the largest, and drives. */
const PAGES = /** @type {const} */ ([
  { ratio: 1, views: [{ width: 720, height: 480 }, { width: 300, height: 240, attributes: 'watch frames="base64"' }] },
  { ratio: 2, views: [{ width: 210, height: 130, attributes: "watch" }] },
  { ratio: 1.5, views: [{ width: 450, height: 300, attributes: "" }] },
]);

const random = randomFrom(SEED);
/** @param {number} from @param {number} to */
const between = (from, to) => from + random(to - from + 1);

/**
 * The size in which a view shows a frame: as it is, or whole and undistorted.
 * @param {{width: number, height: number}} frame
 * @param {{pwidth: number, pheight: number}} view
 */
function fitted({ width, height }, { pwidth, pheight }) {
  const scale = Math.min(1, pwidth / width, pheight / height);
  const side = (/** @type {number} */ pixels, /** @type {number} */ limit) =>
    scale < 1 ? Math.min(Math.max(1, Math.round(pixels * scale)), limit) : pixels;
  return { width: side(width, pwidth), height: side(height, pheight) };
}

/**
 * The server as a page reaches it.
 * @param {Server} server
 * @param {Tap} tap
 */
function through(server, tap) {
  const base = new URL(server.base);
  base.port = String(tap.port);
  return Object.assign(Object.create(server), { base: base.href });
}

describe("a widget in several views", () => {
  /** @type {Server} */
  let server;
  /** @type {Kernel} */
  let kernel;
  /** @type {(() => Promise<unknown>)[]} */
  const closing = [];
  before(async () => {
    server = await startServer(["--no-demos", "--deadline", String(DEADLINE)]);
    // Lossy, and yet so that every pixel tells of which frame it is, however busy the machine.
    const traits = { quality: 90, adaptive: false };
    kernel = await Kernel.start(server, { session: "session-of-the-history", traits });
  });
  after(async () => {
    for (const close of closing) await close();
    kernel?.kill();
    await server?.stop();
  });

  /** @param {typeof PAGES[number]} page @returns {Promise<Place>} */
  const open = async ({ ratio, views }) => {
    const browser = await launchBrowser({ ratio });
    closing.push(() => browser.close());
    const tap = await startTap(server.port);
    closing.push(tap.close);
    const visit = new Visit(await (await browser.newContext({ viewport: null })).newPage());
    await watchCanvases(visit.page);
    const box = (/** @type {{width: number, height: number, attributes?: string}} */ { width, height, attributes = "" }) =>
      `<div class="box" style="width: ${width}px; height: ${height}px">
        <framehub-view widget="${kernel.widget}" fit="fill" ${attributes}></framehub-view></div>`;
    await visit.embed(through(server, tap), views.map(box).join("\n"));
    return { visit, tap };
  };

  test("shows one frame at a time, never an earlier one, and the latest exactly, whatever happens", async (t) => {
    const painter = new Painter(random);
    let latest = painter.resize(700, 450);
    kernel.push(latest);
    /** Those of which a view may show something. @type {Painted[]} */
    const frames = [latest];
    const places = await Promise.all(PAGES.map(open));

    /** What the script did, for whoever wonders why it failed. @type {string[]} */
    const acts = [];
    const clues = () => `; seed ${SEED}, the last acts:\n${acts.slice(-30).join("\n")}`;
    const place = () => /** @type {Place} */ (places[random(places.length)]);
    /** Tells a page the frames that it may show. */
    const tell = (/** @type {Place} */ { visit }, from = frames.length - 1) =>
      visit.page.evaluate(
        (more) => void (/** @type {{kept: Watch}} */ (/** @type {unknown} */ (globalThis)).kept.frames.push(...more)),
        frames.slice(from).map(({ width, height, cells }) => ({ width, height, cells })),
      );
    await Promise.all(places.map((place) => tell(place, 0)));

    const push = async (/** @type {Painted} */ frame) => {
      latest = frame;
      frames.push(frame);
      await Promise.all(places.map((place) => tell(place)));
      kernel.push(frame);
    };
    /** The next image that comes to a page cannot be decoded. */
    const fail = (/** @type {Place} */ { visit }) =>
      visit.page.evaluate(() => {
        /** @type {{kept: Watch}} */ (/** @type {unknown} */ (globalThis)).kept.failing = true;
      });
    /** Changes what holds a view. @param {Record<string, string>} style */
    const restyle = (style) =>
      place().visit.page.locator(".box").evaluateAll(
        (boxes, { pick, style }) => void Object.assign(/** @type {HTMLElement} */ (boxes[pick % boxes.length]).style, style),
        { pick: random(2), style },
      );

    let looks = 0;
    /** @type {Set<string>} */
    const seen = new Set();
    const assertFaultless = async (/** @type {Place} */ { visit }) => {
      const kept = await visit.page.evaluate(() => {
        const { kept } = /** @type {{kept: Watch}} */ (/** @type {unknown} */ (globalThis));
        const { looks, faults, seen } = kept;
        Object.assign(kept, { looks: 0, seen: new Set() });
        return { looks, faults, seen: [...seen] };
      });
      looks += kept.looks;
      for (const one of kept.seen) seen.add(one);
      assert.deepEqual(kept.faults, [], `a canvas shows what is no frame${clues()}`);
    };

    /** @type {[number, string, () => Promise<unknown> | void][]} */
    const deeds = [
      [8, "a little changes", () => push(painter.paint(between(1, 2), 1))],
      [5, "much changes", () => push(painter.paint(between(3, 9), between(3, 9)))],
      [2, "everything changes", () => push(painter.paint(99, 99))],
      [1, "nothing changes", () => kernel.push(latest)],
      [2, "size and format change", () => push(painter.resize(between(60, 720), between(60, 480)))],
      [2, "a view is resized", () => restyle({ width: `${between(60, 740)}px`, height: `${between(40, 500)}px` })],
      [1, "a view is hidden", () => restyle({ display: "none" })],
      [1, "a view is shown", () => restyle({ display: "block" })],
      [1, "a view leaves", () => place().visit.page.locator("framehub-view").evaluateAll((views) => views.at(-1)?.remove())],
      [1, "a link is cut", () => place().tap.cut()],
      [1, "an image cannot be decoded", () => fail(place())],
      [1, "a page is loaded anew", async () => {
        const one = place();
        await assertFaultless(one);
        await one.visit.page.reload();
        await tell(one, 0);
      }],
      [2, "confirmations are late", async () => {
        const one = place();
        const { tap } = one;
        tap.hold();
        if (random(3)) await fail(one);
        for (let i = 0; i < 3; i++) {
          await push(painter.paint(2, 2));
          // Time for some of them to be sent one by one, each on top of the one before.
          await delay(random(150));
        }
        // Frames are given up, or even views, before what was held arrives.
        const waits = async () => (await server.stats(kernel.widget)).views.some(({ visible, in_flight }) => visible && in_flight > 0);
        await until(async () => !(await waits()), "frames in flight are given up", { timeout: 30_000, clues });
        tap.release();
      }],
    ];
    const lots = deeds.flatMap(([weight, ...deed]) => Array(weight).fill(deed));

    /** Why a page does not show the latest frame yet, exactly and in all its views; empty when it does. */
    const lacks = async (/** @type {Place} */ { visit }) => {
      const views = await visit.page.evaluate(() => {
        const { kept } = /** @type {{kept: Watch}} */ (/** @type {unknown} */ (globalThis));
        return [.../** @type {NodeListOf<HTMLElement & Record<string, any>>} */ (document.querySelectorAll("framehub-view"))].map((view) => {
          const { canvas, size, lossless, state } = view;
          return { latest: kept.showsLatest(canvas), width: canvas.width, height: canvas.height, size, lossless, state };
        });
      });
      for (const [i, view] of views.entries()) {
        const told = JSON.stringify(view);
        if (!view.size) return told;
        const wanted = fitted(latest, view.size);
        if (!view.latest || !view.lossless || view.width !== wanted.width || view.height !== wanted.height) return told;
        if (wanted.width !== latest.width || wanted.height !== latest.height) continue;
        const differs = difference(await canvasPixels(visit.page.locator("framehub-view").nth(i).locator("canvas")), pictureOf(latest));
        if (differs) return differs;
      }
      return "";
    };

    for (let round = 0; round < ROUNDS; round++) {
      for (let act = between(1, ACTS); act > 0; act--) {
        const [name, deed] = lots[random(lots.length)];
        acts.push(`round ${round}: ${name}`);
        await deed();
      }
      for (const { visit } of places) {
        await visit.page.evaluate((widget) => {
          for (const box of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll(".box"))) {
            box.style.display = "block";
            if (!box.firstElementChild) {
              const view = document.createElement("framehub-view");
              view.setAttribute("widget", widget);
              view.setAttribute("fit", "fill");
              box.append(view);
            }
          }
        }, kernel.widget);
      }
      let last = "";
      for (const one of places) {
        await until(async () => (last = await lacks(one)) === "", "all views have exactly the latest frame", {
          timeout: 30_000,
          every: 100,
          clues: () => ` (${last})${clues()}${one.visit.clues()}`,
        });
        await assertFaultless(one);
      }
    }
    t.diagnostic(`seed ${SEED}: ${frames.length} frames; ${seen.size} different pictures in ${looks} looks`);
    const tolerated = /WebSocket connection to|no memory|could not be decoded/;
    for (const { visit } of places) {
      assert.deepEqual(visit.faults.filter((fault) => !tolerated.test(fault)), [], "nothing goes wrong in the pages");
    }
  });
});
