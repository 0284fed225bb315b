-- A person decides what became of messages in 'unknown', after the end of their execution too. p_outcome:
-- * sent: their money stays used.
-- * failed: it is given back to the budget that was charged, whatever its month; with p_retry, that execution takes them
--   over (fish are never retried).
-- * queued: given back as well, and due now in their own execution, which must not have ended: the same reference.
-- Of these positions (then of one execution), or of everybody; with p_reason, of those with this reason.
-- Nobody before the lease and the grace of the last call are over: whoever called may still write down how it went. An
-- acceptance that is proven after the money was given back is `late_acceptance`, as in settle.
-- people and refused name the first p_listed: [[execution, position], ...] and [[execution, position, why], ...], why:
-- too_early (all can be decided from decidable_at on) | not_unknown | fish.
CREATE FUNCTION dispatch_resolve(p_company uuid, p_executions uuid[], p_positions int[], p_reason text, p_outcome text,
  p_retry uuid, p_grace_ms int, p_listed int,
  OUT decided int, OUT too_early int, OUT not_unknown int, OUT fish int, OUT decidable_at timestamptz,
  OUT people json, OUT refused json)
LANGUAGE plpgsql AS $$
DECLARE
  locked dispatch_batches[];
  b dispatch_batches;
  awake int[];
  tally json;
  at timestamptz;
