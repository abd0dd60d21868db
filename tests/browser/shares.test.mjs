import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { useSite } from "./support/site.mjs";
import { until } from "./support/until.mjs";

/** @typedef {import("./support/browser.mjs").Visit} Visit */

/**
 * A widget of the page by its role and name.
 * @param {Visit} visit
 * @param {Parameters<import("playwright-core").Page["getByRole"]>[0]} role
 * @param {string} name
 */
const by = (visit, role, name) => visit.page.getByRole(role, { name, exact: true });

/** @param {Visit} visit */
const list = (visit) => visit.page.getByRole("list", { name: "Shared with" });

/**
 * Opens the dialog and makes a link in it; answers its address.
 * @param {Visit} owner
 * @param {"watch" | "interact"} role
 */
async function makeLink(owner, role) {
  await by(owner, "button", "Share").click();
  const dialog = by(owner, "dialog", "Share this widget");
  await dialog.getByRole("combobox", { name: "Can" }).selectOption(role);
  await dialog.getByRole("button", { name: "Share", exact: true }).click();
  const address = by(owner, "textbox", "The link");
  await address.waitFor();
  return address.inputValue();
}

describe("the dialog in which a widget is shared", () => {
  const site = useSite();

  test("a link lets somebody watch, whose view ends with an honest message once it is revoked", () =>
    site.visiting((owner, server) =>
      site.visiting(
        async (watcher) => {
          const { id } = await server.create("square");
          await owner.show(server.page(`widgets/${id}`));
          const link = await makeLink(owner, "watch");
          assert.match(await list(owner).innerText(), /Anyone with the link[^]*can view · expires/);
          await watcher.show(link);
          assert.equal(watcher.page.url(), server.url(`widgets/${id}`), "the secret is out of the address");
          const status = await until(() => watcher.received.find(({ type }) => type === "status"), "a status");
          assert.equal(status.role, "watch");
          for (const name of ["Share", "Take control", "Pointers"]) {
            assert.equal(await by(watcher, "button", name).isVisible(), false, `a watcher has no button “${name}”`);
          }
          await owner.page.getByRole("button", { name: /^Revoke/ }).click();
          await until(
            async () => (await watcher.view.innerText()).includes("This widget is no longer shared with you."),
            "the message",
            { clues: watcher.clues },
          );
          assert.equal(await watcher.page.locator("#state").innerText(), "No access");
          await list(owner).getByText("Not shared yet").waitFor();
          assert.ok(!server.stderr.includes(new URL(link).search), "the secret is in no line of the log");
          const sockets = watcher.requests.filter((url) => url.startsWith("ws:")).length;
          await watcher.page.evaluate(() => dispatchEvent(new Event("focus")));
          assert.equal(watcher.requests.filter((url) => url.startsWith("ws:")).length, sockets, "it does not try again");
        },
      ),
    ));

  test("whose view is over is told so before the browser tells that the connection is closed", () =>
    site.visiting((owner, server) =>
      site.visiting(async (watcher) => {
        const { id } = await server.create("square");
        await owner.show(server.page(`widgets/${id}`));
        const link = await makeLink(owner, "watch");
        await watcher.page.addInitScript(() => {
          const { addEventListener: listen } = WebSocket.prototype;
          /** @type {(this: WebSocket, type: string, listener: EventListenerOrEventListenerObject) => void} */
          WebSocket.prototype.addEventListener = function (type, listener) {
            if (type !== "close") listen.call(this, type, listener);
          };
        });
        await watcher.show(link);
        await owner.page.getByRole("button", { name: /^Revoke/ }).click();
        await watcher.view.getByText("This widget is no longer shared with you.").waitFor();
      }),
    ));

  test("a link to interact lets somebody act, but not what is the owner's", () =>
    site.visiting((owner, server) =>
      site.visiting(async (other) => {
        const { id } = await server.create("square");
        await owner.show(server.page(`widgets/${id}`));
        await other.show(await makeLink(owner, "interact"));
        await by(owner, "button", "Close").click();
        await by(other, "button", "Take control").click();
        await by(other, "button", "Release control").waitFor();
        assert.equal(await by(other, "button", "Pointers").isVisible(), false);
        await by(owner, "button", "Take over").click();
        await by(owner, "button", "Release control").waitFor();
        await until(() => by(other, "button", "Take control").isDisabled(), "the other cannot take it away");
      }),
    ));

  test("a link is made once, however often one says so while the server makes it", () =>
    site.visiting(async (owner, server) => {
      const { id } = await server.create("square");
      await owner.show(server.page(`widgets/${id}`));
      const letGo = await owner.holdPosts();
      await by(owner, "button", "Share").click();
      const share = by(owner, "dialog", "Share this widget").getByRole("button", { name: "Share", exact: true });
      await share.dblclick();
      assert.equal(await letGo(), 1);
      await by(owner, "textbox", "The link").waitFor();
      await until(async () => (await share.getAttribute("aria-disabled")) === null, "another one can be made");
      await share.click();
      assert.equal(await letGo(), 1);
      await by(owner, "textbox", "The link").nth(1).waitFor();
    }));

  test("it is used by keyboard, and says what the server refuses", () =>
    site.visiting(
      async (owner, server) => {
        const { id } = await server.create("square");
        await owner.show(server.page(`widgets/${id}`));
        const { page } = owner;
        await by(owner, "button", "Share").focus();
        await page.keyboard.press("Enter");
        const dialog = by(owner, "dialog", "Share this widget");
        await dialog.waitFor();
        await until(() => page.evaluate(() => document.activeElement?.id === "share-with"), "the focus is in the dialog");
        await list(owner).getByText("Not shared yet").waitFor();
        for (let tabs = 0; tabs < 3; tabs++) await page.keyboard.press("Tab");
        await page.keyboard.press("Enter");
        await until(() => page.evaluate(() => document.activeElement?.textContent === "Copy"), "the focus is on the new link");
        for (let made = 1; made < 100; made++) await server.json(`api/widgets/${id}/shares`, { method: "POST", body: { link: true } });
        await dialog.getByRole("button", { name: "Share", exact: true }).click();
        await dialog.getByRole("alert").getByText("100 times").waitFor();
        await page.keyboard.press("Escape");
        await dialog.waitFor({ state: "hidden" });
        await until(() => page.evaluate(() => document.activeElement?.id === "share"), "the focus is back");
      },
      { tolerate: /429/ },
    ));
});

