import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { launchBrowser, visiting } from "./support/browser.mjs";
import { placeOf, squareOn } from "./support/demos.mjs";
import { bounds, canvasPixels, crop, decodePng } from "./support/pixels.mjs";
import { useSite } from "./support/site.mjs";
import { until } from "./support/until.mjs";

/** @typedef {import("./support/browser.mjs").Visit} Visit */
/** @typedef {import("./support/server.mjs").Server} Server */

/** A view in a page of its own that is much smaller than the viewer, and of another shape. */
const SMALL = "width: 240px; height: 200px";

/** Inks of the `draw` widget, by the key that chooses them. @type {Record<string, (colour: readonly number[]) => boolean>} */
const INKS = {
  2: ([red = 0, green = 0, blue = 0]) => red > 180 && green < 90 && blue < 90,
  5: ([red = 0, green = 0, blue = 0]) => red < 90 && green > 130 && blue < 120,
  6: ([red = 0, green = 0, blue = 0]) => red < 90 && green < 130 && blue > 190,
  7: ([red = 0, green = 0, blue = 0]) => red > 110 && red < 190 && green < 110 && blue > 190,
};

/** The part of the `draw` widget's paper, from its top left, that is searched for dots, in logical pixels: without the swatches. */
const PAPER = { width: 300, height: 300 };

/**
 * The middle of the square in the widget's logical pixels, as a view shows it.
 * @param {Visit} visit
 * @param {Server} server
 * @param {string} id
 */
async function squareIn(visit, server, id) {
  const { size } = await server.stats(id);
  assert.ok(size, "the widget has a size");
  const { middle, canvas } = await squareOn(visit.canvas);
  return { x: (middle.x * size.width) / canvas.width, y: (middle.y * size.height) / canvas.height };
}

/**
 * Waits until a view shows the square's middle at a place, in the widget's logical pixels.
 * @param {Visit} visit
 * @param {Server} server
 * @param {string} id
 * @param {{x: number, y: number}} place
 * @param {number} within logical pixels
 */
async function showsSquareAt(visit, server, id, place, within) {
  /** @type {{x: number, y: number} | undefined} */
  let seen;
  await until(
    async () => {
      seen = await squareIn(visit, server, id);
      return Math.abs(seen.x - place.x) <= within && Math.abs(seen.y - place.y) <= within;
    },
    `the square is at ${place.x}, ${place.y}`,
    { clues: () => `; it is at ${seen?.x}, ${seen?.y}${visit.clues()}` },
  );
}

/**
 * Presses the mouse on the square, as a view shows it, and moves it. The button stays down.
 * @param {Visit} visit
 * @param {number} dx CSS pixels
 * @param {number} dy CSS pixels
 */
async function drag(visit, dx, dy) {
  const { x, y } = await placeOf(visit.canvas, (await squareOn(visit.canvas)).middle);
  await visit.page.mouse.move(x, y);
  await visit.page.mouse.down();
  await visit.page.mouse.move(x + dx, y + dy, { steps: 5 });
}

/**
 * The toolbar's button for the control, under one of its names.
 * @param {Visit} visit
 * @param {string} name
 */
function control(visit, name) {
  return visit.page.getByRole("button", { name, exact: true });
}

/**
 * Waits until the toolbar and the view itself say something, or nothing more, of why the user cannot act.
 * @param {Visit} visit
 * @param {string} words
 */
async function says(visit, words) {
  for (const place of [visit.page.locator("#why-not"), visit.view.locator(".badge")]) {
    await until(async () => ((await place.isVisible()) ? await place.innerText() : "") === words, `“${words}” is to be read`);
  }
}

/** @param {Visit} visit */
function pointersIn(visit) {
  return visit.view.locator(".pointer");
}

