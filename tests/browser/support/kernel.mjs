/**
 * A kernel with one widget that it paints in one grey, or of which it only pushes frames: the far end of `api/kernel`, as far as the
 * pages' tests need it.
 */

import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { request } from "node:http";

import { KEY } from "./server.mjs";

export class Kernel {
  /** The widget's id. */
  widget = "";
  #size = { pwidth: 1, pheight: 1 };
  /** Who waits for tickets, in the order in which they asked. @type {((ticket: string) => void)[]} */
  #asked = [];
  /** What came and is no whole frame of the WebSocket yet. */
  #waiting = Buffer.alloc(0);
  #socket;
  #grey;
  #traits;

  /**
   * @param {import("node:net").Socket} socket
   * @param {number | null} grey 0 to 255; null draws nothing when asked
   * @param {Record<string, unknown>} traits of the widget
   */
  constructor(socket, grey, traits) {
    this.#socket = socket;
    this.#grey = grey;
    this.#traits = traits;
    socket.on("error", () => {});
  }

  /**
   * Connects; makes a widget unless the session has one already.
   * @param {import("./server.mjs").Server} server
   * @param {{session: string, widget?: string, grey?: number | null, traits?: Record<string, unknown>}} options `widget`: the id that it had
   *   before the server was restarted
   */
  static async start(server, { session, widget = "", grey = null, traits = { quality: 100 } }) {
    const upgrade = request(server.url("api/kernel"), {
      headers: {
        authorization: `Bearer ${KEY}`,
        connection: "Upgrade",
        upgrade: "websocket",
        "sec-websocket-key": randomBytes(16).toString("base64"),
        "sec-websocket-protocol": "framehub.kernel.v1",
        "sec-websocket-version": "13",
      },
    });
    upgrade.end();
    const [, socket] = await once(upgrade, "upgrade");
    const kernel = new Kernel(socket, grey, traits);
    kernel.widget = widget;
    const ready = new Promise((resolve) => {
      socket.on("data", (/** @type {Buffer} */ bytes) => kernel.#read(bytes, resolve));
    });
    kernel.#send(JSON.stringify({ type: "hello", session, name: "Test" }));
    await ready;
    return kernel;
  }

  /** Ends without a word. */
  kill() {
    this.#socket.destroy();
  }

  /**
   * Makes a frame the widget's latest.
   * @param {{width: number, height: number, format: "gray8" | "rgb8" | "rgba8", pixels: Buffer}} frame
   */
  push({ pixels, ...fields }) {
    this.#sendPixels({ type: "frame", widget: this.widget, ...fields }, pixels);
  }

  /**
   * A ticket that opens a view of the widget.
   * @returns {Promise<string>}
   */
  ticket() {
    return new Promise((resolve) => {
      this.#asked.push(resolve);
      this.#send(JSON.stringify({ type: "ticket", request: 2, widget: this.widget, role: "interact" }));
    });
  }

  /**
   * @param {Buffer} bytes
   * @param {(value: unknown) => void} ready
   */
  #read(bytes, ready) {
    this.#waiting = Buffer.concat([this.#waiting, bytes]);
    for (;;) {
      const frame = unframed(this.#waiting);
      if (!frame) return;
      this.#waiting = this.#waiting.subarray(frame.end);
      if (frame.opcode === 0x9) this.#send(frame.content, 0xa);
      if (frame.opcode === 0x1) this.#take(JSON.parse(frame.content.toString()), ready);
    }
  }

  /**
   * @param {{type: string, [field: string]: any}} message
   * @param {(value: unknown) => void} ready
   */
  #take(message, ready) {
    if (message.type === "welcome") {
      const before = this.widget || null;
      this.widget = message.resumed[0] ?? "";
      if (this.widget) ready(this);
      else this.#send(JSON.stringify({ type: "create", request: 1, kind: "Plot", widget: before, traits: { title: "Plot", ...this.#traits } }));
    } else if (message.type === "created") {
      this.widget = message.widget;
      ready(this);
    } else if (message.type === "ticket") {
      this.#asked.shift()?.(message.ticket);
    } else if (message.type === "turn") {
      this.#turn(message);
    }
  }

  /** @param {Record<string, any>} turn */
  #turn({ turn, events = [], may_draw, requested }) {
    for (const event of events) if (event.type === "resize") this.#size = event;
    const done = { type: "turn_done", widget: this.widget, turn, draw_time: 0, requested: false };
    if (!may_draw || !requested || this.#grey === null) {
      this.#send(JSON.stringify({ ...done, drawn: "no" }));
      return;
    }
    const { pwidth: width, pheight: height } = this.#size;
    this.#sendPixels({ ...done, drawn: "frame", width, height, format: "gray8" }, Buffer.alloc(width * height, this.#grey));
  }

  /**
   * @param {object} fields of the message's header
   * @param {Buffer} pixels
   */
  #sendPixels(fields, pixels) {
    const header = Buffer.from(JSON.stringify(fields));
    const length = Buffer.alloc(4);
    length.writeUInt32LE(header.length);
    this.#send(Buffer.concat([length, header, pixels]), 0x2);
  }

  /**
   * @param {string | Buffer} content
   * @param {number} [opcode] text unless told otherwise
   */
  #send(content, opcode = 0x1) {
    const bytes = Buffer.from(content);
    const { length } = bytes;
    // Final and masked: with zeros, which leave the content as it is.
    const head = Buffer.alloc(length < 126 ? 6 : length < 65_536 ? 8 : 14);
    head.writeUInt8(0x80 | opcode, 0);
    head.writeUInt8(0x80 | (length < 126 ? length : length < 65_536 ? 126 : 127), 1);
    if (head.length === 8) head.writeUInt16BE(length, 2);
    if (head.length === 14) head.writeBigUInt64BE(BigInt(length), 2);
    this.#socket.write(Buffer.concat([head, bytes]));
  }
}

/**
 * The first frame of what a server sent, which is not masked; null while it is incomplete.
 * @param {Buffer} bytes
 */
function unframed(bytes) {
  if (bytes.length < 2) return null;
  const short = bytes.readUInt8(1) & 0x7f;
  const start = short === 127 ? 10 : short === 126 ? 4 : 2;
  if (bytes.length < start) return null;
  const length = short === 127 ? Number(bytes.readBigUInt64BE(2)) : short === 126 ? bytes.readUInt16BE(2) : short;
  const end = start + length;
  if (bytes.length < end) return null;
  return { opcode: bytes.readUInt8(0) & 0xf, content: bytes.subarray(start, end), end };
}
