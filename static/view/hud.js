/** Figures of how the frames flow, in a corner of the picture. */

import { make } from "./dom.js";

/**
 * What the view and its transport know of the flow; what nobody measured is left out. Times in seconds.
 * @typedef {object} Stats
 * @property {number} [fps] frames a second that were drawn here
 * @property {number} [roundtrip] from sending a frame to its confirmation
 * @property {number} [delivery] from sending a frame to its arrival
 * @property {Breakdown | null} [time] where the time of the latest frames went
 * @property {keyof Breakdown | null} [bottleneck] what took most of it; null while all is quick
 * @property {number} [bytes] of a frame
 * @property {number} [in_flight] frames sent and not confirmed
 * @property {number} [skipped] frames that this view did not get since newer ones came
 * @property {number} [quality] of frames that move, 1 to 100; less than the widget's on a slow link
 * @property {number} [scale] share of the pixels a side that frames which move have; less than 1 on a slow link
 * @property {number} [frames] drawn here so far
 */

/**
 * Means over the latest frames, in seconds.
 * @typedef {object} Breakdown
 * @property {number} render drawing
 * @property {number} limit waiting since the widget's user took more than one may
 * @property {number} queue waiting for an encoder thread
 * @property {number} encode scaling and compressing
 * @property {number} network on the way, with the confirmation's way back
 * @property {number} browser decoding and drawing here
 */

/** @type {(keyof Breakdown)[]} */
const STAGES = ["render", "limit", "queue", "encode", "network", "browser"];

/** @type {[Exclude<keyof Stats, "time" | "bottleneck">, string, (value: number, ceiling: number) => string][]} */
const ROWS = [
  ["fps", "frames/s", (n) => n.toFixed(1)],
  ["roundtrip", "round trip", milliseconds],
  ["delivery", "delivery", milliseconds],
  ["bytes", "per frame", (n) => `${(n / 1000).toFixed(1)} KB`],
  ["in_flight", "in flight", String],
  ["skipped", "skipped", String],
  ["quality", "quality", qualityOf],
  ["scale", "scale", (n) => `${Math.round(n * 100)} %`],
];

export class Hud {
  element = make("dl", { class: "hud", part: "hud", "aria-label": "Statistics" });

  constructor() {
    this.element.hidden = true;
  }

  /**
   * @param {Stats} stats
   * @param {number} ceiling the quality that the widget asks for
   * @param {string} size of the frame that is shown; empty before the first
   */
  show(stats, ceiling, size) {
    const rows = ROWS.flatMap(([name, label, format]) => {
      const value = stats[name];
      return [make("dt", {}, label), make("dd", {}, value === undefined ? "–" : format(value, ceiling))];
    });
    if (size) rows.push(make("dt", {}, "pixels"), make("dd", {}, size));
    const { time, bottleneck } = stats;
    if (time) {
      for (const stage of STAGES) {
        const look = { class: stage === bottleneck ? "bottleneck" : "time" };
        rows.push(make("dt", look, stage), make("dd", look, milliseconds(time[stage])));
      }
      rows.push(make("dt", {}, "bottleneck"), make("dd", {}, bottleneck ?? "none"));
    }
    this.element.replaceChildren(...rows);
  }
}

/**
 * @param {number} quality
 * @param {number} ceiling
 */
function qualityOf(quality, ceiling) {
  if (quality === 100) return "lossless";
  return quality < ceiling ? `${quality} of ${ceiling}` : String(quality);
}

/** @param {number} seconds */
function milliseconds(seconds) {
  return `${(seconds * 1000).toFixed(1)} ms`;
}
