import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { useSite } from "./support/site.mjs";
import { until } from "./support/until.mjs";

/** @typedef {import("./support/browser.mjs").Visit} Visit */
/** @typedef {import("./support/server.mjs").Server} Server */

const PATIENCE = { timeout: 30_000 };

/**
 * Opens a page with a view of a widget of its own, and gives it the focus.
 * @param {Visit} visit
 * @param {Server} server
 */
async function focusView(visit, server) {
  const { id } = await server.create("square", { traits: { has_titlebar: true } });
  await visit.embed(server, `<p id="secret">a secret of another window</p><textarea id="text"></textarea><framehub-view widget="${id}"></framehub-view>`);
  await visit.canvas.click({ position: { x: 9, y: 9 } });
  await until(() => visit.sentOf("focus_in").length > 0, "the view has the focus", PATIENCE);
}

/** @param {Visit} visit @param {string} text */
async function copy(visit, text) {
  await visit.page.locator("#text").fill(text);
  await visit.page.locator("#text").selectText();
  await visit.page.keyboard.press("Control+c");
  await visit.canvas.click({ position: { x: 9, y: 9 } });
}

/**
 * Tells the hidden field of a key, as a remote desktop or another program may.
 * @param {Visit} visit
 * @param {[string, Record<string, string | boolean>][]} events
 */
const dispatch = (visit, events) =>
  visit.view.locator("input.field").evaluate((field, events) => {
    for (const [type, init] of events) field.dispatchEvent(new KeyboardEvent(type, { bubbles: true, composed: true, ...init }));
  }, events);

/** @param {Visit} visit */
const keysOf = (visit) => visit.sentOf("key_down", "key_up").map(({ type, key }) => `${type} ${key}`);

