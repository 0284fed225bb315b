import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

/** A way to a vendor that hands over what is posted only when the caller has given it up; look-ups pass at once. */
export interface SlowReader {
  url: string;
  /** Posts that were handed over after their caller had gone. */
  readonly held: number;
  close(): Promise<void>;
}

/** @param first so many connections are held; later ones pass */
export async function startSlowReader(target: string, first: number): Promise<SlowReader> {
  const { hostname, port } = new URL(target);
  const open = new Set<Socket>();
  let held = 0;
  const server = createServer((near) => {
    const far = connect(Number(port), hostname);
    const kept: Buffer[] = [];
    for (const socket of [near, far]) {
      open.add(socket);
      socket.on('error', () => socket.destroy());
      socket.on('close', () => open.delete(socket));
    }
    near.on('data', (chunk: Buffer) => {
      const isPost =
        kept.length > 0 || (chunk.toString('latin1').startsWith('POST') && held < first);
      if (!isPost) return void far.write(chunk);
      if (kept.length === 0) held += 1;
      kept.push(chunk);
    });
    far.on('data', (chunk) => near.write(chunk));
    near.on('close', () => far.end(Buffer.concat(kept)));
    far.on('close', () => near.end());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get held() {
      return held;
    },
    async close() {
      for (const socket of open) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
