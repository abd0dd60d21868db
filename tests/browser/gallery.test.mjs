import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { visiting } from "./support/browser.mjs";
import { canvasPixels, colourAt } from "./support/pixels.mjs";
import { KEY, startServer } from "./support/server.mjs";
import { useSite } from "./support/site.mjs";
import { until } from "./support/until.mjs";

/** @typedef {import("./support/browser.mjs").Visit} Visit */

/** What the browser says of a page that asks for the key. */
const UNAUTHORIZED = { tolerate: /status of 401/ };

/**
 * The gallery's link to a widget.
 * @param {Visit} visit
 * @param {string} id
 */
function linkTo(visit, id) {
  return visit.page.locator(`a[href$="widgets/${id}"]`).first();
}

/**
 * The ids of the server's widgets.
 * @param {import("./support/server.mjs").Server} server
 * @returns {Promise<string[]>}
 */
async function idsOf(server) {
  const { widgets } = await server.json("api/widgets");
  return widgets.map((/** @type {{id: string}} */ { id }) => id);
}

for (const prefix of ["/", "/services/framehub/"]) {
  describe(`the pages below ${prefix}`, () => {
    const site = useSite({ args: ["--base-url", prefix] });

    test("the gallery shows every widget with its title and a live picture", () =>
      site.visiting(async (visit, server) => {
        await visit.show(server.page());
        const { kinds } = await server.json("api/kinds");
        const ids = await idsOf(server);
        assert.deepEqual([...ids].sort(), kinds.map((/** @type {{kind: string}} */ { kind }) => kind).sort());
        for (const id of ids) {
          const { title } = await server.json(`api/widgets/${id}`);
          await linkTo(visit, id).scrollIntoViewIfNeeded();
          assert.match(await visit.page.locator("body").innerText(), new RegExp(title.replace(/[^\w ]/g, "."), "i"));
          await until(
            async () => (await server.stats(id)).views.some(({ visible }) => visible),
            `${id} has a visible view in the gallery`,
          );
          const canvas = visit.page.locator("li, article, .card").filter({ has: linkTo(visit, id) }).locator("canvas").first();
          await until(async () => {
            const picture = await canvasPixels(canvas);
            const corner = String(colourAt(picture, 0, 0));
            for (let at = 0; at < picture.width * picture.height; at += 7) {
              if (String(colourAt(picture, at % picture.width, Math.floor(at / picture.width))) !== corner) return true;
            }
            return false;
          }, `${id} has a picture in the gallery`);
        }
      }));

    test("a widget that was just made appears in the gallery, and one that was closed goes", () =>
      site.visiting(async (visit, server) => {
        await visit.show(server.page());
        const { id } = await server.create("square");
        await linkTo(visit, id).waitFor({ timeout: 15_000 });
        await server.request(`api/widgets/${id}`, { method: "DELETE" });
        await linkTo(visit, id).waitFor({ state: "detached", timeout: 15_000 });
      }));

    test("a first question that the server never answers is given up, and asked again", () =>
      site.visiting(async (visit, server) => {
        // Its time is over when the test says so.
        await visit.page.addInitScript(() => {
          AbortSignal.timeout = () => {
            const patience = new AbortController();
            addEventListener("impatience", () => patience.abort(), { once: true });
            return patience.signal;
          };
        });
        let asked = 0;
        await visit.page.route(server.url("api/kinds"), () => void (asked += 1));
        await visit.page.goto(server.page());
        await until(() => asked > 0, "the page asks");
        await visit.page.evaluate(() => dispatchEvent(new Event("impatience")));
        await visit.page.getByText("The server does not answer. Trying again …").waitFor();
        const before = asked;
        await until(() => asked > before, "it asks again");
      }));

    test("a widget is made once, however often one says so while the server makes it", () =>
      site.visiting(async (visit, server) => {
        await visit.show(server.page());
        const before = (await idsOf(server)).length;
        const letGo = await visit.holdPosts();
        await visit.page.getByRole("button", { name: "New widget" }).click();
        await visit.page.getByRole("button", { name: "Create" }).dblclick();
        await visit.page.getByRole("radio").first().press("Enter");
        assert.equal(await letGo(), 1);
        await visit.page.getByRole("dialog").waitFor({ state: "hidden" });
        assert.equal((await idsOf(server)).length, before + 1);
      }));

    test("a click in the gallery opens the widget, where it can be used", () =>
      site.visiting(async (visit, server) => {
        await visit.show(server.page());
        const before = visit.confirmed;
        await linkTo(visit, "square").click();
        await visit.page.waitForURL(server.url("widgets/square"));
        await until(() => visit.confirmed > before, "the widget's page shows a frame");
        await visit.canvas.click({ position: { x: 30, y: 30 } });
        await until(() => visit.sentOf("pointer_up").length > 0, "the click is told");
      }));

    test("every page, module, request and socket is below the base URL", () =>
      site.visiting(async (visit, server) => {
        await visit.show(server.page());
        await linkTo(visit, "fractal").click();
        await until(() => visit.requests.some((url) => url.includes("api/widgets/fractal/view")), "the socket opens");
        await visit.settled();
        const own = visit.requests.filter((url) => !/^(blob|data):/.test(url));
        assert.ok(own.some((url) => url.startsWith("ws:")), "sockets are among them");
        const base = new URL(server.base);
        for (const url of own) {
          assert.equal(new URL(url).host, base.host, url);
          assert.ok(new URL(url).pathname.startsWith(prefix), url);
        }
      }));

    test("a page without the key asks for it, refuses a wrong one, and opens with the right one", () =>
      site.visiting(
        async (visit, server) => {
          const refused = await visit.page.goto(server.url("widgets/square"));
          assert.equal(refused?.status(), 401);
          const field = visit.page.locator('input[name="key"]');
          await field.fill("wrong");
          await field.press("Enter");
          await visit.page.getByText("Incorrect key.").waitFor();
          assert.ok(!visit.requests.some((url) => url.includes("wrong")), "a key is in no address");
          assert.equal(visit.confirmed, 0);

          await field.fill(KEY);
          await field.press("Enter");
          await until(() => visit.confirmed > 0, "the widget's page shows a frame");
          assert.equal(visit.page.url(), server.url("widgets/square"), "the key is not left in the address");
          const cookies = await visit.page.context().cookies();
          assert.equal(cookies.length, 1);
          assert.equal(cookies[0]?.httpOnly, true);
          assert.equal(cookies[0]?.sameSite, "Strict");
          assert.equal(cookies[0]?.path, prefix);
          assert.ok(!cookies[0]?.value.includes(KEY), "the key is in no cookie");
        },
        UNAUTHORIZED,
      ));

    test("who signs out is asked for the key again, and other open pages end", () =>
      site.visiting(
        async (visit, server) => {
          await visit.show(server.page("widgets/square"));
          const other = await visit.page.context().newPage();
          await other.goto(server.url());
          await other.getByRole("button", { name: "Sign out" }).click();
          await other.locator('input[name="key"]').waitFor();
          await visit.page.getByText("needs the access key").first().waitFor();
          assert.equal((await visit.page.context().cookies()).length, 0);
        },
        { tolerate: /401|WebSocket connection to/ },
      ));

    test("pages forbid all code, styles and connections that are not the server's own", () =>
      site.visiting(async (visit, server) => {
        for (const path of ["", "widgets/square"]) {
          const response = await visit.page.goto(server.page(path));
          const policy = response?.headers()["content-security-policy"] ?? "";
          assert.match(policy, /default-src 'none'/);
          assert.match(policy, /script-src 'self'(;|$)/);
          assert.match(policy, /style-src 'self'(;|$)/);
        }
        // That the pages themselves keep to it, every test here checks by the console's errors; this shows that it tells.
        await visit.page.evaluate(() => document.body.append(Object.assign(document.createElement("script"), { textContent: "0" })));
        await until(() => visit.faults.length > 0, "a violation is told");
        assert.match(String(visit.faults.splice(0)), /Content Security Policy/);
      }));

    test("a page of an unknown widget says that there is none", () =>
      site.visiting(
        async (visit, server) => {
          await visit.page.goto(server.page("widgets/nobody"));
          await until(
            async () => /no widget|not found|unknown|does not exist|closed/i.test(await visit.page.locator("body").innerText()),
            "the page says so",
          );
        },
        { tolerate: /404|WebSocket connection to/ },
      ));
  });
}

