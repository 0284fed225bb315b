-- Row-level security on every tenant table, the grants of the application role, and the few functions that
-- look across tenants.

DO $$
DECLARE
  t text;
BEGIN
  FOR t IN
    SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND NOT c.relispartition
        AND EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'company_id')
  LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
    EXECUTE format('CREATE POLICY tenant ON %I USING (company_id = app_company()) WITH CHECK (company_id = app_company())', t);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO regente_app', t);
  END LOOP;
END $$;

ALTER TABLE companies ENABLE ROW LEVEL SECURITY;
ALTER TABLE companies FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON companies USING (id = app_company()) WITH CHECK (id = app_company());
GRANT SELECT, INSERT, UPDATE ON companies TO regente_app;

-- Append-only; a ledger row, a charge and a vendor id are never deleted by the application.
REVOKE UPDATE, DELETE ON audit_logs FROM regente_app;
REVOKE DELETE ON communications, provider_messages, budget_charges, webhook_inbox, campaign_executions FROM regente_app;
REVOKE UPDATE ON provider_messages, budget_charges FROM regente_app;

-- No tenant is known at a login, so nobody but the functions below touches this table.
ALTER TABLE login_attempts ENABLE ROW LEVEL SECURITY;
ALTER TABLE login_attempts FORCE ROW LEVEL SECURITY;
CREATE POLICY nobody ON login_attempts USING (false);

GRANT USAGE ON SCHEMA public TO regente_definer;
GRANT SELECT ON companies, users, api_keys, sessions, verification_tokens, credentials, brokers, campaign_executions, outbox,
  webhook_inbox TO regente_definer;
GRANT UPDATE (last_used_at) ON sessions, api_keys TO regente_definer;
GRANT SELECT, INSERT, UPDATE, DELETE ON login_attempts TO regente_definer;
GRANT SELECT ON idempotency_keys, rate_buckets, contact_frequency TO regente_definer;
-- FOR UPDATE asks for the right to update some column.
GRANT UPDATE (touched_at) ON idempotency_keys TO regente_definer;
GRANT UPDATE (attempts) ON outbox, webhook_inbox TO regente_definer;
GRANT UPDATE (updated_at) ON rate_buckets TO regente_definer;
GRANT UPDATE (marked_at) ON contact_frequency TO regente_definer;
GRANT DELETE ON sessions, idempotency_keys, outbox, webhook_inbox, rate_buckets, contact_frequency TO regente_definer;

CREATE FUNCTION lookup_login(p_email text)
RETURNS TABLE (id uuid, company_id uuid, password_hash text, status text, role text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT u.id, u.company_id, u.password_hash, u.status, u.role FROM users u WHERE u.email = lower(p_email)
$$;

CREATE FUNCTION lookup_session(p_token_hash bytea)
RETURNS TABLE (session_id uuid, user_id uuid, company_id uuid, role text)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  UPDATE sessions s SET last_used_at = now()
    WHERE s.token_hash = p_token_hash AND s.last_used_at < now() - interval '1 minute';
  SELECT s.id, s.user_id, s.company_id, u.role FROM sessions s JOIN users u ON u.id = s.user_id
    WHERE s.token_hash = p_token_hash AND s.expires_at > now() AND u.status = 'ACTIVE'
$$;

CREATE FUNCTION lookup_api_key(p_key_hash bytea)
RETURNS TABLE (key_id uuid, company_id uuid, scopes text[])
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  UPDATE api_keys k SET last_used_at = now()
    WHERE k.key_hash = p_key_hash AND (k.last_used_at IS NULL OR k.last_used_at < now() - interval '1 minute');
  SELECT k.id, k.company_id, k.scopes FROM api_keys k
    LEFT JOIN users u ON u.id = k.created_by
    WHERE k.key_hash = p_key_hash AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now())
      AND (u.id IS NULL OR u.status <> 'INACTIVE')
$$;