describe("several views of one widget", () => {
  const site = useSite();
  /** @type {import("playwright-core").Browser} */
  let sharpBrowser;
  before(async () => {
    sharpBrowser = await launchBrowser({ ratio: 2 });
  });
  after(() => sharpBrowser?.close());

  /**
   * Opens a widget in two viewers, at one and at two physical pixels per CSS pixel, and in a small view that watches.
   * @param {string} kind
   * @param {object} traits
   * @param {(scene: {server: Server, id: string, near: Visit, sharp: Visit, watcher: Visit}) => Promise<void>} body
   */
  const shared = async (kind, traits, body) => {
    const { server } = site;
    const { id } = await server.create(kind, { traits: { quality: 100, ...traits } });
    await site.visiting((near) =>
      visiting(sharpBrowser, (sharp) =>
        site.visiting(async (watcher) => {
          await near.show(server.page(`widgets/${id}`));
          await sharp.show(server.page(`widgets/${id}`));
          await watcher.embed(server, `<div style="${SMALL}"><framehub-view widget="${id}" fit="fill" watch></framehub-view></div>`);
          assert.equal(await sharp.page.evaluate(() => devicePixelRatio), 2);
          await body({ server, id, near, sharp, watcher });
        }),
      ),
    );
  };

  test("what is dragged in one is seen in all, while the button is still down", () =>
    shared("square", {}, async ({ server, id, near, sharp, watcher }) => {
      let { x, y } = await squareIn(near, server, id);
      for (const [visit, dx, dy] of /** @type {const} */ ([[near, 70, -30], [sharp, -41, 55]])) {
        await drag(visit, dx, dy);
        [x, y] = [x + dx, y + dy];
        await showsSquareAt(near, server, id, { x, y }, 0.5);
        await showsSquareAt(sharp, server, id, { x, y }, 0.5);
        // A pixel of the small view is several of the widget's.
        await showsSquareAt(watcher, server, id, { x, y }, 5);
        await visit.page.mouse.up();
      }
      const { size } = await server.stats(id);
      assert.equal(size?.ratio, 2, "the widget is as sharp as its sharpest view needs it");
      const pixels = async (/** @type {Visit} */ visit) => (await canvasPixels(visit.canvas)).width;
      assert.deepEqual([await pixels(near), await pixels(sharp)], [size.width, size.pwidth]);
      assert.ok((await pixels(watcher)) <= 240, "the small view is sent a small picture");
    }));

  test("a click on the same feature of the picture is at the same place in the widget, whichever the view", () =>
    shared("draw", {}, async ({ server, id, near, sharp }) =>
      visiting(sharpBrowser, async (small) => {
        await small.embed(server, `<div style="width: 320px; height: 400px"><framehub-view widget="${id}" fit="fill"></framehub-view></div>`);

        /**
         * Where a dot of an ink is on a picture of the widget, in its pixels; null while there is none.
         * @param {import("./support/pixels.mjs").Picture} picture
         * @param {string} ink
         * @param {number} ratio of the picture
         */
        const dotOn = (picture, ink, ratio) => {
          const paper = crop(picture, 0, 0, Math.floor(PAPER.width * ratio), Math.floor(PAPER.height * ratio));
          const dot = bounds(paper, (colour) => INKS[ink]?.(colour) ?? false);
          return dot && { x: (dot.left + dot.right) / 2, y: (dot.top + dot.bottom) / 2 };
        };
        /**
         * Where the widget has the dot, in its own logical pixels.
         * @param {string} ink
         */
        const dotInWidget = (ink) =>
          until(async () => {
            const answer = await server.request(`api/widgets/${id}/snapshot?format=png&pixel_ratio=2`);
            const dot = dotOn(decodePng(new Uint8Array(await answer.arrayBuffer())), ink, 2);
            return dot && { x: dot.x / 2, y: dot.y / 2 };
          }, `the widget has a dot of ink ${ink}`);

        const box = await near.canvas.boundingBox();
        assert.ok(box);
        await near.page.mouse.click(box.x + 210, box.y + 150);
        const first = await dotInWidget("6");
        let shown = "6";
        for (const [visit, ink] of /** @type {const} */ ([[sharp, "2"], [small, "5"], [near, "7"]])) {
          // The ink is chosen in the first view, which so has the widget's size: the click is the other view's first act.
          await near.view.evaluate((view) => view.focus());
          await near.page.keyboard.press(ink);
          const feature = await until(async () => {
            const { size } = await server.stats(id);
            const own = near.sentOf("resize").at(-1);
            const picture = await canvasPixels(visit.canvas);
            if (!size || size.width !== own?.width || size.height !== own.height) return false;
            const scale = picture.width / size.width;
            return Math.abs(picture.height - size.height * scale) <= 1 && dotOn(picture, shown, scale);
          }, "the view shows the dot in the first view's picture", { clues: visit.clues });
          const { x, y } = await placeOf(visit.canvas, feature);
          await visit.page.mouse.click(x, y);
          const dot = await dotInWidget(ink);
          // A mouse points at whole pixels of its page, which are several of the widget's in the small view.
          const box = await visit.canvas.boundingBox();
          const { width } = near.sentOf("resize").at(-1) ?? { width: 0 };
          const within = 0.5 * Math.max(1, width / (box?.width ?? width));
          assert.ok(Math.abs(dot.x - first.x) <= within && Math.abs(dot.y - first.y) <= within, `${dot.x}, ${dot.y} instead of ${first.x}, ${first.y}`);
          shown = ink;
        }
      }),
    ));

  test("a watcher is told that it watches, and its input does nothing", () =>
    shared("square", {}, async ({ server, id, near, watcher }) => {
      const from = await squareIn(near, server, id);
      assert.equal(await watcher.view.locator(".badge").innerText(), "Watching");
      assert.equal(await watcher.view.getByRole("textbox").count(), 0, "there is nothing to focus");
      await drag(watcher, 30, 20);
      await watcher.page.mouse.up();
      await watcher.page.keyboard.press("ArrowRight");
      // Also past the page: the server does not rely on it.
      await watcher.view.evaluate((view) => {
        const { client } = /** @type {any} */ (view);
        for (const type of ["pointer_down", "pointer_move", "pointer_up"]) client.send({ type, timestamp: 0, x: 120, y: 80, button: 1, buttons: [1] });
        client.send({ type: "key_down", timestamp: 0, key: "ArrowRight" });
        client.send({ type: "control", action: "take" });
      });
      await until(() => watcher.received.some(({ type, code }) => type === "error" && code === "role"), "the server refuses the watcher the control");

      // What came before this would show in it.
      await drag(near, 25, 25);
      await near.page.mouse.up();
      await showsSquareAt(near, server, id, { x: from.x + 25, y: from.y + 25 }, 0.5);
      const pressed = watcher.sentOf("pointer_down", "key_down");
      assert.deepEqual(pressed.map(({ timestamp }) => timestamp), [0, 0], "the element itself has sent none");
    }));

  test("a watching viewer says so and offers no control", () =>
    site.visiting(async (visit, server) => {
      await visit.show(server.page("widgets/square?role=watch"));
      await says(visit, "Watching");
      assert.equal(await visit.page.locator("#control").isVisible(), false);
      assert.equal(await visit.page.locator("#pointers").isVisible(), false);
    }));

  test("who takes the control acts alone until it is released", () =>
    shared("square", {}, async ({ server, id, near, sharp, watcher }) => {
      const from = await squareIn(near, server, id);
      await until(async () => (await near.page.locator("#others").innerText()) === "2 others", "the toolbar counts the others");

      const take = control(sharp, "Take control");
      await take.focus();
      await sharp.page.keyboard.press("Enter");
      await says(near, "v2 has control");
      await until(async () => (await watcher.view.locator(".badge").innerText()) === "Watching", "the watcher still watches");
      assert.equal(await control(sharp, "Release control").getAttribute("aria-pressed"), "true");
      assert.equal(await control(near, "Take over").getAttribute("aria-pressed"), "false");
      await says(sharp, "");

      await drag(near, 40, 40);
      await near.page.mouse.up();
      assert.equal(near.sentOf("pointer_down").length, 0, "the view without control sends nothing");
      await near.view.evaluate((view) => {
        for (const type of ["pointer_down", "pointer_move", "pointer_up"]) {
          /** @type {any} */ (view).client.send({ type, timestamp: 0, x: 540, y: 350, button: 1, buttons: [1] });
        }
      });
      await drag(sharp, 20, -10);
      await sharp.page.mouse.up();
      await showsSquareAt(near, server, id, { x: from.x + 20, y: from.y - 10 }, 0.5);

      await control(sharp, "Release control").click();
      await says(near, "");
      await drag(near, 10, 30);
      await near.page.mouse.up();
      await showsSquareAt(sharp, server, id, { x: from.x + 30, y: from.y + 20 }, 0.5);
    }));

  test("the control can be taken away, and whoever has lost it is told and lets go of what they held", () =>
    shared("square", {}, async ({ server, id, near, sharp }) => {
      await control(sharp, "Take control").click();
      await says(near, "v2 has control");
      await sharp.settled();
      const from = await squareIn(sharp, server, id);
      await drag(sharp, 30, 30);
      const held = { x: from.x + 30, y: from.y + 30 };
      await showsSquareAt(sharp, server, id, held, 0.5);

      await control(near, "Take over").click();
      await says(sharp, "v1 has control");
      await control(near, "Release control").waitFor();
      await sharp.page.mouse.move(5, 5);
      await sharp.page.mouse.up();
      // The renderer would let nobody else drag before the first drag has ended.
      await showsSquareAt(near, server, id, held, 1);
      await drag(near, -20, -20);
      await near.page.mouse.up();
      await showsSquareAt(sharp, server, id, { x: held.x - 20, y: held.y - 20 }, 0.5);

      await near.page.close();
      await says(sharp, "");
      await until(async () => (await sharp.page.locator("#others").innerText()) === "1 other", "one other is left");
    }));

  test("the others' pointers are shown where they point, catch no clicks, and vanish when they leave", () =>
    shared("square", {}, async ({ server, id, near, sharp, watcher }) => {
      const toggle = near.page.getByRole("button", { name: "Pointers", exact: true });
      assert.equal(await toggle.getAttribute("aria-pressed"), "false");
      await toggle.click();
      for (const visit of [near, sharp]) {
        await until(async () => (await visit.page.locator("#pointers").getAttribute("aria-pressed")) === "true", "the toggle is on in both");
      }

      const at = await placeOf(sharp.canvas, (await squareOn(sharp.canvas)).middle);
      await sharp.page.mouse.move(at.x - 40, at.y);
      await sharp.page.mouse.move(at.x, at.y);
      for (const [visit, within] of /** @type {const} */ ([[near, 0.5], [watcher, 1]])) {
        const pointer = pointersIn(visit);
        const place = await placeOf(visit.canvas, (await squareOn(visit.canvas)).middle);
        await until(async () => {
          const box = await pointer.first().boundingBox();
          return box && Math.abs(box.x - place.x) <= within && Math.abs(box.y - place.y) <= within;
        }, "the pointer is shown on the same feature of the picture", { clues: visit.clues });
        assert.deepEqual(await pointer.allInnerTexts(), ["v2"]);
        assert.equal(await pointer.locator("xpath=..").getAttribute("aria-hidden"), "true");
      }
      assert.equal(await pointersIn(sharp).count(), 0, "nobody sees their own");

      const from = await squareIn(near, server, id);
      await drag(near, 33, 22);
      await near.page.mouse.up();
      await showsSquareAt(near, server, id, { x: from.x + 33, y: from.y + 22 }, 0.5);
      await until(async () => (await pointersIn(watcher).allInnerTexts()).sort().join() === "v1,v2", "the watcher sees both");

      await sharp.page.mouse.move(2, 2);
      await until(async () => (await pointersIn(near).count()) === 0, "the pointer that left is gone");
      await toggle.click();
      await until(async () => (await pointersIn(watcher).count()) === 0, "without the trait there are none");
    }));

  test("closing one view closes that one alone, and deleting the widget closes all with word of it", () =>
    shared("square", { has_titlebar: true, is_closable: true }, async ({ server, id, near, sharp, watcher }) => {
      await near.view.getByRole("button", { name: "Close this view" }).click();
      await near.view.getByText("You closed this view.").waitFor();
      await until(async () => (await server.stats(id)).views.length === 2, "that view is gone");
      const from = await squareIn(sharp, server, id);
      await drag(sharp, 15, 15);
      await sharp.page.mouse.up();
      await showsSquareAt(watcher, server, id, { x: from.x + 15, y: from.y + 15 }, 5);

      await server.request(`api/widgets/${id}`, { method: "DELETE" });
      for (const visit of [sharp, watcher]) await visit.view.getByText("The widget was closed.").waitFor();
    }));

  test("a view that is reloaded goes on, and leaves nothing behind", () =>
    shared("square", {}, async ({ server, id, near, sharp }) => {
      await control(near, "Take control").click();
      await says(sharp, "v1 has control");
      await near.show(server.page(`widgets/${id}`));
      await says(sharp, "");
      const from = await squareIn(near, server, id);
      await drag(near, 18, -12);
      await near.page.mouse.up();
      await showsSquareAt(sharp, server, id, { x: from.x + 18, y: from.y - 12 }, 0.5);
      await until(async () => (await server.stats(id)).views.length === 3, "there are as many views as before");
    }));
});

