import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

export interface TcpProxy {
  /** The target's address, by this way. */
  url: string;
  close(): Promise<void>;
}

/**
 * A way to a server.
 * @param wire told of both ends of each connection, and passes on what comes from either; ends are seen to here
 */
export async function startTcpProxy(
  target: string,
  wire: (near: Socket, far: Socket) => void,
): Promise<TcpProxy> {
  const url = new URL(target);
  const { hostname, port } = url;
  const open = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect(Number(port), hostname);
    for (const socket of [near, far]) {
      open.add(socket);
      socket.setNoDelay(true);
      socket.on('error', () => socket.destroy());
      socket.on('close', () => open.delete(socket));
    }
    wire(near, far);
    near.on('close', () => far.end());
    far.on('close', () => near.end());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url.hostname = '127.0.0.1';
  url.port = String((server.address() as AddressInfo).port);
  return {
    url: url.href,
    async close() {
      for (const socket of open) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
