import type { World } from './world';
import type { Connection, WireRequest } from './wire';

/** What the sandbox offers to whoever stages something, in this process or over HTTP. */
export interface SandboxControl {
  world(): World;
  configure(patch: unknown): void;
  reset(): Promise<void>;
}

/**
 * `GET /_control/totals`, `/messages?reference=&to=&limit=`, `/accepted?prefix=&since=`, `/journal`;
 * `POST /_control/configure` (a settings patch), `/reset`, `/flush?now=1` (answers once all webhooks are sent).
 */
export function answerControl(
  control: SandboxControl,
  request: WireRequest,
  reply: Connection,
): void {
  const world = control.world();
  const query = new URLSearchParams(request.query);
  const send = (value: unknown): void => reply.send(200, JSON.stringify(value));
  switch (`${request.method} ${request.path}`) {
    case 'GET /_control/totals':
      return send(world.totals());
    case 'GET /_control/messages':
      return send({ items: shownMessages(world, query) });
    case 'GET /_control/accepted':
      return send({
        items: world.store.accepted({
          prefix: query.get('prefix') ?? '',
          sinceMs: Number(query.get('since') ?? 0),
        }),
      });
    case 'GET /_control/journal':
      return send({ items: world.journal });
    case 'POST /_control/configure':
      return configure(control, request.body, reply);
    case 'POST /_control/reset':
      void control.reset().then(() => send({}));
      return;
    case 'POST /_control/flush':
      void world.webhooks.flush(query.get('now') === '1').then(() => send(world.totals()));
      return;
    default:
      reply.send(404, JSON.stringify({ code: 'not_found' }));
  }
}

function configure(control: SandboxControl, body: string, reply: Connection): void {
  try {
    control.configure(JSON.parse(body));
    reply.send(200, JSON.stringify(control.world().settings));
  } catch (error) {
    reply.send(400, JSON.stringify({ code: 'invalid_settings', message: String(error) }));
  }
}

function shownMessages(world: World, query: URLSearchParams): unknown[] {
  const [reference, to] = [query.get('reference'), query.get('to')];
  const found = world
    .shown()
    .filter((one) => reference === null || one.reference === reference)
    .filter((one) => to === null || one.to === to);
  const counted = found.map((one) => ({
    ...one,
    count: world.store.byReference(one.reference)?.count ?? 0,
  }));
  return counted.slice(-Number(query.get('limit') ?? 100));
}