describe("the gallery of an administrator of a server with users", () => {
  const site = useSite();

  test("shows no picture of another's widget before it is asked for, and none at all to who may only see numbers", () =>
    site.visiting(async (visit, server) => {
      const told = await server.json("api/widgets");
      const widgets = [
        { ...told.widgets[0], owner: "ann", role: "administrator" },
        { ...told.widgets[1], owner: "bob", role: "observer" },
      ];
      await visit.page.route(server.url("api/widgets"), (route) => route.fulfill({ json: { widgets, administrator: true } }));
      await visit.page.goto(server.page());
      await visit.page.getByText("2 widgets").waitFor();
      assert.equal(await visit.page.locator("framehub-view").count(), 0);
      assert.equal(await linkTo(visit, widgets[1].id).count(), 0);
      await visit.page.getByRole("button", { name: "Show the picture of" }).click();
      await until(
        async () => (await server.stats(widgets[0].id)).views.some(({ visible }) => visible),
        "the picture that was asked for is shown",
      );
    }));
});

describe("the gallery", () => {
  const site = useSite();

  for (const width of [320, 390]) {
    test(`has everything within a phone's ${width} pixels`, () =>
      site.visiting(async (visit, server) => {
        await visit.page.setViewportSize({ width, height: 844 });
        const told = await server.json("api/widgets");
        const json = { ...told, administrator: true, session: true };
        await visit.page.route(server.url("api/widgets"), (route) => route.fulfill({ json }));
        await visit.page.goto(server.page());
        await visit.page.getByRole("link", { name: "Administration" }).waitFor();
        assert.equal(await visit.page.evaluate(() => document.documentElement.scrollWidth), width);
        for (const name of ["New widget", "Sign out"]) {
          const box = await visit.page.getByRole("button", { name }).boundingBox();
          assert.ok(box && box.x >= 0 && box.x + box.width <= width, `${name} is within the page`);
        }
      }));
  }

  test("asks before it closes a widget, and gives the focus to the next card", () =>
    site.visiting(async (visit, server) => {
      const [first, second] = [await server.create("square"), await server.create("square")];
      await visit.show(server.page());
      await linkTo(visit, second.id).waitFor();
      const card = visit.page.locator(".card").filter({ has: linkTo(visit, first.id) });
      const dialog = visit.page.getByRole("alertdialog");
      for (const answer of ["Cancel", "Close widget"]) {
        await card.getByRole("button", { name: /^Close/ }).focus();
        await visit.page.keyboard.press("Enter");
        await dialog.waitFor();
        assert.ok((await idsOf(server)).includes(first.id));
        await dialog.getByRole("button", { name: answer }).click();
        await dialog.waitFor({ state: "hidden" });
      }
      await until(async () => !(await idsOf(server)).includes(first.id), "the widget is closed", { timeout: 30_000 });
      await until(
        () => visit.page.evaluate((id) => document.activeElement?.getAttribute("href")?.endsWith(id), second.id),
        "the next card has the focus",
        { timeout: 30_000 },
      );
    }));

  test("says once that the server is away, and its cards still lead to their widgets", async () => {
    const away = await startServer();
    try {
      await visiting(
        site.browser,
        async (visit) => {
          const { id } = await away.create("square");
          await visit.show(away.page());
          await linkTo(visit, id).waitFor();
          await away.kill();
          await visit.page.locator("#status").getByText("The server does not answer").waitFor({ timeout: 30_000 });
          await until(
            () => visit.page.locator("framehub-view").first().evaluate((view) => Reflect.get(view, "state") === "disconnected"),
            "the views are lost",
            { timeout: 30_000 },
          );
          assert.equal(await visit.page.locator("framehub-view .notice").filter({ visible: true }).count(), 0);
          assert.ok(await visit.page.getByRole("button", { name: "New widget" }).isDisabled());
          const above = await visit.page.locator(".card-picture").first().evaluate((picture) => {
            const { left, top, width, height } = picture.getBoundingClientRect();
            return document.elementFromPoint(left + width / 2, top + height - 20)?.localName;
          });
          assert.equal(above, "a");
        },
        { tolerate: /ERR_CONNECTION_REFUSED|WebSocket connection to|Failed to load/ },
      );
    } finally {
      await away.stop();
    }
  });
});
