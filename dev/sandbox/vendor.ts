import { decide, failureBody, isRecord, readMessage } from './accept';
import type { Answer, Message } from './accept';
import { faultOf, latencyMs, mayStrike, NO_FAULT } from './faults';
import type { Fault } from './faults';
import type { Connection, WireRequest } from './wire';
import type { World } from './world';

const BULK_LIMIT = 500;

/** `POST /v1/messages`. */
export function postMessage(
  world: World,
  token: string,
  request: WireRequest,
  reply: Connection,
): void {
  const key = request.headers.get('idempotency-key') ?? '';
  const message = readMessage(world, parseJson(request.body), key);
  if (message === null) {
    refuseWhole(world, reply);
    return;
  }
  const { settings } = world;
  const nth = mayStrike(settings, message.to) ? world.countCall(message.reference) : 0;
  const fault = faultOf(settings, message.reference, message.to, nth);
  world.noteCall(message.reference, request.receivedAt);
  const answer = strikesBefore(fault)
    ? null
    : decide(world, token, message, fault, request.receivedAt);
  enter(world, message, fault, request.receivedAt, answer);
  const waits = answer?.after === undefined ? [] : [answer.after];
  afterLatency(world, message.reference, nth, waits, () => deliver(world, reply, answer, fault));
}

/**
 * `POST /v1/messages/bulk`: `{messages: [{…, idempotencyKey?}]}`, a result per message in order.
 * What strikes the connection for one of the messages strikes it for all.
 */
export function postBulk(
  world: World,
  token: string,
  request: WireRequest,
  reply: Connection,
): void {
  world.tally.bulkRequests += 1;
  const parsed = parseJson(request.body);
  const items: unknown = isRecord(parsed) ? parsed['messages'] : null;
  if (!Array.isArray(items) || items.length === 0 || items.length > BULK_LIMIT) {
    refuseWhole(world, reply);
    return;
  }
  const { settings } = world;
  let whole: Fault = NO_FAULT;
  const asked = items.map((item: unknown): Asked => {
    const key = isRecord(item) ? item['idempotencyKey'] : null;
    const message = readMessage(world, item, typeof key === 'string' ? key : '');
    if (message === null) return { reference: isRecord(item) ? item['reference'] : undefined };
    const nth = mayStrike(settings, message.to) ? world.countCall(message.reference) : 0;
    const fault = faultOf(settings, message.reference, message.to, nth);
    if (whole === NO_FAULT && strikesConnection(fault)) whole = fault;
    world.noteCall(message.reference, request.receivedAt);
    return { message, fault };
  });
  const waits: Promise<void>[] = [];
  const results = asked.map((one) =>
    bulkResult(world, token, one, whole, request.receivedAt, waits),
  );
  const answer = strikesBefore(whole)
    ? null
    : { status: 200, body: `{"results":[${results.join(',')}]}`, headers: '' };
  const draw = `bulk ${world.tally.bulkRequests}`;
  afterLatency(world, draw, 0, waits, () => deliver(world, reply, answer, whole));
}

type Asked = { message: Message; fault: Fault } | { reference: unknown };

function bulkResult(
  world: World,
  token: string,
  asked: Asked,
  whole: Fault,
  receivedAt: number,
  waits: Promise<void>[],
): string {
  if (!('message' in asked)) {
    world.tally.invalid += 1;
    const named = JSON.stringify({ status: 400, reference: asked.reference });
    return `${named.slice(0, -1)},${failureBody('invalid_request', true).slice(1)}`;
  }
  const { message, fault } = asked;
  const before = strikesBefore(whole);
  const answer = before ? null : decide(world, token, message, fault, receivedAt);
  enter(world, message, before ? whole : fault, receivedAt, answer);
  if (answer === null) return '';
  const { status, body, retryAfter, after } = answer;
  if (after !== undefined) waits.push(after);
  const wait = retryAfter === undefined ? '' : `"retryAfter":"${retryAfter}",`;
  return `{"status":${status},"reference":${JSON.stringify(message.reference)},${wait}${body.slice(1)}`;
}

function enter(
  { settings, journal }: World,
  { reference }: Message,
  { kind }: Fault,
  receivedAt: number,
  answer: Answer | null,
): void {
  if (!settings.journal) return;
  journal.push({ reference, receivedAt, status: answer?.status ?? null, fault: kind });
}

/** `GET /v1/messages?reference=…&reference=…`: what was accepted at least `settleMs` ago. */
export function getMessages(world: World, request: WireRequest, reply: Connection): void {
  world.tally.lookups += 1;
  const settledBefore = request.receivedAt - world.settings.settleMs;
  const items = new URLSearchParams(request.query).getAll('reference').flatMap((reference) => {
    const found = world.store.byReference(reference);
    return found === null || found.receivedAt > settledBefore ? [] : [found];
  });
  reply.send(200, JSON.stringify({ items }));
}

function refuseWhole(world: World, reply: Connection): void {
  world.tally.invalid += 1;
  reply.send(400, failureBody('invalid_request', true));
}

/** Once the latency is over and every wait has ended. */
function afterLatency(
  world: World,
  name: string,
  nth: number,
  waits: readonly Promise<void>[],
  then: () => void,
): void {
  const { latency, seed } = world.settings;
  const go = waits.length === 0 ? then : () => void Promise.all(waits).then(then);
  if (latency === null) go();
  else setTimeout(go, latencyMs(latency, seed, name, nth)).unref();
}

/** Sends the answer, or what the fault makes of it; a refusal reaches its caller whole. */
function deliver(world: World, reply: Connection, answer: Answer | null, fault: Fault): void {
  const { tally } = world;
  if (answer === null || answer.status < 300) {
    switch (fault.kind) {
      case 'unavailable':
        tally.unavailable += 1;
        reply.send(503, failureBody('unavailable', false), 'retry-after: 1\r\n');
        return;
      case 'error':
      case 'errorAfter':
        tally.errors += 1;
        reply.send(500, failureBody('internal', false));
        return;
      case 'dropBefore':
      case 'dropAfter':
        tally[fault.kind === 'dropBefore' ? 'droppedBefore' : 'droppedAfter'] += 1;
        reply.drop();
        return;
      case 'cut':
        tally.cut += 1;
        if (answer !== null) reply.cut(answer.status, answer.body);
        return;
      case 'stall':
        tally.stalled += 1;
        return;
      case 'late':
        tally.late += 1;
        setTimeout(() => sendAnswer(reply, answer), world.settings.lateMs).unref();
        return;
      case 'none':
      case 'reject':
      case 'rateLimited':
        break;
    }
  }
  sendAnswer(reply, answer);
}

function sendAnswer(reply: Connection, answer: Answer | null): void {
  if (answer !== null) reply.send(answer.status, answer.body, answer.headers);
}

/** Nothing is accepted. */
function strikesBefore({ kind }: Fault): boolean {
  return kind === 'unavailable' || kind === 'error' || kind === 'dropBefore';
}

function strikesConnection({ kind }: Fault): boolean {
  return kind !== 'none' && kind !== 'reject' && kind !== 'rateLimited';
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
