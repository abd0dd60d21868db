import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { Visit, launchBrowserWithTabs } from "./support/browser.mjs";
import { useSite } from "./support/site.mjs";
import { until } from "./support/until.mjs";
import { load } from "./support/users.mjs";

/** @typedef {import("./support/server.mjs").Server} Server */

/**
 * A row of the table, by what its first cell holds.
 * @param {Visit} visit
 * @param {string | RegExp} name
 */
function row(visit, name) {
  return visit.page.getByRole("row").filter({ has: visit.page.getByRole("rowheader", { name }) });
}

/**
 * The texts of the rows that are shown, cell by cell.
 * @param {Visit} visit
 */
async function rows(visit) {
  const shown = await visit.page.locator("tbody tr:visible").all();
  return Promise.all(shown.map(async (row) => (await row.locator("th, td").allInnerTexts()).map((text) => text.replace(/\s+/g, " ").trim())));
}

/** @param {Visit} visit */
const dialog = (visit) => visit.page.getByRole("alertdialog");

/**
 * What the button with the focus does.
 * @param {Visit} visit
 */
const focused = (visit) => visit.page.evaluate(() => document.activeElement?.getAttribute("aria-label") ?? document.activeElement?.textContent ?? "");

/**
 * Opens the page and waits for its first answer.
 * @param {Visit} visit
 * @param {Server} server
 */
async function open(visit, server) {
  await visit.page.goto(server.page("admin"));
  await row(visit, "Everybody").waitFor();
}

/** When the page asked who takes what, in milliseconds on its clock. @param {Visit} visit */
function looks(visit) {
  return visit.page.evaluate(() =>
    performance
      .getEntriesByType("resource")
      .filter(({ name }) => name.endsWith("/api/users"))
      .map(({ startTime }) => startTime),
  );
}

/**
 * Opens the page of a server that has two users with so many widgets each, which time passes for with each look.
 * @param {Visit} visit
 * @param {Server} server
 * @param {number} anns
 * @param {number} bobs
 * @param {object} [set] the limits that were set for the first, which a test may change
 */
async function openWithUsers(visit, server, anns, bobs, set) {
  let looks = 0;
  await visit.page.route(server.url("api/users"), (route) => {
    looks += 1;
    return route.fulfill({ json: load(looks, anns, bobs, set) });
  });
  await visit.page.goto(server.page("admin"));
  await row(visit, "bob").waitFor();
  return () => looks;
}

