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
  return split(header, bytesOf(data_b64.slice(data_b64.indexOf(",") + 1)), data_b64.length);
}

/**
 * @param {string} base64
 * @returns {Uint8Array<ArrayBuffer>}
 */
function bytesOf(base64) {
  // The browser's own decoder is several times as fast, where there is one.
  if ("fromBase64" in Uint8Array && typeof Uint8Array.fromBase64 === "function") return Uint8Array.fromBase64(base64);
  const binary = atob(base64);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
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
