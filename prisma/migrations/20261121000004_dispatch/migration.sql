-- The statements of the dispatch that must be one round trip (ARCHITECTURE.md, One batch): claim, mark, remark,
-- settle, close, cancel, and the application of delivery events. Each sets the tenant itself, takes its locks in
-- earlier statements than those that read (a PL/pgSQL statement takes its own snapshot), and keeps the order
-- execution lock -> batch row -> message rows -> budget row -> the campaign's retries -> rows of a retry's audience.

CREATE FUNCTION execution_lock(execution uuid) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE
  AS $$ SELECT hashtextextended(execution::text, 0) $$;

-- Sets the tenant and takes the execution's lock, shared: marks share it, state changes take it alone.
CREATE FUNCTION dispatch_enter(p_company uuid, p_execution uuid) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM set_config('app.company_id', p_company::text, true);
  PERFORM pg_advisory_xact_lock_shared(execution_lock(p_execution));
END $$;

-- The batch of a position: ranges of batch_size over the audience, then over the fish behind it.
CREATE FUNCTION batch_of(e campaign_executions, p_position int) RETURNS int LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN p_position < e.recipients THEN p_position / e.batch_size
    ELSE (e.recipients + e.batch_size - 1) / e.batch_size + (p_position - e.recipients) / e.batch_size END
$$;

-- Takes the lane's next batch: raises its attempt (the fence) and reserves the cost of its people.
-- outcome: claimed | waiting (for wait_ms) | done | stopped (not PROCESSING; control_version says which).
-- first_open: the lane's first batch that is not closed. shortfall: null, or why not everybody's cost was
-- reserved: exhausted | contention. wait_ms and wait_reason of waiting and done are about the whole execution when
-- no lane has anything to do now; wait_reason is null while another lane has.
CREATE FUNCTION dispatch_claim(p_company uuid, p_execution uuid, p_lane int, p_from_seq int,
  OUT outcome text, OUT seq int, OUT attempt int, OUT sending int, OUT first_open int, OUT shortfall text,
  OUT control_version int, OUT wait_ms int, OUT wait_reason text)
LANGUAGE plpgsql AS $$
DECLARE
  e campaign_executions;
  b dispatch_batches;
  m budgets;
  need numeric;
  first_cost numeric;
  take numeric := 0;
  available numeric;
  due timestamptz;
BEGIN
  PERFORM dispatch_enter(p_company, p_execution);
  SELECT * INTO e FROM campaign_executions WHERE id = p_execution;
  control_version := e.control_version;
  IF e.state IS DISTINCT FROM 'PROCESSING' THEN
    outcome := 'stopped';
    RETURN;
  END IF;
  SELECT d.seq INTO first_open FROM dispatch_batches d
    WHERE d.execution_id = p_execution AND d.lane = p_lane AND d.seq >= p_from_seq AND d.state <> 'closed'
    ORDER BY d.seq LIMIT 1;
  SELECT d.* INTO b FROM dispatch_batches d
    WHERE d.execution_id = p_execution AND d.lane = p_lane AND d.seq >= first_open
      AND (d.state = 'open' OR (d.state = 'waiting'
        -- Nobody is left to wait for when a callback has told that the last of them was reached.
        AND (d.next_due <= clock_timestamp() OR (d.queued = 0 AND d.sending = 0))))
    ORDER BY d.seq LIMIT 1 FOR UPDATE;
  IF NOT FOUND THEN
    SELECT min(d.next_due) INTO due FROM dispatch_batches d
      WHERE d.execution_id = p_execution AND d.lane = p_lane AND d.seq >= first_open AND d.state = 'waiting';
    outcome := CASE WHEN first_open IS NULL THEN 'done' ELSE 'waiting' END;
    SELECT w.due, w.reason INTO due, wait_reason FROM dispatch_next_due(e, due) w;
    wait_ms := least(greatest(0, ceil(extract(epoch FROM due - clock_timestamp()) * 1000)), 2000000000);
    RETURN;
  END IF;

  SELECT coalesce(sum(c.cost), 0), (array_agg(c.cost ORDER BY c.position))[1] INTO need, first_cost
  FROM (
    SELECT r.position, r.units * e.price AS cost FROM campaign_recipients r
      WHERE r.audience_id = e.audience_id AND r.position BETWEEN b.next_position AND b.to_position
        AND r.skip_reason IS NULL
    UNION ALL
    SELECT l.position, l.cost FROM communications l
      WHERE b.queued > 0 AND l.ledger_month = e.ledger_month AND l.source_id = p_execution AND l.step = 0
        AND l.channel = e.channel AND l.position BETWEEN b.from_position AND b.to_position
        AND l.state = 'queued' AND l.not_before <= clock_timestamp()
  ) c;
  available := b.reserved - b.spent - b.held;
  need := need - available;
  IF need > 0 THEN
    SELECT g.* INTO m FROM budgets g
      WHERE CASE WHEN b.reserved > 0 THEN g.id = b.budget_id
        ELSE g.wallet_id = e.wallet_id
          AND g.year = extract(year FROM clock_timestamp() AT TIME ZONE e.time_zone)::int
          AND g.month = extract(month FROM clock_timestamp() AT TIME ZONE e.time_zone)::int END
      FOR UPDATE;
    IF FOUND THEN
      take := least(need, greatest(m.budget - m.used - m.reserved, 0));
      UPDATE budgets g SET reserved = g.reserved + take, updated_at = now() WHERE g.id = m.id AND take > 0;
    END IF;
    available := available + take;
    IF available < first_cost THEN
      shortfall := CASE WHEN m.id IS NULL OR m.used + b.spent + first_cost > m.budget THEN 'exhausted'
        ELSE 'contention' END;
    END IF;
  END IF;
  UPDATE dispatch_batches d SET attempt = d.attempt + 1, reserved = d.reserved + take,
      budget_id = coalesce(m.id, d.budget_id), state = 'open', claimed_at = clock_timestamp()
    WHERE d.execution_id = p_execution AND d.seq = b.seq
    RETURNING d.attempt INTO attempt;
  outcome := 'claimed';
  seq := b.seq;
  sending := b.sending;
END $$;

-- When anything of an execution is due and what it waits for; the reason is null while a batch is open. p_lane_due
-- is the asking lane's own moment and is kept when there is one.
CREATE FUNCTION dispatch_next_due(e campaign_executions, p_lane_due timestamptz, OUT due timestamptz, OUT reason text)
LANGUAGE plpgsql AS $$
DECLARE
  w dispatch_batches;
BEGIN
  due := p_lane_due;
  IF EXISTS (SELECT FROM dispatch_batches d WHERE d.execution_id = e.id AND d.state = 'open') THEN
    RETURN;
  END IF;
  SELECT d.* INTO w FROM dispatch_batches d WHERE d.execution_id = e.id AND d.state = 'waiting' ORDER BY d.next_due LIMIT 1;
  IF FOUND THEN
    due := coalesce(due, w.next_due);
    SELECT l.reason INTO reason FROM communications l
      WHERE l.ledger_month = e.ledger_month AND l.source_id = e.id AND l.step = 0 AND l.channel = e.channel
        AND l.position BETWEEN w.from_position AND w.to_position AND l.state = 'queued'
      ORDER BY l.not_before LIMIT 1;
    reason := coalesce(reason, 'reconcile');
  END IF;
END $$;

