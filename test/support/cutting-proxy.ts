import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

/** A way to PostgreSQL that can lose the answer to a statement that was carried out. */
export interface CuttingProxy {
  /** The same database, by this way. */
  url: string;
  /** The connection that next sends these bytes is cut before it hears anything more; the server goes on. */
  cutAfter(sent: string): void;
  readonly cuts: number;
  close(): Promise<void>;
}

export async function startCuttingProxy(target: string): Promise<CuttingProxy> {
  const url = new URL(target);
  const { hostname, port } = url;
  const open = new Set<Socket>();
  let pattern: string | null = null;
  let cuts = 0;
  const server = createServer((near) => {
    const far = connect(Number(port), hostname);
    let isDeaf = false;
    for (const socket of [near, far]) {
      open.add(socket);
      socket.on('error', () => socket.destroy());
      socket.on('close', () => open.delete(socket));
    }
    near.on('data', (chunk) => {
      if (pattern !== null && chunk.includes(pattern)) {
        pattern = null;
        isDeaf = true;
        cuts += 1;
      }
      far.write(chunk);
    });
    far.on('data', (chunk) => {
      // The answer is there, so the server is done: now the caller loses the line.
      if (isDeaf) near.destroy();
      else near.write(chunk);
    });
    near.on('close', () => far.end());
    far.on('close', () => near.end());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url.port = String((server.address() as AddressInfo).port);
  url.hostname = '127.0.0.1';
  return {
    url: url.href,
    cutAfter: (sent) => {
      pattern = sent;
    },
    get cuts() {
      return cuts;
    },
    async close() {
      for (const socket of open) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
