import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { launchBrowser, visiting } from "./support/browser.mjs";
import { Kernel } from "./support/kernel.mjs";
import { canvasPixels, difference } from "./support/pixels.mjs";
import { startServer } from "./support/server.mjs";
import { until } from "./support/until.mjs";

const SESSION = "session-of-the-tests";

describe("a view of a kernel's widget", () => {
  /** @type {import("playwright-core").Browser} */
  let browser;
  /** @type {import("./support/server.mjs").Server} */
  let server;
  before(async () => {
    browser = await launchBrowser();
    server = await startServer(["--no-demos"]);
  });
  after(async () => {
    await browser?.close();
    await server?.stop();
  });

  test("keeps the last frame, stale, while the kernel is gone, and goes on when it is back", async () => {
    let kernel = await Kernel.start(server, { session: SESSION, grey: 90 });
    try {
      await visiting(browser, async (visit) => {
        await visit.show(server.page(`widgets/${kernel.widget}`));
        await visit.settled();
        const stage = visit.view.locator(".stage");
        const shown = await canvasPixels(visit.canvas);
        assert.equal(shown.data[0], 90);
        assert.doesNotMatch((await stage.getAttribute("class")) ?? "", /stale/);

        kernel.kill();
        await until(
          async () => (await visit.view.innerText()).includes("The kernel has stopped. Waiting for it to return …"),
          "the view says that the kernel is gone",
          { clues: visit.clues },
        );
        assert.match((await stage.getAttribute("class")) ?? "", /stale/);
        assert.equal(difference(await canvasPixels(visit.canvas), shown), "", "the last frame stays");
        assert.equal(await visit.page.locator("#state").innerText(), "Waiting for the kernel");

        kernel = await Kernel.start(server, { session: SESSION, grey: 200 });
        await until(
          async () => (await canvasPixels(visit.canvas)).data[0] === 200,
          "the view shows what the kernel draws now",
          { clues: visit.clues },
        );
        await until(
          async () => !/stale/.test((await stage.getAttribute("class")) ?? ""),
          "the picture is no longer stale",
        );
        assert.doesNotMatch(await visit.view.innerText(), /gone/);
      });
    } finally {
      kernel.kill();
    }
  });
});
