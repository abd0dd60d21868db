import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";

import { launchBrowser, visiting } from "./support/browser.mjs";
import { canvasPixels, colourAt, encodePng, paint } from "./support/pixels.mjs";
import { startServer } from "./support/server.mjs";
import { until } from "./support/until.mjs";

/** Quarters of a picture in four colours. */
const QUARTERS = /** @type {const} */ ([
  [220, 40, 40],
  [40, 200, 60],
  [50, 80, 230],
  [240, 220, 60],
]);

/**
 * The quarter that a colour is of (0 top left, 1 top right, 2 bottom left, 3 bottom right), lossy or not; -1 for none.
 * @param {readonly number[]} colour
 */
function quarterOf(colour) {
  return QUARTERS.findIndex((quarter) => quarter.every((c, i) => Math.abs(c - Number(colour[i])) < 40));
}

describe("pictures of the user's own", () => {
  /** @type {import("./support/server.mjs").Server} */
  let server;
  /** @type {import("playwright-core").Browser} */
  let browser;
  /** @type {string} */
  let folder;
  before(async () => {
    browser = await launchBrowser();
    folder = await mkdtemp(join(tmpdir(), "framehub-pictures-"));
    const quarters = paint(800, 480, (x, y) => [...(QUARTERS[(x < 400 ? 0 : 1) + (y < 240 ? 0 : 2)] ?? QUARTERS[0])]);
    await writeFile(join(folder, "quarters.png"), encodePng(quarters));
    // The browser's own encoder makes the JPEG.
    const page = await browser.newPage();
    const base64 = await page.evaluate(async () => {
      const canvas = new OffscreenCanvas(640, 400);
      const pen = canvas.getContext("2d");
      if (!pen) throw new Error("no 2d context");
      pen.fillStyle = "rgb(30, 160, 200)";
      pen.fillRect(0, 0, 640, 400);
      const blob = await canvas.convertToBlob({ type: "image/jpeg", quality: 0.9 });
      return btoa(String.fromCharCode(...new Uint8Array(await blob.arrayBuffer())));
    });
    await page.close();
    await writeFile(join(folder, "sea.jpg"), Buffer.from(base64, "base64"));
    server = await startServer(["--images", folder]);
  });
  after(async () => {
    await browser?.close();
    await server?.stop();
    if (folder) await rm(folder, { recursive: true });
  });

  test("a JPEG opens", () =>
    visiting(browser, async (visit) => {
      const { id } = await server.create("image", { options: { path: "sea.jpg" } });
      await visit.show(server.page(`widgets/${id}`));
      await visit.settled();
      const picture = await canvasPixels(visit.canvas);
      const middle = colourAt(picture, picture.width >> 1, picture.height >> 1);
      [30, 160, 200].forEach((c, i) => assert.ok(Math.abs(c - Number(middle[i])) < 6, String(middle)));
    }));

  test("a PNG opens whole, zooms at the pointer and pans with a drag", () =>
    visiting(browser, async (visit) => {
      const { id } = await server.create("image", { options: { path: "quarters.png" }, traits: { quality: 100 } });
      await visit.show(server.page(`widgets/${id}`));
      const quarterAt = async (/** @type {number} */ x, /** @type {number} */ y) => {
        const picture = await canvasPixels(visit.canvas);
        return quarterOf(colourAt(picture, Math.round(picture.width * x), Math.round(picture.height * y)));
      };
      assert.deepEqual(
        [await quarterAt(0.3, 0.3), await quarterAt(0.7, 0.3), await quarterAt(0.3, 0.7), await quarterAt(0.7, 0.7)],
        [0, 1, 2, 3],
        "the whole picture is shown",
      );

      // The point under the pointer stays where it is while the picture grows: (0.45, 0.5) and left of it remain of
      // the left quarters, and the middle line between the quarters moves to the right.
      const box = await visit.canvas.boundingBox();
      assert.ok(box);
      const { mouse } = visit.page;
      await mouse.click(box.x + box.width * 0.4, box.y + box.height * 0.4);
      await until(() => visit.sentOf("focus_in").length > 0, "the view has the focus");
      const until4 = async () => (await quarterAt(0.9, 0.4)) === 0 && (await quarterAt(0.1, 0.4)) === 0;
      for (let turn = 0; turn < 60 && !(await until4()); turn++) {
        const seen = visit.confirmed;
        await mouse.wheel(0, -120);
        await until(() => visit.confirmed > seen, "the zoomed picture is shown", { timeout: 5000 });
      }
      assert.ok(await until4(), "zooming in at a point of the first quarter fills the view with it");

      // Dragging to the left brings the quarter at the right into view, sooner or later.
      const inView = async () => (await quarterAt(0.9, 0.4)) === 1;
      for (let pull = 0; pull < 30 && !(await inView()); pull++) {
        const seen = visit.confirmed;
        await mouse.move(box.x + box.width - 20, box.y + box.height * 0.4);
        await mouse.down();
        await mouse.move(box.x + 20, box.y + box.height * 0.4, { steps: 4 });
        await mouse.up();
        await until(() => visit.confirmed > seen, "the panned picture is shown", { timeout: 5000 });
      }
      assert.ok(await inView(), "panning to the left brings the quarter at the right into view");
    }));
});
