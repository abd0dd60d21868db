/** The administrator's table: users, their widgets, and the views of these. Rows stay while what they show does. */

import { make } from "../view/dom.js";
import { Row } from "./row.js";
import { of, plural } from "./units.js";

/** @import { Load, Rates, UserLoad, ViewLoad, Viewer, WidgetLoad } from "./load.js" */
/** @import { Make, Shown } from "./row.js" */

/** Views are shown at first where there are no more widgets than this: else they would bury these. */
const FEW = 20;
/** So much of an id tells widgets of one title apart. */
const ID = 8;
/** From this share of a limit on it is worth noticing. */
const NEARLY = 0.9;
/** What a widget's renderer does, where that is not simply drawing. @type {Partial<Record<string, string>>} */
const STATES = { busy: "busy", error: "failed", gone: "kernel gone" };

/**
 * What its buttons ask for.
 * @typedef {object} Wishes
 * @property {(row: Row, user: string | null) => void} disconnectAll
 * @property {(user: string) => void} limit
 * @property {(row: Row, widget: string) => void} close
 * @property {(row: Row, widget: string, view: string) => void} disconnect
 */

export class Roster {
  #table;
  #wishes;
  /** By what they show. @type {Map<string, Row>} */
  #rows = new Map();
  /** By user. @type {Map<string, HTMLTableSectionElement>} */
  #bodies = new Map();
  /** What the last look found. @type {Set<string>} */
  #seen = new Set();
  #busiest = false;
  /** The places of users and widgets, while the busiest come first; else null. @type {Map<string, number> | null} */
  #places = null;
  /** @type {Load | null} */
  #load = null;
  #filter = "";

  /**
   * @param {HTMLTableElement} table
   * @param {Wishes} wishes
   */
  constructor(table, wishes) {
    this.#table = table;
    this.#wishes = wishes;
  }

  /**
   * Shows only users, widgets and kinds with this in their names.
   * @param {string} text
   */
  filter(text) {
    this.#filter = text.trim().toLowerCase();
    this.#again();
  }

  /** @param {boolean} busiest whether those come first that take most of the encoder, then of the network; else they are by name and age */
  order(busiest) {
    this.#busiest = busiest;
    this.#places = null;
    this.#again();
  }

