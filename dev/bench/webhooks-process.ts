import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { signWebhook } from '../sandbox/webhooks';
import { openCallbackConnections } from './callback-connections';
import { answerParent } from './child';

/** One callback per line of the file, in turn: the vendor's id and our reference, apart by a space. */
export interface WebhooksQuestion {
  url: string;
  secret: string;
  file: string;
  status: 'accepted' | 'delivered';
  connections: number;
  /** Callbacks a second, whether or not earlier ones have been answered; 0: as fast as they are. */
  ratePerSecond: number;
}

export interface WebhooksAnswer {
  seconds: number;
  /** Answers other than 2xx, and none at all. */
  refused: number;
  /** From the moment that a callback was due to its answer. */
  p50Ms: number;
  p99Ms: number;
  longestMs: number;
  /** Processor time that the vendor's side took. */
  cpuSeconds: number;
}

const TICK_MS = 5;

answerParent(async (question: WebhooksQuestion): Promise<WebhooksAnswer> => {
  const { url, secret, file, status, connections, ratePerSecond } = question;
  const lines = (await readFile(file, 'utf8')).split('\n').filter((line) => line !== '');
  const vendor = openCallbackConnections(url, connections);
  const waits: number[] = [];
  let refused = 0;
  const began = performance.now();
  const spent = process.cpuUsage();

  const deliver = async (line: string, dueMs: number): Promise<void> => {
    const body = callbackOf(line, status);
    const timestamp = String(Math.floor(Date.now() / 1_000));
    const signature = signWebhook(secret, timestamp, body);
    const accepted = await vendor.post(
      `X-Sandbox-Timestamp: ${timestamp}\r\nX-Sandbox-Signature: ${signature}\r\n`,
      body,
    );
    if (!accepted) refused += 1;
    waits.push(performance.now() - dueMs);
  };

  if (ratePerSecond === 0) await closedLoop(lines, connections, deliver);
  else await openLoop(lines, ratePerSecond, deliver);
  const seconds = (performance.now() - began) / 1_000;
  const { user, system } = process.cpuUsage(spent);
  vendor.close();
  waits.sort((a, b) => a - b);
  const at = (part: number): number => waits[Math.floor((waits.length - 1) * part)] ?? 0;
  return {
    seconds,
    refused,
    p50Ms: at(0.5),
    p99Ms: at(0.99),
    longestMs: at(1),
    cpuSeconds: (user + system) / 1e6,
  };
});

type Deliver = (line: string, dueMs: number) => Promise<void>;

async function closedLoop(lines: string[], connections: number, deliver: Deliver): Promise<void> {
  let next = 0;
  const loop = async (): Promise<void> => {
    for (let line = lines[next]; line !== undefined; line = lines[next]) {
      next += 1;
      await deliver(line, performance.now());
    }
  };
  await Promise.all(Array.from({ length: connections }, loop));
}

/** Due times are kept whatever the answers take, so that a slow one does not hide those behind it. */
async function openLoop(lines: string[], perSecond: number, deliver: Deliver): Promise<void> {
  const began = performance.now();
  const running: Promise<void>[] = [];
  await new Promise<void>((resolve) => {
    const timer = setInterval(() => {
      const due = ((performance.now() - began) / 1_000) * perSecond;
      while (running.length < Math.min(due, lines.length)) {
        const index = running.length;
        running.push(deliver(lines[index] ?? '', began + (index / perSecond) * 1_000));
      }
      if (running.length < lines.length) return;
      clearInterval(timer);
      resolve();
    }, TICK_MS);
  });
  await Promise.all(running);
}

function callbackOf(line: string, status: WebhooksQuestion['status']): string {
  const [id, reference] = line.split(' ');
  const occurredAt = new Date().toISOString();
  return JSON.stringify({
    events: [{ eventId: randomUUID(), id, reference, status, occurredAt }],
  });
}
