import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { launchBrowser, visiting } from "./support/browser.mjs";
import { canvasPixels, decodePng, difference } from "./support/pixels.mjs";
import { startLink } from "./support/link.mjs";
import { randomFrom } from "./support/random.mjs";
import { startServer } from "./support/server.mjs";
import { until } from "./support/until.mjs";

/** Rounds of the random script, and what is done in each. */
const ROUNDS = 12;
const ACTS = 12;

/**
 * What a widget's renderer shows now.
 * @param {import("./support/server.mjs").Server} server
 * @param {string} id
 */
async function rendered(server, id) {
  const snapshot = await server.request(`api/widgets/${id}/snapshot?format=png&pixel_ratio=1`);
  return decodePng(new Uint8Array(await snapshot.arrayBuffer()));
}

/**
 * Waits until the canvas has the renderer's pixels, all of them.
 * @param {import("./support/server.mjs").Server} server
 * @param {import("./support/browser.mjs").Visit} visit
 * @param {string} id
 */
async function showsWhatIsRendered(server, visit, id) {
  let last = "";
  await until(
    async () => {
      await visit.settled();
      last = difference(await canvasPixels(visit.canvas), await rendered(server, id));
      return last === "";
    },
    "the canvas has the renderer's pixels",
    { timeout: 20_000, every: 200, clues: () => ` (${last})${visit.clues()}` },
  );
}

/** Decoding then fails for one image in so many, as it may for want of memory. */
const failDecoding = (/** @type {number} */ oneIn) => {
  const real = globalThis.createImageBitmap;
  let count = 0;
  // @ts-expect-error: takes what the real one takes
  globalThis.createImageBitmap = (...args) => (++count % oneIn === 0 ? Promise.reject(new Error("no memory")) : real(...args));
};

describe("a picture of which parts change", () => {
  /** @type {import("./support/server.mjs").Server} */
  let server;
  /** @type {import("playwright-core").Browser} */
  let browser;
  before(async () => {
    server = await startServer();
    browser = await launchBrowser();
  });
  after(async () => {
    await browser?.close();
    await server?.stop();
  });

  // One decode in so many fails. The square has too few frames for that: most of its moves are merged.
  for (const [kind, failing] of /** @type {const} */ ([
    ["draw", 23],
    ["square", 0],
    ["surface", 23],
  ])) {
    test(`is exactly what the ${kind} shows, after any acts, sizes and lost frames`, () =>
      visiting(
        browser,
        async (visit) => {
          const random = randomFrom(kind.length * 7919);
          const { id } = await server.create(kind, { traits: { css_width: "640px", css_height: "420px", resizable: false } });
          await visit.embed(server, `<framehub-view widget="${id}"></framehub-view>`);
          await visit.settled();
          if (failing) await visit.page.evaluate(failDecoding, failing);
          for (let round = 0; round < ROUNDS; round++) {
            const box = await visit.canvas.boundingBox();
            assert.ok(box);
            const at = () => /** @type {const} */ ([box.x + 5 + random(box.width - 10), box.y + 5 + random(box.height - 10)]);
            await visit.page.mouse.move(...at());
            await visit.page.mouse.down();
            for (let act = 0; act < ACTS; act++) await visit.page.mouse.move(...at(), { steps: 1 + random(6) });
            await visit.page.mouse.up();
            if (round % 3 === 1) await visit.page.mouse.wheel(0, random(200) - 100);
            if (round % 4 === 2) {
              await server.patch(id, { css_width: `${300 + random(340)}px`, css_height: `${200 + random(220)}px` });
            }
            await showsWhatIsRendered(server, visit, id);
          }
          if (!failing) return;
          const frames = visit.received.filter(({ type }) => type === "framebufferdata");
          assert.ok(frames.some(({ whole }) => whole === false), "some frames amended the one before");
          assert.ok(visit.sentOf("refresh").length > 0, "a frame that could not be decoded was asked for anew");
        },
        { tolerate: /no memory|could not be decoded|could not be shown/ },
      ));
  }

  test("comes coarse over a slow link while it moves, and exact in small files when it rests", () =>
    visiting(browser, async (visit) => {
      const link = await startLink(server.port, { rate: 2e6, oneWay: 150 });
      try {
        const { id } = await server.create("surface", { traits: { css_width: "640px", css_height: "420px" } });
        const url = new URL(server.page(`widgets/${id}`));
        url.port = String(link.port);
        await visit.show(url.href);
        await visit.settled();
        const box = await visit.canvas.boundingBox();
        assert.ok(box);
        await visit.page.mouse.move(box.x + 100, box.y + 100);
        await visit.page.mouse.down();
        let step = 0;
        await until(
          async () => {
            step += 1;
            await visit.page.mouse.move(box.x + 100 + ((step * 7) % 300), box.y + 100 + ((step * 5) % 200));
            const [view] = (await server.stats(id)).views;
            return view && view.quality < 80;
          },
          "the view is sent less than its quality",
          { timeout: 40_000, clues: visit.clues },
        );
        await visit.page.mouse.up();
        await showsWhatIsRendered(server, visit, id);
        const images = visit.received.flatMap(({ type, parts }) => (type === "framebufferdata" ? parts : []));
        assert.ok(images.some(({ mimetype }) => mimetype === "image/jpeg"));
        assert.equal(images.at(-1).mimetype, "image/webp");
      } finally {
        await link.close();
      }
    }));

  test("costs nothing while it is drawn again as it is", () =>
    visiting(browser, async (visit) => {
      const { id } = await server.create("square");
      await visit.embed(server, `<framehub-view widget="${id}"></framehub-view>`);
      await visit.settled();
      const confirmed = visit.confirmed;
      const drawn = (await server.stats(id)).drawn_frames;
      for (let i = 1; i <= 5; i++) {
        await server.draw(id);
        await until(async () => (await server.stats(id)).drawn_frames >= drawn + i, "the draw is done");
      }
      assert.equal((await server.stats(id)).unchanged_frames, 5);
      assert.equal(visit.confirmed, confirmed, "an equal frame was sent");
    }));
});