  /** @param {Load} load */
  show(load) {
    // Rows do not move under somebody's pointer, who would press another's button.
    if (this.#busiest && !(this.#places && this.#table.matches(":hover, :focus-within"))) this.#places = placesOf(load);
    this.#load = load;
    this.#seen = new Set();
    const few = load.users.reduce((count, { widgets }) => count + widgets.length, 0) <= FEW;
    const bodies = this.#ordered(load.users, ({ user }) => keyOf(user.name)).map((user) => {
      const key = keyOf(user.user.name);
      const body = this.#bodies.get(key) ?? make("tbody");
      this.#bodies.set(key, body);
      arrange(body, this.#user(user, few));
      return body;
    });
    arrange(this.#table, [...this.#table.querySelectorAll("caption, thead"), ...bodies]);
    for (const known of [this.#rows, this.#bodies]) {
      for (const key of known.keys()) if (!this.#seen.has(key)) known.delete(key);
    }
  }

  /**
   * Takes a row out whose widget or view is gone. Who was in it goes on in the next.
   * @param {Row} row
   */
  remove({ element }) {
    const isBelow = (/** @type {Element | null} */ next) => element.className === "widget" && next?.className === "view";
    while (isBelow(element.nextElementSibling)) element.nextElementSibling?.remove();
    let next = element.nextElementSibling ?? element.previousElementSibling;
    while (next instanceof HTMLElement && next.hidden) next = next.nextElementSibling;
    element.remove();
    /** @type {HTMLElement | null | undefined} */ (next?.querySelector(".actions .ends"))?.focus();
  }

  #again() {
    if (this.#load) this.show(this.#load);
  }

  /**
   * @template Part
   * @param {Part[]} parts
   * @param {(part: Part) => string} key
   */
  #ordered(parts, key) {
    const places = this.#places;
    if (!places) return parts;
    const place = (/** @type {Part} */ part) => places.get(key(part)) ?? places.size;
    return parts.toSorted((a, b) => place(a) - place(b));
  }

  /**
   * @param {string} key
   * @param {Omit<Make, "fold">} parts of the row, if there is none yet
   * @param {Shown} shown
   * @param {boolean} visible
   */
  #row(key, parts, shown, visible) {
    this.#seen.add(key);
    const row = this.#rows.get(key) ?? new Row({ ...parts, fold: () => this.#again() });
    this.#rows.set(key, row);
    row.show(shown);
    row.element.hidden = !visible;
    return row;
  }

  /**
   * The rows of a user.
   * @param {UserLoad} load
   * @param {boolean} few
   */
  #user(load, few) {
    const { user, rates, bottleneck } = load;
    const name = user.name ?? "Everybody";
    const limited = user.name;
    const isFound = this.#finds(name);
    const found = new Set(isFound ? load.widgets : load.widgets.filter(({ widget: { title, kind, id } }) => this.#finds(title, kind, id)));
    const row = this.#row(
      keyOf(user.name),
      {
        level: "user",
        below: "Widgets",
        open: true,
        action: "Disconnect all",
        act: (row) => this.#wishes.disconnectAll(row, user.name),
        ...(limited !== null && user.limits ? { more: { action: "Limits", act: () => this.#wishes.limit(limited) } } : {}),
      },
      {
        name,
        deed: `Disconnect all views of ${name}`,
        details: detailsOf(load),
        rates,
        bottleneck,
        children: load.widgets.length,
      },
      isFound || found.size > 0,
    );
    row.button.disabled = user.taken.views === 0 || load.widgets.every(({ widget }) => !acts(widget));
    const open = row.open || !isFound;
    const widgets = this.#ordered(load.widgets, ({ widget }) => widget.id);
    return [row.element, ...widgets.flatMap((widget) => this.#widget(widget, few, open && found.has(widget)))];
  }

  /**
   * The rows of a widget.
   * @param {WidgetLoad} load
   * @param {boolean} few
   * @param {boolean} visible
   */
  #widget({ widget, rates, bottleneck, views }, few, visible) {
    const { id, kind, title, stats } = widget;
    const name = title || kind;
    const row = this.#row(
      id,
      {
        level: "widget",
        ...(acts(widget) ? { href: `widgets/${encodeURIComponent(id)}` } : {}),
        below: "Views",
        open: few,
        action: "Close",
        act: (row) => this.#wishes.close(row, id),
      },
      {
        name,
        deed: `Close ${name}`,
        state: STATES[stats.state] ?? "",
        details: [...(title ? [{ text: kind }] : []), { text: plural(views.length, "view") }, { text: id.slice(0, ID) }],
        rates,
        bottleneck,
        children: views.length,
      },
      visible,
    );
    row.actionable = acts(widget);
    return [row.element, ...views.map((view) => this.#view(view, widget, visible && row.open))];
  }

  /**
   * The row of a view.
   * @param {ViewLoad} load
   * @param {WidgetLoad["widget"]} widget
   * @param {boolean} visible
   */
  #view({ view, rates, bottleneck }, widget, visible) {
    const { id, title, kind } = widget;
    const { viewer, role, width, height } = view;
    const name = `${view.view}, ${whose(viewer)}`;
    const size = width > 0 ? `${Math.round(width)} × ${Math.round(height)}` : "no size yet";
    const act = (/** @type {Row} */ row) => this.#wishes.disconnect(row, id, view.view);
    const row = this.#row(
      `${id}/${view.view}`,
      { level: "view", open: false, action: "Disconnect", act },
      {
        name,
        deed: `Disconnect ${name}, of ${title || kind}`,
        details: [{ text: role === "watch" ? "watches" : "interacts" }, { text: size }, ...(view.visible ? [] : [{ text: "hidden" }])],
        rates,
        bottleneck,
        children: 0,
      },
      visible,
    );
    row.actionable = acts(widget);
    return row.element;
  }

  /** @param {...string} texts */
  #finds(...texts) {
    return texts.some((text) => text.toLowerCase().includes(this.#filter));
  }
}

/** @param {string | null} user */
function keyOf(user) {
  return user === null ? "everybody" : `user ${user}`;
}

/**
 * Whether the administrator may do anything with a widget, not only see its numbers.
 * @param {WidgetLoad["widget"]} widget
 */
function acts({ role }) {
  return role !== "observer";
}

/**
 * Whose a view is.
 * @param {Viewer} viewer
 */
function whose({ by, user }) {
  switch (by) {
    case "user":
      return user ?? "";
    case "link":
      return "by a link";
    case "ticket":
      return "in the notebook";
    case "kernel":
      return "through the kernel";
    default:
      return "with the key";
  }
}

/**
 * The places of all users and widgets, the busiest first.
 * @param {Load} load
 */
function placesOf(load) {
  const parts = load.users.flatMap(({ user, rates, widgets }) => [
    { key: keyOf(user.name), rates },
    ...widgets.map(({ widget, rates }) => ({ key: widget.id, rates })),
  ]);
  const by = (/** @type {Rates} */ a, /** @type {Rates} */ b) => (b.encoder ?? 0) - (a.encoder ?? 0) || (b.bytes ?? 0) - (a.bytes ?? 0);
  return new Map(parts.sort((a, b) => by(a.rates, b.rates)).map(({ key }, place) => [key, place]));
}

/**
 * What a user has, and may have.
 * @param {UserLoad} load
 */
function detailsOf({ user: { taken, memory, limits, flags, wait }, pixels, threads }) {
  const megapixels = pixels === null ? null : pixels / 1e6;
  /** @type {[number | null, number | null | undefined, string][]} */
  const parts = [
    [taken.widgets, limits?.max_widgets, taken.widgets === 1 && !limits ? "widget" : "widgets"],
    [taken.views, limits?.max_views, taken.views === 1 && !limits ? "view" : "views"],
    [taken.kernels, limits?.max_kernels, taken.kernels === 1 && !limits ? "kernel" : "kernels"],
    [memory / 2 ** 20, limits && limits.memory / 2 ** 20, "MiB"],
    [megapixels, limits && limits.pixels_per_second / 1e6, "Mpx/s"],
    ...(limits?.encoder_threads ? [/** @type {[number | null, number, string]} */ ([threads, limits.encoder_threads, "encoder threads"])] : []),
  ];
  const details = parts.map(([value, most, what]) => ({
    text: `${of(value, most)} ${what}`,
    full: value !== null && typeof most === "number" && value >= NEARLY * most,
  }));
  const isSet = limits && flags && Object.entries(flags).some(([name, flag]) => limits[/** @type {keyof typeof limits} */ (name)] !== flag);
  return [...details, ...(isSet ? [{ text: "custom limits" }] : []), ...(wait > 0 ? [{ text: "over limit, frames delayed", full: true }] : [])];
}

/**
 * Gives an element these children, in this order. Those that stay where they are keep the focus.
 * @param {Element} parent
 * @param {Element[]} children
 */
function arrange(parent, children) {
  const wanted = new Set(children);
  for (const child of [...parent.children]) if (!wanted.has(child)) child.remove();
  children.forEach((child, i) => {
    const there = parent.children[i];
    if (there !== child) parent.insertBefore(child, there ?? null);
  });
}
