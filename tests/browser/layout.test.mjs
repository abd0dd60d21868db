import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { gridOf } from "./support/demos.mjs";
import { canvasPixels, difference } from "./support/pixels.mjs";
import { useSite } from "./support/site.mjs";
import { until } from "./support/until.mjs";

/** @typedef {import("./support/browser.mjs").Visit} Visit */

/**
 * Waits until the widget has a size in CSS pixels, and checks that its `grid` is drawn at that size, pixel by pixel.
 * @param {import("./support/server.mjs").Server} server
 * @param {Visit} visit
 * @param {string} id
 * @param {number} width
 * @param {number} height
 */
async function isDrawnAt(server, visit, id, width, height) {
  const size = await until(
    async () => {
      const { size } = await server.stats(id);
      return size?.width === width && size.height === height && size;
    },
    `the widget is ${width} × ${height}`,
    { clues: visit.clues },
  );
  // The frame before may have one side in common with it, and would pass for a frame of another shape.
  await until(
    async () => {
      const { width, height } = await canvasPixels(visit.canvas);
      return width === size.pwidth && height === size.pheight;
    },
    "a frame of that size is shown",
    { clues: visit.clues },
  );
  await visit.settled();
  assert.equal(difference(await canvasPixels(visit.canvas), gridOf(size)), "");
}

/** Ways for a page to give an element as much room as it asks for, which grow with it. */
const CONTAINERS = {
  "an inline block": "display: inline-block; padding: 5px",
  "a column of a flex box": "display: flex; flex-direction: column; align-items: start",
  "a row of a flex box": "display: flex",
  "a grid of automatic tracks": "display: grid; grid-template: auto / auto",
  "a box that fits its content": "width: fit-content; height: fit-content; border: 3px solid",
  "a table cell": "display: table-cell; padding: 2px",
  "a box of automatic height": "width: 60%; height: auto",
};

/**
 * Checks that nothing grows: a view that grows by its own size does so in every frame of the browser.
 * @param {Visit} visit
 */
async function comesToRest(visit) {
  const heights = await visit.page.evaluate(async () => {
    const heights = [];
    for (let frame = 0; frame < 90; frame++) {
      await new Promise(requestAnimationFrame);
      heights.push(document.documentElement.scrollHeight);
    }
    return heights;
  });
  assert.equal(new Set(heights.slice(-45)).size, 1, heights.join(", "));
  const views = await visit.page.locator("framehub-view").count();
  const sizes = visit.sentOf("resize").map(({ width, height }) => `${width} × ${height}`);
  assert.ok(sizes.length <= 3 * views, sizes.join(", "));
}