for (const prefix of ["/", "/services/framehub/"]) {
  describe(`the administrator's page below ${prefix}`, () => {
    const site = useSite({ args: ["--base-url", prefix, "--no-demos"] });

    test("the gallery leads to it, and it says that there is nothing", () =>
      site.visiting(async (visit, server) => {
        await visit.page.goto(server.page());
        await visit.page.getByRole("link", { name: "Administration" }).click();
        await visit.page.waitForURL(server.url("admin"));
        await row(visit, "Everybody").waitFor();
        assert.ok(await visit.page.getByText("There are no widgets now.").isVisible());
        assert.ok(await visit.page.getByRole("button", { name: "Disconnect all views of Everybody" }).isDisabled());
        assert.equal(await visit.page.getByRole("button", { name: /^Limits/ }).count(), 0, "where there are no users, there are no limits of theirs");
        await visit.page.getByRole("link", { name: "Gallery" }).click();
        await visit.page.waitForURL(server.url());
      }));

    test("widgets and views come and go in it, with what they take", () =>
      site.visiting((visit, server) =>
        site.visiting(async (watcher) => {
          const { id } = await server.create("performance", { traits: { title: "A busy one" } });
          await watcher.show(server.page(`widgets/${id}?role=watch`));
          await open(visit, server);
          await row(visit, "A busy one").waitFor();
          assert.equal(await visit.page.getByText("There are no widgets now.").isVisible(), false);
          await until(
            async () => {
              const [everybody, widget, view] = await rows(visit);
              const takes = [everybody, widget].every((cells) => Number(cells?.[1]) > 0 && /[KM]B\/s$/.test(cells?.[2] ?? "") && /%$/.test(cells?.[3] ?? ""));
              return takes && /^v1, with the key watches \d+ × \d+$/.test(view?.[0] ?? "") && Number(view?.[1]) > 0;
            },
            "the rates",
            { clues: visit.clues },
          );
          for (const type of ["focus", "online"]) await visit.page.evaluate((type) => dispatchEvent(new Event(type)), type);
          const asked = await until(async () => ((await looks(visit)).length >= 3 ? looks(visit) : null), "it looks again");
          const waits = asked.slice(1).map((time, i) => time - (asked[i] ?? 0));
          assert.ok(waits.every((wait) => wait >= 1990), `not more often than every 2 s: ${waits}`);
          await watcher.page.goto("about:blank");
          await row(visit, /^v1/).waitFor({ state: "detached" });
          await server.request(`api/widgets/${id}`, { method: "DELETE" });
          await row(visit, "A busy one").waitFor({ state: "detached" });
        }),
      ));

    test("a view is disconnected by keyboard, says so, and connects again only when its user says so", () =>
      site.visiting((visit, server) =>
        site.visiting(async (watcher) => {
          const { id } = await server.create("square", { traits: { title: "A square" } });
          await watcher.show(server.page(`widgets/${id}`));
          await open(visit, server);
          const button = row(visit, /^v1/).getByRole("button", { name: /^Disconnect v1/ });
          await button.focus();
          await visit.page.keyboard.press("Enter");
          await dialog(visit).waitFor();
          assert.match(await dialog(visit).innerText(), /Disconnect view v1, with the key\?[^]*“A square”/);
          assert.equal(await focused(visit), "Cancel", "a key that is still down ends nothing");
          await visit.page.keyboard.press("Escape");
          await dialog(visit).waitFor({ state: "hidden" });
          assert.match(await focused(visit), /^Disconnect v1/, "the focus is back");
          assert.equal((await server.stats(id)).views.length, 1);

          await visit.page.keyboard.press("Enter");
          await visit.page.keyboard.press("Tab");
          assert.equal(await focused(visit), "Disconnect view");
          await visit.page.keyboard.press("Enter");
          await dialog(visit).waitFor({ state: "hidden" });
          await visit.page.getByRole("status").getByText("View v1, with the key of “A square” is disconnected.").waitFor();
          assert.equal(await row(visit, /^v1/).count(), 0);
          assert.equal((await server.stats(id)).views.length, 0);

          await until(
            async () => (await watcher.view.innerText()).includes("This view was disconnected by the widget's owner or an administrator."),
            "the view says so",
            { clues: watcher.clues },
          );
          assert.equal(await watcher.page.locator("#state").innerText(), "Disconnected");
          const sockets = () => watcher.requests.filter((url) => url.startsWith("ws:")).length;
          const before = sockets();
          for (const type of ["focus", "online", "pageshow"]) await watcher.page.evaluate((type) => dispatchEvent(new Event(type)), type);
          assert.equal(sockets(), before, "it does not try again");
          const drawn = watcher.confirmed;
          await watcher.page.getByRole("button", { name: "Connect again" }).click();
          await until(() => watcher.confirmed > drawn, "it draws again", { clues: watcher.clues });
          await row(visit, /^v2/).waitFor();
          await server.request(`api/widgets/${id}`, { method: "DELETE" });
        }),
      ));

    test("a widget is closed, and who closed it goes on in the next row", () =>
      site.visiting((visit, server) =>
        site.visiting(async (watcher) => {
          const first = await server.create("square", { traits: { title: "The first" } });
          const second = await server.create("square", { traits: { title: "The second" } });
          await watcher.show(server.page(`widgets/${first.id}`));
          await open(visit, server);
          await visit.page.getByRole("button", { name: "Close The first" }).click();
          await dialog(visit).getByRole("button", { name: "Close widget" }).click();
          await visit.page.getByRole("status").getByText("“The first” is closed.").waitFor();
          assert.equal(await focused(visit), "Close The second");
          await until(async () => (await watcher.view.innerText()).includes("The widget was closed."), "its view says so");
          await assert.rejects(server.json(`api/widgets/${first.id}`), /404/);
          await server.request(`api/widgets/${second.id}`, { method: "DELETE" });
        }),
      ));

    test("a question that is asked while another's answer is under way is the one that is answered next", () =>
      site.visiting(
        async (visit, server) => {
          const [first, second] = [
            await server.create("square", { traits: { title: "The first" } }),
            await server.create("square", { traits: { title: "The second" } }),
          ];
          await open(visit, server);
          for (const status of [503, 204]) {
            /** @type {(import("playwright-core").Route)[]} */
            const held = [];
            const address = server.url(`api/widgets/${first.id}`);
            await visit.page.route(address, (route) => void held.push(route));
            await visit.page.getByRole("button", { name: "Close The first" }).click();
            await dialog(visit).getByRole("button", { name: "Close widget" }).click();
            const route = await until(() => held[0], "the first is being closed");
            await visit.page.keyboard.press("Escape");
            await dialog(visit).waitFor({ state: "hidden" });
            await visit.page.getByRole("button", { name: "Close The second" }).click();
            const answered = visit.page.waitForResponse(address);
            await route.fulfill(status === 204 ? { status } : { status, json: { error: { message: "not now" } } });
            await (await answered).finished();
            if (status === 204) await visit.page.getByRole("status").getByText("“The first” is closed.").waitFor();
            assert.match(await dialog(visit).innerText(), /The second/);
            assert.equal(await dialog(visit).getByRole("alert").count(), 0, "what became of the first is not said of the second");
            await visit.page.unroute(address);
            if (status === 503) await dialog(visit).getByRole("button", { name: "Cancel" }).click();
          }
          await dialog(visit).getByRole("button", { name: "Close widget" }).click();
          await visit.page.getByRole("status").getByText("“The second” is closed.").waitFor();
          await assert.rejects(server.json(`api/widgets/${second.id}`), /404/);
          assert.equal((await server.json(`api/widgets/${first.id}`)).id, first.id);
          await server.request(`api/widgets/${first.id}`, { method: "DELETE" });
        },
        { tolerate: /503/ },
      ));

    test("all views are disconnected at once", () =>
      site.visiting((visit, server) =>
        site.visiting(async (watcher) => {
          const made = [await server.create("square"), await server.create("draw")];
          await watcher.show(server.page());
          await until(async () => (await Promise.all(made.map(({ id }) => server.stats(id)))).every(({ views }) => views.length === 1), "both are shown");
          await open(visit, server);
          await row(visit, /^v1/).nth(1).waitFor();
          await visit.page.getByRole("button", { name: "Disconnect all views of Everybody" }).click();
          assert.match(await dialog(visit).innerText(), /2 views of 2 widgets/);
          await dialog(visit).getByRole("button", { name: "Disconnect all" }).click();
          await row(visit, /^v1/).first().waitFor({ state: "detached" });
          for (const { id } of made) {
            assert.equal((await server.stats(id)).views.length, 0);
            await server.request(`api/widgets/${id}`, { method: "DELETE" });
          }
        }),
      ));

    test("what the server refuses is shown, and so is that it does not answer", () =>
      site.visiting(
        async (visit, server) => {
          const { id } = await server.create("square", { traits: { title: "Gone already" } });
          await open(visit, server);
          await visit.page.getByRole("button", { name: "Close Gone already" }).click();
          await server.request(`api/widgets/${id}`, { method: "DELETE" });
          await dialog(visit).getByRole("button", { name: "Close widget" }).click();
          await dialog(visit).getByRole("alert").getByText(/there is no widget/).waitFor();
          await dialog(visit).getByRole("button", { name: "Cancel" }).click();
          await visit.page.route(server.url("api/users"), (route) => route.abort());
          await visit.page.getByRole("status").getByText("The server does not answer. Trying again …").waitFor();
          await visit.page.unroute(server.url("api/users"));
          await until(async () => (await visit.page.getByRole("status").innerText()) === "", "it answers again");
        },
        { tolerate: /404|ERR_FAILED/ },
      ));
  });
}

