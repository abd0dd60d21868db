import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { squareOn } from "./support/demos.mjs";
import { useSite } from "./support/site.mjs";
import { until } from "./support/until.mjs";

/** @typedef {import("./support/browser.mjs").Visit} Visit */

/**
 * The canvas's box on the page, in CSS pixels.
 * @param {Visit} visit
 */
async function boxOf(visit) {
  const box = await visit.canvas.boundingBox();
  assert.ok(box, "the canvas is on the page");
  return box;
}

describe("a user's input", () => {
  const site = useSite();

  test("the square follows a drag by the drag's distance", () =>
    site.visiting(async (visit, server) => {
      const { id } = await server.create("square", { traits: { quality: 100 } });
      await visit.show(server.page(`widgets/${id}`));
      const from = await squareOn(visit.canvas);
      const box = await boxOf(visit);
      const [x, y] = [box.x + from.middle.x, box.y + from.middle.y];

      await visit.page.mouse.move(x, y);
      await visit.page.mouse.down();
      await visit.page.mouse.move(x + 60, y + 35, { steps: 12 });
      await visit.page.mouse.up();
      await until(async () => (await squareOn(visit.canvas)).left === from.left + 60, "the square is 60 pixels to the right", { clues: visit.clues });

      const to = await squareOn(visit.canvas);
      assert.deepEqual([to.left - from.left, to.top - from.top], [60, 35]);
      assert.deepEqual([to.width, to.height], [from.width, from.height], "its size is the same");
    }));

  test("a drag done in one burst ends where the button was released, and no stale move follows", () =>
    site.visiting(async (visit, server) => {
      const { id } = await server.create("square");
      await visit.show(server.page(`widgets/${id}`));
      const box = await boxOf(visit);
      // Straight to the browser, each without waiting for the one before: the test library's mouse reorders these.
      const devtools = await visit.page.context().newCDPSession(visit.page);
      const mouse = (/** @type {"mouseMoved" | "mousePressed" | "mouseReleased"} */ type, x = 0, y = 0, buttons = 0) =>
        devtools.send("Input.dispatchMouseEvent", {
          type,
          x: box.x + x,
          y: box.y + y,
          buttons,
          button: type === "mouseMoved" ? "none" : "left",
          clickCount: type === "mouseMoved" ? 0 : 1,
        });

      for (let round = 0; round < 10; round++) {
        // Faster than the view's limit of moves: the last one is pending when the button comes up.
        await Promise.all([
          mouse("mouseMoved", 100, 100),
          mouse("mousePressed", 100, 100, 1),
          mouse("mouseMoved", 120, 110, 1),
          mouse("mouseMoved", 140, 120, 1),
          mouse("mouseMoved", 160 + round, 130, 1),
          mouse("mouseReleased", 160 + round, 130),
          mouse("mouseMoved", 20, 20),
        ]);
      }
      await mouse("mouseMoved", -5, -5);
      await until(() => visit.sentOf("pointer_leave").length > 0, "the pointer leaves the view");

      const events = visit.sentOf("pointer_down", "pointer_move", "pointer_up");
      assert.equal(visit.sentOf("pointer_down").length, 10);
      assert.equal(visit.sentOf("pointer_up").length, 10);
      let held = false;
      events.forEach((event, index) => {
        if (event.type === "pointer_down") held = true;
        if (event.type === "pointer_up") {
          held = false;
          const last = events[index - 1];
          assert.equal(last?.type, "pointer_move", "the pending move goes out before the release");
          assert.deepEqual([last.x, last.y], [event.x, event.y]);
        }
        if (event.type === "pointer_move") assert.equal(event.buttons.length > 0, held, JSON.stringify(event));
      });
    }));

  test("a drag that leaves the view goes on outside of it", () =>
    site.visiting(async (visit, server) => {
      const { id } = await server.create("square");
      await visit.show(server.page(`widgets/${id}`));
      const box = await boxOf(visit);
      const { mouse } = visit.page;
      await mouse.move(box.x + 10, box.y + 10);
      await mouse.down();
      await mouse.move(box.x + box.width + 40, box.y + 20, { steps: 4 });
      await mouse.up();
      const up = await until(() => visit.sentOf("pointer_up")[0], "the release is told");
      assert.equal(Math.round(up.x), Math.round(box.width + 40));
      assert.equal(up.button, 1);
      assert.deepEqual(up.buttons, []);
    }));

  test("moves are told at most once in 20 ms", () =>
    site.visiting(async (visit, server) => {
      const { id } = await server.create("square");
      await visit.show(server.page(`widgets/${id}`));
      const box = await boxOf(visit);
      for (let i = 0; i < 200; i++) await visit.page.mouse.move(box.x + 20 + i, box.y + 50);
      await until(() => visit.sentOf("pointer_move").at(-1)?.x === 219, "the last move is told");

      const times = visit.sentOf("pointer_move").map(({ timestamp }) => timestamp);
      assert.ok(times.length < 200, `${times.length} of 200 moves were told`);
      const seconds = Number(times.at(-1)) - Number(times[0]);
      assert.ok(times.length <= seconds / 0.02 + 2, `${times.length} moves in ${seconds} s`);
    }));

  test("the wheel scrolls the page without focus, and is the widget's with focus", () =>
    site.visiting(async (visit, server) => {
      await visit.embed(server, `<framehub-view widget="square"></framehub-view><p id="end">End</p>
        <p id="tall"></p>`);
      await visit.page.evaluate(() => document.getElementById("tall")?.style.setProperty("height", "4000px"));
      const scrolled = () => visit.page.evaluate(() => scrollY);
      const overView = async () => {
        const box = await boxOf(visit);
        await visit.page.mouse.move(box.x + 50, box.y + 100);
      };

      await overView();
      await visit.page.mouse.wheel(0, 40);
      await until(async () => (await scrolled()) === 40, "the page has scrolled");
      assert.equal(visit.sentOf("wheel").length, 0, "no wheel event without focus");

      await overView();
      await visit.page.mouse.down();
      await visit.page.mouse.up();
      await until(() => visit.sentOf("focus_in").length === 1, "the view has the focus");
      assert.equal(await scrolled(), 40, "taking the focus does not scroll the page");
      await visit.page.mouse.wheel(0, 120);
      const wheel = await until(() => visit.sentOf("wheel")[0], "the wheel is told");
      assert.equal(wheel.dy, 120);
      assert.equal(wheel.dx, 0);
      assert.equal(await scrolled(), 40, "the page stays");

      await visit.page.locator("#end").click();
      await until(() => visit.sentOf("focus_out").length === 1, "the view has lost the focus");
      await overView();
      await visit.page.mouse.wheel(0, 30);
      await until(async () => (await scrolled()) === 70, "the page scrolls again");
      assert.equal(visit.sentOf("wheel").length, 1);
    }));

  test("keys go to the widget that has the focus, and not to the page", () =>
    site.visiting(async (visit, server) => {
      await visit.embed(server, `<input id="field" aria-label="field"><framehub-view widget="square"></framehub-view>`);
      await visit.page.evaluate(() => {
        const seen = /** @type {string[]} */ (Reflect.set(window, "keysSeen", []) && Reflect.get(window, "keysSeen"));
        for (const type of ["keydown", "keyup", "keypress"]) {
          document.addEventListener(type, (event) => seen.push(`${type} ${/** @type {KeyboardEvent} */ (event).key}`));
        }
      });
      const seenByPage = () => visit.page.evaluate(() => /** @type {string[]} */ (Reflect.get(window, "keysSeen")));

      await visit.page.locator("#field").focus();
      await visit.page.keyboard.press("x");
      assert.ok((await seenByPage()).includes("keydown x"), "the page hears keys outside the view");
      assert.equal(visit.sentOf("key_down", "key_up", "char").length, 0);
      const before = (await seenByPage()).length;

      await visit.canvas.click({ position: { x: 5, y: 5 } });
      await until(() => visit.sentOf("focus_in").length === 1, "the view has the focus");
      const keys = ["x", "a", "Enter", "ArrowDown", "Escape", "Delete"];
      for (const key of keys) await visit.page.keyboard.press(key);
      await until(() => visit.sentOf("key_up").length === keys.length, "all keys are told");
      assert.deepEqual(visit.sentOf("key_down").map(({ key }) => key), keys);
      assert.deepEqual(visit.sentOf("key_up").map(({ key }) => key), keys);
      assert.deepEqual(visit.sentOf("char").map(({ data }) => data).slice(0, 2), ["x", "a"]);
      assert.equal((await seenByPage()).length, before, "the page hears none of them");
    }));

  test("a held key is told once, with its modifiers", () =>
    site.visiting(async (visit, server) => {
      await visit.show(server.page("widgets/square"));
      await visit.canvas.click({ position: { x: 5, y: 5 } });
      await until(() => visit.sentOf("focus_in").length > 0, "the view has the focus");
      const { keyboard } = visit.page;
      await keyboard.down("Shift");
      await keyboard.down("A");
      await keyboard.down("A");
      await keyboard.down("A");
      await keyboard.up("A");
      await keyboard.up("Shift");
      await until(() => visit.sentOf("key_up").length === 2, "both keys are released");
      assert.deepEqual(
        visit.sentOf("key_down", "key_up").map(({ type, key }) => `${type} ${key}`),
        ["key_down Shift", "key_down A", "key_up A", "key_up Shift"],
      );
      assert.deepEqual(visit.sentOf("key_down")[1]?.modifiers, ["Shift"]);
    }));
});
