/** Encoded images to bitmaps, off the page's thread, with every value as the encoder was given it. */

/** @import { Frame, FrameHeader } from "./types.js" */

/**
 * A frame whose parts can be drawn at once: `bitmaps[i]` is `header.parts[i]`.
 * @typedef {{header: FrameHeader, bitmaps: ImageBitmap[]}} DecodedFrame
 */

/** @type {ImageBitmapOptions} */
const EXACT = { colorSpaceConversion: "none", premultiplyAlpha: "none", imageOrientation: "from-image" };

/**
 * @param {Frame} frame
 * @returns {Promise<DecodedFrame>} rejects when an image cannot be decoded
 */
export async function decode({ header, images }) {
  const results = await Promise.allSettled(
    header.parts.map((part, i) => createImageBitmap(new Blob([images[i] ?? ""], { type: part.mimetype }), EXACT)),
  );
  const bitmaps = results.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
  const failed = results.findIndex(({ status }) => status === "rejected");
  if (failed >= 0) {
    for (const bitmap of bitmaps) bitmap.close();
    const { mimetype, bytes } = header.parts[failed] ?? {};
    throw new Error(`frame ${header.index}: part ${failed} (${mimetype}, ${bytes} bytes) could not be decoded`);
  }
  return { header, bitmaps };
}
