/** What a server with two users tells its administrator, for tests of the page that shows it. */

/**
 * A view as the server tells of it, after so many looks.
 * @param {number} looks
 * @param {string} user
 */
function told(looks, user) {
  const time = { render: 0.001, limit: 0, queue: 0, encode: 0.002, network: 0.3, browser: 0.001 };
  const counts = { bytes: 1_000_000 * looks, confirmed_frames: 10 * looks };
  const viewer = { by: "user", user };
  return { view: "v1", viewer, role: "interact", visible: true, driver: true, width: 640, height: 480, time, bottleneck: "network", ...counts };
}

/**
 * A user with widgets, of which the last is the busiest, as the server tells of them.
 * @param {number} looks
 * @param {string} name
 * @param {number} widgets how many
 * @param {object} [set] the limits that an administrator set
 */
function userOf(looks, name, widgets, set = {}) {
  const list = Array.from({ length: widgets }, (_, i) => ({
    id: `${name}-${i}`,
    kind: "plot",
    title: `<b>Plot ${i}</b>`,
    created: i,
    stats: { confirmed_frames: 10 * looks, encode_seconds: i * looks, state: i === 0 ? "gone" : "live", at_rest: false, views: [told(looks, "root")] },
  }));
  const flags = { max_widgets: 10, max_views: 500, max_kernels: 20, pixels_per_second: 2e9, encoder_threads: null, weight: 1, memory: 256 * 2 ** 20 };
  const limits = { ...flags, ...set };
  const taken = { widgets, views: widgets, kernels: 0 };
  return { name, taken, encoder_seconds: 0.5 * widgets * looks, sent_pixels: 20e6 * looks, memory: 64 * 2 ** 20, wait: name === "bob" ? 0.2 : 0, limits, flags, widgets: list };
}

/**
 * The answer to so many looks, 2 s after the one before: `ann` and `bob` have so many widgets, each with a view.
 * @param {number} looks
 * @param {number} anns
 * @param {number} bobs
 * @param {object} [set] the limits that an administrator set for `ann`
 */
export function load(looks, anns, bobs, set) {
  const count = anns + bobs;
  const limits = { max_widgets: 1000, max_views: 1000, max_kernels: 100, max_memory: 2 ** 30 };
  const encoder = { encoder_threads: 4, encoder_jobs: 1, encoder_seconds: looks };
  const server = { time: 2 * looks, widgets: count, views: count, kernels: 0, memory: 128 * 2 ** 20, ...encoder, limits };
  return { server, users: [userOf(looks, "ann", anns, set), userOf(looks, "bob", bobs)] };
}
