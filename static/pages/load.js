/** What the server's users take, as the administrator's page shows it: two answers of the server, and the rates between them. */

/**
 * @typedef {"render" | "limit" | "queue" | "encode" | "network" | "browser"} Stage
 *
 * What `GET api/users` answers, as far as the page reads it. Counts rise.
 * @typedef {{by: "anyone" | "user" | "link" | "ticket" | "kernel", user?: string}} Viewer
 * @typedef {{view: string, viewer: Viewer, role: "interact" | "watch", visible: boolean, driver: boolean, width: number, height: number,
 *   bytes: number, confirmed_frames: number, bottleneck: Stage | null, time: Record<Stage, number> | null}} ViewAnswer
 * @typedef {{confirmed_frames: number, encode_seconds: number, state: "live" | "busy" | "error" | "gone", at_rest: boolean,
 *   views: ViewAnswer[]}} StatsAnswer
 * @typedef {{id: string, kind: string, title: string, role: "owner" | "administrator" | "interact" | "watch" | "observer", created: number,
 *   stats: StatsAnswer}} WidgetAnswer `role`: what the administrator may do with it, `observer` for no more than to see its numbers
 * @typedef {{max_widgets: number, max_views: number, max_kernels: number, pixels_per_second: number, encoder_threads: number | null,
 *   weight: number, memory: number}} Limits `encoder_threads`: null for none
 * @typedef {{name: string | null, taken: {widgets: number, views: number, kernels: number}, encoder_seconds: number, sent_pixels: number,
 *   memory: number, wait: number, limits: Limits | null, flags: Limits | null, widgets: WidgetAnswer[]}} UserAnswer
 * @typedef {{time: number, widgets: number, views: number, kernels: number, encoder_threads: number, encoder_jobs: number,
 *   encoder_seconds: number, memory: number, limits: {max_widgets: number, max_views: number, max_kernels: number, max_memory: number}}} ServerAnswer
 * @typedef {{server: ServerAnswer, users: UserAnswer[]}} Answer
 *
 * What is taken a second; null before there are two answers.
 * @typedef {object} Rates
 * @property {number | null} frames that browsers drew
 * @property {number | null} bytes sent
 * @property {number | null} encoder share of all its threads, 0 to 1
 *
 * @typedef {{view: ViewAnswer, rates: Rates, bottleneck: Stage | null}} ViewLoad
 * @typedef {{widget: WidgetAnswer, rates: Rates, bottleneck: Stage | null, views: ViewLoad[]}} WidgetLoad
 * @typedef {{user: UserAnswer, rates: Rates, bottleneck: Stage | null, pixels: number | null, threads: number | null, widgets: WidgetLoad[]}} UserLoad
 * @typedef {{server: ServerAnswer, rates: Rates, users: UserLoad[]}} Load
 */

/**
 * @param {Answer} now
 * @param {Answer | null} before
 * @returns {Load}
 */
export function loadOf(now, before) {
  const elapsed = before ? now.server.time - before.server.time : 0;
  /**
   * How fast a count rose. One that fell began anew, and so did one that was not there.
   * @param {number} count
   * @param {number} [earlier]
   */
  const rate = (count, earlier = 0) => (elapsed > 0 ? (count >= earlier ? count - earlier : count) / elapsed : null);
  const threads = now.server.encoder_threads;
  const share = (/** @type {number | null} */ used) => (used === null ? null : used / threads);

  const users = now.users.map((user) => {
    const earlier = before?.users.find(({ name }) => name === user.name);
    const known = new Map(earlier?.widgets.map((widget) => [widget.id, widget.stats]));
    const used = rate(user.encoder_seconds, earlier?.encoder_seconds);
    const encoding = user.widgets.map(({ id, stats }) => rate(stats.encode_seconds, known.get(id)?.encode_seconds));
    const all = sum(encoding);
    const widgets = user.widgets.map((widget, i) => {
      // An encode that several threads share counts once for its widget and for each thread of its user's.
      const part = all ? ((encoding[i] ?? 0) / all) * (used ?? 0) : all;
      return widgetLoad(widget, known.get(widget.id), share(part), rate);
    });
    return {
      user,
      rates: { ...sums(widgets), encoder: share(used) },
      pixels: rate(user.sent_pixels, earlier?.sent_pixels),
      threads: used,
      bottleneck: user.wait > 0 ? /** @type {const} */ ("limit") : slowest(widgets.flatMap(({ views }) => views)),
      widgets,
    };
  });
  const encoder = share(rate(now.server.encoder_seconds, before?.server.encoder_seconds));
  return { server: now.server, rates: { ...sums(users), encoder }, users };
}

/**
 * @param {WidgetAnswer} widget
 * @param {StatsAnswer | undefined} earlier
 * @param {number | null} encoder
 * @param {(count: number, earlier?: number) => number | null} rate
 * @returns {WidgetLoad}
 */
function widgetLoad(widget, earlier, encoder, rate) {
  const { stats } = widget;
  const known = new Map(earlier?.views.map((view) => [view.view, view]));
  const frames = rate(stats.confirmed_frames, earlier?.confirmed_frames);
  // What the latest frames waited for says nothing of a picture that stands still.
  const moves = frames !== 0 || !stats.at_rest;
  const views = stats.views.map((view) => {
    const before = known.get(view.view);
    const rates = { frames: rate(view.confirmed_frames, before?.confirmed_frames), bytes: rate(view.bytes, before?.bytes), encoder: null };
    return { view, rates, bottleneck: moves ? view.bottleneck : null };
  });
  const bytes = sum(views.map(({ rates }) => rates.bytes));
  return { widget, rates: { frames, bytes: frames === null ? null : bytes, encoder }, bottleneck: slowest(views), views };
}

/**
 * The bottleneck of the view whose frames take longest.
 * @param {ViewLoad[]} views
 */
function slowest(views) {
  const slow = views.filter(({ bottleneck }) => bottleneck !== null);
  const total = (/** @type {ViewLoad} */ { view }) => Object.values(view.time ?? {}).reduce((total, seconds) => total + seconds, 0);
  return slow.sort((a, b) => total(b) - total(a))[0]?.bottleneck ?? null;
}

/**
 * @param {(number | null)[]} values
 * @returns {number | null} null when one of them is unknown
 */
function sum(values) {
  return values.reduce((total, value) => (total === null || value === null ? null : total + value), /** @type {number | null} */ (0));
}

/** @param {{rates: Rates}[]} parts */
function sums(parts) {
  return { frames: sum(parts.map(({ rates }) => rates.frames)), bytes: sum(parts.map(({ rates }) => rates.bytes)) };
}
