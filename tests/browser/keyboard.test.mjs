import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { squareOn } from "./support/demos.mjs";
import { useSite } from "./support/site.mjs";
import { until } from "./support/until.mjs";

/** @typedef {import("./support/browser.mjs").Visit} Visit */

/** What a screen reader must be able to name. */
const NAMED = ["button", "link", "textbox", "radio", "checkbox", "spinbutton", "dialog", "image", "img", "list"];

/**
 * What the browser tells screen readers of the page: role and name of everything that has a role.
 * @param {Visit} visit
 */
async function accessibleNodes(visit) {
  const devtools = await visit.page.context().newCDPSession(visit.page);
  const { nodes } = await devtools.send("Accessibility.getFullAXTree");
  await devtools.detach();
  return nodes
    .filter(({ ignored }) => !ignored)
    .map(({ role, name, properties }) => ({
      role: String(role?.value),
      name: String(name?.value ?? ""),
      focused: properties?.some((property) => property.name === "focused" && property.value.value === true) ?? false,
    }));
}

/**
 * The role and name of what has the focus.
 * @param {Visit} visit
 */
async function focused(visit) {
  const node = (await accessibleNodes(visit)).findLast((node) => node.focused && node.role !== "RootWebArea");
  return node ? `${node.role} ${node.name}` : "";
}

/**
 * Checks that whatever can be used, and every picture, has a name.
 * @param {Visit} visit
 */
async function everythingHasAName(visit) {
  const nodes = (await accessibleNodes(visit)).filter(({ role }) => NAMED.includes(role));
  assert.ok(nodes.length > 3, "there is something to name");
  assert.deepEqual(nodes.filter(({ name }) => name.trim() === ""), [], "nothing is without a name");
}

describe("without a mouse", () => {
  const site = useSite();

  test("Tab goes through the toolbar into the view, where keys move the square, and out of it again", () =>
    site.visiting(async (visit, server) => {
      const { id } = await server.create("square", { traits: { quality: 100 } });
      await visit.show(server.page(`widgets/${id}`));
      const { keyboard } = visit.page;
      /** @type {string[]} */
      const stops = [];
      while (!stops.at(-1)?.startsWith("textbox") && stops.length < 20) {
        await keyboard.press("Tab");
        stops.push(await focused(visit));
      }
      assert.deepEqual(
        ["link Gallery", "button Fill", "button Statistics", "link Snapshot"].filter((stop) => !stops.includes(stop)),
        [],
        `all of the toolbar is reached: ${stops.join(", ")}`,
      );
      assert.equal(stops.at(-1), "textbox Drag a square", "the view has the widget's name");
      await until(() => visit.sentOf("focus_in").length === 1, "the widget has the focus");

      const from = await squareOn(visit.canvas);
      await keyboard.press("ArrowRight");
      await keyboard.press("ArrowRight");
      await keyboard.press("ArrowDown");
      await until(
        async () => {
          const to = await squareOn(visit.canvas);
          return to.left === from.left + 20 && to.top === from.top + 10;
        },
        "the square has moved",
        { clues: visit.clues },
      );

      await keyboard.press("Tab");
      await until(() => visit.sentOf("focus_out").length === 1, "the focus has left the widget");
      await keyboard.press("Shift+Tab");
      await until(() => visit.sentOf("focus_in").length === 2, "and comes back");
      await keyboard.press("Shift+Tab");
      await until(() => visit.sentOf("focus_out").length === 2, "and leaves backwards");
    }));

  test("the statistics open by keyboard, also from within the view", () =>
    site.visiting(async (visit, server) => {
      await visit.show(server.page("widgets/square"));
      const statistics = visit.page.getByRole("button", { name: "Statistics" });
      await statistics.focus();
      await visit.page.keyboard.press("Enter");
      assert.equal(await statistics.getAttribute("aria-pressed"), "true");
      await visit.view.getByText("round trip").waitFor();

      await visit.view.evaluate((view) => view.focus());
      await visit.page.keyboard.press("Alt+h");
      await until(async () => (await statistics.getAttribute("aria-pressed")) === "false", "the statistics are closed");
      assert.equal(visit.sentOf("key_down").filter(({ key }) => key === "h").length, 0, "the widget does not hear of it");
    }));

  test("a widget is made and opened from the gallery", () =>
    site.visiting(async (visit, server) => {
      await visit.show(server.page());
      const { keyboard } = visit.page;
      while (!(await focused(visit)).endsWith("New widget")) await keyboard.press("Tab");
      await keyboard.press("Enter");
      await visit.page.getByRole("dialog", { name: "New widget" }).waitFor();
      await everythingHasAName(visit);

      const before = (await server.json("api/widgets")).widgets.length;
      while (!(await visit.page.getByRole("radio", { name: "Drag a square" }).isChecked())) await keyboard.press("ArrowDown");
      await keyboard.press("Enter");
      await until(async () => (await server.json("api/widgets")).widgets.length === before + 1, "the widget is made");
      await until(async () => (await focused(visit)).startsWith("link Drag a square"), "its link has the focus");
      await keyboard.press("Enter");
      await visit.page.waitForURL(/\/widgets\//);
      await visit.view.waitFor();
    }));

  test("Escape closes the dialog and gives the focus back", () =>
    site.visiting(async (visit, server) => {
      await visit.show(server.page());
      const button = visit.page.getByRole("button", { name: "New widget" });
      await button.focus();
      await visit.page.keyboard.press("Enter");
      const dialog = visit.page.getByRole("dialog");
      await dialog.waitFor();
      await visit.page.keyboard.press("Escape");
      await dialog.waitFor({ state: "hidden" });
      assert.equal(await focused(visit), "button New widget");
    }));

  test("everything in the gallery and in a widget's page has a name for screen readers", () =>
    site.visiting(async (visit, server) => {
      await visit.show(server.page());
      await everythingHasAName(visit);
      await visit.show(server.page("widgets/surface"));
      await until(async () => (await visit.page.title()).startsWith("Shaded surface"), "the page has the widget's title");
      for (const named of [/heading "Shaded surface"/, /img "Shaded surface"/, /textbox "Shaded surface"/]) {
        await until(async () => named.test(await visit.page.locator("body").ariaSnapshot()), `the page has a ${named.source}`);
      }
      await everythingHasAName(visit);
    }));
});