describe("a user's", () => {
  const site = useSite();

  test("middle click tells the widget of a button, and of no text that is selected elsewhere", () =>
    site.visiting(async (visit, server) => {
      await focusView(visit, server);
      // Three clicks select the line, as in any other window.
      await visit.page.locator("#secret").click({ clickCount: 3 });
      await visit.canvas.click({ position: { x: 9, y: 9 } });
      const { mouse } = visit.page;
      const picture = await visit.canvas.boundingBox();
      const title = await visit.view.locator(".title").boundingBox();
      assert.ok(picture && title);
      await mouse.click(picture.x + 50, picture.y + 50, { button: "middle" });
      // Also while another button is held, and beside the picture.
      await mouse.down();
      await mouse.down({ button: "middle" });
      await mouse.up({ button: "middle" });
      await mouse.up();
      await mouse.click(title.x + 5, title.y + 5, { button: "middle" });
      await mouse.click(picture.x + 50, picture.y + 50);
      await visit.page.keyboard.press("q");
      await until(() => visit.sentOf("char").some(({ data }) => data === "q"), "the key is told", { ...PATIENCE, clues: visit.clues });
      assert.deepEqual(visit.sentOf("char").map(({ data }) => data), ["q"]);
      assert.ok(visit.sentOf("pointer_down").some(({ button }) => button === 3));
    }));

  test("paste keeps its lines", () =>
    site.visiting(async (visit, server) => {
      await focusView(visit, server);
      await copy(visit, "two\nlines, ä €");
      await visit.page.keyboard.press("Control+v");
      const { data, input_type } = await until(() => visit.sentOf("char")[0], "the text is told", PATIENCE);
      assert.deepEqual([data, input_type], ["two\nlines, ä €", "insertFromPaste"]);
    }));

  test("paste of a long text arrives whole, and one that is too long is refused with a word of it", () =>
    site.visiting(async (visit, server) => {
      await focusView(visit, server);
      const long = "0123456789".repeat(4000);
      await copy(visit, long);
      await visit.page.keyboard.press("Control+v");
      const told = () => visit.sentOf("char").map(({ data }) => data).join("");
      await until(() => told().length >= long.length, "all of it is told", PATIENCE);
      assert.equal(told(), long);

      await copy(visit, "0123456789".repeat(7000));
      await visit.page.keyboard.press("Control+v");
      await until(async () => /too long to paste: 70000 characters/.test(await visit.view.innerText()), "the view says so", PATIENCE);
      assert.equal(told(), long);
      assert.equal(visit.received.filter(({ type }) => type === "error").length, 0, "the server refuses nothing");
    }));

  for (const [button, number] of /** @type {const} */ ([["back", 4], ["forward", 5]])) {
    test(`${button} button is the widget's, and the page stays`, () =>
      site.visiting(async (visit, server) => {
        await visit.page.goto(server.page());
        await focusView(visit, server);
        const address = visit.page.url();
        const box = await visit.canvas.boundingBox();
        assert.ok(box);
        const devtools = await visit.page.context().newCDPSession(visit.page);
        for (const type of /** @type {const} */ (["mousePressed", "mouseReleased"])) {
          await devtools.send("Input.dispatchMouseEvent", { type, x: box.x + 20, y: box.y + 20, button, clickCount: 1 });
        }
        const up = await until(() => visit.sentOf("pointer_up").find((event) => event.button === number), "the release is told", PATIENCE);
        assert.deepEqual(up.buttons, []);
        await visit.page.keyboard.press("q");
        await until(() => visit.sentOf("key_down").length > 0, "the view goes on", PATIENCE);
        assert.equal(visit.page.url(), address);
      }));
  }

  test("key whose release never came is released by its next press", () =>
    site.visiting(async (visit, server) => {
      await focusView(visit, server);
      const a = { key: "a", code: "KeyA" };
      await dispatch(visit, [["keydown", a], ["keydown", { ...a, repeat: true }], ["keydown", a], ["keyup", a]]);
      await until(() => visit.sentOf("key_up").length === 2, "both are released", PATIENCE);
      assert.deepEqual(keysOf(visit), ["key_down a", "key_up a", "key_down a", "key_up a"]);
    }));

  test("keys that come without a place on the keyboard are all released", () =>
    site.visiting(async (visit, server) => {
      await focusView(visit, server);
      for (const [shifted, plain] of [["A", "a"], ["!", "1"]]) {
        await dispatch(visit, [
          ["keydown", { key: "Shift" }],
          ["keydown", { key: String(shifted), shiftKey: true }],
          ["keyup", { key: "Shift" }],
          ["keyup", { key: String(plain) }],
        ]);
      }
      await until(() => visit.sentOf("key_up").length === 4, "all are released", PATIENCE);
      const expected = ["A", "!"].flatMap((key) => ["key_down Shift", `key_down ${key}`, "key_up Shift", `key_up ${key}`]);
      assert.deepEqual(keysOf(visit), expected);
    }));

  test("key that arrives when the view has lost the focus is not held", () =>
    site.visiting(async (visit, server) => {
      await focusView(visit, server);
      const control = { key: "Control", code: "ControlLeft", ctrlKey: true };
      await visit.page.locator("#text").focus();
      await dispatch(visit, [["keydown", control]]);
      await visit.canvas.click({ position: { x: 9, y: 9 } });
      await dispatch(visit, [["keydown", control], ["keyup", { ...control, ctrlKey: false }]]);
      await until(() => visit.sentOf("key_up").length > 0, "the real one is released", PATIENCE);
      assert.deepEqual(keysOf(visit), ["key_down Control", "key_up Control"]);
    }));

  test("button that was released on the user's behalf does not count again while it stays down", () =>
    site.visiting(async (visit, server) => {
      await focusView(visit, server);
      const box = await visit.canvas.boundingBox();
      assert.ok(box);
      const { mouse } = visit.page;
      await mouse.move(box.x + 50, box.y + 50);
      await mouse.down();
      await visit.page.locator("#text").focus();
      await until(() => visit.sentOf("focus_out").length > 0, "the focus is lost", PATIENCE);
      const before = visit.sentOf("pointer_move").length;
      await mouse.move(box.x + 80, box.y + 60, { steps: 3 });
      await until(() => visit.sentOf("pointer_move").at(-1)?.x === 80, "the moves are told", PATIENCE);
      const since = visit.sentOf("pointer_move").slice(before);
      assert.deepEqual(since.filter(({ buttons }) => buttons.length > 0), []);

      await mouse.up();
      await mouse.down();
      await mouse.move(box.x + 90, box.y + 60);
      await until(() => visit.sentOf("pointer_move").at(-1)?.x === 90, "the next drag is told", PATIENCE);
      assert.deepEqual(visit.sentOf("pointer_move").at(-1)?.buttons, [1]);
    }));

  test("error stays to be read although the widget goes on, with a count, until it is dismissed", () =>
    site.visiting(async (visit, server) => {
      await focusView(visit, server);
      const say = (/** @type {object[]} */ ...statuses) =>
        visit.view.evaluate((view, statuses) => {
          for (const status of statuses) Reflect.get(view, "setStatus").call(view, status);
        }, statuses);
      const notice = visit.view.locator(".notice");
      const failed = { state: "error", text: "ValueError: no such key" };
      await say(failed, { state: "live" });
      assert.match(await visit.view.innerText(), /ValueError: no such key/);
      assert.doesNotMatch(await visit.view.innerText(), /errors/);
      await say(failed, { state: "live" }, failed, { state: "live" });
      assert.match(await visit.view.innerText(), /ValueError: no such key \(3 errors\)/);
      await notice.getByRole("button", { name: "Dismiss" }).click();
      assert.ok(await notice.isHidden());
      await say({ state: "live" });
      assert.ok(await notice.isHidden());
    }));
});
