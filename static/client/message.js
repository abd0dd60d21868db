/** Messages from the server: frames and JSON. */

/** @import { Frame, FrameHeader } from "../view/types.js" */

/**
 * Reads a binary message: the length of the header, the header, the images one after another.
 * @param {ArrayBuffer} buffer
 * @returns {Frame}
 */
export function readBinaryFrame(buffer) {
  if (buffer.byteLength < 4) throw new Error(`a frame of ${buffer.byteLength} bytes has no header`);
  const length = new DataView(buffer).getUint32(0, true);
  if (4 + length > buffer.byteLength) throw new Error(`a frame's header of ${length} bytes is longer than its message`);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  return split(header, new Uint8Array(buffer, 4 + length), buffer.byteLength);
}

/**
 * Reads a frame that came as text, for connections that carry no bytes.
 * @param {FrameHeader & {data_b64: string}} message
 * @returns {Frame}
 */
export function readTextFrame({ data_b64, ...header }) {
  const binary = atob(data_b64.slice(data_b64.indexOf(",") + 1));
  const bytes = Uint8Array.from(binary, (character) => character.charCodeAt(0));
  return split(header, bytes, data_b64.length);
}

/**
 * @param {FrameHeader} header
 * @param {Uint8Array<ArrayBuffer>} bytes
 * @param {number} size of the message
 * @returns {Frame}
 */
function split(header, bytes, size) {
  let at = 0;
  const images = header.parts.map((part) => bytes.subarray(at, (at += part.bytes)));
  if (at !== bytes.length) throw new Error(`frame ${header.index} has ${bytes.length} bytes of images instead of ${at}`);
  return { header, images, bytes: size };
}
