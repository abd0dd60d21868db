import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { useSite } from "./support/site.mjs";
import { until } from "./support/until.mjs";

/** @typedef {import("./support/browser.mjs").Visit} Visit */

const PATIENCE = { timeout: 30_000 };
/** What deletes, cuts, inserts and changes cells in a notebook's command mode, and what runs and scrolls there. */
const NOTEBOOK_KEYS = ["d", "d", "x", "b", "r", "m", "z", "Shift+Enter", "Control+Enter", "Control+Shift+c", "Escape", "ArrowDown", "0"];

/**
 * Opens a page that listens as notebooks do: on the document, on the way down and on the way up.
 * @param {Visit} visit
 * @param {import("./support/server.mjs").Server} server
 * @param {string} body
 */
async function openNotebook(visit, server, body) {
  await visit.embed(server, `<div id="notebook" tabindex="0">Cells</div>${body}`);
  await visit.page.evaluate(() => {
    /** @type {string[]} */
    const heard = [];
    Reflect.set(window, "heard", heard);
    for (const type of ["keydown", "keyup", "keypress"]) {
      for (const capture of [true, false]) {
        document.addEventListener(
          type,
          (event) => {
            const { key, ctrlKey } = /** @type {KeyboardEvent} */ (event);
            heard.push(`${type} ${ctrlKey ? "Control+" : ""}${key}`);
            // As one that saves does.
            if (ctrlKey && key === "s") event.preventDefault();
          },
          { capture },
        );
      }
    }
  });
}

/** @param {Visit} visit @returns {Promise<string[]>} */
const heard = (visit) => visit.page.evaluate(() => Reflect.get(window, "heard"));

/** @param {Visit} visit */
async function typesNothingIntoTheNotebook(visit) {
  for (const key of NOTEBOOK_KEYS) await visit.page.keyboard.press(key);
  assert.deepEqual(await heard(visit), []);
}

/** @param {Visit} visit */
const clickPicture = (visit) => visit.view.click({ position: { x: 60, y: 60 } });

describe("keys typed in a view", () => {
  const site = useSite();

  test("do nothing in the notebook around it while the widget takes them", () =>
    site.visiting(async (visit, server) => {
      const { id } = await server.create("square");
      await openNotebook(visit, server, `<framehub-view widget="${id}"></framehub-view>`);
      await clickPicture(visit);
      await typesNothingIntoTheNotebook(visit);
      await until(() => visit.sentOf("key_down").some(({ key }) => key === "0"), "the widget is told", PATIENCE);

      await visit.page.locator("#notebook").focus();
      await visit.page.keyboard.press("d");
      assert.ok((await heard(visit)).includes("keydown d"), "outside the view they are the notebook's");
    }));

  test("do nothing in the notebook around it where one may only watch", () =>
    site.visiting(async (visit, server) => {
      const { id } = await server.create("square");
      await openNotebook(visit, server, `<framehub-view widget="${id}" watch></framehub-view>`);
      await clickPicture(visit);
      await typesNothingIntoTheNotebook(visit);
      assert.equal(visit.sentOf("key_down", "char").length, 0);
    }));

  test("do nothing in the notebook around it while a view beside it has the control, and are the widget's again after that", () =>
    site.visiting(async (visit, server) => {
      const { id } = await server.create("square", { traits: { resizable: false } });
      const element = `<framehub-view widget="${id}"></framehub-view>`;
      await openNotebook(visit, server, element + element);
      const views = visit.page.locator("framehub-view");
      const acting = (/** @type {number} */ index) => views.nth(index).evaluate((view) => Reflect.get(view, "acting"));
      await clickPicture(visit);
      await until(() => visit.sentOf("focus_in").length === 1, "the first has the focus", PATIENCE);

      const control = (/** @type {string} */ method) =>
        views.nth(1).evaluate((view, method) => Reflect.get(view, method).call(view), method);
      await control("takeControl");
      await until(async () => !(await acting(0)), "the first may not act", PATIENCE);
      await typesNothingIntoTheNotebook(visit);
      await clickPicture(visit);
      await typesNothingIntoTheNotebook(visit);
      assert.equal(visit.sentOf("key_down", "char").length, 0);

      await control("releaseControl");
      await until(() => visit.sentOf("focus_in").length === 2, "the first has the focus again", PATIENCE);
      await typesNothingIntoTheNotebook(visit);
      await until(() => visit.sentOf("key_down").some(({ key }) => key === "d"), "the widget is told", PATIENCE);
    }));

  test("do nothing in the notebook around it where the widget was closed", () =>
    site.visiting(async (visit, server) => {
      const { id } = await server.create("square");
      await openNotebook(visit, server, `<framehub-view widget="${id}"></framehub-view>`);
      await clickPicture(visit);
      await server.request(`api/widgets/${id}`, { method: "DELETE" });
      await until(async () => /closed/i.test(await visit.view.innerText()), "the view says that it is closed", PATIENCE);
      await typesNothingIntoTheNotebook(visit);
      await clickPicture(visit);
      await typesNothingIntoTheNotebook(visit);
    }));

  for (const [place, name] of [["title bar", "Minimise this view"], ["corner", "Resize this view"]]) {
    test(`do nothing in the notebook around it while its ${place} has the focus`, () =>
      site.visiting(async (visit, server) => {
        const { id } = await server.create("square", { traits: { has_titlebar: true } });
        await openNotebook(visit, server, `<framehub-view widget="${id}"></framehub-view>`);
        await visit.view.getByRole("button", { name: String(name) }).focus();
        await typesNothingIntoTheNotebook(visit);
      }));
  }

  test("reach the page around it where they save: the notebook, but no key beside, and the widget is told as well", () =>
    site.visiting(async (visit, server) => {
      const { id } = await server.create("square", { traits: { has_titlebar: true } });
      await openNotebook(visit, server, `<framehub-view widget="${id}"></framehub-view>`);
      const minimise = visit.view.getByRole("button", { name: "Minimise this view" });
      for (const focus of [() => clickPicture(visit), () => minimise.focus()]) {
        await focus();
        await visit.page.evaluate(() => Reflect.get(window, "heard").splice(0));
        await visit.page.keyboard.press("Control+s");
        assert.deepEqual((await heard(visit)).filter((key) => key.startsWith("keydown")), ["keydown Control+s", "keydown Control+s"]);
      }
      await until(() => visit.sentOf("key_up").some(({ key }) => key === "s"), "the widget is told", PATIENCE);
      assert.deepEqual(visit.sentOf("key_down").map(({ key }) => key), ["Control", "s"]);
    }));
});
