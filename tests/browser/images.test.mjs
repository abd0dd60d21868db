import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";

import { launchBrowser, visiting } from "./support/browser.mjs";
import { bounds, canvasPixels, colourAt, encodePng, paint } from "./support/pixels.mjs";
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

/**
 * Where the four quarters meet on a canvas, in physical pixels; null unless all are there.
 * @param {import("playwright-core").Locator} canvas
 */
async function crossOn(canvas) {
  const picture = await canvasPixels(canvas);
  const { width, height } = picture;
  const corners = QUARTERS.map((_, quarter) => bounds(picture, (colour) => quarterOf(colour) === quarter));
  const [topLeft, topRight, bottomLeft, bottomRight] = corners;
  if (!topLeft || !topRight || !bottomLeft || !bottomRight) return null;
  return { x: (topLeft.right + topRight.left) / 2, y: (topLeft.bottom + bottomLeft.top) / 2, width, height };
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
      const { id } = await server.create("image", { options: { file: "sea.jpg" } });
      await visit.show(server.page(`widgets/${id}`));
      await visit.settled();
      const picture = await canvasPixels(visit.canvas);
      const middle = colourAt(picture, picture.width >> 1, picture.height >> 1);
      [30, 160, 200].forEach((c, i) => assert.ok(Math.abs(c - Number(middle[i])) < 6, String(middle)));
    }));

  test("a PNG opens whole, zooms at the pointer and pans with a drag", () =>
    visiting(browser, async (visit) => {
      const { id } = await server.create("image", { options: { file: "quarters.png" }, traits: { quality: 100 } });
      await visit.show(server.page(`widgets/${id}`));
      await visit.settled();
      const whole = await until(() => crossOn(visit.canvas), "the four quarters are shown", { clues: visit.clues });
      assert.ok(Math.abs(whole.x - whole.width / 2) <= 1 && Math.abs(whole.y - whole.height / 2) <= 1, "in the middle");

      // What is under the pointer stays there, so that all distances from it grow by the same factor.
      const box = await visit.canvas.boundingBox();
      assert.ok(box);
      const at = { x: Math.round(whole.width * 0.35), y: Math.round(whole.height * 0.4) };
      const { mouse } = visit.page;
      await mouse.click(box.x + at.x, box.y + at.y);
      await until(() => visit.sentOf("focus_in").length > 0, "the view has the focus");
      await mouse.wheel(0, -100);
      const zoomed = await until(
        async () => {
          const cross = await crossOn(visit.canvas);
          return cross && cross.x > whole.x + 10 && visit.atRest && cross;
        },
        "the picture has grown",
        { clues: visit.clues },
      );
      const [across, down] = [(zoomed.x - at.x) / (whole.x - at.x), (zoomed.y - at.y) / (whole.y - at.y)];
      assert.ok(across > 1.1 && Math.abs(across - down) < 0.05, `grown by ${across} and ${down}`);

      await mouse.move(box.x + 200, box.y + 200);
      await mouse.down();
      await mouse.move(box.x + 157, box.y + 231, { steps: 5 });
      await mouse.up();
      await until(
        async () => {
          const cross = await crossOn(visit.canvas);
          return cross && Math.abs(cross.x - zoomed.x + 43) <= 1 && Math.abs(cross.y - zoomed.y - 31) <= 1;
        },
        "the picture has moved with the pointer",
        { clues: visit.clues },
      );
    }));
});
