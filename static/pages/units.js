/** Numbers as people read them. What is not known yet is a dash. */

const UNKNOWN = "–";

/**
 * Three digits or so.
 * @param {number} value
 */
function short(value) {
  return value === 0 || value >= 99.95 ? value.toFixed(0) : value.toFixed(value < 9.995 ? 2 : 1).replace(/\.?0+$/, "");
}

/** @param {number | null} value a second */
export function frequency(value) {
  return value === null ? UNKNOWN : value.toFixed(value > 0 && value < 9.95 ? 1 : 0);
}

/** @param {number | null} value bytes a second */
export function bandwidth(value) {
  if (value === null) return UNKNOWN;
  if (value === 0) return "0";
  return value < 999_500 ? `${short(value / 1000)} KB/s` : `${short(value / 1e6)} MB/s`;
}

/** @param {number | null} value 0 to 1 */
export function percent(value) {
  return value === null ? UNKNOWN : `${value > 0 && value < 0.01 ? "< 1" : Math.round(value * 100)} %`;
}

/**
 * A number, and the most that it may be if there is such a limit.
 * @param {number | null} value
 * @param {number | null | undefined} most
 */
export function of(value, most) {
  const known = value === null ? UNKNOWN : short(value);
  return most === null || most === undefined ? known : `${known} of ${short(most)}`;
}

/**
 * @param {number} count
 * @param {string} noun
 */
export function plural(count, noun) {
  return count === 1 ? `1 ${noun}` : `${count} ${noun}s`;
}