-- Marks the next people of a claimed batch: due deferred ones first, then those not reached yet.
-- outcome: marked | stopped | fenced (another attempt holds the batch, or its holder has closed it). `more`: the batch has more to mark now. `short`: the batch's money ran out.
-- messages: [[position, address, nome, cpf_cnpj, idcob_contrato, custom_message, variables], ...].
-- gated: [[state, reason], ...], one for each person who was skipped or deferred; null for nobody.
-- p_bad_row skips everybody of this call: the caller has found the one row that the database cannot take.
-- p_zones and p_opens say in which time zones sending is not allowed now and when it will be (null: never again).
CREATE FUNCTION dispatch_mark(p_company uuid, p_execution uuid, p_seq int, p_attempt int, p_mark uuid,
  p_limit int, p_lease_ms int, p_credential_version int, p_zones text[], p_opens timestamptz[], p_bad_row boolean,
  OUT outcome text, OUT call_before timestamptz, OUT more boolean, OUT short boolean, OUT gated json, OUT messages json)
LANGUAGE plpgsql AS $$
DECLARE
  e campaign_executions;
  b dispatch_batches;
  at timestamptz;
  positions int[];
  fresh boolean;
  phones text[];
  documents text[];
  addresses text[];
  capped text[] := '{}';
  capped_until timestamptz[] := '{}';
  n_sending int; n_skipped int; n_queued int; n_done int; n_cut int; cost_marked numeric; was_queued int; last_done int;
  repeats boolean;
BEGIN
  PERFORM dispatch_enter(p_company, p_execution);
  SELECT * INTO e FROM campaign_executions WHERE id = p_execution;
  IF e.state IS DISTINCT FROM 'PROCESSING' THEN
    outcome := 'stopped';
    RETURN;
  END IF;
  SELECT * INTO b FROM dispatch_batches WHERE execution_id = p_execution AND seq = p_seq FOR UPDATE;
  IF b.attempt IS DISTINCT FROM p_attempt OR b.state <> 'open' THEN
    outcome := 'fenced';
    RETURN;
  END IF;
  outcome := 'marked';
  at := clock_timestamp();
  call_before := at + make_interval(secs => p_lease_ms / 1000.0);

  fresh := b.queued = 0 OR b.next_due IS NULL OR b.next_due > at;
  IF fresh THEN
    SELECT array_agg(p) INTO positions
      FROM generate_series(b.next_position, least(b.to_position, b.next_position + p_limit - 1)) p;
  ELSE
    SELECT array_agg(q.position) INTO positions FROM (
      SELECT l.position FROM communications l
        WHERE l.ledger_month = e.ledger_month AND l.source_id = p_execution AND l.step = 0 AND l.channel = e.channel
          AND l.position BETWEEN b.from_position AND b.to_position AND l.state = 'queued' AND l.not_before <= at
        ORDER BY l.position LIMIT p_limit) q;
  END IF;
  was_queued := CASE WHEN fresh THEN 0 ELSE coalesce(cardinality(positions), 0) END;

  IF e.frequency_cap IS NOT NULL THEN
    SELECT t.capped, t.until INTO capped, capped_until FROM dispatch_touch(e, positions, at) t;
  END IF;

  -- One look-up in each list by what these people have: left to the planner, EXISTS may read a company's whole list.
  SELECT array_agg(r.phone), array_agg(r.cpf_cnpj), array_agg(r.address) INTO phones, documents, addresses
    FROM campaign_recipients r WHERE r.audience_id = e.audience_id AND r.position = ANY (positions);
  SELECT array_agg(x.phone) INTO phones FROM blocklist_entries x
    WHERE x.company_id = p_company AND x.phone = ANY (phones);
  SELECT array_agg(x.cpf_cnpj) INTO documents FROM blocklist_entries x
    WHERE x.company_id = p_company AND x.cpf_cnpj = ANY (documents);
  SELECT array_agg(x.address) INTO addresses FROM opt_outs x
    WHERE x.company_id = p_company AND x.channel = e.channel AND x.address = ANY (addresses);

  WITH priced AS MATERIALIZED (
    SELECT v.*, sum(CASE WHEN verdict = 'sending' THEN price ELSE 0 END) OVER (ORDER BY position) AS running
    FROM (
      SELECT t.*,
        CASE
          WHEN refusal IS NOT NULL THEN 'skipped'
          WHEN NOT deferred THEN 'sending'
          WHEN opens IS NULL OR opens > e.send_until THEN 'skipped'
          ELSE 'queued'
        END AS verdict
      FROM (
        SELECT r.position, r.address, r.nome, r.cpf_cnpj, r.idcob_contrato, r.custom_message, r.variables, r.is_fish,
          r.units * e.price AS price,
          CASE
            WHEN r.skip_reason IS NOT NULL THEN r.skip_reason
            WHEN r.phone = ANY (phones) OR r.cpf_cnpj = ANY (documents) THEN 'blocklist'
            WHEN r.address = ANY (addresses) THEN 'opt_out'
            WHEN e.send_until <= at THEN 'deadline'
            WHEN p_bad_row THEN 'bad_row'
          END AS refusal,
          z.zone IS NOT NULL OR f.address IS NOT NULL AS deferred,
          greatest(z.opens, f.until) AS opens,
          CASE WHEN z.zone IS NOT NULL THEN 'send_window' ELSE 'frequency_cap' END AS why
        FROM campaign_recipients r
          LEFT JOIN unnest(p_zones, p_opens) z(zone, opens) ON z.zone = r.time_zone
          LEFT JOIN unnest(capped, capped_until) f(address, until) ON f.address = r.address
        WHERE r.audience_id = e.audience_id AND r.position = ANY (positions)
      ) t
    ) v
  ), affordable AS MATERIALIZED (
    SELECT *,
      CASE verdict WHEN 'skipped' THEN coalesce(refusal, 'deadline') WHEN 'queued' THEN why END AS reason,
      CASE verdict WHEN 'skipped' THEN 0 ELSE price END AS cost,
      verdict = 'sending' AS now
    FROM priced WHERE running <= b.reserved - b.spent - b.held OR running = 0
  ), reached AS (
    -- Nobody from next_position on has a row, and the batch's lock keeps it so.
    INSERT INTO communications AS c (company_id, ledger_month, source_id, position, channel, source_kind, state, reason,
      address, cost, is_fish, mark_id, attempt, credential_version, tries, marked_at, call_before, not_before, settled_at)
    SELECT p_company, e.ledger_month, p_execution, p.position, e.channel,
      CASE e.execution_type WHEN 'test' THEN 'test' ELSE 'campaign' END, p.verdict, p.reason,
      p.address, p.cost, p.is_fish, CASE WHEN p.now THEN p_mark END, p_attempt, p_credential_version, p.now::int,
      CASE WHEN p.now THEN at END, CASE WHEN p.now THEN dispatch_mark.call_before END,
      CASE p.verdict WHEN 'queued' THEN p.opens END, CASE p.verdict WHEN 'skipped' THEN at END
    FROM affordable p WHERE fresh ORDER BY p.position
    RETURNING c.position, c.state, c.cost, c.tries
  ), due AS (
    UPDATE communications c SET state = p.verdict, reason = p.reason, cost = p.cost, mark_id = CASE WHEN p.now THEN p_mark END,
      attempt = p_attempt, credential_version = p_credential_version, tries = c.tries + p.now::int,
      marked_at = CASE WHEN p.now THEN at END, call_before = CASE WHEN p.now THEN dispatch_mark.call_before END,
      not_before = CASE p.verdict WHEN 'queued' THEN p.opens END, settled_at = CASE p.verdict WHEN 'skipped' THEN at END
      FROM affordable p
      WHERE NOT fresh AND c.ledger_month = e.ledger_month AND c.source_id = p_execution AND c.position = ANY (positions)
        AND c.position = p.position AND c.step = 0 AND c.channel = e.channel AND c.state = 'queued'
      RETURNING c.position, c.state, c.cost, c.tries
  ), marked AS (
    SELECT * FROM reached UNION ALL SELECT * FROM due
  )
  SELECT count(*) FILTER (WHERE k.state = 'sending'), count(*) FILTER (WHERE k.state = 'skipped'),
    count(*) FILTER (WHERE k.state = 'queued'), count(*), coalesce(sum(k.cost) FILTER (WHERE k.state = 'sending'), 0),
    (SELECT count(*) FROM priced) - count(*), max(k.position),
    json_agg(json_build_array(p.position, p.address, p.nome, p.cpf_cnpj, p.idcob_contrato, p.custom_message, p.variables)
      ORDER BY p.position) FILTER (WHERE k.state = 'sending'),
    json_agg(json_build_array(k.state, p.reason)) FILTER (WHERE k.state <> 'sending'),
    coalesce(bool_or(k.state = 'sending' AND k.tries > 1), false)
  INTO n_sending, n_skipped, n_queued, n_done, cost_marked, n_cut, last_done, messages, gated, repeats
  FROM marked k JOIN affordable p USING (position);

  IF e.frequency_cap IS NOT NULL THEN
    -- These rows are locked since dispatch_touch.
    UPDATE contact_frequency f SET marked_at = array_remove(f.marked_at, at)
      FROM campaign_recipients r
      WHERE r.audience_id = e.audience_id AND r.position = ANY (positions) AND f.company_id = p_company
        AND f.channel = e.channel AND f.address = r.address AND NOT EXISTS (
          SELECT FROM communications c WHERE c.ledger_month = e.ledger_month AND c.source_id = p_execution
            AND c.position = r.position AND c.step = 0 AND c.channel = e.channel AND c.mark_id = p_mark);
  END IF;

  UPDATE dispatch_batches d SET
      next_position = CASE WHEN fresh THEN greatest(d.next_position, coalesce(last_done + 1, d.next_position)) ELSE d.next_position END,
      sending = d.sending + n_sending, skipped = d.skipped + n_skipped,
      queued = d.queued + n_queued - CASE WHEN fresh THEN 0 ELSE n_done END,
      held = d.held + cost_marked,
      next_due = CASE WHEN n_queued > 0 OR NOT fresh THEN (
        SELECT min(l.not_before) FROM communications l
          WHERE l.ledger_month = e.ledger_month AND l.source_id = p_execution AND l.step = 0 AND l.channel = e.channel
            AND l.position BETWEEN d.from_position AND d.to_position AND l.state = 'queued') ELSE d.next_due END,
      repeat_before = CASE WHEN repeats THEN greatest(d.repeat_before, dispatch_mark.call_before) ELSE d.repeat_before END
    WHERE d.execution_id = p_execution AND d.seq = p_seq
    RETURNING d.next_position <= d.to_position OR (d.queued > 0 AND d.next_due <= at) INTO more;
  more := coalesce(more, false);
  short := n_cut > 0;
  -- Whoever was due may have been reached meanwhile, by an acceptance that came late: next_due is right again now.
  IF more AND n_done = 0 AND NOT short AND p_limit > 0 AND (fresh OR positions IS NOT NULL) THEN
    -- Asked again, it would find the same: better a loud error than a lane that turns in a circle.
    RAISE EXCEPTION 'batch % of execution % has people to mark whom the audience lacks', p_seq, p_execution;
  END IF;
