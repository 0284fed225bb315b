import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface ProbeAnswer {
  status: number;
  contentType: string;
  body: string;
}

export interface Probes {
  port: number;
  stop(): Promise<void>;
}

export interface ProbesOptions {
  host: string;
  /** 0 takes a free one. */
  port: number;
  /** By path; anything else is 404. */
  answers: Readonly<Record<string, () => Promise<ProbeAnswer>>>;
}

export const jsonAnswer = (status: number, body: object): ProbeAnswer => ({
  status,
  contentType: 'application/json',
  body: JSON.stringify(body),
});

/** A listener of its own for what supervises a process: health and metrics, never reached from outside. */
export async function startProbes({ host, port, answers }: ProbesOptions): Promise<Probes> {
  const respond = async (path: string, response: ServerResponse): Promise<void> => {
    const probe = Object.hasOwn(answers, path) ? answers[path] : undefined;
    const answer =
      (await probe?.().catch(() => jsonAnswer(500, { status: 'failing' }))) ?? jsonAnswer(404, {});
    response.writeHead(answer.status, { 'content-type': answer.contentType }).end(answer.body);
  };
  const server = createServer((request, response) => void respond(request.url ?? '', response));
  server.listen(port, host);
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    async stop() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}
