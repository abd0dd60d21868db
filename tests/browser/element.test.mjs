import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { openNotebook } from "./support/notebook.mjs";
import { useSite } from "./support/site.mjs";
import { until } from "./support/until.mjs";

/** @typedef {import("./support/browser.mjs").Visit} Visit */

const PATIENCE = { timeout: 30_000 };

/**
 * A property of the view.
 * @param {Visit} visit
 * @param {string} name
 */
const property = (visit, name) => visit.view.evaluate((view, name) => Reflect.get(view, name), name);

/** Whether anything of the picture can be seen. @param {Visit} visit */
const hasPicture = (visit) => visit.canvas.evaluate((canvas) => getComputedStyle(canvas).visibility === "visible");

describe("the element", () => {
  const site = useSite();

  test("lets its user act once it is no longer set to watch", () =>
    site.visiting(async (visit, server) => {
      const { id } = await server.create("square");
      await visit.embed(server, `<framehub-view widget="${id}" watch></framehub-view>`);
      assert.equal(await property(visit, "acting"), false);
      await visit.view.evaluate((view) => view.removeAttribute("watch"));
      await until(() => property(visit, "acting"), "the user may act", { ...PATIENCE, clues: visit.clues });
      await visit.canvas.click({ position: { x: 9, y: 9 } });
      await until(() => visit.sentOf("pointer_up").length === 1, "the click is told", PATIENCE);
      assert.equal(await visit.view.locator(".badge").textContent(), "");
    }));

  test("shows nothing of the widget before when it is given another one, one that is not there, or none", () =>
    site.visiting(
      async (visit, server) => {
        const [first, second] = [await server.create("square"), await server.create("grid")];
        await visit.embed(server, `<framehub-view widget="${first.id}"></framehub-view>`);
        assert.ok(await hasPicture(visit));
        // In the task that gives it, so before the other's first frame can come.
        const seen = await visit.view.evaluate((view, id) => {
          view.setAttribute("widget", id);
          return getComputedStyle(/** @type {Element} */ (view.shadowRoot?.querySelector("canvas"))).visibility;
        }, second.id);
        assert.equal(seen, "hidden");
        await until(() => hasPicture(visit), "the other one is shown", PATIENCE);

        await visit.view.evaluate((view) => view.setAttribute("widget", "no-such-widget"));
        await until(async () => /no such|no widget|not found|unknown|does not exist|closed/i.test(await visit.view.innerText()), "the view says so", { ...PATIENCE, clues: visit.clues });
        assert.ok(!(await hasPicture(visit)));

        await visit.view.evaluate((view) => view.removeAttribute("widget"));
        assert.match(await visit.view.innerText(), /No widget is named/);
        assert.ok(!(await hasPicture(visit)));
      },
      { tolerate: /no-such-widget/ },
    ));

  test("takes the properties that a page has set before the module came", () =>
    site.visiting(async (visit, server) => {
      const { id } = await server.create("square");
      await visit.page.addInitScript(() => {
        new MutationObserver(() => {
          const view = document.querySelector("framehub-view:not(:defined)");
          if (view) Object.assign(view, { fit: "fill", interactive: false });
        }).observe(document, { childList: true, subtree: true });
      });
      await visit.embed(server, `<div style="width: 320px; height: 160px"><framehub-view widget="${id}"></framehub-view></div>`);
      assert.deepEqual([await property(visit, "fit"), await property(visit, "interactive")], ["fill", false]);
      assert.equal(visit.sentOf("resize").at(-1)?.width, 320);
      await visit.view.evaluate((view) => Reflect.set(view, "fit", "traits"));
      assert.equal(await visit.view.getAttribute("fit"), "traits", "the accessors are not hidden");
    }));

  test("keeps to a height that the page gives", () =>
    site.visiting(async (visit, server) => {
      const { id } = await server.create("square", { traits: { css_height: "400px", has_titlebar: true } });
      await visit.embed(server, `<framehub-view widget="${id}" style="width: 300px; height: 150px"></framehub-view>`);
      const box = await visit.canvas.boundingBox();
      const host = await visit.view.boundingBox();
      assert.equal(host?.height, 150);
      assert.equal(Number(box?.y) + Number(box?.height), Number(host?.y) + 150);
      await visit.view.evaluate((view) => /** @type {HTMLElement} */ (view).style.removeProperty("height"));
      await until(async () => (await visit.canvas.boundingBox())?.height === 400, "the traits' height is back", PATIENCE);
    }));

  test("fills the row of a notebook that it is to fill, and no more than its cell", () =>
    site.visiting(async (visit, server) => {
      const notebook = await openNotebook(visit, server, () => {});
      await notebook.render();
      const sizes = await visit.page.evaluate(() => {
        const view = [...document.querySelectorAll("*")].find((element) => element.localName.startsWith("framehub-cell-"));
        const container = /** @type {HTMLElement} */ (view?.parentElement);
        const row = document.createElement("div");
        row.style.cssText = "display: flex; width: 400px";
        container.replaceWith(row);
        row.append(container);
        Reflect.set(/** @type {Element} */ (view), "traits", { css_width: "100%" });
        const inRow = [container.offsetWidth, row.scrollWidth];
        row.style.display = "block";
        return [...inRow, container.offsetWidth, row.scrollWidth];
      });
      assert.deepEqual(sizes, [400, 400, 400, 400]);
    }));

  test("says that a widget works only once that takes a second, and not to screen readers", () =>
    site.visiting(async (visit, server) => {
      const { id } = await server.create("square");
      await visit.page.clock.install();
      await visit.embed(server, `<framehub-view widget="${id}"></framehub-view>`);
      const notice = visit.view.locator(".notice");
      /** Whether it is to be seen in the very task that tells the view. @param {string} state */
      const shownWhen = (state) =>
        visit.view.evaluate((view, state) => {
          Reflect.get(view, "setStatus").call(view, { state, ...(state === "busy" ? { text: "Rendering …" } : {}) });
          return view.shadowRoot?.querySelector(".notice")?.checkVisibility();
        }, state);
      assert.equal(await shownWhen("busy"), false, "a draw that has only begun");
      await visit.page.clock.fastForward(1100);
      await notice.waitFor({ state: "visible" });
      assert.equal(await notice.locator(".text").getAttribute("aria-live"), "off");
      assert.equal(await shownWhen("live"), true, "it does not blink");
      await visit.page.clock.fastForward(1100);
      await notice.waitFor({ state: "hidden" });
    }));
});