END $$;

-- Counts a mark against the frequency cap of each address, one address one row, so that two campaigns cannot
-- both take the last place. A place is known by its moment, the row's marked_at, so that it can be given back.
-- Answers those who are over it, and until when. Fish are counted by no cap: they receive every campaign.
CREATE FUNCTION dispatch_touch(e campaign_executions, positions int[], mark_time timestamptz,
  OUT capped text[], OUT until timestamptz[])
LANGUAGE plpgsql AS $$
DECLARE
  touched text[];
BEGIN
  WITH touch AS (
    INSERT INTO contact_frequency AS f (company_id, channel, address, marked_at)
    SELECT e.company_id, e.channel, r.address, ARRAY[mark_time] FROM campaign_recipients r
      WHERE r.audience_id = e.audience_id AND r.position = ANY (positions) AND NOT r.is_fish
      ORDER BY r.address
    ON CONFLICT (company_id, channel, address) DO UPDATE SET
      marked_at = (SELECT coalesce(array_agg(t), '{}') FROM unnest(f.marked_at) t WHERE t > mark_time - e.frequency_period) || mark_time
      WHERE (SELECT count(*) FROM unnest(f.marked_at) t WHERE t > mark_time - e.frequency_period) < e.frequency_cap
    RETURNING f.address
  )
  SELECT coalesce(array_agg(address), '{}') INTO touched FROM touch;
  -- In a later statement, which sees what whoever was waited for has written.
  -- The place is free again when the oldest of the last `frequency_cap` marks leaves the period.
  SELECT coalesce(array_agg(f.address), '{}'),
      coalesce(array_agg((SELECT min(t) FROM (SELECT t FROM unnest(f.marked_at) t ORDER BY t DESC LIMIT e.frequency_cap) l(t))
        + e.frequency_period), '{}')
    INTO capped, until
    FROM campaign_recipients r JOIN contact_frequency f
      ON f.company_id = e.company_id AND f.channel = e.channel AND f.address = r.address
    WHERE r.audience_id = e.audience_id AND r.position = ANY (positions) AND NOT r.is_fish
      AND r.address <> ALL (touched);
END $$;

-- Takes rows left in 'sending' for a repeat with the same key: those whose call the caller itself has seen end
-- (p_ended_marks), and those of anybody else once lease and grace are over. The gate was passed at the first
-- mark; only the state of the campaign counts. Answers as dispatch_mark.
CREATE FUNCTION dispatch_remark(p_company uuid, p_execution uuid, p_seq int, p_attempt int, p_mark uuid,
  p_positions int[], p_ended_marks uuid[], p_lease_ms int, p_grace_ms int,
  OUT outcome text, OUT call_before timestamptz, OUT messages json)
LANGUAGE plpgsql AS $$
DECLARE
  e campaign_executions;
  b dispatch_batches;
  at timestamptz;