CREATE FUNCTION lookup_verification_token(p_token_hash bytea)
RETURNS TABLE (token_id uuid, company_id uuid, user_id uuid, purpose text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT t.id, t.company_id, t.user_id, t.purpose FROM verification_tokens t JOIN users u ON u.id = t.user_id
    WHERE t.token_hash = p_token_hash AND t.used_at IS NULL AND t.expires_at > now() AND u.status <> 'INACTIVE'
$$;

CREATE FUNCTION lookup_webhook(p_token text)
RETURNS TABLE (credential_id uuid, company_id uuid, provider text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT c.id, c.company_id, b.provider FROM credentials c JOIN brokers b ON b.id = c.broker_id WHERE c.webhook_token = p_token
$$;

CREATE FUNCTION lookup_company(p_slug_or_id text) RETURNS uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT c.id FROM companies c WHERE c.slug = p_slug_or_id OR c.id::text = p_slug_or_id
$$;

-- Counts a guess and answers how many there were in this window.
CREATE FUNCTION count_login_attempt(p_subject text, p_window interval) RETURNS int
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  DELETE FROM login_attempts a WHERE a.window_start < now() - interval '1 day';
  INSERT INTO login_attempts AS a (subject, window_start, attempts)
    VALUES (p_subject, date_bin(p_window, now(), 'epoch'), 1)
    ON CONFLICT (subject, window_start) DO UPDATE SET attempts = a.attempts + 1
    RETURNING attempts
$$;

CREATE FUNCTION outbox_due(p_limit int)
RETURNS TABLE (id uuid, company_id uuid, topic text, subject_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT o.id, o.company_id, o.topic, o.subject_id FROM outbox o
    WHERE o.delivered_at IS NULL AND o.next_attempt_at <= now() ORDER BY o.next_attempt_at LIMIT p_limit
$$;

CREATE FUNCTION open_executions(p_after uuid, p_limit int)
RETURNS TABLE (id uuid, company_id uuid, state text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT e.id, e.company_id, e.state FROM campaign_executions e
    WHERE e.state NOT IN ('FINISHED', 'FAILED', 'CANCELLED') AND e.id > p_after ORDER BY e.id LIMIT p_limit
$$;

CREATE FUNCTION companies_with_due_events()
RETURNS TABLE (company_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  -- One step into the index a company, however many events wait.
  SELECT c.id FROM companies c WHERE EXISTS (
    SELECT FROM webhook_inbox w WHERE w.company_id = c.id AND w.state = 'pending' AND w.next_attempt_at <= now())
$$;

-- Removes at most p_limit rows of a table that nobody needs any more. Answers how many it was, and where to go on
-- (p_after) when it was as many as that. It passes over rows that somebody holds, so it waits for nobody.
-- * sessions that have expired, and idempotency_keys a day old.
-- * outbox (told) and webhook_inbox (applied) after a week: an event that comes again by then is still known. What is not
--   told or not applied stays, however old. Their ids are in order of time, so the oldest are found by the primary key.
-- * rate_buckets of executions that have ended. The bucket of an account stays, for somebody may be taking from it.
-- * contact_frequency: addresses whose last mark no frequency cap can count any more: none reaches back further than a
--   year. The table has no index on time, which every mark would pay for; one of its 24 slices is read, p_slice, 0 to 23.
CREATE FUNCTION prune_expired(p_table text, p_limit int, p_after uuid, p_slice int, OUT removed int, OUT last uuid)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  week_ago uuid := uuidv7(interval '-7 days');
  pages bigint;
  first_page tid;
  past_page tid;
BEGIN
  CASE p_table
  WHEN 'sessions' THEN
    DELETE FROM sessions WHERE ctid = ANY (ARRAY(
      SELECT s.ctid FROM sessions s WHERE s.expires_at < now() LIMIT p_limit FOR UPDATE SKIP LOCKED));
    GET DIAGNOSTICS removed = ROW_COUNT;

  WHEN 'idempotency_keys' THEN
    DELETE FROM idempotency_keys WHERE ctid = ANY (ARRAY(
      SELECT i.ctid FROM idempotency_keys i WHERE i.touched_at < now() - interval '24 hours' LIMIT p_limit FOR UPDATE SKIP LOCKED));
    GET DIAGNOSTICS removed = ROW_COUNT;

  WHEN 'outbox' THEN
    WITH gone AS (
      DELETE FROM outbox WHERE id = ANY (ARRAY(
        SELECT o.id FROM outbox o
          WHERE o.id > p_after AND o.id < week_ago AND o.delivered_at < now() - interval '7 days'
          ORDER BY o.id LIMIT p_limit FOR UPDATE SKIP LOCKED))
        RETURNING id)
    SELECT count(*), (SELECT g.id FROM gone g ORDER BY g.id DESC LIMIT 1) INTO removed, last FROM gone;

  WHEN 'webhook_inbox' THEN
    WITH gone AS (
      DELETE FROM webhook_inbox WHERE id = ANY (ARRAY(
        SELECT w.id FROM webhook_inbox w
          WHERE w.id > p_after AND w.id < week_ago AND w.state = 'applied' AND w.applied_at < now() - interval '7 days'
          ORDER BY w.id LIMIT p_limit FOR UPDATE SKIP LOCKED))
        RETURNING id)
    SELECT count(*), (SELECT g.id FROM gone g ORDER BY g.id DESC LIMIT 1) INTO removed, last FROM gone;

  WHEN 'rate_buckets' THEN
    DELETE FROM rate_buckets WHERE ctid = ANY (ARRAY(
      SELECT k.ctid FROM rate_buckets k JOIN campaign_executions e ON k.key = 'execution:' || e.id
        WHERE e.state IN ('FINISHED', 'FAILED', 'CANCELLED') AND k.updated_at < now() - interval '1 day'
        LIMIT p_limit FOR UPDATE OF k SKIP LOCKED));
    GET DIAGNOSTICS removed = ROW_COUNT;

  WHEN 'contact_frequency' THEN
    pages := pg_relation_size('contact_frequency') / current_setting('block_size')::bigint;
    first_page := format('(%s,0)', pages * p_slice / 24)::tid;
    -- Rounded up, so that a table of few pages is read whole.
    past_page := format('(%s,0)', (pages * (p_slice + 1) + 23) / 24)::tid;
    DELETE FROM contact_frequency WHERE ctid = ANY (ARRAY(
      SELECT f.ctid FROM contact_frequency f
        WHERE f.ctid >= first_page AND f.ctid < past_page
          AND NOT EXISTS (SELECT FROM unnest(f.marked_at) t WHERE t > now() - interval '8760 hours')
        LIMIT p_limit FOR UPDATE SKIP LOCKED));
    GET DIAGNOSTICS removed = ROW_COUNT;
  END CASE;
END $$;

-- Makes tables, so it runs as their owner, for the worker that keeps the partitions ahead.
ALTER FUNCTION ledger_ensure_partitions(int) SET search_path = public, pg_temp;

DO $$
DECLARE
  f regprocedure;
BEGIN
  GRANT CREATE ON SCHEMA public TO regente_definer;
  FOR f IN SELECT p.oid::regprocedure FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE n.nspname = 'public' AND p.prosecdef
  LOOP
    EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', f);
    EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO regente_app', f);
    EXECUTE format('ALTER FUNCTION %s OWNER TO regente_definer', f);
  END LOOP;
  REVOKE CREATE ON SCHEMA public FROM regente_definer;
END $$;

ALTER FUNCTION ledger_ensure_partitions(int) SECURITY DEFINER;
REVOKE ALL ON FUNCTION ledger_ensure_partitions(int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger_ensure_partitions(int) TO regente_app;

GRANT USAGE ON SCHEMA public TO regente_app;
