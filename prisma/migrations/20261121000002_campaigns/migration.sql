-- Campaigns, their audiences and their executions.

CREATE TABLE audiences (
  id uuid PRIMARY KEY DEFAULT uuidv7(),
  company_id uuid NOT NULL REFERENCES companies (id),
  campaign_id uuid NOT NULL,
  source text NOT NULL CHECK (source IN ('csv', 'list', 'retry', 'clone', 'test')),
  state text NOT NULL DEFAULT 'loading' CHECK (state IN ('loading', 'ready', 'failed')),
  file_name text,
  rows_read int NOT NULL DEFAULT 0,
  bytes_read bigint NOT NULL DEFAULT 0,
  recipients int NOT NULL DEFAULT 0,
  corrected int NOT NULL DEFAULT 0,
  duplicates int NOT NULL DEFAULT 0,
  invalid int NOT NULL DEFAULT 0,
  invalid_by_reason jsonb NOT NULL DEFAULT '{}',
  -- Which column of the file became which field, and which became variables.
  columns jsonb NOT NULL DEFAULT '{}',
  time_zones text[] NOT NULL DEFAULT '{}',
  -- Units and missing variables of the recipients were computed with the message of this hash.
  assessed_with text,
  units bigint NOT NULL DEFAULT 0,
  missing_variables int NOT NULL DEFAULT 0,
  created_by uuid,
  created_at timestamptz(3) NOT NULL DEFAULT now(),
  updated_at timestamptz(3) NOT NULL DEFAULT now(),
  UNIQUE (company_id, id)
);
CREATE INDEX ON audiences (company_id, campaign_id);
-- By which the tests of a person are counted.
CREATE INDEX ON audiences (company_id, created_by, id DESC) WHERE source = 'test';

CREATE TABLE audience_rejects (
  company_id uuid NOT NULL,
  audience_id uuid NOT NULL,
  seq int NOT NULL,
  line int NOT NULL,
  column_name text,
  reason text NOT NULL,
  value text,
  PRIMARY KEY (audience_id, seq)
);

-- The audience: immutable positions 0..N-1. Hot and large, so it holds no foreign keys.
CREATE TABLE campaign_recipients (
  company_id uuid NOT NULL,
  audience_id uuid NOT NULL,
  position int NOT NULL,
  address text NOT NULL,
  nome text,
  phone text,
  email text,
  cpf_cnpj text,
  idcob_contrato text,
  custom_message text,
  variables jsonb NOT NULL DEFAULT '{}',
  time_zone text NOT NULL,
  -- What is paid for this person, in units of the broker's price: 1, or the number of SMS segments.
  units smallint NOT NULL DEFAULT 1,
  -- Known before sending: this person cannot be sent to, and why.
  skip_reason text,
  is_fish boolean NOT NULL DEFAULT false,
  PRIMARY KEY (audience_id, position)
);
CREATE UNIQUE INDEX campaign_recipients_address ON campaign_recipients (audience_id, address);

