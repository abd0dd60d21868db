import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { launchBrowser, visiting } from "./support/browser.mjs";
import { gridOf } from "./support/demos.mjs";
import { canvasPixels, decodePng, difference, screenPixels } from "./support/pixels.mjs";
import { startServer } from "./support/server.mjs";

for (const ratio of [1, 1.25, 2, 3]) {
  describe(`at ${ratio} physical pixels per CSS pixel`, () => {
    /** @type {import("./support/server.mjs").Server} */
    let server;
    /** @type {import("playwright-core").Browser} */
    let browser;
    before(async () => {
      server = await startServer();
      browser = await launchBrowser({ ratio });
    });
    after(async () => {
      await browser?.close();
      await server?.stop();
    });

    test("a grid of single pixels reaches the canvas and the screen unchanged", () =>
      visiting(browser, async (visit) => {
        // Without the corner for resizing, which covers a few pixels.
        await server.patch("grid", { resizable: false });
        await visit.show(server.page("widgets/grid"));
        await visit.settled();
        assert.equal(await visit.page.evaluate(() => devicePixelRatio), ratio);

        const size = (await server.stats("grid")).size;
        assert.ok(size, "the widget has a size");
        assert.equal(size.ratio, ratio);
        assert.deepEqual([size.pwidth, size.pheight], [500 * ratio, 300 * ratio]);
        const expected = gridOf(size);

        assert.equal(difference(await canvasPixels(visit.canvas), expected), "");
        assert.equal(difference(await screenPixels(visit.page, visit.canvas, size), expected), "");
      }));

    for (const kind of ["surface", "fractal"]) {
      test(`a lossless frame of the ${kind} has the pixels that its renderer made`, () =>
        visiting(browser, async (visit) => {
          await server.patch(kind, { quality: 100, resizable: false });
          await visit.show(server.page(`widgets/${kind}`));
          await visit.settled();
          const drawn = await canvasPixels(visit.canvas);

          const snapshot = await server.request(`api/widgets/${kind}/snapshot?format=png&pixel_ratio=${ratio}`);
          const rendered = decodePng(new Uint8Array(await snapshot.arrayBuffer()));
          assert.equal(difference(drawn, rendered), "");
          assert.equal(difference(await screenPixels(visit.page, visit.canvas, rendered), rendered), "");
        }));
    }
  });
}
