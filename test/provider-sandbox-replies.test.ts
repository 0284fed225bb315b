import {
  bulkResultsOf,
  lookupResultsOf,
  sendResultOf,
} from '../providers/messaging/sandbox/replies';
import type { HttpOutcome, ReplyHeaders } from '../providers/messaging/http';

const reply = (status: number, body: unknown, headers: ReplyHeaders = {}): HttpOutcome => ({
  kind: 'response',
  status,
  headers,
  body: typeof body === 'string' ? body : JSON.stringify(body),
});

const HTML = '<html>Bad gateway</html>';

describe('what a reply proves about one message', () => {
  test.each([
    ['201 with an id', reply(201, { id: 'x' }), { kind: 'accepted', providerId: 'x' }],
    ['201 without one', reply(201, {}), { kind: 'ambiguous', code: 'BAD_REPLY' }],
    ['200 that is no JSON', reply(200, HTML), { kind: 'ambiguous', code: 'BAD_REPLY' }],
    ['200 that is JSON null', reply(200, 'null'), { kind: 'ambiguous', code: 'BAD_REPLY' }],
    ['a redirect', reply(302, ''), { kind: 'ambiguous', code: 'HTTP_302' }],
    ['408', reply(408, {}), { kind: 'ambiguous', code: 'HTTP_408' }],
    ['500', reply(500, { code: 'internal' }), { kind: 'ambiguous', code: 'HTTP_500' }],
    ['502 of a proxy', reply(502, HTML), { kind: 'ambiguous', code: 'HTTP_502' }],
    ['504 of a proxy', reply(504, HTML), { kind: 'ambiguous', code: 'HTTP_504' }],
    ['503', reply(503, HTML), { kind: 'retryLater', afterMs: 1_000, code: 'HTTP_503' }],
    [
      '429 with a wait',
      reply(429, { code: 'rate_limited' }, { 'retry-after': '3' }),
      { kind: 'retryLater', afterMs: 3_000, code: 'rate_limited' },
    ],
    ['403 of a proxy', reply(403, HTML), { kind: 'accountRefused', code: 'HTTP_403' }],
    [
      '400 in the vendor’s words',
      reply(400, { code: 'invalid_number', message: 'No.' }),
      { kind: 'rejected', code: 'invalid_number', permanent: true },
    ],
    ['413 of a proxy', reply(413, HTML), { kind: 'rejected', code: 'HTTP_413', permanent: false }],
    [
      '409 that names the message',
      reply(409, { code: 'duplicate_key', id: 'x' }),
      { kind: 'accepted', providerId: 'x' },
    ],
    [
      '409 that does not',
      reply(409, { code: 'duplicate_key' }),
      { kind: 'ambiguous', code: 'BAD_REPLY' },
    ],
  ])('%s', (_name, outcome, result) => {
    expect(sendResultOf(outcome)).toEqual(result);
  });
});

test('a bulk reply that is short, swapped or no list leaves those messages ambiguous', () => {
  const badReply = { kind: 'ambiguous', code: 'BAD_REPLY' };
  const one = { status: 201, reference: 'a', id: 'x' };
  const two = { status: 201, reference: 'b', id: 'y' };
  const accepted = { kind: 'accepted', providerId: 'x' };
  const of = (results: unknown) => bulkResultsOf(reply(200, { results }), ['a', 'b']);
  expect(of([one, two])).toEqual([accepted, { kind: 'accepted', providerId: 'y' }]);
  expect(of([one])).toEqual([accepted, badReply]);
  expect(of([two, one])).toEqual([badReply, badReply]);
  expect(of('none')).toEqual([badReply, badReply]);
  expect(bulkResultsOf(reply(500, {}), ['a'])).toEqual([{ kind: 'ambiguous', code: 'HTTP_500' }]);
});

test('a look-up reply that is no list is unavailable, never notFound', () => {
  for (const outcome of [reply(200, HTML), reply(200, { items: 1 })]) {
    expect(lookupResultsOf(outcome, ['a'])).toEqual([{ kind: 'unavailable', code: 'HTTP_200' }]);
  }
});
