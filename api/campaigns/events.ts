import { setTimeout as sleep } from 'node:timers/promises';
import { z } from '@hono/zod-openapi';
import { streamSSE, type SSEStreamingApi } from 'hono/streaming';
import { isTerminal } from '../../domain/campaigns';
import { estimatedEnd, settledOf } from '../../domain/campaign-progress';
import { readProgress } from '../../prisma/campaigns/progress';
import { getCampaign } from '../../prisma/campaigns/scope';
import { withTenant } from '../../prisma/tenant';
import { actorNow } from '../auth';
import { actorOf, type Actor, type ApiDeps } from '../context';
import { createRouter, defineRoute, IdParam } from '../routes';
import { cutUnread } from '../unread';
import { iso } from './show';
import { showProgress, type Progress } from './show-progress';
import { tags } from './verbs';

const events = defineRoute('campaigns:read', {
  method: 'get',
  path: '/{id}/events',
  tags,
  operationId: 'streamCampaignEvents',
  summary: 'Follow a campaign live',
  description:
    'Server-sent events. `progress` carries the progress of the campaign, at once and then every second while it changes; ' +
    '`end` follows when it has ended. A stream ends by itself after a quarter of an hour, and within seconds when the ' +
    'token is revoked, the campaign may no longer be seen or this process is to end; a client then comes back, and ' +
    'nothing is missed, because every event is the whole progress. Whoever reads nothing for a minute is cut off.',
  request: { params: IdParam },
  responses: {
    200: { description: 'Events', content: { 'text/event-stream': { schema: z.string() } } },
  },
});

const EVERY_MS = 1_000;
const HEARTBEAT_MS = 15_000;
/** After how long a client that was cut off comes back. */
const RETRY_MS = 2_000;
/** So that clients spread over the processes again after one of them was replaced. */
const LONGEST_MS = 15 * 60_000;
/** Some heartbeats long: only whoever does not take them in is still owed one then. */
const UNREAD_MS = 60_000;

type Shown = z.infer<typeof Progress>;

export function eventRoutes({ db, logger, isDraining = () => false }: ApiDeps) {
  return createRouter().openapi(events, async (c) => {
    const { id } = c.req.valid('param');
    const readAs = (actor: Actor): Promise<Shown> =>
      withTenant(db, actor.companyId, async (tx) => {
        const campaign = await getCampaign(tx, actor, id);
        return showProgress(campaign, await readProgress(tx, campaign));
      });
    // Whoever was let in a while ago may have been logged out, or be somebody with fewer rights.
    const read = async (): Promise<Shown> => readAs(await actorNow(db, c, 'campaigns:read'));
    // Before the first byte, so that what is not there is a 404 and not a broken stream.
    const first = await readAs(actorOf(c));
    cutUnread(c, UNREAD_MS);
    // Proxies would keep the events back until there are many.
    c.header('X-Accel-Buffering', 'no');
    const endsAt = Date.now() + LONGEST_MS;
    const mustEnd = (): boolean => isDraining() || Date.now() >= endsAt;
    return streamSSE(c, async (stream) => {
      try {
        await streamProgress(stream, first, { read, mustEnd });
      } catch (error) {
        // The client comes back and is told in the usual way what is wrong.
        logger.info({ err: error, campaignId: id }, 'a stream of events ended early');
      }
    });
  });
}

/** Ends with the campaign, with the client, or when it must. */
async function streamProgress(
  stream: SSEStreamingApi,
  first: Shown,
  { read, mustEnd }: { read: () => Promise<Shown>; mustEnd: () => boolean },
): Promise<void> {
  const gone = new AbortController();
  const { signal } = gone;
  stream.onAbort(() => gone.abort());
  let shown = first;
  let sent = '';
  let sentAt = 0;
  for (let event = 1; !signal.aborted; event += 1) {
    const data = JSON.stringify(shown);
    if (data !== sent) {
      await stream.writeSSE({ event: 'progress', id: String(event), data, retry: RETRY_MS });
      [sent, sentAt] = [data, Date.now()];
    } else if (Date.now() - sentAt >= HEARTBEAT_MS) {
      await stream.write(': still here\n\n');
      sentAt = Date.now();
    }
    if (isTerminal(shown.state)) return stream.writeSSE({ event: 'end', data: shown.state });
    const readAt = Date.now();
    await sleep(EVERY_MS, undefined, { signal }).catch(() => undefined);
    if (signal.aborted || mustEnd()) return;
    shown = withPresentRate(await read(), shown, Date.now() - readAt);
  }
}

/** Two reads say better how fast it is now than the batches that happened to end. */
function withPresentRate(now: Shown, before: Shown, passedMs: number): Shown {
  if (now.ratePerSecond === null || before.state !== 'PROCESSING') return now;
  const done = settledOf(now.counts) - settledOf(before.counts);
  const ratePerSecond = Math.round((done / passedMs) * 10_000) / 10;
  const { until = null } = now.waiting ?? {};
  const fromMs = Math.max(Date.now(), until === null ? 0 : Date.parse(until));
  const end = estimatedEnd(now.counts, ratePerSecond, fromMs);
  return { ...now, ratePerSecond, estimatedEnd: iso(end) };
}
