/** Finds what a page or a dialog has to have. */

/**
 * @template {Element} Kind
 * @param {ParentNode} whole
 * @param {string} selector
 * @param {new () => Kind} kind
 * @returns {Kind}
 */
export function part(whole, selector, kind) {
  const element = whole.querySelector(selector);
  if (!(element instanceof kind)) throw new Error(`there is no ${selector}`);
  return element;
}