BEGIN
  PERFORM set_config('app.company_id', p_company::text, true);
  PERFORM pg_advisory_xact_lock_shared(execution_lock(x.id)) FROM (SELECT unnest(p_executions) AS id ORDER BY 1) x;
  -- In the order of apply_delivery_events, which locks batches of several executions too.
  SELECT array_agg(q.d) INTO locked FROM (
    SELECT d FROM dispatch_batches d JOIN campaign_executions e ON e.id = d.execution_id
      WHERE d.execution_id = ANY (p_executions) AND d.unknown > 0
        AND (p_outcome <> 'queued' OR e.state IN ('PROCESSING', 'PAUSING', 'PAUSED'))
        AND (p_positions IS NULL OR d.seq IN (SELECT batch_of(e, p) FROM unnest(p_positions) p))
      ORDER BY d.execution_id, d.seq FOR UPDATE OF d) q;
  at := clock_timestamp();

  WITH charged AS (
    -- While a batch holds or owes money it keeps its budget, so a message is charged by the first booking after its mark.
    SELECT g.execution_id, g.batch_seq, g.budget_id, g.created_at AS until,
        lag(g.created_at, 1, '-infinity') OVER (PARTITION BY g.execution_id, g.batch_seq ORDER BY g.created_at, g.id) AS since
      FROM budget_charges g WHERE g.execution_id = ANY (p_executions) AND g.kind = 'dispatch'
  ), asked AS MATERIALIZED (
    SELECT c.ledger_month, c.source_id, c.position, c.channel, d.seq, coalesce(h.budget_id, d.budget_id) AS budget_id,
        c.call_before + make_interval(secs => p_grace_ms / 1000.0) AS ends_at,
        CASE WHEN c.call_before + make_interval(secs => p_grace_ms / 1000.0) >= at THEN 'too_early'
          WHEN p_retry IS NOT NULL AND c.is_fish THEN 'fish' ELSE 'decided' END AS verdict
      FROM unnest(locked) d
        JOIN campaign_executions e ON e.id = d.execution_id
        JOIN communications c ON c.ledger_month = e.ledger_month AND c.source_id = e.id AND c.step = 0
          AND c.channel = e.channel AND c.position BETWEEN d.from_position AND d.to_position
        LEFT JOIN charged h ON h.execution_id = e.id AND h.batch_seq = d.seq
          AND c.marked_at::timestamptz(3) > h.since AND c.marked_at::timestamptz(3) <= h.until
      WHERE c.state = 'unknown' AND (p_positions IS NULL OR c.position = ANY (p_positions))
        AND (p_reason IS NULL OR c.reason = p_reason)
  ), changed AS (
    UPDATE communications c SET
        state = p_outcome,
        reason = CASE WHEN p_outcome <> 'queued' THEN CASE WHEN p_retry IS NULL THEN 'decided' ELSE 'sent_again' END END,
        permanent = CASE p_outcome WHEN 'failed' THEN false END,
        not_before = CASE p_outcome WHEN 'queued' THEN at END,
        -- If it was sent at all, then at its last mark.
        sent_at = CASE p_outcome WHEN 'sent' THEN c.marked_at END,
        failed_at = CASE p_outcome WHEN 'failed' THEN at END,
        settled_at = CASE WHEN p_outcome <> 'queued' THEN at END,
        retried_by = p_retry
      FROM asked a
      WHERE a.verdict = 'decided' AND c.ledger_month = a.ledger_month AND c.source_id = a.source_id
        AND c.position = a.position AND c.step = 0 AND c.channel = a.channel AND c.state = 'unknown'
      RETURNING c.source_id, c.position, c.channel, c.address, c.marked_at, c.cost, a.seq, a.budget_id
  ), placed AS (
    -- In the order of dispatch_touch.
    SELECT f.company_id, f.channel, f.address, c.marked_at AS touched
      FROM changed c JOIN contact_frequency f ON f.company_id = p_company AND f.channel = c.channel AND f.address = c.address
      WHERE p_outcome <> 'sent'
      ORDER BY f.address FOR UPDATE OF f
  ), untouched AS (
    UPDATE contact_frequency f SET marked_at = array_remove(f.marked_at, p.touched)
      FROM placed p WHERE f.company_id = p.company_id AND f.channel = p.channel AND f.address = p.address
  ), wrong AS (
    SELECT a.source_id, a.position, a.verdict FROM asked a WHERE a.verdict <> 'decided'
    UNION ALL
    SELECT p_executions[1], p, 'not_unknown' FROM (SELECT unnest(p_positions) EXCEPT SELECT a.position FROM asked a) q(p)
  )
  SELECT (SELECT count(*) FROM changed), count(*) FILTER (WHERE w.verdict = 'too_early'),
      count(*) FILTER (WHERE w.verdict = 'not_unknown'), count(*) FILTER (WHERE w.verdict = 'fish'),
      (SELECT max(a.ends_at) FROM asked a WHERE a.verdict = 'too_early'),
      (SELECT json_agg(json_build_array(q.source_id, q.position)) FROM (
        SELECT c.source_id, c.position FROM changed c ORDER BY 1, 2 LIMIT p_listed) q),
      (SELECT json_agg(json_build_array(q.source_id, q.position, q.verdict)) FROM (
        SELECT * FROM wrong ORDER BY 1, 2 LIMIT p_listed) q),
      (SELECT json_agg(t) FROM (
        SELECT c.source_id, c.seq, c.budget_id, count(*) AS people, count(*) FILTER (WHERE c.cost > 0) AS paid, sum(c.cost) AS amount
          FROM changed c GROUP BY 1, 2, 3) t)
    INTO decided, too_early, not_unknown, fish, decidable_at, people, refused, tally
    FROM wrong w;
  IF decided = 0 THEN
    RETURN;
  END IF;

  IF p_outcome <> 'sent' THEN
    PERFORM 1 FROM budgets g WHERE g.id IN (
        SELECT t.budget_id FROM resolved_batches(tally) t
        UNION SELECT d.budget_id FROM unnest(locked) d)
      ORDER BY g.id FOR UPDATE;
    -- What was not booked yet is booked first, so that there is one way back for all of it. A holder that finds its batch
    -- without money claims it again.
    FOR b IN SELECT d.* FROM unnest(locked) d
      WHERE (d.execution_id, d.seq) IN (SELECT t.source_id, t.seq FROM resolved_batches(tally) t)
    LOOP
      PERFORM dispatch_book(b);
    END LOOP;
    UPDATE budgets g SET used = g.used - t.amount, updated_at = now()
      FROM (SELECT r.budget_id, sum(r.amount) AS amount FROM resolved_batches(tally) r GROUP BY 1) t
      WHERE g.id = t.budget_id AND t.amount > 0;
    INSERT INTO budget_charges (company_id, budget_id, broker_id, execution_id, batch_seq, kind, amount, messages)
      SELECT p_company, t.budget_id, e.broker_id, t.source_id, t.seq, 'refund', -t.amount, -t.paid
        FROM resolved_batches(tally) t JOIN campaign_executions e ON e.id = t.source_id WHERE t.amount > 0;
    UPDATE dispatch_batches d SET booked = d.booked - t.amount
      FROM (SELECT r.source_id, r.seq, sum(r.amount) AS amount FROM resolved_batches(tally) r GROUP BY 1, 2) t
      WHERE d.execution_id = t.source_id AND d.seq = t.seq;
  END IF;

  -- A lane whose batches are all closed has ended; another one that has not comes sooner.
  SELECT array_agg(DISTINCT d.lane) INTO awake FROM dispatch_batches d
    WHERE p_outcome = 'queued' AND d.execution_id = ANY (p_executions) AND d.state <> 'closed';
  UPDATE dispatch_batches d SET
      unknown = d.unknown - t.people,
      sent = d.sent + CASE p_outcome WHEN 'sent' THEN t.people ELSE 0 END,
      failed = d.failed + CASE p_outcome WHEN 'failed' THEN t.people ELSE 0 END,
      queued = d.queued + CASE p_outcome WHEN 'queued' THEN t.people ELSE 0 END,
      next_due = CASE p_outcome WHEN 'queued' THEN least(d.next_due, at) ELSE d.next_due END,
      lane = CASE WHEN p_outcome = 'queued' AND d.state = 'closed' AND d.lane <> ALL (awake) THEN awake[1] ELSE d.lane END,
      state = CASE WHEN p_outcome = 'queued' AND d.state = 'closed' THEN 'waiting' ELSE d.state END,
      closed_at = CASE p_outcome WHEN 'queued' THEN NULL ELSE d.closed_at END
    FROM (SELECT r.source_id, r.seq, sum(r.people)::int AS people FROM resolved_batches(tally) r GROUP BY 1, 2) t
    WHERE d.execution_id = t.source_id AND d.seq = t.seq;
END $$;

-- The people decided per batch and the budget that was charged for them, as dispatch_resolve keeps them between its statements.
CREATE FUNCTION resolved_batches(tally json)
RETURNS TABLE (source_id uuid, seq int, budget_id uuid, people int, paid int, amount numeric)
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT * FROM json_to_recordset(tally) AS t(source_id uuid, seq int, budget_id uuid, people int, paid int, amount numeric)
$$;
