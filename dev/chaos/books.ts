import { Client } from 'pg';

/**
 * Each answers the places where two records of the same thing disagree: counters and ledger, ledger and money, money
 * and budget. None may ever answer a row, whatever has happened before.
 */
const CHECKS: Readonly<Record<string, string>> = {
  'the counters of a batch are the counts of its ledger rows': `
    SELECT b.execution_id, b.seq, to_jsonb(l.*) AS ledger, to_jsonb(b.*) AS batch
      FROM dispatch_batches b CROSS JOIN LATERAL (
        SELECT
          count(*) FILTER (WHERE c.state = 'queued') AS queued, count(*) FILTER (WHERE c.state = 'sending') AS sending,
          count(*) FILTER (WHERE c.state = 'sent') AS sent, count(*) FILTER (WHERE c.state = 'delivered') AS delivered,
          count(*) FILTER (WHERE c.state = 'read') AS read, count(*) FILTER (WHERE c.state = 'clicked') AS clicked,
          count(*) FILTER (WHERE c.state = 'undelivered') AS undelivered, count(*) FILTER (WHERE c.state = 'failed') AS failed,
          count(*) FILTER (WHERE c.state = 'skipped') AS skipped, count(*) FILTER (WHERE c.state = 'unknown') AS unknown,
          count(*) FILTER (WHERE c.state = 'cancelled') AS cancelled
        FROM communications c
        WHERE c.source_id = b.execution_id AND c.position BETWEEN b.from_position AND b.to_position) l
      WHERE (l.queued, l.sending, l.sent, l.delivered, l.read, l.clicked, l.undelivered, l.failed, l.skipped, l.unknown, l.cancelled)
        IS DISTINCT FROM
        (b.queued, b.sending, b.sent, b.delivered, b.read, b.clicked, b.undelivered, b.failed, b.skipped, b.unknown, b.cancelled)`,
  'everybody before a batch’s next position has a row, and nobody from it on': `
    SELECT b.execution_id, b.seq, b.next_position, l.before, l.after
      FROM dispatch_batches b CROSS JOIN LATERAL (
        SELECT count(*) FILTER (WHERE c.position < b.next_position) AS before,
            count(*) FILTER (WHERE c.position >= b.next_position) AS after
          FROM communications c
          WHERE c.source_id = b.execution_id AND c.position BETWEEN b.from_position AND b.to_position) l
      WHERE l.before <> b.next_position - b.from_position OR l.after <> 0`,
  'no row lies outside the batches': `
    SELECT c.source_id, c.position FROM communications c
      WHERE c.source_kind = 'campaign' AND NOT EXISTS (SELECT FROM dispatch_batches b
        WHERE b.execution_id = c.source_id AND c.position BETWEEN b.from_position AND b.to_position)`,
  'held is the cost of the rows in sending': `
    SELECT b.execution_id, b.seq, b.held, l.cost FROM dispatch_batches b CROSS JOIN LATERAL (
        SELECT coalesce(sum(c.cost), 0) AS cost FROM communications c WHERE c.source_id = b.execution_id
          AND c.position BETWEEN b.from_position AND b.to_position AND c.state = 'sending') l
      WHERE l.cost <> b.held`,
  'spent and booked are the cost of the rows that are accepted or unknown': `
    SELECT b.execution_id, b.seq, b.spent, b.booked, l.cost FROM dispatch_batches b CROSS JOIN LATERAL (
        SELECT coalesce(sum(c.cost), 0) AS cost FROM communications c WHERE c.source_id = b.execution_id
          AND c.position BETWEEN b.from_position AND b.to_position
          AND c.state IN ('sent', 'delivered', 'read', 'clicked', 'undelivered', 'unknown')) l
      WHERE l.cost <> b.spent + b.booked`,
  'what batches have booked is what was charged, in money and in messages': `
    SELECT b.execution_id, b.seq, b.booked, l.amount, l.messages, p.people
      FROM dispatch_batches b
        CROSS JOIN LATERAL (SELECT coalesce(sum(g.amount), 0) AS amount, coalesce(sum(g.messages), 0) AS messages
          FROM budget_charges g WHERE g.execution_id = b.execution_id AND g.batch_seq = b.seq) l
        CROSS JOIN LATERAL (SELECT count(*) AS people FROM communications c WHERE c.source_id = b.execution_id
          AND c.position BETWEEN b.from_position AND b.to_position AND c.cost > 0
          AND c.state IN ('sent', 'delivered', 'read', 'clicked', 'undelivered', 'unknown')) p
      WHERE l.amount <> b.booked OR l.messages + b.charged_messages <> p.people`,
  'used is the sum of the charges': `
    SELECT g.id, g.used, l.amount FROM budgets g CROSS JOIN LATERAL (
        SELECT coalesce(sum(c.amount), 0) AS amount FROM budget_charges c WHERE c.budget_id = g.id) l
      WHERE l.amount <> g.used`,
  'reserved is the sum of what batches hold': `
    SELECT g.id, g.reserved, l.reserved AS held FROM budgets g CROSS JOIN LATERAL (
        SELECT coalesce(sum(b.reserved), 0) AS reserved FROM dispatch_batches b WHERE b.budget_id = g.id) l
      WHERE l.reserved <> g.reserved`,
  'no budget is overspent, and no batch': `
    SELECT g.id::text FROM budgets g WHERE g.used + g.reserved > g.budget
    UNION ALL SELECT b.execution_id::text FROM dispatch_batches b WHERE b.spent + b.held > b.reserved`,
  'a closed batch has nobody left and no money': `
    SELECT b.execution_id, b.seq FROM dispatch_batches b
      WHERE b.state = 'closed' AND (b.queued > 0 OR b.sending > 0 OR b.next_position <= b.to_position OR b.reserved <> 0)`,
  'a waiting batch will be looked at no later than its first deferred person is due': `
    SELECT b.execution_id, b.seq, b.next_due, l.due FROM dispatch_batches b CROSS JOIN LATERAL (
        SELECT min(c.not_before) AS due FROM communications c WHERE c.source_id = b.execution_id
          AND c.position BETWEEN b.from_position AND b.to_position AND c.state = 'queued') l
      WHERE (b.queued > 0 AND (b.next_due IS NULL OR l.due IS NULL OR b.next_due > l.due))
        OR (b.state = 'waiting' AND b.next_due IS NULL)`,
  'a row in sending has a mark and a lease, a deferred one a moment': `
    SELECT c.source_id, c.position, c.state FROM communications c
      WHERE (c.state = 'sending' AND (c.mark_id IS NULL OR c.call_before IS NULL OR c.marked_at IS NULL OR c.tries < 1))
        OR (c.state = 'queued' AND c.not_before IS NULL)`,
  'every ended execution has a final row for everybody': `
    SELECT e.id, e.state, l.final, l.open FROM campaign_executions e CROSS JOIN LATERAL (
        SELECT count(*) FILTER (WHERE c.state NOT IN ('queued', 'sending')) AS final,
            count(*) FILTER (WHERE c.state IN ('queued', 'sending')) AS open
          FROM communications c WHERE c.source_id = e.id) l
      WHERE e.state IN ('FINISHED', 'FAILED', 'CANCELLED') AND (l.final <> e.recipients + e.fish OR l.open <> 0
        OR EXISTS (SELECT FROM dispatch_batches b WHERE b.execution_id = e.id AND b.state <> 'closed'))`,
};