describe("a view whose user is not signed in yet", () => {
  const site = useSite();

  /**
   * A page with a view, in a browser without a cookie, whose server answers as one of a JupyterHub does.
   * @param {Visit} visit
   * @param {import("./support/server.mjs").Server} server
   * @param {() => boolean | Promise<boolean>} signsIn whether the way by the Hub leaves the cookie
   * @returns how many frames were drawn before, when there was one
   */
  async function signedOut(visit, server, signsIn) {
    const { id } = await server.create("square");
    await visit.embed(server, `<framehub-view widget="${id}"></framehub-view>`);
    const context = visit.page.context();
    const [session] = await context.cookies(server.base);
    await context.clearCookies();
    const hasCookie = async () => (await context.cookies(server.base)).length > 0;
    await visit.page.route(server.url(`api/widgets/${id}`), async (route) => {
      if (await hasCookie()) return route.continue();
      return route.fulfill({ status: 401, json: { error: { code: "signed_out", message: "", field: null } } });
    });
    await context.route(server.url(), async (route) => {
      /** @type {Record<string, string>} */
      const headers = (await signsIn()) ? { "set-cookie": `${session?.name}=${session?.value}; Path=/; HttpOnly` } : {};
      return route.fulfill({ status: 200, headers, contentType: "text/html", body: "<title>The Hub</title>" });
    });
    await visit.settled();
    const before = visit.confirmed;
    await visit.page.reload();
    return before;
  }
  const tolerate = /401|WebSocket connection/;

  test("is signed in by a Hub that takes longer than an attempt to connect may", () =>
    site.visiting(
      async (visit, server) => {
        /** @type {(signs: boolean) => void} */
        let answer = () => {};
        let asked = 0;
        await visit.page.clock.install();
        const before = await signedOut(visit, server, () => {
          asked += 1;
          return new Promise((resolve) => (answer = resolve));
        });
        await until(() => asked > 0, "the Hub is asked", { clues: visit.clues });
        await visit.page.clock.fastForward(12_000);
        answer(true);
        await until(() => visit.confirmed > before, "the view draws", { clues: visit.clues });
        assert.equal(asked, 1);
      },
      { tolerate },
    ));

  test("is signed in unnoticed where the Hub asks nothing", () =>
    site.visiting(
      async (visit, server) => {
        const before = await signedOut(visit, server, () => true);
        await until(() => visit.confirmed > before, "the view draws", { clues: visit.clues });
        assert.equal(await visit.page.getByRole("button", { name: "Sign in" }).count(), 0);
      },
      { tolerate },
    ));

  test("is offered one button where the Hub does ask, and goes on when the user is back", () =>
    site.visiting(
      async (visit, server) => {
        let agreed = false;
        await signedOut(visit, server, () => agreed);
        const button = visit.page.getByRole("button", { name: "Sign in" });
        await button.waitFor();
        assert.match(await visit.view.innerText(), /signed out of the JupyterHub/);
        agreed = true;
        const opened = visit.page.context().waitForEvent("page");
        await button.click();
        const tab = await opened;
        await tab.waitForURL(server.url());
        await tab.close();
        const before = visit.confirmed;
        // A browser that runs tests tells every page that it has the focus all the time.
        await visit.page.evaluate(() => dispatchEvent(new Event("focus")));
        await until(() => visit.confirmed > before, "the view draws", { clues: visit.clues });
      },
      { tolerate },
    ));
});