describe("the gallery beside a viewer", () => {
  const site = useSite();

  test("watches, and costs no draw and one small encode for a widget at rest", () =>
    site.visiting((viewer, server) =>
      site.visiting(async (gallery) => {
        await viewer.show(server.page("widgets/square"));
        await viewer.settled();
        const before = await server.stats("square");

        await gallery.show(server.page());
        const thumbnail = await until(async () => (await server.stats("square")).views.find(({ role }) => role === "watch"), "the gallery watches");
        await until(async () => {
          const view = gallery.page.locator("framehub-view[widget=square]");
          return (await view.evaluate((element) => /** @type {any} */ (element).lossless)) === true;
        }, "the thumbnail shows the widget without loss", { clues: gallery.clues });
        const { drawn_frames, encodes, views } = await server.stats("square");
        assert.equal(drawn_frames, before.drawn_frames, "nothing is drawn for it");
        assert.equal(encodes - before.encodes, 1, "one image is encoded for it");
        const bytes = (/** @type {string} */ name) => views.find(({ view }) => view === name)?.bytes ?? 0;
        assert.ok(bytes(thumbnail.view) < bytes("v1"), `${bytes(thumbnail.view)} bytes are fewer than the viewer's ${bytes("v1")}`);
      }),
    ));
});

describe("a view on its link", () => {
  const site = useSite();

  test("confirms each frame with the time that it took to draw", () =>
    site.visiting(async (visit, server) => {
      await visit.show(server.page("widgets/square"));
      await visit.settled();
      for (const { drawing } of visit.sentOf("frame_feedback")) assert.ok(drawing > 0 && drawing < 60, `${drawing} s`);
    }));

  test("shows the quality and the scale of moving frames, and how much less they are than the widget asks for", () =>
    site.visiting(async (visit, server) => {
      await visit.show(server.page("widgets/square"));
      await visit.page.getByRole("button", { name: "Statistics" }).click();
      const hud = visit.view.locator(".hud");
      await until(async () => /quality\s+80\s+scale\s+100 %/.test(await hud.innerText()), "nothing is reduced on this link");
      // Where the time goes, as the server has it.
      const stages = /render\s+[\d.]+ ms\s+limit\s+[\d.]+ ms\s+queue\s+[\d.]+ ms\s+encode\s+[\d.]+ ms\s+network\s+[\d.]+ ms\s+browser\s+[\d.]+ ms\s+bottleneck\s+\w+/;
      await until(async () => stages.test(await hud.innerText()), "the stages are shown");

      // A view without a connection, whose statistics the test sets.
      await visit.embed(server, "<framehub-view></framehub-view>", { drawn: false });
      await visit.page.waitForFunction(() => customElements.get("framehub-view"));
      const time = { render: 0.001, limit: 0, queue: 0, encode: 0.002, network: 0.123, browser: 0.004 };
      await visit.view.evaluate((view, stats) => Object.assign(view, { hud: true, stats }), { quality: 40, scale: 0.7, time, bottleneck: "network" });
      assert.match(await hud.innerText(), /quality\s+40 of 80\s+scale\s+70 %/);
      assert.match(await hud.innerText(), /bottleneck\s+network/);
      assert.deepEqual(await hud.locator(".bottleneck").allInnerTexts(), ["network", "123.0 ms"]);
    }));
});