BEGIN
  PERFORM dispatch_enter(p_company, p_execution);
  SELECT * INTO e FROM campaign_executions WHERE id = p_execution;
  IF e.state IS DISTINCT FROM 'PROCESSING' THEN
    outcome := 'stopped';
    RETURN;
  END IF;
  SELECT * INTO b FROM dispatch_batches WHERE execution_id = p_execution AND seq = p_seq FOR UPDATE;
  IF b.attempt IS DISTINCT FROM p_attempt OR b.state <> 'open' THEN
    outcome := 'fenced';
    RETURN;
  END IF;
  outcome := 'marked';
  at := clock_timestamp();
  call_before := at + make_interval(secs => p_lease_ms / 1000.0);
  WITH marked AS (
    UPDATE communications c SET mark_id = p_mark, attempt = p_attempt, tries = c.tries + 1,
        call_before = dispatch_remark.call_before
      WHERE c.ledger_month = e.ledger_month AND c.source_id = p_execution AND c.step = 0 AND c.channel = e.channel
        AND c.position = ANY (p_positions) AND c.state = 'sending'
        AND (c.mark_id = ANY (p_ended_marks) OR c.call_before + make_interval(secs => p_grace_ms / 1000.0) < at)
      RETURNING c.position
  )
  SELECT json_agg(json_build_array(r.position, r.address, r.nome, r.cpf_cnpj, r.idcob_contrato, r.custom_message, r.variables)
      ORDER BY r.position) INTO messages
    FROM marked JOIN campaign_recipients r ON r.audience_id = e.audience_id AND r.position = marked.position;
  UPDATE dispatch_batches d SET repeat_before = greatest(d.repeat_before, dispatch_remark.call_before)
    WHERE d.execution_id = p_execution AND d.seq = p_seq AND messages IS NOT NULL;
END $$;

-- Writes down what became of called messages, once, with the money.
-- outcomes: sent | failed | queued (surely not called or refused for now; due after p_delays_ms) | unknown.
-- A positive result always applies; any other only with the mark it belongs to, or (p_mark null: reconcile)
-- by the holder of the fence once the lease and the grace are over. An acceptance that comes after its money was
-- released is written down as `late_acceptance`, at no cost; also of somebody who was called, put back, and then skipped
-- by the gate. A try that was answered does not count. Answers how many rows changed, for how many of them
-- it was late, and how many have got a second vendor id. Vendor ids get rows of their own where callbacks may carry
-- nothing else (p_keep_ids), and wherever a message has two of them.
CREATE FUNCTION dispatch_settle(p_company uuid, p_execution uuid, p_seq int, p_attempt int, p_mark uuid, p_grace_ms int,
  p_positions int[], p_outcomes text[], p_provider_ids text[], p_codes text[], p_permanent boolean[], p_delays_ms int[],
  p_durable boolean, p_keep_ids boolean,
  OUT changed int, OUT second_ids int, OUT late int)
LANGUAGE plpgsql AS $$
DECLARE
  e campaign_executions;
  b dispatch_batches;
  at timestamptz;
BEGIN
  PERFORM set_config('app.company_id', p_company::text, true);
  IF NOT p_durable THEN
    PERFORM set_config('synchronous_commit', 'off', true);
  END IF;
  changed := 0;
  second_ids := 0;
  late := 0;
  SELECT * INTO e FROM campaign_executions WHERE id = p_execution;
  IF NOT FOUND THEN
    RETURN;
  END IF;
  SELECT * INTO b FROM dispatch_batches WHERE execution_id = p_execution AND seq = p_seq FOR UPDATE;
  at := clock_timestamp();
  WITH input AS (
    SELECT i.position, i.outcome, i.provider_id, i.code, i.permanent,
        CASE i.outcome WHEN 'queued' THEN at + make_interval(secs => coalesce(i.delay_ms, 0) / 1000.0) END AS not_before
      FROM unnest(p_positions, p_outcomes, p_provider_ids, p_codes, p_permanent, p_delays_ms)
        AS i(position, outcome, provider_id, code, permanent, delay_ms)
  ), settled AS (
    UPDATE communications c SET
        state = i.outcome,
        reason = CASE WHEN i.outcome = 'sent' AND c.state NOT IN ('sending', 'unknown') THEN 'late_acceptance' ELSE i.code END,
        permanent = i.permanent,
        not_before = i.not_before,
        cost = CASE WHEN i.outcome = 'sent' AND c.state NOT IN ('sending', 'unknown') THEN 0 ELSE c.cost END,
        provider_message_id = coalesce(i.provider_id, c.provider_message_id),
        sent_at = CASE i.outcome WHEN 'sent' THEN at END,
        failed_at = CASE i.outcome WHEN 'failed' THEN at END,
        settled_at = CASE WHEN i.outcome IN ('sent', 'failed') THEN at END,
        tries = c.tries - (i.outcome = 'queued' AND i.code IS DISTINCT FROM 'not_found')::int,
        -- Whoever called says that the call is over.
        call_before = CASE WHEN i.outcome = 'unknown' OR c.mark_id IS DISTINCT FROM p_mark THEN c.call_before END
      FROM input i
      -- The array is an index condition whatever the planner believes about the size of the ledger; the join alone is not.
      WHERE c.ledger_month = e.ledger_month AND c.source_id = p_execution AND c.position = ANY (p_positions)
        AND c.position = i.position AND c.step = 0 AND c.channel = e.channel
        AND ((i.outcome = 'sent' AND (c.state IN ('sending', 'unknown', 'queued', 'failed', 'cancelled')
            OR (c.state = 'skipped' AND c.tries > 0)))
          OR (c.state = 'sending' AND c.mark_id = p_mark)
          OR (c.state = 'sending' AND p_mark IS NULL AND b.attempt = p_attempt
            AND c.call_before + make_interval(secs => p_grace_ms / 1000.0) < at))
      RETURNING c.position, old.state AS before, new.state AS after, old.cost AS cost, old.marked_at AS touched, c.address
  ), ids AS (
    INSERT INTO provider_messages (company_id, credential_id, provider_id, ledger_month, source_id, position, step, channel)
    SELECT p_company, e.credential_id, i.provider_id, e.ledger_month, p_execution, i.position, 0, e.channel
      FROM input i WHERE p_keep_ids AND i.provider_id IS NOT NULL
    ON CONFLICT (credential_id, provider_id) DO NOTHING
  ), placed AS (
    -- In the order of dispatch_touch.
    SELECT f.address, s.touched
      FROM settled s JOIN contact_frequency f ON f.company_id = p_company AND f.channel = e.channel AND f.address = s.address
      WHERE e.frequency_cap IS NOT NULL AND s.before = 'sending' AND s.after IN ('failed', 'queued')
      ORDER BY f.address FOR UPDATE OF f
  ), untouched AS (
    UPDATE contact_frequency f SET marked_at = array_remove(f.marked_at, p.touched)
      FROM placed p WHERE f.company_id = p_company AND f.channel = e.channel AND f.address = p.address
  ), tally AS (
    SELECT count(*) AS n,
      count(*) FILTER (WHERE before = 'sending') AS left_sending,
      count(*) FILTER (WHERE before = 'unknown') AS left_unknown,
      count(*) FILTER (WHERE before = 'queued') AS left_queued,
      count(*) FILTER (WHERE before = 'failed') AS left_failed,
      count(*) FILTER (WHERE before = 'cancelled') AS left_cancelled,
      count(*) FILTER (WHERE before = 'skipped') AS left_skipped,
      count(*) FILTER (WHERE after = 'sent') AS now_sent,
      count(*) FILTER (WHERE after = 'failed') AS now_failed,
      count(*) FILTER (WHERE after = 'queued') AS now_queued,
      count(*) FILTER (WHERE after = 'unknown') AS now_unknown,
      count(*) FILTER (WHERE before = 'sending' AND after IN ('sent', 'unknown')) AS charged,
      coalesce(sum(cost) FILTER (WHERE before = 'sending'), 0) AS released,
      coalesce(sum(cost) FILTER (WHERE before = 'sending' AND after IN ('sent', 'unknown')), 0) AS spent
    FROM settled
  ), counted AS (
    UPDATE dispatch_batches d SET
        sending = d.sending - t.left_sending, unknown = d.unknown - t.left_unknown + t.now_unknown,
        queued = d.queued - t.left_queued + t.now_queued, cancelled = d.cancelled - t.left_cancelled,
        skipped = d.skipped - t.left_skipped,
        sent = d.sent + t.now_sent, failed = d.failed - t.left_failed + t.now_failed,
        held = d.held - t.released, spent = d.spent + t.spent, charged_messages = d.charged_messages + t.charged,
        late = d.late + t.left_queued + t.left_failed + t.left_cancelled + t.left_skipped,
        next_due = CASE WHEN t.now_queued > 0 THEN least(d.next_due, (SELECT min(i.not_before) FROM input i WHERE i.outcome = 'queued'))
          ELSE d.next_due END
      FROM tally t
      WHERE d.execution_id = p_execution AND d.seq = p_seq AND t.n > 0
      RETURNING d.*, t.left_queued
  ), told AS (
    INSERT INTO outbox (company_id, topic, subject_id) SELECT p_company, 'execution', p_execution
      FROM counted d WHERE d.left_queued > 0 AND d.state = 'waiting' AND d.queued = 0 AND d.sending = 0
  )
  SELECT t.n, t.left_queued + t.left_failed + t.left_cancelled + t.left_skipped INTO changed, late FROM tally t;
  IF late > 0 THEN
    PERFORM spare_retried(e, p_positions);
  END IF;
  IF changed < cardinality(p_positions) THEN
    -- A callback came first and has settled the row, perhaps without naming the vendor's id.
    UPDATE communications c SET provider_message_id = i.provider_id
      FROM unnest(p_positions, p_provider_ids) i(position, provider_id)
      WHERE c.ledger_month = e.ledger_month AND c.source_id = p_execution AND c.position = ANY (p_positions)
        AND c.position = i.position AND c.step = 0 AND c.channel = e.channel
        AND i.provider_id IS NOT NULL AND c.provider_message_id IS NULL;
    WITH second AS (
      SELECT c.position, c.provider_message_id, i.provider_id
        FROM unnest(p_positions, p_provider_ids) i(position, provider_id)
          JOIN communications c ON c.ledger_month = e.ledger_month AND c.source_id = p_execution AND c.position = i.position
            AND c.step = 0 AND c.channel = e.channel
        WHERE c.position = ANY (p_positions) AND c.settled_at IS NOT NULL AND c.provider_message_id <> i.provider_id
    ), kept AS (
      INSERT INTO provider_messages (company_id, credential_id, provider_id, ledger_month, source_id, position, step, channel)
      SELECT p_company, e.credential_id, id, e.ledger_month, p_execution, s.position, 0, e.channel
        FROM second s, unnest(ARRAY[s.provider_message_id, s.provider_id]) id
      ON CONFLICT (credential_id, provider_id) DO NOTHING
    )
    SELECT count(*) INTO second_ids FROM second;
  END IF;
