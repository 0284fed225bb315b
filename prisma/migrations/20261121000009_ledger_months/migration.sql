-- Months of the ledger: made ahead of time without standing in anybody's way, and taken away once they are archived.

-- Whether the ledger holds this month: not before its partition is made, and not once it is archived. By the catalogue
-- itself, so that it can never differ from what a query finds; a partition that is being detached counts as gone.
CREATE FUNCTION ledger_has_month(p_month date) RETURNS boolean LANGUAGE sql STABLE AS $$
  SELECT EXISTS (SELECT FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = 'public.communications'::regclass AND NOT i.inhdetachpending
      AND c.relname = 'communications_' || to_char(p_month, 'YYYYMM'))
$$;

-- Makes the partitions of last month, of this one and of the next `ahead`, where they are missing. CREATE TABLE …
-- PARTITION OF would wait for every reader of the ledger and hold up every mark behind it; ATTACH lets both go on.
-- A table of that name which is no partition of the ledger is an error: better a loud one than a month that is missing.
CREATE OR REPLACE FUNCTION ledger_ensure_partitions(ahead int) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  first date;
  made int := 0;
  name text;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtext('regente ledger partitions'));
  FOR i IN -1..ahead LOOP
    first := (date_trunc('month', now() AT TIME ZONE 'UTC') + make_interval(months => i))::date;
    CONTINUE WHEN ledger_has_month(first);
    name := 'communications_' || to_char(first, 'YYYYMM');
    EXECUTE format('CREATE TABLE %I (LIKE communications INCLUDING ALL) WITH (fillfactor = 50)', name);
    -- Without a policy of its own: whoever gets a grant on a partition by mistake finds nothing in it.
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('ALTER TABLE communications ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
      name, first, (first + interval '1 month')::date);
    made := made + 1;
  END LOOP;
  RETURN made;
END $$;

DO $$
DECLARE
  partition regclass;
BEGIN
  FOR partition IN SELECT inhrelid::regclass FROM pg_inherits WHERE inhparent = 'communications'::regclass LOOP
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', partition);
  END LOOP;
END $$;

-- An archive takes a month's vendor ids of all companies, and a restore brings them back (npm run admin -- ledger:archive).
GRANT SELECT, INSERT, DELETE ON provider_messages TO regente_definer;