CREATE TABLE campaigns (
  id uuid PRIMARY KEY DEFAULT uuidv7(),
  company_id uuid NOT NULL REFERENCES companies (id),
  agendamento_id text NOT NULL,
  name text NOT NULL,
  description text,
  user_id uuid,
  api_key_id uuid,
  wallet_id uuid NOT NULL,
  broker_id uuid NOT NULL,
  template_id uuid,
  audience_id uuid,
  state text NOT NULL DEFAULT 'DRAFT' CHECK (state IN ('DRAFT', 'PENDING_APPROVAL', 'APPROVED', 'PROCESSING',
    'PAUSING', 'PAUSED', 'CANCELLING', 'CANCELLED', 'FAILING', 'FAILED', 'FINISHED')),
  state_reason text,
  base_message text,
  throttling_type text NOT NULL DEFAULT 'none' CHECK (throttling_type IN ('none', 'fixed', 'random')),
  throttling_config jsonb,
  scheduled_at timestamptz(3),
  send_until timestamptz(3),
  send_window jsonb,
  on_budget_exhausted text NOT NULL DEFAULT 'pause' CHECK (on_budget_exhausted IN ('pause', 'fail')),
  -- Kept for campaigns that are built step by step: the steps. Nothing writes it yet.
  workflow_data jsonb,
  -- Everybody who created, edited or uploaded; none of them may approve.
  editors uuid[] NOT NULL DEFAULT '{}',
  submitted_by uuid,
  submitted_at timestamptz(3),
  -- What the approver saw and froze: audience size, cost, message, schedule.
  submission jsonb,
  approved_by uuid,
  approved_at timestamptz(3),
  rejected_by uuid,
  rejected_at timestamptz(3),
  rejection_reason text,
  cloned_from uuid,
  created_at timestamptz(3) NOT NULL DEFAULT now(),
  updated_at timestamptz(3) NOT NULL DEFAULT now(),
  UNIQUE (company_id, id),
  UNIQUE (company_id, agendamento_id),
  FOREIGN KEY (company_id, user_id) REFERENCES users (company_id, id),
  FOREIGN KEY (company_id, wallet_id) REFERENCES wallets (company_id, id),
  FOREIGN KEY (company_id, broker_id) REFERENCES brokers (company_id, id),
  FOREIGN KEY (company_id, template_id) REFERENCES templates (company_id, id),
  FOREIGN KEY (company_id, audience_id) REFERENCES audiences (company_id, id)
);
CREATE INDEX ON campaigns (company_id, state, id DESC);
CREATE INDEX ON campaigns (company_id, wallet_id);
CREATE INDEX ON campaigns (company_id, broker_id);
CREATE INDEX ON campaigns (company_id, user_id);
CREATE INDEX ON campaigns (company_id, template_id);

CREATE TABLE campaign_executions (
  id uuid PRIMARY KEY DEFAULT uuidv7(),
  company_id uuid NOT NULL,
  campaign_id uuid NOT NULL,
  audience_id uuid NOT NULL,
  -- `triggered` is kept for executions that an event begins. Nothing writes it yet.
  execution_type text NOT NULL CHECK (execution_type IN ('manual', 'scheduled', 'triggered', 'retry', 'test')),
  retry_of uuid,
  state text NOT NULL DEFAULT 'PENDING' CHECK (state IN ('PENDING', 'PROCESSING', 'PAUSING', 'PAUSED',
    'CANCELLING', 'CANCELLED', 'FAILING', 'FAILED', 'FINISHED')),
  state_reason text,
  state_actor uuid,
  -- Every state change is a compare-and-set on this number.
  control_version int NOT NULL DEFAULT 0,
  -- Pinned at approval.
  wallet_id uuid NOT NULL,
  broker_id uuid NOT NULL,
  credential_id uuid NOT NULL,
  channel text NOT NULL,
  price numeric(10, 4) NOT NULL,
  time_zone text NOT NULL,
  send_until timestamptz(3),
  scheduled_at timestamptz(3),
  frequency_cap int CHECK (frequency_cap > 0),
  frequency_period interval,
  on_budget_exhausted text NOT NULL,
  -- Message, template, windows, throttle and rate as approved (domain/campaign-plans.ts).
  plan jsonb NOT NULL,
  -- The month of the ledger in which all rows of this execution lie; stored once, never computed again.
  ledger_month date NOT NULL,
  -- Positions 0..recipients-1 are the audience; `fish` more positions follow it.
  recipients int NOT NULL,
  fish int NOT NULL DEFAULT 0,
  lanes int NOT NULL,
  batch_size int NOT NULL,
  -- Why nothing is being sent right now, as the dispatch last saw it.
  waiting_reason text,
  waiting_until timestamptz(3),
  started_at timestamptz(3),
  finished_at timestamptz(3),
  created_at timestamptz(3) NOT NULL DEFAULT now(),
  updated_at timestamptz(3) NOT NULL DEFAULT now(),
  UNIQUE (company_id, id),
  FOREIGN KEY (company_id, campaign_id) REFERENCES campaigns (company_id, id),
  FOREIGN KEY (company_id, audience_id) REFERENCES audiences (company_id, id),
  FOREIGN KEY (company_id, credential_id) REFERENCES credentials (company_id, id)
);
CREATE UNIQUE INDEX campaign_executions_one_open ON campaign_executions (campaign_id)
  WHERE execution_type <> 'test' AND state NOT IN ('FINISHED', 'FAILED', 'CANCELLED');
