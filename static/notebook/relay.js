/** A view's connection through the kernel, with the face of a WebSocket: for notebooks that reach the server in no other way. */

/** @import { Channel } from "./channel.js" */

export class RelaySocket extends EventTarget {
  /** As of a WebSocket. @type {number} */
  readyState = WebSocket.CONNECTING;
  #channel;
  #name;
  #listening = new AbortController();

  /** @param {Channel} channel */
  constructor(channel) {
    super();
    this.#channel = channel;
    this.#name = channel.relayName();
    channel.addEventListener(
      "relay",
      (event) => {
        const { detail } = /** @type {CustomEvent} */ (event);
        if (detail.relay === this.#name) this.#message(detail);
      },
      { signal: this.#listening.signal },
    );
    channel.send({ framehub: "relay_open", relay: this.#name });
  }

  /** @param {string} text */
  send(text) {
    if (this.readyState === WebSocket.OPEN) this.#channel.send({ framehub: "relay_text", relay: this.#name, text });
  }

  close() {
    if (this.readyState === WebSocket.CLOSED) return;
    this.#channel.send({ framehub: "relay_close", relay: this.#name });
    this.#end(1000, "");
  }

  /** @param {{kind: string, text?: string, bytes?: DataView, code?: number, reason?: string}} message */
  #message({ kind, text, bytes, code, reason }) {
    // What the server says may overtake the kernel's word that the relay is open, and asks for answers.
    if (kind !== "relay_closed" && this.readyState === WebSocket.CONNECTING) {
      this.readyState = WebSocket.OPEN;
      this.dispatchEvent(new Event("open"));
    }
    if (kind === "relay_text") {
      this.dispatchEvent(new MessageEvent("message", { data: text }));
    } else if (kind === "relay_bytes" && bytes) {
      // A copy: a frame's reader takes the buffer from its beginning.
      const data = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
      this.dispatchEvent(new MessageEvent("message", { data }));
    } else if (kind === "relay_closed") {
      this.#end(code ?? 1006, reason ?? "");
    }
  }

  /**
   * @param {number} code
   * @param {string} reason
   */
  #end(code, reason) {
    this.readyState = WebSocket.CLOSED;
    this.#listening.abort();
    this.dispatchEvent(new CloseEvent("close", { code, reason }));
  }
}
