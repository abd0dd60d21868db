import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { Kernel } from "./support/kernel.mjs";
import { openNotebook } from "./support/notebook.mjs";
import { useSite } from "./support/site.mjs";
import { until } from "./support/until.mjs";

/** @typedef {import("./support/notebook.mjs").Content} Content */

describe("a view in a notebook", () => {
  const site = useSite({ args: ["--no-demos"] });
  /** @type {Kernel} */
  let kernel;
  before(async () => {
    kernel = await Kernel.start(site.server, { session: "session-of-the-notebook", grey: 90 });
  });
  after(() => kernel?.kill());

  /** What the kernel gives a page that asks. @param {string} ticket */
  const access = (ticket) => ({
    framehub: "connect",
    widget: kernel.widget,
    ticket,
    frames: "binary",
    ways: [{ way: "loopback", url: site.server.base }],
  });
  /** The names of the widget's views that the server has. */
  const views = async () => (await site.server.stats(kernel.widget)).views.map(({ view }) => view);
  /** @param {Content[]} asked */
  const questions = (asked) => asked.map(({ framehub }) => framehub);

  test("that loses its connection while the kernel computes connects again with the ticket that it has", () =>
    site.visiting(async (visit, server) => {
      let computes = false;
      const notebook = await openNotebook(visit, server, async (content, tell) => {
        if (!computes) await tell({ ...access(await kernel.ticket()), request: content.request ?? "" });
      });
      await notebook.render();
      await notebook.render();
      await until(async () => (await views()).length === 2, "both views are shown", { clues: visit.clues });
      computes = true;
      await notebook.remove(0);
      const [before] = await until(async () => ((await views()).length === 1 ? views() : null), "one is gone");
      await notebook.cut();
      const again = async () => {
        const [now] = await views();
        return now !== undefined && now !== before;
      };
      await until(again, "the other one connects again", { clues: visit.clues });
      assert.deepEqual(questions(notebook.asked), ["connect"]);
    }));

  test("tries the ticket that it has again when the network is back, while the kernel computes", () =>
    site.visiting(
      async (visit, server) => {
        await visit.page.clock.install();
        const notebook = await openNotebook(visit, server, () => {});
        await notebook.tell(access(await kernel.ticket()));
        await notebook.render();
        await until(async () => (await views()).length === 1, "the view is shown", { clues: visit.clues });
        await notebook.network(true);
        await notebook.cut();
        await until(() => notebook.asked.length === 1, "the kernel is asked", { clues: visit.clues });
        await until(async () => (await views()).length === 0, "the view is gone");
        await notebook.network(false);
        await visit.page.clock.fastForward(13_000);
        await until(async () => (await views()).length === 1, "the view connects again", { clues: visit.clues });
      },
      { tolerate: /WebSocket connection to/ },
    ));

  test("whose ticket is of no use any more asks for another before it goes through the kernel", () =>
    site.visiting(
      async (visit, server) => {
        const notebook = await openNotebook(visit, server, async (content, tell) => {
          await tell({ ...access(await kernel.ticket()), request: content.request ?? "" });
        });
        // As of a server that was started anew since.
        await notebook.tell(access("1.interact.AAAA"));
        await notebook.render();
        await visit.page.locator("[data-way=loopback]").waitFor();
        assert.deepEqual(questions(notebook.asked), ["connect"]);
      },
      { tolerate: /status of 403|WebSocket connection to/ },
    ));

  test("goes by the next way where one is no address", () =>
    site.visiting(async (visit, server) => {
      const notebook = await openNotebook(visit, server, () => {});
      const good = access(await kernel.ticket());
      const none = ["http://[", "localhost:8000"].map((url) => ({ way: "public", url }));
      await notebook.tell({ ...good, ways: [...none, ...good.ways] });
      await notebook.render();
      await visit.page.locator("[data-way=loopback]").waitFor();
    }));

  test("says so where nothing can be sent to the kernel, and connects once that is possible", () =>
    site.visiting(async (visit, server) => {
      const notebook = await openNotebook(visit, server, async (content, tell) => {
        await tell({ ...access(await kernel.ticket()), request: content.request ?? "" });
      });
      await notebook.dispose(true);
      await notebook.render();
      await visit.page.getByText("Cannot send").first().waitFor();
      await notebook.dispose(false);
      await visit.page.locator("[data-way=loopback]").waitFor();
    }));

  test("that is taken out of the page, without word to its module, is hidden from the server until it is back", () =>
    site.visiting(async (visit, server) => {
      const notebook = await openNotebook(visit, server, () => {});
      await notebook.tell(access(await kernel.ticket()));
      await notebook.render();
      const sees = (/** @type {boolean} */ visible) =>
        until(async () => (await server.stats(kernel.widget)).views[0]?.visible === visible, `visible: ${visible}`, { clues: visit.clues });
      await sees(true);
      const output = await visit.page.locator("[data-way]").evaluateHandle((view) => view.parentElement);
      await output.evaluate((element) => element?.remove());
      await sees(false);
      await output.evaluate((element) => element && document.body.append(element));
      await sees(true);
    }));

  test("shows in a saved page the picture that was kept, or that there is none, and looks for no server", () =>
    site.visiting(async (visit, server) => {
      const notebook = await openNotebook(visit, server, () => {}, { saved: true });
      await notebook.render();
      await visit.page.getByText("No picture of this widget was kept.").waitFor();
      await notebook.remove(0);
      await visit.page.evaluate(() => {
        const kept = document.body.appendChild(document.createElement("div"));
        kept.className = "the-picture";
        kept.appendChild(document.createElement("img")).src =
          "data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' width='200' height='100'/>";
      });
      await notebook.render();
      const shown = visit.page.locator("img:visible");
      await shown.waitFor();
      assert.deepEqual(await shown.evaluateAll((images) => images.map((image) => image.closest(".the-picture"))), [null]);
      await notebook.remove(1);
      await visit.page.locator(".the-picture img").waitFor();
      assert.equal(await shown.count(), 1);
      assert.deepEqual(notebook.asked, []);
    }));

  test("says that the kernel does not answer, and goes on when it does", () =>
    site.visiting(async (visit, server) => {
      await visit.page.clock.install();
      const notebook = await openNotebook(visit, server, async (content, tell) => {
        if (notebook.asked.length === 1) await tell({ framehub: "refused", request: content.request ?? "", message: "Not yet.", closed: false });
      });
      await notebook.render();
      await until(() => notebook.asked.length === 2, "the kernel is asked why", { clues: visit.clues });
      await visit.page.clock.fastForward(12_000);
      await visit.page.getByText("The kernel does not answer.").first().waitFor();
      await notebook.tell(access(await kernel.ticket()));
      await visit.page.locator("[data-way=loopback]").waitFor();
    }));
});
