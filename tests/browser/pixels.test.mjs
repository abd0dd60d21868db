import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { gridOf } from "./support/demos.mjs";
import { canvasPixels, decodePng, difference, screenPixels } from "./support/pixels.mjs";
import { useSite } from "./support/site.mjs";
import { until } from "./support/until.mjs";

/**
 * Waits until a widget that refines its picture step by step is done.
 * @param {import("./support/server.mjs").Server} server
 * @param {string} id
 */
async function atRest(server, id) {
  let drawn = -1;
  await until(
    async () => {
      const before = drawn;
      const stats = await server.stats(id);
      drawn = stats.drawn_frames;
      // Between its steps the renderer rests for less than the time between two looks.
      return stats.at_rest && drawn > 0 && drawn === before;
    },
    "the renderer is at rest",
    { timeout: 60_000, every: 1000 },
  );
}

/**
 * Waits until the view's size is the widget's, and checks every pixel of the `grid` on the canvas and on the screen.
 * @param {import("./support/server.mjs").Server} server
 * @param {import("./support/browser.mjs").Visit} visit
 */
async function showsGrid(server, visit) {
  const size = await until(async () => {
    const wanted = visit.sentOf("resize").at(-1);
    const { size } = await server.stats("grid");
    return wanted?.pwidth === size?.pwidth && wanted?.pheight === size?.pheight && size;
  }, "the widget has the view's size");
  await visit.settled();
  const expected = gridOf(size);
  assert.equal(difference(await canvasPixels(visit.canvas), expected), "", "on the canvas");
  assert.equal(difference(await screenPixels(visit.page, visit.canvas, expected), expected), "", "on the screen");
  return size;
}

for (const ratio of [1, 1.25, 2, 3]) {
  describe(`at ${ratio} physical pixels per CSS pixel`, () => {
    const site = useSite({ ratio });

    test("a grid of single pixels reaches the canvas and the screen unchanged", () =>
      site.visiting(async (visit, server) => {
        // Off the pixel grid, and without the corner for resizing, which covers a few pixels.
        await server.patch("grid", { css_width: "480px", css_height: "280px", resizable: false });
        await visit.embed(server, '<p>A line of text</p>\u2003<framehub-view widget="grid"></framehub-view>');
        assert.equal(await visit.page.evaluate(() => devicePixelRatio), ratio);
        const size = await showsGrid(server, visit);
        assert.deepEqual(size, { width: 480, height: 280, pwidth: 480 * ratio, pheight: 280 * ratio, ratio });
      }));

    test("a widget that fills its page is as sharp", () =>
      site.visiting(async (visit, server) => {
        await server.patch("grid", { resizable: false });
        await visit.show(server.page("widgets/grid"));
        // The picture that fills the window has more pixels than a widget may have by default: take a part of it.
        await visit.view.evaluate((view) => Object.assign(view.parentElement?.style ?? {}, { width: "731px", height: "397px" }));
        await until(() => Number(visit.sentOf("resize").at(-1)?.width) < 732, "the view is as large as the part");
        const size = await showsGrid(server, visit);
        assert.equal(size.ratio, ratio);
        // Less the page's padding.
        assert.ok(size.width > 680, String(size.width));
      }));

    for (const kind of ["surface", "fractal"]) {
      test(`a lossless frame of the ${kind} has the pixels that its renderer made`, () =>
        site.visiting(async (visit, server) => {
          await server.patch(kind, { quality: 100, resizable: false });
          await visit.embed(server, `<framehub-view widget="${kind}"></framehub-view>`);
          await atRest(server, kind);
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