/** Their names. */
export const RULES: readonly string[] = Object.keys(CHECKS);

const ALL = Object.entries(CHECKS)
  .map(
    ([name, sql]) =>
      `SELECT '${name}' AS rule, (SELECT jsonb_agg(to_jsonb(q.*)) FROM (${sql}) q) AS found`,
  )
  .join(' UNION ALL ');

/** A rule that does not hold, with the rows that show it. */
export interface Disagreement {
  rule: string;
  found: unknown[];
}

/** The same tables with these executions only, and the budgets that only they have spent from. */
const SCOPE = `
  WITH communications AS NOT MATERIALIZED (SELECT * FROM public.communications WHERE source_id = ANY ($1)),
    dispatch_batches AS NOT MATERIALIZED (SELECT * FROM public.dispatch_batches WHERE execution_id = ANY ($1)),
    campaign_executions AS NOT MATERIALIZED (SELECT * FROM public.campaign_executions WHERE id = ANY ($1)),
    budgets AS NOT MATERIALIZED (SELECT * FROM public.budgets g WHERE EXISTS (SELECT FROM budget_charges c
      WHERE c.budget_id = g.id AND c.execution_id = ANY ($1))) `;

/**
 * Every disagreement between counters, ledger and money in this database.
 * @param executionIds all that have used their budgets; left out, everything is looked at
 */
export async function findDisagreements(
  adminUrl: string,
  executionIds?: readonly string[],
): Promise<Disagreement[]> {
  const client = new Client({ connectionString: adminUrl });
  await client.connect();
  try {
    const { rows } = await (executionIds === undefined
      ? client.query<Found>(ALL)
      : client.query<Found>(SCOPE + ALL, [executionIds]));
    return rows.flatMap(({ rule, found }) => (found === null ? [] : [{ rule, found }]));
  } finally {
    await client.end();
  }
}

interface Found {
  rule: string;
  found: unknown[] | null;
}
