import { failureBody } from './accept';
import { answerControl } from './control';
import { mergeSettings } from './settings';
import type { SandboxSettings, SettingsPatch } from './settings';
import type { AcceptedFilter, AcceptedMessage } from './store';
import { getMessages, postBulk, postMessage } from './vendor';
import { listen } from './wire';
import type { Connection, WireRequest } from './wire';
import { World } from './world';
import type { JournalEntry, SandboxTotals, ShownMessage } from './world';

/*
 * A messaging vendor that stands in for the real ones, in the demo, the tests and the benchmarks.
 *
 * POST /v1/messages        {reference?, channel, to, subject?, body, template?}, `Idempotency-Key`  → 201 {id}
 * POST /v1/messages/bulk   {messages: [{…, idempotencyKey?}]}, up to 500                    → 200 {results}
 * GET  /v1/messages?reference=…                                                             → 200 {items}
 *
 * Errors are {code, message, permanent}. 4xx and 503 never accept; 500 may come after accepting.
 * Whatever is on, these numbers stage one thing each (+55 11 9 9999-00NN, or sandbox-00NN@…):
 *   every call         01 invalid_number  02 unsubscribed  03 temporarily_blocked (not permanent)
 *   first call only    04 429   05 500 before accepting   06 500 after   07 dropped after accepting
 *                      08 dropped before   09 accepted, never answered   10 accepted, reply cut
 *                      11 503   12 accepted, answered after `lateMs`
 *   status webhooks    13 failed   14 none   15 delivered and read
 */

export interface SandboxOptions extends SettingsPatch {
  /** 0, the default, takes a free one. */
  port?: number;
  /** What `Authorization: Bearer …` may say; each is an account with a rate limit of its own. */
  tokens?: string[];
}

export interface Sandbox {
  readonly url: string;
  readonly port: number;
  totals(): SandboxTotals;
  /** In the order of acceptance; a duplicate is listed again. */
  accepted(filter?: AcceptedFilter): AcceptedMessage[];
  /** The newest messages with their content (the last 1,000 at least, e-mails apart). */
  messages(): ShownMessage[];
  journal(): JournalEntry[];
  /** Throws on settings that make no sense. */
  configure(patch: SettingsPatch): void;
  /** Forgets everything accepted and counted, and goes back to the settings of the start. */
  reset(): Promise<void>;
  flushWebhooks(options?: { now?: boolean }): Promise<void>;
  /** Cuts every connection. */
  stop(): Promise<void>;
}

export const SANDBOX_TOKEN = 'sandbox-token';

let worlds = 0;

/** Starts a sandbox in this process, on the loopback address. */
export async function startSandbox(options: SandboxOptions = {}): Promise<Sandbox> {
  const { port = 0, tokens = [SANDBOX_TOKEN], ...patch } = options;
  const initial = mergeSettings(null, patch);
  let world = newWorld(initial);
  const control = {
    world: () => world,
    configure: (change: unknown) => {
      world.settings = mergeSettings(world.settings, change);
    },
    reset: async () => {
      const old = world;
      world = newWorld(initial);
      await old.webhooks.close();
    },
  };
  const accounts = new Map(tokens.map((token) => [`Bearer ${token}`, token]));
  const server = await listen(port, (request, reply) => {
    if (request.path.startsWith('/_control/')) answerControl(control, request, reply);
    else answerVendor(world, accounts, request, reply);
  });
  return {
    url: `http://127.0.0.1:${server.port}`,
    port: server.port,
    totals: () => world.totals(),
    accepted: (filter) => world.store.accepted(filter),
    messages: () => world.shown(),
    journal: () => world.journal,
    configure: control.configure,
    reset: control.reset,
    flushWebhooks: ({ now = false } = {}) => world.webhooks.flush(now),
    stop: async () => {
      await server.close();
      await world.webhooks.close();
    },
  };
}

/** Ids differ between runs, as they would at a vendor that remembers. */
function newWorld(settings: SandboxSettings): World {
  worlds += 1;
  return new World(settings, `sbx_${Date.now().toString(36)}${worlds}_`);
}

function answerVendor(
  world: World,
  accounts: Map<string, string>,
  request: WireRequest,
  reply: Connection,
): void {
  const { settings, tally } = world;
  tally.requests += 1;
  if (settings.outage !== 'none') {
    suffer(world, settings.outage, reply);
    return;
  }
  const token = accounts.get(request.headers.get('authorization') ?? '');
  if (token === undefined) {
    tally.unauthorized += 1;
    reply.send(401, failureBody('unauthorized', false));
    return;
  }
  if (request.path === '/v1/messages') {
    if (request.method === 'POST') return postMessage(world, token, request, reply);
    if (request.method === 'GET' && settings.lookup) return getMessages(world, request, reply);
  }
  if (request.path === '/v1/messages/bulk' && request.method === 'POST' && settings.bulk) {
    return postBulk(world, token, request, reply);
  }
  reply.send(404, failureBody('not_found', false));
}

function suffer(
  { tally }: World,
  outage: Exclude<SandboxSettings['outage'], 'none'>,
  reply: Connection,
): void {
  switch (outage) {
    case 'unavailable':
      tally.unavailable += 1;
      reply.send(503, failureBody('unavailable', false), 'retry-after: 1\r\n');
      return;
    case 'drop':
      tally.droppedBefore += 1;
      reply.drop();
      return;
    case 'hang':
      tally.stalled += 1;
  }
}