describe("the administrator's page of a server with users", () => {
  const site = useSite({ args: ["--no-demos"] });

  test("it shows whose widgets are whose, what each user takes, and which limits are near", () =>
    site.visiting(async (visit, server) => {
      const looks = await openWithUsers(visit, server, 1, 9);
      await until(() => looks() >= 2, "a second look");
      await until(async () => (await rows(visit))[0]?.[1] === "5.0", "the rates", { clues: visit.clues });
      const shown = await rows(visit);
      assert.deepEqual(shown.slice(0, 4), [
        ["ann 1 of 10 widgets 1 of 500 views 0 of 20 kernels 64 of 256 MiB 10 of 2000 Mpx/s", "5.0", "500 KB/s", "6 %", "network", "Limits Disconnect all"],
        ["<b>Plot 0</b> kernel gone plot 1 view ann-0", "5.0", "500 KB/s", "0 %", "network", "Close"],
        ["v1, root interacts 640 × 480", "5.0", "500 KB/s", "", "network", "Disconnect"],
        ["bob 9 of 10 widgets 9 of 500 views 0 of 20 kernels 64 of 256 MiB 10 of 2000 Mpx/s over limit, frames delayed", "45", "4.5 MB/s", "56 %", "limit", "Limits Disconnect all"],
      ]);
      assert.deepEqual(await visit.page.locator(".full").allInnerTexts(), ["9 of 10 widgets", "over limit, frames delayed"]);
      const totals = (await visit.page.locator(".server dd").allInnerTexts()).map((text) => text.trim());
      assert.deepEqual(totals, ["10 of 1000", "10", "0 of 100", "50", "5 MB/s", "13 %", "1", "128 of 1024 MiB"]);
      const names = await visit.page.getByRole("columnheader").allInnerTexts();
      assert.deepEqual(names.map((name) => name.trim()), ["User, widget, view", "Frames/s", "Sent", "Encoder", "Bottleneck", "Actions"]);
    }));

  test("what belongs to a row is folded, filtered and put in order by keyboard, and stays so", () =>
    site.visiting(async (visit, server) => {
      const looks = await openWithUsers(visit, server, 2, 3);
      const { page } = visit;
      const count = () => page.locator("tbody tr:visible").count();
      assert.equal(await count(), 2 + 5 + 5);
      const fold = page.getByRole("button", { name: "Widgets of bob" });
      await fold.focus();
      await page.keyboard.press("Enter");
      assert.equal(await count(), 2 + 2 + 2);
      assert.equal(await fold.getAttribute("aria-expanded"), "false");
      const before = looks();
      await until(() => looks() > before + 1, "another look");
      assert.equal(await count(), 2 + 2 + 2);
      assert.equal(await focused(visit), "Widgets of bob", "the focus stays");

      await page.getByRole("searchbox", { name: "Filter" }).fill("plot 2");
      assert.deepEqual((await rows(visit)).map(([name]) => name?.split(" ")[0]), ["bob", "<b>Plot", "v1,"]);
      await page.getByRole("searchbox", { name: "Filter" }).fill("ANN");
      assert.equal(await count(), 1 + 2 + 2);
      await page.getByRole("searchbox", { name: "Filter" }).fill("");
      await fold.press("Enter");
      await page.getByRole("combobox", { name: "Sort by" }).selectOption("Busiest first");
      const order = (await rows(visit)).map(([name]) => /^(?:<b>)?(Plot \d|\w+)/.exec(name ?? "")?.[1]).filter((name) => name !== "v1");
      assert.deepEqual(order, ["bob", "Plot 2", "Plot 1", "Plot 0", "ann", "Plot 1", "Plot 0"]);
    }));

  test("the limits of a user are changed by keyboard, and what the server refuses is shown at its field", () =>
    site.visiting(
      async (visit, server) => {
        const { page } = visit;
        /** @type {Record<string, number | null>} */
        const set = {};
        /** @type {object[]} */
        const asked = [];
        await page.route(server.url("api/users/ann"), (route) => {
          const { limits } = route.request().postDataJSON();
          asked.push({ method: route.request().method(), limits });
          const error = { code: "bad_field", message: "field `limits.weight`: 500 is out of range", field: "limits.weight" };
          if (limits.weight > 100) return route.fulfill({ status: 400, json: { error } });
          for (const [name, value] of Object.entries(limits)) {
            if (value === null) delete set[name];
            else set[name] = value;
          }
          return route.fulfill({ json: {} });
        });
        await openWithUsers(visit, server, 1, 1, set);
        const limits = page.getByRole("dialog", { name: "Limits of ann" });
        const fields = () => limits.getByRole("spinbutton").all();
        const values = async () => Promise.all((await fields()).map((field) => field.inputValue()));

        await page.getByRole("button", { name: "Limits of ann" }).focus();
        await page.keyboard.press("Enter");
        assert.deepEqual(await Promise.all((await fields()).map((field) => field.getAttribute("placeholder"))), ["10", "500", "20", "2000", "none", "256", "1"]);
        assert.deepEqual(await values(), ["", "", "", "", "", "", ""]);
        assert.equal(await page.evaluate(() => document.activeElement?.getAttribute("name")), "max_widgets");
        await page.keyboard.type("3");
        await limits.getByLabel("Weight").fill("500");
        await page.keyboard.press("Enter");
        await limits.getByRole("alert").getByText("500 is out of range").waitFor();
        assert.equal(await page.evaluate(() => document.activeElement?.getAttribute("name")), "weight");
        await limits.getByLabel("Weight").fill("2.5");
        await limits.getByLabel("Mpx/s").fill("0.5");
        await limits.getByLabel("Memory").fill("1.5");
        await page.keyboard.press("Enter");
        await page.getByRole("status").getByText("The limits of ann are changed.").waitFor();
        await limits.waitFor({ state: "hidden" });
        assert.equal(await focused(visit), "Limits of ann", "the focus is back");
        const changed = { max_widgets: 3, weight: 2.5 };
        assert.deepEqual(asked, [
          { method: "PATCH", limits: { ...changed, weight: 500 } },
          { method: "PATCH", limits: { ...changed, pixels_per_second: 500_000, memory: 1_572_864 } },
        ]);
        await row(visit, "ann").getByText("custom limits").waitFor();
        assert.equal(await row(visit, "bob").getByText("custom limits").count(), 0);

        await page.keyboard.press("Enter");
        assert.deepEqual(await values(), ["3", "", "", "0.5", "", "1.5", "2.5"]);
        await limits.getByRole("button", { name: "Save" }).click();
        await limits.waitFor({ state: "hidden" });
        await page.getByRole("button", { name: "Limits of ann" }).click();
        for (const field of await fields()) await field.fill("");
        await limits.getByRole("button", { name: "Save" }).click();
        await row(visit, "ann").getByText("custom limits").waitFor({ state: "detached" });
        assert.deepEqual(asked.slice(2), [{ method: "PATCH", limits: { max_widgets: null, pixels_per_second: null, memory: null, weight: null } }]);
      },
      { tolerate: /400/ },
    ));

  test("the limits of one user are changed while those of another are under way, and each is said of its own", () =>
    site.visiting(async (visit, server) => {
      const { page } = visit;
      /** @type {Map<string, import("playwright-core").Route>} */
      const held = new Map();
      await page.route(server.url("api/users/*"), (route) => void held.set(route.request().url(), route));
      await openWithUsers(visit, server, 1, 1);
      for (const user of ["ann", "bob"]) {
        await page.getByRole("button", { name: `Limits of ${user}` }).click();
        await page.getByRole("dialog").getByRole("spinbutton").first().fill("3");
        await page.keyboard.press("Enter");
        await until(() => held.has(server.url(`api/users/${user}`)), `the limits of ${user} are being changed`);
        if (user === "ann") await page.keyboard.press("Escape");
      }
      await held.get(server.url("api/users/ann"))?.fulfill({ json: {} });
      await page.getByRole("status").getByText("The limits of ann are changed.").waitFor();
      await page.getByRole("dialog", { name: "Limits of bob" }).waitFor();
      await held.get(server.url("api/users/bob"))?.fulfill({ json: {} });
      await page.getByRole("status").getByText("The limits of bob are changed.").waitFor();
      await page.getByRole("dialog").waitFor({ state: "hidden" });
    }));

  test("many widgets show no views until one asks for them", () =>
    site.visiting(async (visit, server) => {
      await openWithUsers(visit, server, 100, 100);
      const { page } = visit;
      assert.equal(await page.locator("tbody tr:visible").count(), 202);
      await page.getByRole("button", { name: "Views of <b>Plot 99</b>" }).last().press("Enter");
      assert.equal(await page.locator("tbody tr:visible").count(), 203);
      assert.equal(await page.locator("tr.view:visible button:visible").count(), 1);
    }));

  test("a page that nobody sees asks for nothing, and asks again when it is seen", async () => {
    const { server } = site;
    const { context, close } = await launchBrowserWithTabs();
    try {
      const [visit, other] = [new Visit(await context.newPage()), new Visit(await context.newPage())];
      const asked = (/** @type {Visit} */ { requests }) => requests.filter((url) => url.endsWith("/api/users")).length;
      await visit.page.bringToFront();
      await open(visit, server);
      await other.page.bringToFront();
      await until(() => visit.page.evaluate(() => document.visibilityState === "hidden"), "the browser hides the tab");
      const before = asked(visit);
      await open(other, server);
      await until(() => asked(other) >= 3, "the one that is seen looks again and again");
      assert.equal(asked(visit), before);
      await visit.page.bringToFront();
      await until(() => asked(visit) > before, "it looks again");
    } finally {
      await close();
    }
  });

  test("who is no administrator any more is told so", () =>
    site.visiting(
      async (visit, server) => {
        await openWithUsers(visit, server, 1, 1);
        await visit.page.unroute(server.url("api/users"));
        const error = { code: "scope", message: "this is for administrators", field: null };
        await visit.page.route(server.url("api/users"), (route) => route.fulfill({ status: 403, json: { error } }));
        await visit.page.getByRole("status").getByText("The server answered: this is for administrators").waitFor();
      },
      { tolerate: /403/ },
    ));

  test("the gallery leads only administrators to it", () =>
    site.visiting(async (visit, server) => {
      await visit.page.route(server.url("api/widgets"), (route) => route.fulfill({ json: { widgets: [], administrator: false } }));
      await visit.page.goto(server.page());
      await visit.page.getByText("0 widgets").waitFor();
      assert.equal(await visit.page.getByRole("link", { name: "Administration" }).count(), 0);
    }));
});
