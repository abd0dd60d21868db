/** A card of the gallery: one widget. */

import { make } from "../view/dom.js";
import "../view.js";

/** @import { Kind, WidgetEntry } from "./api.js" */

/**
 * A widget of another's shows its picture to an administrator who asks for it, and to no one who may only see its numbers.
 * @param {WidgetEntry} entry
 * @param {Kind | undefined} kind
 * @param {(id: string, name: string) => void} close asks whether to close a widget
 * @returns {HTMLElement}
 */
export function cardOf({ id, title, kind: kindName, role, owner }, kind, close) {
  const name = title || kind?.title || kindName;
  const view = document.createElement("framehub-view");
  for (const [attribute, value] of Object.entries({ widget: id, label: name, fit: "fill", watch: "", plain: "", lazy: "" })) {
    view.setAttribute(attribute, value);
  }
  const text = make(
    "div",
    { class: "card-text" },
    make("h2", {}, role === "observer" ? name : make("a", { href: `widgets/${encodeURIComponent(id)}` }, name)),
    make("p", {}, kind?.description ?? ""),
  );
  if (role === "administrator" || role === "observer") {
    text.append(make("p", { class: "badge" }, owner === null ? "Nobody's" : `Of ${owner}`));
  } else if (role !== "owner") {
    const from = owner === null ? "Shared with you" : `Shared by ${owner}`;
    text.append(make("p", { class: "badge" }, `${from}, to ${role}`));
  }
  const picture = make("div", { class: "card-picture" });
  if (role === "administrator") {
    const show = make("button", { type: "button", class: "card-show", "aria-label": `Show the picture of ${name}` }, "Show picture");
    show.addEventListener("click", () => picture.replaceChildren(view));
    picture.append(show);
  } else if (role !== "observer") {
    picture.append(view);
  }
  const card = make("li", { class: "card" }, picture, text);
  // The server's own demonstrations are named after their kind, and stay.
  if (id !== kindName && (role === "owner" || role === "administrator")) {
    const button = make("button", { type: "button", class: "card-close", "aria-label": `Close ${name}`, title: "Close this widget" }, "×");
    button.addEventListener("click", () => close(id, name));
    card.append(button);
  }
  return card;
}
