import { Pool } from 'undici';
import type { Dispatcher } from 'undici';
import { textFor } from './messages';

export interface VendorAccount {
  url: string;
  token: string;
  connections: number;
}

export interface VendorClient {
  /** Answers the vendor's id. Throws an Error for every other answer than an acceptance. */
  send(message: { reference: string; address: string; nome: string }): Promise<string>;
  close(): Promise<void>;
}

/** The leanest client that undici allows: what the raw loop measures, and what BullMQ's worker sends with. */
export function createVendorClient({ url, token, connections }: VendorAccount): VendorClient {
  const pool = new Pool(url, { connections, pipelining: 1 });
  const headers = ['authorization', `Bearer ${token}`, 'content-type', 'application/json'];
  return {
    send: ({ reference, address, nome }) =>
      new Promise((resolve, reject) => {
        const body = JSON.stringify({
          reference,
          channel: 'sms',
          to: address,
          body: textFor(nome),
        });
        pool.dispatch(
          {
            method: 'POST',
            path: '/v1/messages',
            headers: [...headers, 'idempotency-key', reference],
            body,
          },
          new Reply(resolve, reject),
        );
      }),
    close: () => pool.close(),
  };
}

class Reply implements Dispatcher.DispatchHandler {
  #status = 0;
  #text = '';

  constructor(
    private readonly accept: (id: string) => void,
    private readonly refuse: (error: Error) => void,
  ) {}

  onRequestStart(): void {}

  onResponseStart(_controller: Dispatcher.DispatchController, status: number): void {
    this.#status = status;
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#text += chunk.toString('utf8');
  }

  onResponseEnd(): void {
    if (this.#status === 201) this.accept((JSON.parse(this.#text) as { id: string }).id);
    else this.refuse(new Error(`The vendor answered ${this.#status}: ${this.#text}`));
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.refuse(error);
  }
}
