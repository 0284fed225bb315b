import type { IncomingMessage } from 'node:http';

/** What a body that has not ended must at least bring in each window. */
export interface BodyPace {
  windowMs: number;
  leastBytes: number;
}

/** A small body has as long as a whole request has in Node; a large one may take hours. */
const USUAL: BodyPace = { windowMs: 300_000, leastBytes: 65_536 };

/** Cuts connections whose requests say that a body comes of which too little does, whoever it is that reads it. */
export class BodyPacer {
  readonly #open = new Map<IncomingMessage, { bytes: number; atMs: number }>();
  readonly #timer: NodeJS.Timeout;

  constructor(readonly pace: BodyPace = USUAL) {
    this.#timer = setInterval(() => this.#look(), pace.windowMs / 10);
    this.#timer.unref();
  }

  watch(request: IncomingMessage): void {
    const { headers, socket } = request;
    const hasBody =
      headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
    if (!hasBody) return;
    this.#open.set(request, { bytes: socket.bytesRead, atMs: performance.now() });
    request.once('close', () => this.#open.delete(request));
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    const nowMs = performance.now();
    for (const [request, last] of this.#open) {
      const { socket, readableLength, readableHighWaterMark } = request;
      const isRead = readableLength < readableHighWaterMark;
      if (request.complete) this.#open.delete(request);
      else if (!isRead || socket.bytesRead - last.bytes >= this.pace.leastBytes)
        this.#open.set(request, { bytes: socket.bytesRead, atMs: nowMs });
      else if (nowMs - last.atMs > this.pace.windowMs) socket.destroy();
    }
  }
}
