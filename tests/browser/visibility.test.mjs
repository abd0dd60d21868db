import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { Visit, launchBrowser, launchBrowserWithTabs, visiting } from "./support/browser.mjs";
import { startServer } from "./support/server.mjs";
import { until } from "./support/until.mjs";

/** @typedef {import("./support/server.mjs").Server} Server */

/**
 * Waits until the server counts the widget's one view as visible, or as hidden.
 * @param {Server} server
 * @param {string} id
 * @param {boolean} visible
 */
async function becomes(server, id, visible) {
  await until(
    async () => (await server.stats(id)).views.every((view) => view.visible === visible),
    `the view of ${id} is ${visible ? "visible" : "hidden"}`,
  );
}

/**
 * How many draws the renderer has done once it is at rest.
 * @param {Server} server
 * @param {string} id
 */
async function drawsAtRest(server, id) {
  let count = -1;
  let same = 0;
  await until(async () => {
    const now = (await server.stats(id)).drawn_frames;
    same = now === count ? same + 1 : 0;
    count = now;
    return same === 10;
  }, "the renderer is at rest");
  return count;
}

/**
 * Asks for draws and sees that none is done for as long as a visible view would need for many.
 * @param {Server} server
 * @param {string} id
 */
async function drawsNothing(server, id) {
  const before = await drawsAtRest(server, id);
  for (let i = 0; i < 10; i++) {
    await server.draw(id);
    assert.equal(await drawsAtRest(server, id), before, `draw request ${i} leaves the hidden widget undrawn`);
  }
  return before;
}

describe("a view that nobody can see", () => {
  /** @type {Server} */
  let server;
  before(async () => {
    server = await startServer();
  });
  after(() => server?.stop());

  test("stops the draws when its tab is hidden, and resumes them when the tab is shown", async () => {
    const { context, close } = await launchBrowserWithTabs();
    try {
      const { id } = await server.create("square");
      const visit = new Visit(await context.newPage());
      await visit.page.bringToFront();
      await visit.show(server.page(`widgets/${id}?size=traits`));
      await becomes(server, id, true);

      const other = await context.newPage();
      await other.bringToFront();
      assert.equal(await visit.page.evaluate(() => document.visibilityState), "hidden", "the browser hides the tab");
      await becomes(server, id, false);
      const drawn = await drawsNothing(server, id);

      await visit.page.bringToFront();
      await becomes(server, id, true);
      await until(async () => (await server.stats(id)).drawn_frames > drawn, "the asked-for draw is done");
      // The picture is the same as before, so that no frame tells of it.
      await server.patch(id, { css_width: "300px" });
      await until(() => visit.received.findLast(({ type }) => type === "framebufferdata")?.width === 300, "the page shows it");
      assert.deepEqual(visit.faults, []);
    } finally {
      await close();
    }
  });

  describe("and connects only while somebody can", () => {
    /** @type {import("playwright-core").Browser} */
    let browser;
    before(async () => {
      browser = await launchBrowser();
    });
    after(() => browser?.close());
    const views = async (/** @type {string} */ id) => (await server.stats(id)).views.length;
    const has = (/** @type {string} */ id, /** @type {number} */ count) =>
      until(async () => (await views(id)) === count, `${id} has ${count} views`);

    test("connects to another widget that it is given while it is seen", () =>
      visiting(browser, async (visit) => {
        const [first, second] = [await server.create("square"), await server.create("grid")];
        await visit.embed(server, `<framehub-view lazy widget="${first.id}"></framehub-view>`);
        await has(first.id, 1);
        await visit.view.evaluate((view, id) => view.setAttribute("widget", id), second.id);
        await has(second.id, 1);
        await has(first.id, 0);
      }));

    test("stays closed when its user has closed it, also when it is given another widget or shown again", () =>
      visiting(browser, async (visit) => {
        const traits = { has_titlebar: true, is_closable: true };
        const [first, second, other] = [
          await server.create("square", { traits }),
          await server.create("square", { traits }),
          await server.create("grid"),
        ];
        const lazy = (/** @type {string} */ id) => `<framehub-view lazy widget="${id}"></framehub-view>`;
        await visit.embed(server, `<div id="box">${lazy(first.id)}${lazy(other.id)}</div>`);
        await has(first.id, 1);
        await has(other.id, 1);
        await visit.view.getByRole("button", { name: "Close this view" }).click();
        await has(first.id, 0);
        const display = (/** @type {string} */ display) =>
          visit.page.evaluate((display) => document.getElementById("box")?.style.setProperty("display", display), display);
        await display("none");
        await has(other.id, 0);
        await display("block");
        await has(other.id, 1);
        assert.equal(await views(first.id), 0);

        await visit.page.evaluate((ids) => {
          for (const [at, view] of document.querySelectorAll("framehub-view").entries()) view.setAttribute("widget", ids[at] ?? "");
        }, [second.id, first.id]);
        await has(first.id, 1);
        assert.equal(await views(second.id), 0);
        await visit.view.getByRole("button", { name: "Reopen" }).click();
        await has(second.id, 1);
      }));
  });

  for (const [how, hide, show] of /** @type {const} */ ([
    [
      "is scrolled off the screen",
      () => scrollTo(0, 3000),
      () => scrollTo(0, 0),
    ],
    [
      "is not displayed",
      () => document.getElementById("box")?.style.setProperty("display", "none"),
      () => document.getElementById("box")?.style.setProperty("display", "block"),
    ],
  ])) {
    test(`stops the draws when it ${how}, and resumes them when it is back`, async () => {
      const browser = await launchBrowser();
      try {
        await visiting(browser, async (visit) => {
          const { id } = await server.create("square");
          await visit.embed(server, `<div id="box"><framehub-view widget="${id}"></framehub-view></div><p id="tall"></p>`);
          await visit.page.evaluate(() => document.getElementById("tall")?.style.setProperty("height", "5000px"));
          await becomes(server, id, true);

          await visit.page.evaluate(hide);
          await becomes(server, id, false);
          const drawn = await drawsNothing(server, id);

          await visit.page.evaluate(show);
          await becomes(server, id, true);
          await until(async () => (await server.stats(id)).drawn_frames > drawn, "the asked-for draw is done");
        });
      } finally {
        await browser.close();
      }
    });
  }
});
