/** How large the view is: as its traits, its page or its user say. */

/** @import { Traits } from "./types.js" */

export class Layout {
  /** The rules of one view alone: of the element, and of its stage. */
  sheet = new CSSStyleSheet();
  #stage;

  /** @param {HTMLElement} stage */
  constructor(stage) {
    this.#stage = stage;
    this.sheet.replaceSync(":host {} .stage {}");
  }

  /**
   * Sets the size: on the element where it depends on the container, else on the stage, so that the title bar comes on top. A page
   * that gives the element a smaller height shrinks the stage, which would lie over what follows.
   * @param {Traits} traits
   * @param {boolean} fills whether the view is as large as its container
   * @param {{width: number, height: number} | null} given the size that the user gave, in CSS pixels
   */
  apply({ css_width, css_height }, fills, given) {
    const fill = fills && !given;
    const width = given ? `${given.width}px` : fill ? "" : css_width;
    const height = given ? `${given.height}px` : fill ? "" : css_height;
    const relative = /%|auto|content/.test(height);
    this.#stage.classList.toggle("fluid", relative);
    const [host, stage] = [...this.sheet.cssRules].map((rule) => /** @type {CSSStyleRule} */ (rule).style);
    host?.setProperty("width", width);
    host?.setProperty("height", relative ? height : given ? "auto" : "");
    stage?.setProperty("height", relative ? "" : height);
    stage?.setProperty("flex", fill || relative ? "" : given ? "none" : "0 1 auto");
    // Only the user's own size may overrule `fit="fill"`.
    for (const name of ["width", "height"]) {
      if (given) host?.setProperty(name, host.getPropertyValue(name), "important");
    }
  }
}
