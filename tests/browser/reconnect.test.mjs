import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { launchBrowser, visiting } from "./support/browser.mjs";
import { squareOn } from "./support/demos.mjs";
import { Kernel } from "./support/kernel.mjs";
import { canvasPixels, decodePng, difference } from "./support/pixels.mjs";
import { startServer } from "./support/server.mjs";
import { until } from "./support/until.mjs";

/** @typedef {import("./support/browser.mjs").Visit} Visit */
/** @typedef {import("./support/server.mjs").Server} Server */

/**
 * The grey of a canvas of one colour.
 * @param {Visit} visit
 */
async function greyOf(visit) {
  return (await canvasPixels(visit.canvas)).data[0];
}

describe("a view's connection", () => {
  /** @type {import("playwright-core").Browser} */
  let browser;
  before(async () => {
    browser = await launchBrowser();
  });
  after(() => browser?.close());

  test("finds a killed server again within five seconds of its restart", async (t) => {
    let server = await startServer();
    try {
      await visiting(
        browser,
        async (visit) => {
          await visit.show(server.page("widgets/square"));
          await visit.settled();
          const shown = await canvasPixels(visit.canvas);
          const { port } = server;

          await server.kill();
          await until(async () => /reconnect|connection|lost|offline/i.test(await visit.view.innerText()), "the view says so");
          assert.equal(difference(await canvasPixels(visit.canvas), shown), "", "the last frame stays");

          // Long enough for the pauses between its attempts to have grown.
          const attempts = visit.requests.length;
          await until(() => visit.requests.length >= attempts + 12, "the view keeps trying", { timeout: 60_000 });
          const confirmed = visit.confirmed;
          server = await startServer([], { port });
          const began = performance.now();
          await until(() => visit.confirmed > confirmed, "the view is live again");
          const seconds = (performance.now() - began) / 1000;
          t.diagnostic(`found after ${seconds.toFixed(1)} s`);
          assert.ok(seconds < 5, `it took ${seconds.toFixed(1)} s`);
          await visit.settled();
          const snapshot = await server.request("api/widgets/square/snapshot?format=png&pixel_ratio=1");
          const rendered = decodePng(new Uint8Array(await snapshot.arrayBuffer()));
          assert.equal(difference(await canvasPixels(visit.canvas), rendered), "", "the restarted widget is shown");
        },
        // The browser's own words for a socket that finds no server.
        { tolerate: /ERR_CONNECTION_REFUSED|WebSocket connection to/ },
      );
    } finally {
      await server.stop();
    }
  });

  for (const grace of [60, 0]) {
    test(`comes back by itself after a restart that the kernel notices 5 s later, where widgets are awaited for ${grace} s`, async () => {
      let server = await startServer();
      try {
        await visiting(
          browser,
          async (visit) => {
            const kernel = await Kernel.start(server, { session: "session-of-the-tests", grey: 40 });
            const { widget } = kernel;
            await visit.show(server.page(`widgets/${widget}`));
            /** @type {number[]} */
            const refusals = [];
            visit.page.on("response", (response) => {
              if (response.url().includes(`/api/widgets/${widget}`)) refusals.push(response.status());
            });
            const { port } = server;
            await server.kill();
            kernel.kill();
            server = await startServer(["--kernel-grace", String(grace)], { port });
            const restarted = performance.now();
            await until(() => refusals.includes(grace ? 503 : 404), "the view hears that the widget is not there");
            await until(() => performance.now() - restarted > 5000, "5 s are over");
            assert.ok(!refusals.includes(grace ? 404 : 503));
            await Kernel.start(server, { session: "session-of-the-tests", widget, grey: 200 });
            await until(async () => (await greyOf(visit)) === 200, "the view shows what the kernel draws now");
          },
          { tolerate: /ERR_CONNECTION_REFUSED|status of (404|503)|WebSocket connection to/ },
        );
      } finally {
        await server.stop();
      }
    });
  }

  test("that somebody else ended stays ended, also when it goes out of sight and comes back", async () => {
    const server = await startServer();
    try {
      await visiting(browser, async (visit) => {
        const views = async (/** @type {string} */ id) => (await server.stats(id)).views.length;
        const lazy = (/** @type {string} */ id) => `<framehub-view lazy widget="${id}"></framehub-view>`;
        await visit.embed(server, `<div id="box">${lazy("square")}${lazy("grid")}</div>`);
        await until(async () => (await views("square")) === 1 && (await views("grid")) === 1, "both are shown");
        await server.request("api/widgets/square/views", { method: "DELETE" });
        await until(async () => (await visit.view.innerText()).includes("This view was disconnected"), "it says so");
        const show = (/** @type {string} */ display) =>
          visit.page.evaluate((display) => document.getElementById("box")?.style.setProperty("display", display), display);
        await show("none");
        await until(async () => (await views("grid")) === 0, "the other one lets go");
        await show("block");
        await until(async () => (await views("grid")) === 1, "the other one is back");
        assert.equal(await views("square"), 0);
        assert.match(await visit.view.innerText(), /This view was disconnected/);
      });
    } finally {
      await server.stop();
    }
  });

  test("is not made by a view that is given another widget when it says that it connects", async () => {
    const server = await startServer();
    try {
      await visiting(browser, async (visit) => {
        await visit.embed(
          server,
          `<script>
            addEventListener("framehub-status", ({ target }) => target.setAttribute("widget", "grid"), { capture: true, once: true });
          </script>
          <framehub-view widget="square"></framehub-view>`,
        );
        assert.equal((await server.stats("grid")).views.length, 1);
        assert.deepEqual(visit.requests.filter((url) => url.includes("square/view")), []);
      });
    } finally {
      await server.stop();
    }
  });

  describe("of a laptop that slept for an hour", () => {
    /**
     * Opens a widget's page whose first connection can be cut without either side hearing of it, as sleep does.
     * @param {(scene: {server: Server, id: string, visit: Visit, sleep: (clocks: "both" | "wall") => Promise<void>}) => Promise<void>} body
     *   `sleep`: cuts it, and sets one or both of the page's clocks an hour ahead; some systems stop the monotonic one meanwhile
     * @param {{tolerate?: RegExp}} [options]
     */
    const sleeping = async (body, options) => {
      const server = await startServer();
      try {
        await visiting(
          browser,
          async (visit) => {
            let asleep = false;
            await visit.page.clock.install();
            await visit.page.routeWebSocket(/\/view/, (page) => {
              if (asleep) return void page.connectToServer();
              const far = page.connectToServer();
              page.onMessage((message) => asleep || far.send(message));
              far.onMessage((message) => asleep || page.send(message));
              far.onClose(() => {});
            });
            const { id } = await server.create("square");
            await visit.page.goto(server.page(`widgets/${id}`));
            const frame = () => visit.view.evaluate((view) => Number(Reflect.get(view, "frameIndex")));
            await until(async () => (await frame()) > 0, "the view draws a frame", { clues: visit.clues });
            const sleep = async (/** @type {"both" | "wall"} */ clocks) => {
              asleep = true;
              if (clocks === "both") await visit.page.clock.fastForward("01:00:00");
              else await visit.page.clock.setSystemTime(Date.now() + 3_600_000);
            };
            await body({ server, id, visit, sleep });
          },
          options,
        );
      } finally {
        await server.stop();
      }
    };

    /** @param {Visit} visit */
    const lookedInVain = async (visit) => {
      await visit.view.getByText("Looking for it").waitFor();
      await visit.page.clock.fastForward("01:01");
      await visit.view.getByText("There is no such widget on the server").waitFor();
    };

    for (const clocks of /** @type {const} */ (["both", "wall"])) {
      test(`is made anew when ${clocks === "both" ? "both clocks have" : "the wall clock alone has"} gone on, and the view is live again`, () =>
        sleeping(async ({ server, id, visit, sleep }) => {
          await sleep(clocks);
          await until(async () => (await server.stats(id)).views.some(({ view }) => view === "v2"), "the view connects again");
          await visit.page.locator("#state").getByText("Live").waitFor();
          const from = await squareOn(visit.canvas);
          await visit.view.evaluate((view) => view.focus());
          await visit.page.keyboard.press("ArrowRight");
          await until(async () => (await squareOn(visit.canvas)).left === from.left + 10, "what the user does is seen");
        }));
    }

    test("ends with word of it when the widget was closed meanwhile", () =>
      sleeping(
        async ({ server, id, visit, sleep }) => {
          await sleep("both");
          await server.request(`api/widgets/${id}`, { method: "DELETE" });
          await lookedInVain(visit);
        },
        { tolerate: /status of 404|WebSocket connection to/ },
      ));

    test("says that the server does not answer while it is gone, and finds it when it is back", () =>
      sleeping(
        async ({ server, visit, sleep }) => {
          const { port } = server;
          await server.kill();
          await sleep("both");
          await visit.view.getByText("The server does not answer. Reconnecting").waitFor();
          const restarted = await startServer(["--kernel-grace", "0"], { port });
          try {
            // The widget was made by a user, and a restarted server has none of these.
            await lookedInVain(visit);
          } finally {
            await restarted.stop();
          }
        },
        { tolerate: /ERR_CONNECTION_REFUSED|status of 404|WebSocket connection to/ },
      ));
  });

  test("is given up when the widget is closed, and the view says that it is closed", async () => {
    const server = await startServer();
    try {
      await visiting(browser, async (visit) => {
        const { id } = await server.create("square");
        await visit.show(server.page(`widgets/${id}`));
        const sockets = () => visit.requests.filter((url) => url.startsWith("ws")).length;
        assert.equal(sockets(), 1);
        await server.request(`api/widgets/${id}`, { method: "DELETE" });
        await until(async () => /closed/i.test(await visit.view.innerText()), "the view says that the widget is closed");
        assert.equal(sockets(), 1, "no further connection is tried");
      });
    } finally {
      await server.stop();
    }
  });

  test("shows in one window what is dragged in the other", async () => {
    const server = await startServer();
    try {
      await visiting(browser, (one) =>
        visiting(browser, async (two) => {
          await server.patch("square", { quality: 100 });
          await one.show(server.page("widgets/square"));
          await two.show(server.page("widgets/square"));
          assert.equal((await server.stats("square")).views.length, 2);

          const from = await squareOn(two.canvas);
          const box = await one.canvas.boundingBox();
          assert.ok(box);
          const [x, y] = [box.x + from.middle.x, box.y + from.middle.y];
          await one.page.mouse.move(x, y);
          await one.page.mouse.down();
          await one.page.mouse.move(x + 48, y - 20, { steps: 6 });
          await until(async () => {
            const now = await squareOn(two.canvas);
            return now.left === from.left + 48 && now.top === from.top - 20;
          }, "the other window shows the drag while the button is still down");
          await one.page.mouse.up();
        }),
      );
    } finally {
      await server.stop();
    }
  });
});
