-- What operators see across companies: figures without a name in them, and the trace that a change belongs to.

GRANT SELECT ON dispatch_batches, budgets TO regente_definer;

-- How much is open, late or nearly spent in the whole installation. Each part is bounded by what is open, or by a limit,
-- for it is asked every few seconds.
CREATE FUNCTION installation_figures()
RETURNS TABLE (figure text, state text, reason text, value double precision)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  WITH open AS MATERIALIZED (
    SELECT e.id, e.state,
        coalesce(CASE WHEN e.state IN ('PENDING', 'PROCESSING') THEN e.waiting_reason ELSE e.state_reason END, 'none') AS reason
      FROM campaign_executions e WHERE e.state NOT IN ('FINISHED', 'FAILED', 'CANCELLED')
  ), people AS (
    SELECT coalesce(sum(b.to_position - b.next_position + 1), 0) AS waiting, coalesce(sum(b.queued), 0) AS queued,
        coalesce(sum(b.sending), 0) AS sending
      FROM open o JOIN dispatch_batches b ON b.execution_id = o.id
  ), month AS (
    SELECT g.budget, g.used + g.reserved AS taken
      FROM budgets g JOIN companies c ON c.id = g.company_id
      WHERE (g.year, g.month) = (extract(year FROM now() AT TIME ZONE c.time_zone), extract(month FROM now() AT TIME ZONE c.time_zone))
  )
  SELECT 'executions', o.state, o.reason, count(*) FROM open o GROUP BY 2, 3
  UNION ALL SELECT 'people', 'waiting', NULL, p.waiting FROM people p
  UNION ALL SELECT 'people', 'queued', NULL, p.queued FROM people p
  UNION ALL SELECT 'people', 'sending', NULL, p.sending FROM people p
  UNION ALL SELECT 'outbox_due', NULL, NULL, count(*) FROM (
    SELECT FROM outbox o WHERE o.delivered_at IS NULL AND o.next_attempt_at <= now() LIMIT 10000) d
  UNION ALL SELECT 'outbox_overdue', NULL, NULL, coalesce(extract(epoch FROM now() - min(o.next_attempt_at)), 0)
    FROM outbox o WHERE o.delivered_at IS NULL AND o.next_attempt_at <= now()
  UNION ALL SELECT 'inbox_pending', NULL, NULL, count(*) FROM (
    SELECT FROM webhook_inbox w WHERE w.state = 'pending' LIMIT 100000) d
  UNION ALL SELECT 'inbox_overdue', NULL, NULL, coalesce(extract(epoch FROM now() - min(w.next_attempt_at)), 0)
    FROM webhook_inbox w WHERE w.state = 'pending' AND w.next_attempt_at <= now()
  UNION ALL SELECT 'budgets', CASE WHEN m.taken >= m.budget THEN 'exhausted' WHEN m.taken >= m.budget * 0.95 THEN 'from_95'
      WHEN m.taken >= m.budget * 0.8 THEN 'from_80' ELSE 'below_80' END, NULL, count(*) FROM month m GROUP BY 2
  UNION ALL SELECT 'ledger_months', NULL, NULL, count(*) FROM generate_series(1, 12) n
    WHERE to_regclass('communications_' || to_char(now() AT TIME ZONE 'UTC' + make_interval(months => n), 'YYYYMM')) IS NOT NULL
$$;

-- The W3C trace context of the request that made the change, while traces are on.
ALTER TABLE outbox ADD COLUMN trace_parent text;

DROP FUNCTION outbox_due(int);
CREATE FUNCTION outbox_due(p_limit int)
RETURNS TABLE (id uuid, company_id uuid, topic text, subject_id uuid, trace_parent text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT o.id, o.company_id, o.topic, o.subject_id, o.trace_parent FROM outbox o
    WHERE o.delivered_at IS NULL AND o.next_attempt_at <= now() ORDER BY o.next_attempt_at LIMIT p_limit
$$;

GRANT CREATE ON SCHEMA public TO regente_definer;
ALTER FUNCTION installation_figures() OWNER TO regente_definer;
ALTER FUNCTION outbox_due(int) OWNER TO regente_definer;
REVOKE CREATE ON SCHEMA public FROM regente_definer;
REVOKE ALL ON FUNCTION installation_figures(), outbox_due(int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION installation_figures(), outbox_due(int) TO regente_app;
