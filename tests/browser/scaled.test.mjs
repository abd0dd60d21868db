import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { useSite } from "./support/site.mjs";
import { until } from "./support/until.mjs";

const PATIENCE = { timeout: 30_000 };

/** Ways in which a page scales what is in it, as presentations do. */
const SCALES = {
  "zooms to a half": "zoom: .5",
  "zooms to one and a half": "zoom: 1.5",
  "scales to a half": "transform: scale(.5); transform-origin: 0 0",
  "scales to the double": "transform: scale(2); transform-origin: 0 0",
  "scales the axes differently": "transform: scale(1, 1.2); transform-origin: 0 0",
};

describe("a view in a page that", () => {
  const site = useSite();

  for (const [name, style] of Object.entries(SCALES)) {
    test(`${name} tells where in its picture the pointer and the wheel are`, () =>
      site.visiting(async (visit, server) => {
        const { id } = await server.create("square", { traits: { css_width: "400px", css_height: "300px" } });
        await visit.embed(server, `<div style="width: 900px; ${style}"><framehub-view widget="${id}"></framehub-view></div>`);
        const box = await visit.canvas.boundingBox();
        assert.ok(box);
        await visit.page.mouse.click(box.x + box.width / 4, box.y + box.height / 2);
        await until(() => visit.sentOf("focus_in").length > 0, "the view has the focus", PATIENCE);
        await visit.page.mouse.wheel(0, 30);
        const wheel = await until(() => visit.sentOf("wheel")[0], "the wheel is told", PATIENCE);
        const size = visit.sentOf("resize").at(-1);
        for (const { type, x, y } of [...visit.sentOf("pointer_down", "pointer_up"), wheel]) {
          const [across, down] = [x / size?.width, y / size?.height];
          assert.ok(Math.abs(across - 0.25) < 0.01 && Math.abs(down - 0.5) < 0.01, `${type} at ${across} × ${down}`);
        }
      }));

    test(`${name} is resized by its corner as far as the mouse goes`, () =>
      site.visiting(async (visit, server) => {
        const { id } = await server.create("square", { traits: { css_width: "300px", css_height: "200px" } });
        await visit.embed(server, `<div style="width: 900px; ${style}"><framehub-view widget="${id}"></framehub-view></div>`);
        const corner = visit.view.getByRole("button", { name: "Resize" });
        const at = async () => {
          const box = await corner.boundingBox();
          assert.ok(box);
          return [box.x + box.width / 2, box.y + box.height / 2];
        };
        const [x = 0, y = 0] = await at();
        await visit.page.mouse.move(x, y);
        await visit.page.mouse.down();
        await visit.page.mouse.move(x + 30, y + 24, { steps: 3 });
        await visit.page.mouse.up();
        const [toX = 0, toY = 0] = await at();
        assert.ok(Math.abs(toX - x - 30) <= 2 && Math.abs(toY - y - 24) <= 2, `the corner came ${toX - x} × ${toY - y} pixels far`);

        const width = () => visit.view.evaluate((view) => Number.parseFloat(getComputedStyle(view).width));
        const before = await width();
        await corner.press("ArrowRight");
        assert.ok(Math.abs((await width()) - before - 10) <= 1, `an arrow key makes ${before} pixels ${await width()}`);
      }));
  }
});
