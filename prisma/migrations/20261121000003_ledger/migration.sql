-- The ledger: one row per message of any domain, and what vendors say about it.

CREATE TABLE communications (
  company_id uuid NOT NULL,
  ledger_month date NOT NULL,
  source_id uuid NOT NULL,
  position int NOT NULL,
  step int NOT NULL DEFAULT 0,
  channel text NOT NULL,
  source_kind text NOT NULL CHECK (source_kind IN ('campaign', 'test', 'notice')),
  state text NOT NULL CHECK (state IN ('queued', 'sending', 'sent', 'delivered', 'read', 'clicked', 'undelivered',
    'failed', 'skipped', 'unknown', 'cancelled')),
  reason text,
  address text NOT NULL,
  cost numeric(14, 4) NOT NULL DEFAULT 0,
  is_fish boolean NOT NULL DEFAULT false,
  mark_id uuid,
  attempt int NOT NULL DEFAULT 0,
  credential_version int NOT NULL DEFAULT 0,
  -- How often it was marked for the vendor, repeats included.
  tries int NOT NULL DEFAULT 0,
  marked_at timestamptz,
  call_before timestamptz,
  not_before timestamptz,
  provider_message_id text,
  -- True when a refusal can never turn into an acceptance of the same message.
  permanent boolean,
  settled_at timestamptz,
  sent_at timestamptz,
  delivered_at timestamptz,
  read_at timestamptz,
  clicked_at timestamptz,
  failed_at timestamptz,
  retried_by uuid,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (ledger_month, source_id, position, step, channel)
) PARTITION BY RANGE (ledger_month);

-- Makes the partitions of this month and of the next `ahead` months, where they are missing.
CREATE FUNCTION ledger_ensure_partitions(ahead int) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
  first date;
  made int := 0;
  name text;
BEGIN
  FOR i IN -1..ahead LOOP
    first := (date_trunc('month', now() AT TIME ZONE 'UTC') + make_interval(months => i))::date;
    name := 'communications_' || to_char(first, 'YYYYMM');
    IF to_regclass('public.' || name) IS NULL THEN
      EXECUTE format('CREATE TABLE %I PARTITION OF communications FOR VALUES FROM (%L) TO (%L) WITH (fillfactor = 50)',
        name, first, (first + interval '1 month')::date);
      made := made + 1;
    END IF;
  END LOOP;
  RETURN made;
END $$;
SELECT ledger_ensure_partitions(4);

-- Vendor ids by which callbacks find their message, insert-only and apart from the ledger: an index on them there would
-- cost every HOT update. Only of accounts whose callbacks may come without our reference, and of messages with two ids.
CREATE TABLE provider_messages (
  company_id uuid NOT NULL,
  credential_id uuid NOT NULL,
  provider_id text NOT NULL,
  ledger_month date NOT NULL,
  source_id uuid NOT NULL,
  position int NOT NULL,
  step int NOT NULL,
  channel text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (credential_id, provider_id)
);

CREATE TABLE webhook_inbox (
  id uuid PRIMARY KEY DEFAULT uuidv7(),
  company_id uuid NOT NULL,
  credential_id uuid NOT NULL,
  event_id text NOT NULL,
  provider_id text,
  reference text,
  status text NOT NULL CHECK (status IN ('accepted', 'delivered', 'read', 'clicked', 'failed')),
  error_code text,
  occurred_at timestamptz(3) NOT NULL,
  received_at timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
  state text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'applied', 'expired')),
  attempts int NOT NULL DEFAULT 0,
  next_attempt_at timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
  applied_at timestamptz(3),
  UNIQUE (credential_id, event_id)
);
CREATE INDEX webhook_inbox_due ON webhook_inbox (company_id, next_attempt_at) WHERE state = 'pending';