CREATE INDEX ON campaign_executions (company_id, campaign_id, id DESC);
CREATE INDEX ON campaign_executions (company_id, credential_id);
CREATE INDEX campaign_executions_open ON campaign_executions (id)
  WHERE state NOT IN ('FINISHED', 'FAILED', 'CANCELLED');

-- Ranges of positions that tile the audience, cut once at the start.
-- The counters say how many ledger rows of the range are in which state; they change in the same
-- transaction as the rows, so their sum is the progress.
CREATE TABLE dispatch_batches (
  company_id uuid NOT NULL,
  execution_id uuid NOT NULL,
  seq int NOT NULL,
  lane int NOT NULL,
  from_position int NOT NULL,
  to_position int NOT NULL,
  -- Everybody before it (and in the range) has a ledger row; from it on nobody has been reached.
  next_position int NOT NULL,
  state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'waiting', 'closed')),
  -- The fence: whoever holds an older number changes nothing any more.
  attempt int NOT NULL DEFAULT 0,
  next_due timestamptz,
  budget_id uuid,
  -- reserved: what the budget holds for this batch; spent: accepted or unknown, not yet booked into
  -- budgets.used; held: cost of the rows in 'sending'; booked: what earlier closes have booked.
  reserved numeric(14, 4) NOT NULL DEFAULT 0,
  spent numeric(14, 4) NOT NULL DEFAULT 0,
  held numeric(14, 4) NOT NULL DEFAULT 0,
  booked numeric(14, 4) NOT NULL DEFAULT 0,
  charged_messages int NOT NULL DEFAULT 0,
  queued int NOT NULL DEFAULT 0,
  sending int NOT NULL DEFAULT 0,
  sent int NOT NULL DEFAULT 0,
  delivered int NOT NULL DEFAULT 0,
  read int NOT NULL DEFAULT 0,
  clicked int NOT NULL DEFAULT 0,
  undelivered int NOT NULL DEFAULT 0,
  failed int NOT NULL DEFAULT 0,
  skipped int NOT NULL DEFAULT 0,
  unknown int NOT NULL DEFAULT 0,
  cancelled int NOT NULL DEFAULT 0,
  -- How many acceptances came after their message had been given up or put back.
  late int NOT NULL DEFAULT 0,
  claimed_at timestamptz,
  closed_at timestamptz,
  -- Until when a call may begin of somebody who was called before: such a call can be overtaken by news of the first one.
  repeat_before timestamptz,
  PRIMARY KEY (execution_id, seq),
  CHECK (reserved >= 0 AND spent >= 0 AND held >= 0 AND spent + held <= reserved),
  CHECK (queued >= 0 AND sending >= 0 AND unknown >= 0)
) WITH (fillfactor = 50);

-- What must still be told to the engine.
CREATE TABLE outbox (
  id uuid PRIMARY KEY DEFAULT uuidv7(),
  company_id uuid NOT NULL,
  topic text NOT NULL CHECK (topic IN ('execution', 'notice')),
  subject_id uuid NOT NULL,
  attempts int NOT NULL DEFAULT 0,
  next_attempt_at timestamptz(3) NOT NULL DEFAULT now(),
  delivered_at timestamptz(3),
  created_at timestamptz(3) NOT NULL DEFAULT now()
);
CREATE INDEX outbox_due ON outbox (next_attempt_at) WHERE delivered_at IS NULL;

-- Token buckets: one per provider account, one per throttled execution.
CREATE TABLE rate_buckets (
  company_id uuid NOT NULL,
  key text NOT NULL,
  tokens double precision NOT NULL,
  -- Lowered by a 429, recovering with time; multiplies the configured rate.
  factor double precision NOT NULL DEFAULT 1,
  blocked_until timestamptz,
  updated_at timestamptz NOT NULL,
  PRIMARY KEY (company_id, key)
) WITH (fillfactor = 50);

-- When an address was last marked, for companies with a frequency cap.
CREATE TABLE contact_frequency (
  company_id uuid NOT NULL,
  channel text NOT NULL,
  address text NOT NULL,
  marked_at timestamptz[] NOT NULL,
  PRIMARY KEY (company_id, channel, address)
);