END $$;

CREATE FUNCTION retries_lock(campaign uuid) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE
  AS $$ SELECT hashtextextended('retries of ' || campaign, 0) $$;

-- Whoever of these people a retry has taken, and who turns out to have the first message, is skipped by the mark of the
-- retry, and of the retry that has taken them from that one.
CREATE FUNCTION spare_retried(e campaign_executions, positions int[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  -- A retry that is being opened is waited for, after which the next statement sees whom it has taken; one that comes
  -- later waits, and copies what is written here.
  PERFORM pg_advisory_xact_lock_shared(retries_lock(e.campaign_id));
  WITH RECURSIVE taken AS (
    SELECT c.retried_by AS execution_id, c.address FROM communications c
      WHERE c.ledger_month = e.ledger_month AND c.source_id = e.id AND c.step = 0 AND c.channel = e.channel
        AND c.position = ANY (positions) AND c.retried_by IS NOT NULL AND c.state <> 'failed'
    UNION
    SELECT l.retried_by, t.address FROM taken t
        JOIN campaign_executions n ON n.id = t.execution_id
        JOIN campaign_recipients r ON r.audience_id = n.audience_id AND r.address = t.address
        JOIN communications l ON l.ledger_month = n.ledger_month AND l.source_id = n.id AND l.position = r.position
          AND l.step = 0 AND l.channel = n.channel
      WHERE l.retried_by IS NOT NULL
  )
  UPDATE campaign_recipients r SET skip_reason = 'late_acceptance'
    FROM (SELECT k.audience_id, k.position FROM taken t
        JOIN campaign_executions n ON n.id = t.execution_id
        JOIN campaign_recipients k ON k.audience_id = n.audience_id AND k.address = t.address
      ORDER BY k.audience_id, k.position FOR UPDATE OF k) spared
    WHERE r.audience_id = spared.audience_id AND r.position = spared.position;
END $$;

-- The rows of a batch in 'sending': [[position, mark_id, marked_at, call_before, credential_version, tries], ...].
-- Waits for a mark or a settle of the batch that is under way.
CREATE FUNCTION dispatch_open_rows(p_company uuid, p_execution uuid, p_seq int, OUT now timestamptz, OUT open json)
LANGUAGE plpgsql AS $$
BEGIN
  PERFORM set_config('app.company_id', p_company::text, true);
  PERFORM 1 FROM dispatch_batches WHERE execution_id = p_execution AND seq = p_seq FOR SHARE;
  now := clock_timestamp();
  SELECT json_agg(json_build_array(c.position, c.mark_id, c.marked_at, c.call_before, c.credential_version, c.tries) ORDER BY c.position)
    INTO open
    FROM campaign_executions e
      JOIN dispatch_batches b ON b.execution_id = e.id AND b.seq = p_seq
      JOIN communications c ON c.ledger_month = e.ledger_month AND c.source_id = e.id AND c.step = 0 AND c.channel = e.channel
        AND c.position BETWEEN b.from_position AND b.to_position
    WHERE e.id = p_execution AND c.state = 'sending';
END $$;

-- Ends the holder's work on a batch: books what was spent and gives back the money that no row in 'sending' needs.
-- outcome: closed | waiting (people are deferred) | open (people not reached yet) | sending (rows to reconcile first;
-- the lane comes back to them after p_park_ms) | fenced.
CREATE FUNCTION dispatch_close(p_company uuid, p_execution uuid, p_seq int, p_attempt int, p_park_ms int,
  OUT outcome text)
LANGUAGE plpgsql AS $$
DECLARE
  b dispatch_batches;
BEGIN
  PERFORM dispatch_enter(p_company, p_execution);
  SELECT * INTO b FROM dispatch_batches WHERE execution_id = p_execution AND seq = p_seq FOR UPDATE;
  IF b.attempt IS DISTINCT FROM p_attempt OR b.state <> 'open' THEN
    outcome := 'fenced';
    RETURN;
  END IF;
  outcome := CASE WHEN b.next_position <= b.to_position THEN 'open' WHEN b.sending > 0 THEN 'sending'
    WHEN b.queued > 0 THEN 'waiting' ELSE 'closed' END;
  PERFORM dispatch_book(b);
  UPDATE dispatch_batches d SET
      state = CASE outcome WHEN 'sending' THEN CASE WHEN p_park_ms IS NULL THEN 'open' ELSE 'waiting' END ELSE outcome END,
      next_due = least(CASE WHEN b.queued > 0 THEN d.next_due END, CASE outcome
        WHEN 'sending' THEN clock_timestamp() + make_interval(secs => p_park_ms / 1000.0) END),
      closed_at = CASE outcome WHEN 'closed' THEN clock_timestamp() END
    WHERE d.execution_id = p_execution AND d.seq = p_seq;
END $$;

-- Books a locked batch's spent money into its budget and gives the rest of the reservation back, except for what
-- rows in 'sending' hold.
CREATE FUNCTION dispatch_book(b dispatch_batches) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF b.reserved = b.held THEN
    RETURN;
  END IF;
  UPDATE budgets g SET reserved = g.reserved - (b.reserved - b.held), used = g.used + b.spent, updated_at = now()
    WHERE g.id = b.budget_id;
  IF b.spent > 0 THEN
    -- Not when the transaction began: it may have waited for the batch while somebody else marked.
    INSERT INTO budget_charges (company_id, budget_id, broker_id, execution_id, batch_seq, kind, amount, messages, created_at)
      SELECT b.company_id, b.budget_id, e.broker_id, b.execution_id, b.seq, 'dispatch', b.spent, b.charged_messages, clock_timestamp()
        FROM campaign_executions e WHERE e.id = b.execution_id;
  END IF;
  UPDATE dispatch_batches d SET reserved = d.held, spent = 0, charged_messages = 0, booked = d.booked + b.spent
    WHERE d.execution_id = b.execution_id AND d.seq = b.seq;
END $$;

-- Gives back what the batches of an execution hold beyond their rows in 'sending': a campaign that is paused must not
-- keep money from others, whoever of its workers has died with a claim.
CREATE FUNCTION dispatch_release(p_company uuid, p_execution uuid) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  b dispatch_batches;
  locked dispatch_batches[];
BEGIN
  PERFORM dispatch_enter(p_company, p_execution);
  -- All batch rows before the first budget row, and budgets in the order of dispatch_resolve.
  SELECT array_agg(q.d ORDER BY (q.d).budget_id) INTO locked FROM (
    SELECT d FROM dispatch_batches d WHERE d.execution_id = p_execution AND d.reserved > d.held ORDER BY d.seq FOR UPDATE) q;
  FOREACH b IN ARRAY coalesce(locked, '{}') LOOP
    PERFORM dispatch_book(b);
  END LOOP;
END $$;

-- While CANCELLING or FAILING: fences the next unclosed batch from p_from_seq on, cancels whom it has not
-- reached or only queued, and closes it unless rows are still in 'sending' (their money stays held).
-- outcome: closed | sending (seq, attempt: reconcile, then call again) | done | stopped.
CREATE FUNCTION dispatch_cancel(p_company uuid, p_execution uuid, p_from_seq int, p_reason text,
  OUT outcome text, OUT seq int, OUT attempt int)
LANGUAGE plpgsql AS $$
DECLARE
  e campaign_executions;
  b dispatch_batches;
  n_new int;
  n_queued int;
BEGIN
  PERFORM dispatch_enter(p_company, p_execution);
  SELECT * INTO e FROM campaign_executions WHERE id = p_execution;
  IF e.state NOT IN ('CANCELLING', 'FAILING') THEN
    outcome := 'stopped';
    RETURN;
  END IF;
  SELECT d.* INTO b FROM dispatch_batches d
    WHERE d.execution_id = p_execution AND d.seq >= p_from_seq AND d.state <> 'closed' ORDER BY d.seq LIMIT 1 FOR UPDATE;
  IF NOT FOUND THEN
    outcome := 'done';
    RETURN;
  END IF;
  seq := b.seq;
  INSERT INTO communications (company_id, ledger_month, source_id, position, channel, source_kind, state, reason, address,
      is_fish, settled_at)
    SELECT p_company, e.ledger_month, p_execution, r.position, e.channel,
        CASE e.execution_type WHEN 'test' THEN 'test' ELSE 'campaign' END, 'cancelled', p_reason, r.address, r.is_fish, NULL
      FROM campaign_recipients r
      WHERE r.audience_id = e.audience_id AND r.position BETWEEN b.next_position AND b.to_position
      ORDER BY r.position
    ON CONFLICT (ledger_month, source_id, position, step, channel) DO NOTHING;
  GET DIAGNOSTICS n_new = ROW_COUNT;
  UPDATE communications c SET state = 'cancelled', reason = p_reason, cost = 0, not_before = NULL
    WHERE b.queued > 0 AND c.ledger_month = e.ledger_month AND c.source_id = p_execution AND c.step = 0 AND c.channel = e.channel
      AND c.position BETWEEN b.from_position AND b.to_position AND c.state = 'queued';
  GET DIAGNOSTICS n_queued = ROW_COUNT;
  UPDATE dispatch_batches d SET attempt = d.attempt + 1, state = 'open', next_position = d.to_position + 1, queued = d.queued - n_queued,
      cancelled = d.cancelled + n_new + n_queued, next_due = NULL
    WHERE d.execution_id = p_execution AND d.seq = b.seq
    RETURNING d.* INTO b;
  attempt := b.attempt;
  PERFORM dispatch_book(b);
  IF b.sending > 0 THEN
    outcome := 'sending';
  ELSE
    UPDATE dispatch_batches d SET state = 'closed', closed_at = clock_timestamp()
      WHERE d.execution_id = p_execution AND d.seq = b.seq;
    outcome := 'closed';
  END IF;
END $$;

-- Takes up to p_want tokens from a bucket that refills at p_rate per second up to p_burst; with p_spacing_ms,
-- nothing more is granted for that long. granted 0 comes with how long to wait. Giving back is taking a negative number.
CREATE FUNCTION take_tokens(p_company uuid, p_key text, p_want int, p_rate double precision, p_burst double precision,
  p_spacing_ms int, OUT granted int, OUT wait_ms int)
LANGUAGE plpgsql AS $$
DECLARE
  k rate_buckets;
  at timestamptz;
  filled double precision;
  lowered double precision;
  elapsed double precision;
BEGIN
  PERFORM set_config('app.company_id', p_company::text, true);
  PERFORM set_config('synchronous_commit', 'off', true);
  INSERT INTO rate_buckets (company_id, key, tokens, updated_at) VALUES (p_company, p_key, p_burst, clock_timestamp())
    ON CONFLICT DO NOTHING;
  SELECT * INTO k FROM rate_buckets WHERE company_id = p_company AND key = p_key FOR UPDATE;
  at := clock_timestamp();
  -- A clock that was set back costs nothing.
  elapsed := greatest(0, extract(epoch FROM at - k.updated_at));
  -- A lowered rate wins back a tenth of the whole every five seconds.
  lowered := least(1, k.factor + elapsed / 50);
  filled := least(p_burst, k.tokens + elapsed * p_rate * lowered);
  IF k.blocked_until > at AND p_want > 0 THEN
    granted := 0;
    wait_ms := ceil(extract(epoch FROM k.blocked_until - at) * 1000);
  ELSE
    granted := CASE WHEN p_want < 0 THEN p_want ELSE greatest(0, least(p_want, floor(filled)::int)) END;
    wait_ms := CASE WHEN granted = 0 AND p_want > 0 THEN ceil((1 - filled) / (p_rate * lowered) * 1000) ELSE 0 END;
  END IF;
  UPDATE rate_buckets b SET tokens = least(p_burst, filled - granted), factor = lowered, updated_at = at,
      blocked_until = CASE
        WHEN p_spacing_ms = 0 OR granted = 0 THEN b.blocked_until
        WHEN granted > 0 THEN at + make_interval(secs => p_spacing_ms / 1000.0)
      END
    WHERE b.company_id = p_company AND b.key = p_key;
END $$;

-- A vendor said "slower": nothing is granted for p_wait_ms; p_lower multiplies the rate (1 leaves it).
CREATE FUNCTION block_tokens(p_company uuid, p_key text, p_wait_ms int, p_lower double precision) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  PERFORM set_config('app.company_id', p_company::text, true);
  INSERT INTO rate_buckets AS b (company_id, key, tokens, updated_at, blocked_until, factor)
    VALUES (p_company, p_key, 0, clock_timestamp(), clock_timestamp() + make_interval(secs => p_wait_ms / 1000.0), p_lower)
    ON CONFLICT (company_id, key) DO UPDATE SET
      blocked_until = greatest(b.blocked_until, excluded.blocked_until), factor = greatest(0.05, b.factor * p_lower);
END $$;

-- Stores what a vendor tells us until it is applied; an event that is there already is left alone. In the order of
-- the ids, so that two processes that are told the same wait for each other and not both.
CREATE FUNCTION store_delivery_events(p_company uuid, p_credential uuid, p_event_ids text[], p_provider_ids text[],
  p_references text[], p_statuses text[], p_error_codes text[], p_occurred timestamptz[], OUT stored text[])
LANGUAGE plpgsql AS $$
BEGIN
  PERFORM set_config('app.company_id', p_company::text, true);
  WITH fresh AS (
    INSERT INTO webhook_inbox (company_id, credential_id, event_id, provider_id, reference, status, error_code, occurred_at)
    SELECT p_company, p_credential, i.* FROM unnest(p_event_ids, p_provider_ids, p_references, p_statuses, p_error_codes, p_occurred)
      AS i(event_id, provider_id, reference, status, error_code, occurred_at)
      ORDER BY i.event_id
    ON CONFLICT (credential_id, event_id) DO NOTHING
    RETURNING event_id
  )
  SELECT array_agg(event_id) INTO stored FROM fresh;
END $$;

-- The message that an event is about, and what the event says of it.
CREATE TYPE delivery_target AS (event_id uuid, provider_id text, status text, error_code text, occurred_at timestamptz,
  ledger_month date, source_id uuid, "position" int, step int, channel text, seq int);

-- Applies due delivery events of a company to the ledger; states only move forward, however late or often an
-- event comes. An event about a message in 'sending' or 'unknown' proves that the vendor took it; so does one that it
-- arrived about a message that was put back, refused, cancelled, or skipped after a call (`late_acceptance`, at no cost,
-- as in settle).
CREATE FUNCTION apply_delivery_events(p_company uuid, p_limit int, p_max_age interval,
  OUT picked int, OUT applied int, OUT expired int)
LANGUAGE plpgsql AS $$
DECLARE
  ids uuid[];
  targets delivery_target[];
  source record;
  reached uuid[];
  applied_ids uuid[] := '{}';
  is_late boolean;
  late_sources uuid[] := '{}';
BEGIN
  PERFORM set_config('app.company_id', p_company::text, true);
  SELECT array_agg(q.id) INTO ids FROM (
    SELECT w.id FROM webhook_inbox w
      WHERE w.company_id = p_company AND w.state = 'pending' AND w.next_attempt_at <= clock_timestamp()
      ORDER BY w.next_attempt_at LIMIT p_limit FOR UPDATE SKIP LOCKED) q;
  picked := coalesce(cardinality(ids), 0);
  applied := 0;
  expired := 0;
  IF picked = 0 THEN
    RETURN;
  END IF;

  -- Found once and held in an array: a join with the ledger that the planner knows nothing about may read all of it.
  SELECT array_agg(t) INTO targets FROM delivery_targets(ids) t;
  -- In one order for every caller, so that two of them never wait for each other in a circle.
  FOR source IN
    SELECT t.ledger_month, t.source_id, t.step, t.channel, array_agg(t) AS events,
        array_agg(DISTINCT t.position) AS positions, array_agg(DISTINCT t.seq) AS seqs
      FROM unnest(targets) t GROUP BY 1, 2, 3, 4 ORDER BY 2, 3, 4, 1
  LOOP
    -- First the batch rows, then the message rows: the order that settle keeps.
    PERFORM 1 FROM dispatch_batches d WHERE d.execution_id = source.source_id AND d.seq = ANY (source.seqs) ORDER BY d.seq FOR UPDATE;
    WITH best AS (
      SELECT t.position, min(t.seq) AS seq,
        (array_agg(delivery_state(t.status) ORDER BY delivery_rank(delivery_state(t.status)) DESC))[1] AS state,
        min(t.occurred_at) FILTER (WHERE t.status = 'delivered') AS delivered_at,
        min(t.occurred_at) FILTER (WHERE t.status = 'read') AS read_at,
        min(t.occurred_at) FILTER (WHERE t.status = 'clicked') AS clicked_at,
        min(t.occurred_at) FILTER (WHERE t.status = 'failed') AS failed_at,
        min(t.occurred_at) AS first_at,
        max(t.error_code) AS error_code,
        max(t.provider_id) AS provider_id
      FROM unnest(source.events) t GROUP BY t.position
    ), moved AS (
      UPDATE communications c SET
          state = CASE WHEN delivery_rank(b.state) > delivery_rank(c.state) THEN b.state ELSE c.state END,
          reason = CASE WHEN delivery_rank(c.state) < 0 THEN 'late_acceptance'
            WHEN b.state = 'undelivered' AND delivery_rank(b.state) > delivery_rank(c.state) THEN b.error_code
            WHEN delivery_rank(b.state) > delivery_rank(c.state) THEN NULL ELSE c.reason END,
          cost = CASE WHEN delivery_rank(c.state) < 0 THEN 0 ELSE c.cost END,
          not_before = NULL,
          provider_message_id = coalesce(c.provider_message_id, b.provider_id),
          sent_at = coalesce(c.sent_at, b.first_at),
          delivered_at = coalesce(c.delivered_at, b.delivered_at), read_at = coalesce(c.read_at, b.read_at),
          clicked_at = coalesce(c.clicked_at, b.clicked_at), failed_at = coalesce(c.failed_at, b.failed_at),
          settled_at = coalesce(c.settled_at, clock_timestamp())
        FROM best b
        WHERE c.ledger_month = source.ledger_month AND c.source_id = source.source_id AND c.position = ANY (source.positions)
          AND c.position = b.position AND c.step = source.step AND c.channel = source.channel
          AND (c.state IN ('sending', 'unknown', 'sent', 'undelivered', 'delivered', 'read', 'clicked')
            OR (b.state <> 'undelivered'
              AND (c.state IN ('queued', 'failed', 'cancelled') OR (c.state = 'skipped' AND c.tries > 0))))
        RETURNING c.position, b.seq, old.state AS before, new.state AS after, c.cost
    ), tally AS (
      SELECT seq,
        count(*) FILTER (WHERE before = 'sending') AS left_sending, count(*) FILTER (WHERE before = 'unknown') AS left_unknown,
        count(*) FILTER (WHERE before = 'queued') AS left_queued, count(*) FILTER (WHERE before = 'failed') AS left_failed,
        count(*) FILTER (WHERE before = 'cancelled') AS left_cancelled,
        count(*) FILTER (WHERE before = 'skipped') AS left_skipped,
        count(*) FILTER (WHERE after = 'sent') - count(*) FILTER (WHERE before = 'sent') AS sent,
        count(*) FILTER (WHERE after = 'delivered') - count(*) FILTER (WHERE before = 'delivered') AS delivered,
        count(*) FILTER (WHERE after = 'read') - count(*) FILTER (WHERE before = 'read') AS read,
        count(*) FILTER (WHERE after = 'clicked') - count(*) FILTER (WHERE before = 'clicked') AS clicked,
        count(*) FILTER (WHERE after = 'undelivered') - count(*) FILTER (WHERE before = 'undelivered') AS undelivered,
        coalesce(sum(cost) FILTER (WHERE before = 'sending'), 0) AS spent
      FROM moved WHERE before <> after GROUP BY seq
    ), counted AS (
      UPDATE dispatch_batches d SET sending = d.sending - t.left_sending, unknown = d.unknown - t.left_unknown,
          queued = d.queued - t.left_queued, failed = d.failed - t.left_failed, cancelled = d.cancelled - t.left_cancelled,
          skipped = d.skipped - t.left_skipped,
          sent = d.sent + t.sent, delivered = d.delivered + t.delivered, read = d.read + t.read, clicked = d.clicked + t.clicked,
          undelivered = d.undelivered + t.undelivered, held = d.held - t.spent, spent = d.spent + t.spent,
          charged_messages = d.charged_messages + t.left_sending,
          late = d.late + t.left_queued + t.left_failed + t.left_cancelled + t.left_skipped
        FROM tally t WHERE d.execution_id = source.source_id AND d.seq = ANY (source.seqs) AND d.seq = t.seq
        RETURNING d.*, t.left_queued
    ), told AS (
      INSERT INTO outbox (company_id, topic, subject_id) SELECT DISTINCT p_company, 'execution', source.source_id
        FROM counted d WHERE d.left_queued > 0 AND d.state = 'waiting' AND d.queued = 0 AND d.sending = 0
    )
    SELECT array_agg(t.event_id), bool_or(m.before = 'failed') INTO reached, is_late
      FROM unnest(source.events) t JOIN moved m USING (position);
    applied_ids := applied_ids || reached;
    IF is_late THEN
      late_sources := late_sources || source.source_id;
    END IF;
  END LOOP;
  FOR source IN
    SELECT t.source_id, array_agg(DISTINCT t.position) AS positions FROM unnest(targets) t
      WHERE t.source_id = ANY (late_sources) GROUP BY 1 ORDER BY 1
  LOOP
    PERFORM spare_retried(e, source.positions) FROM campaign_executions e WHERE e.id = source.source_id;
  END LOOP;

  UPDATE webhook_inbox w SET state = 'applied', applied_at = clock_timestamp(), attempts = w.attempts + 1
    WHERE w.id = ANY (applied_ids);
  applied := cardinality(applied_ids);
  IF applied = picked THEN
    RETURN;
  END IF;
  UPDATE webhook_inbox w SET
      state = CASE WHEN w.received_at < clock_timestamp() - p_max_age THEN 'expired' ELSE 'pending' END,
      attempts = w.attempts + 1,
      next_attempt_at = clock_timestamp() + least(interval '10 minutes', interval '1 second' * power(2, least(w.attempts, 10)))
    WHERE w.id = ANY (ids) AND w.state = 'pending';
  SELECT count(*) INTO expired FROM webhook_inbox w WHERE w.id = ANY (ids) AND w.state = 'expired';
END $$;

CREATE FUNCTION delivery_state(status text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
  AS $$ SELECT CASE status WHEN 'accepted' THEN 'sent' WHEN 'failed' THEN 'undelivered' ELSE status END $$;

CREATE FUNCTION delivery_rank(state text) RETURNS int LANGUAGE sql IMMUTABLE PARALLEL SAFE
  AS $$ SELECT CASE state WHEN 'sending' THEN 0 WHEN 'unknown' THEN 0 WHEN 'sent' THEN 1 WHEN 'undelivered' THEN 2
    WHEN 'delivered' THEN 3 WHEN 'read' THEN 4 WHEN 'clicked' THEN 5 ELSE -1 END $$;

-- Reads back our own reference, `<yyyymm>.<source id>.<position>.<step>.<channel>`; nothing for any other text. Part by
-- part: a pattern over the whole of it took four times as long, and longer than all the rest of applying the event.
CREATE FUNCTION message_key(reference text)
RETURNS TABLE (ledger_month date, source_id uuid, "position" int, step int, channel text)
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT make_date(left(p[1], 4)::int, right(p[1], 2)::int, 1), p[2]::uuid, p[3]::int, p[4]::int, p[5]
  FROM (SELECT string_to_array(reference, '.') AS p OFFSET 0) parts
  WHERE CASE
    WHEN cardinality(p) = 5 AND length(p[1]) = 6 AND left(p[1], 4) <> '0000' AND right(p[1], 2) BETWEEN '01' AND '12'
      AND length(p[3]) BETWEEN 1 AND 9 AND length(p[4]) BETWEEN 1 AND 9 AND length(p[5]) BETWEEN 2 AND 10
      AND ltrim(p[1] || p[3] || p[4], '0123456789') = '' AND ltrim(p[5], 'abcdefghijklmnopqrstuvwxyz') = ''
      AND pg_input_is_valid(p[2], 'uuid')
    -- A uuid can be written in several ways, and we write it in one.
    THEN p[2]::uuid::text = p[2] ELSE false END
$$;

-- Which ledger row each event is about: by our own reference, else by the vendor's id, which is looked up only then.
-- Nothing for an event that matches neither (yet): it may have come before our own commit of the id.
CREATE FUNCTION delivery_targets(p_ids uuid[]) RETURNS SETOF delivery_target
LANGUAGE sql STABLE AS $$
  SELECT w.id, w.provider_id, w.status, w.error_code, w.occurred_at, k.ledger_month, k.source_id, k.position, k.step, k.channel,
      batch_of(e, k.position)
    FROM webhook_inbox w
      LEFT JOIN LATERAL message_key(w.reference) r ON true
      LEFT JOIN LATERAL (
        SELECT m.ledger_month, m.source_id, m.position, m.step, m.channel FROM provider_messages m
          WHERE r.source_id IS NULL AND m.credential_id = w.credential_id AND m.provider_id = w.provider_id
          OFFSET 0) p ON true
      CROSS JOIN LATERAL (SELECT coalesce(r.ledger_month, p.ledger_month) AS ledger_month,
        coalesce(r.source_id, p.source_id) AS source_id, coalesce(r.position, p.position) AS position,
        coalesce(r.step, p.step) AS step, coalesce(r.channel, p.channel) AS channel) k
      LEFT JOIN campaign_executions e ON e.id = k.source_id
    WHERE w.id = ANY (p_ids) AND k.source_id IS NOT NULL AND (e.id IS NULL OR e.credential_id = w.credential_id)
$$;