describe("the view's size and frame", () => {
  const site = useSite();

  test("dragging the corner renders the widget anew at the new size", () =>
    site.visiting(async (visit, server) => {
      const { id } = await server.create("grid");
      await visit.embed(server, `<framehub-view widget="${id}"></framehub-view>`);
      await isDrawnAt(server, visit, id, 500, 300);

      const corner = await visit.view.getByRole("button", { name: "Resize" }).boundingBox();
      assert.ok(corner);
      const [x, y] = [corner.x + corner.width / 2, corner.y + corner.height / 2];
      await visit.page.mouse.move(x, y);
      await visit.page.mouse.down();
      await visit.page.mouse.move(x + 61, y + 40, { steps: 8 });
      await visit.page.mouse.up();
      await isDrawnAt(server, visit, id, 561, 340);
      assert.equal(visit.sentOf("pointer_down", "pointer_up").length, 0, "the widget hears nothing of the drag");

      await visit.page.mouse.move(x + 61, y + 40);
      await visit.page.mouse.down();
      await visit.page.mouse.move(x - 200, y - 100, { steps: 8 });
      await visit.page.mouse.up();
      await isDrawnAt(server, visit, id, 300, 200);
    }));

  test("the corner works with the arrow keys", () =>
    site.visiting(async (visit, server) => {
      const { id } = await server.create("grid");
      await visit.embed(server, `<framehub-view widget="${id}"></framehub-view>`);
      await visit.view.getByRole("button", { name: "Resize" }).focus();
      await visit.page.keyboard.press("ArrowRight");
      await visit.page.keyboard.press("ArrowDown");
      await isDrawnAt(server, visit, id, 510, 310);
    }));

  test("a widget that is not resizable has no corner, and gets one when it becomes resizable", () =>
    site.visiting(async (visit, server) => {
      const { id } = await server.create("grid", { traits: { resizable: false } });
      await visit.embed(server, `<framehub-view widget="${id}"></framehub-view>`);
      const corner = visit.view.getByRole("button", { name: "Resize" });
      assert.equal(await corner.count(), 0);
      await server.patch(id, { resizable: true });
      await corner.waitFor();
    }));

  test("a size that the widget's author sets is taken live", () =>
    site.visiting(async (visit, server) => {
      const { id } = await server.create("grid");
      await visit.embed(server, `<framehub-view widget="${id}"></framehub-view>`);
      await server.patch(id, { css_width: "321px", css_height: "123px" });
      await isDrawnAt(server, visit, id, 321, 123);
    }));

  for (const [name, style] of Object.entries(CONTAINERS)) {
    test(`a view of relative size in ${name} comes to rest`, () =>
      site.visiting(async (visit, server) => {
        const { id } = await server.create("grid", { traits: { css_width: "100%", css_height: "100%" } });
        await visit.embed(server, `<div style="${style}"><framehub-view widget="${id}"></framehub-view></div>`);
        await comesToRest(visit);
        await visit.settled();
      }));
  }

  test("a filling view makes no container grow that has no size of its own", () =>
    site.visiting(async (visit, server) => {
      const boxes = Object.values(CONTAINERS).map(
        (style) => `<div style="${style}"><framehub-view widget="grid" fit="fill"></framehub-view></div>`,
      );
      await visit.embed(server, boxes.join(""), { drawn: false });
      await visit.page.waitForFunction(() => customElements.get("framehub-view"));
      await comesToRest(visit);
    }));

  test("title bar, title, buttons and cursor follow the traits as they change", () =>
    site.visiting(async (visit, server) => {
      const { id } = await server.create("grid", { traits: { title: "First title" } });
      await visit.embed(server, `<framehub-view widget="${id}"></framehub-view>`);
      const title = visit.view.getByText("First title", { exact: true });
      const minimise = visit.view.getByRole("button", { name: "Minimise" });
      const close = visit.view.getByRole("button", { name: "Close this view" });
      assert.deepEqual([await title.isVisible(), await minimise.count(), await close.count()], [false, 0, 0]);

      await server.patch(id, { has_titlebar: true, is_minimizable: true, is_closable: true, cursor: "crosshair" });
      await title.waitFor();
      await minimise.waitFor();
      await close.waitFor();
      assert.equal(await visit.canvas.evaluate((canvas) => getComputedStyle(canvas).cursor), "crosshair");
      await isDrawnAt(server, visit, id, 500, 300);

      await server.patch(id, { title: "Second title", is_minimizable: false, cursor: "default" });
      await visit.view.getByText("Second title", { exact: true }).waitFor();
      await minimise.waitFor({ state: "detached" }).catch(() => minimise.waitFor({ state: "hidden" }));
      assert.equal(await visit.canvas.evaluate((canvas) => getComputedStyle(canvas).cursor), "default");
    }));

  test("a minimised view is hidden from the server, and comes back when it is restored", () =>
    site.visiting(async (visit, server) => {
      const { id } = await server.create("grid", { traits: { has_titlebar: true, is_minimizable: true } });
      await visit.embed(server, `<framehub-view widget="${id}"></framehub-view>`);
      const sees = (/** @type {boolean} */ visible) =>
        until(async () => (await server.stats(id)).views[0]?.visible === visible, `the view's visibility is ${visible}`);
      await visit.view.getByRole("button", { name: "Minimise" }).click();
      await sees(false);
      assert.equal(await visit.canvas.isVisible(), false);
      await visit.view.getByRole("button", { name: "Restore" }).click();
      await sees(true);
      assert.equal(await visit.canvas.isVisible(), true);
      await isDrawnAt(server, visit, id, 500, 300);
    }));

  test("closing a view ends it alone; the widget lives on, and the view can be opened again", () =>
    site.visiting(async (visit, server) => {
      const { id } = await server.create("grid", { traits: { has_titlebar: true, is_closable: true } });
      await visit.embed(server, `<framehub-view widget="${id}"></framehub-view>`);
      await visit.view.getByRole("button", { name: "Close this view" }).click();
      await until(async () => (await server.stats(id)).views.length === 0, "the view is gone");
      assert.equal((await server.json(`api/widgets/${id}`)).id, id);

      const confirmed = visit.confirmed;
      await visit.view.getByRole("button", { name: "Reopen" }).click();
      await until(() => visit.confirmed > confirmed, "the view draws again");
    }));
});
