-- Wallets, brokers, credentials, budgets, templates and the lists that restrict sending.

CREATE TABLE wallets (
  id uuid PRIMARY KEY DEFAULT uuidv7(),
  company_id uuid NOT NULL REFERENCES companies (id),
  name text NOT NULL,
  idgis_ambiente int NOT NULL,
  created_at timestamptz(3) NOT NULL DEFAULT now(),
  updated_at timestamptz(3) NOT NULL DEFAULT now(),
  UNIQUE (company_id, id),
  UNIQUE (company_id, idgis_ambiente)
);

CREATE TABLE brokers (
  id uuid PRIMARY KEY DEFAULT uuidv7(),
  company_id uuid NOT NULL REFERENCES companies (id),
  name text NOT NULL,
  provider text NOT NULL,
  channel text NOT NULL CHECK (channel IN ('sms', 'whatsapp', 'rcs', 'email')),
  cost_per_message numeric(10, 4) NOT NULL DEFAULT 0 CHECK (cost_per_message >= 0),
  billing_unit text NOT NULL DEFAULT 'message' CHECK (billing_unit IN ('message', 'segment')),
  rate_per_second numeric(10, 3) CHECK (rate_per_second > 0),
  created_at timestamptz(3) NOT NULL DEFAULT now(),
  updated_at timestamptz(3) NOT NULL DEFAULT now(),
  UNIQUE (company_id, id),
  UNIQUE (company_id, name)
);

CREATE TABLE credentials (
  id uuid PRIMARY KEY DEFAULT uuidv7(),
  company_id uuid NOT NULL,
  wallet_id uuid NOT NULL,
  broker_id uuid NOT NULL,
  active boolean NOT NULL DEFAULT true,
  encrypted_config text NOT NULL,
  config_keys text[] NOT NULL,
  -- Grows with every change of the config: an idempotency key is only good at the account it was used with.
  version int NOT NULL DEFAULT 1,
  webhook_token text NOT NULL UNIQUE,
  created_at timestamptz(3) NOT NULL DEFAULT now(),
  updated_at timestamptz(3) NOT NULL DEFAULT now(),
  UNIQUE (company_id, id),
  FOREIGN KEY (company_id, wallet_id) REFERENCES wallets (company_id, id),
  FOREIGN KEY (company_id, broker_id) REFERENCES brokers (company_id, id)
);
CREATE UNIQUE INDEX credentials_one_active ON credentials (company_id, wallet_id, broker_id) WHERE active;
CREATE INDEX ON credentials (company_id, broker_id);

CREATE TABLE budgets (
  id uuid PRIMARY KEY DEFAULT uuidv7(),
  company_id uuid NOT NULL,
  wallet_id uuid NOT NULL,
  year int NOT NULL CHECK (year BETWEEN 2000 AND 2999),
  month int NOT NULL CHECK (month BETWEEN 1 AND 12),
  budget numeric(14, 4) NOT NULL CHECK (budget >= 0),
  used numeric(14, 4) NOT NULL DEFAULT 0,
  reserved numeric(14, 4) NOT NULL DEFAULT 0,
  created_at timestamptz(3) NOT NULL DEFAULT now(),
  updated_at timestamptz(3) NOT NULL DEFAULT now(),
  UNIQUE (company_id, id),
  UNIQUE (company_id, wallet_id, year, month),
  FOREIGN KEY (company_id, wallet_id) REFERENCES wallets (company_id, id),
  CONSTRAINT budgets_never_over CHECK (reserved >= 0 AND used >= 0 AND used + reserved <= budget)
);

-- One row per booking into budgets.used, so that the sum of the charges is the use.
CREATE TABLE budget_charges (
  id uuid PRIMARY KEY DEFAULT uuidv7(),
  company_id uuid NOT NULL,
  budget_id uuid NOT NULL,
  broker_id uuid NOT NULL,
  execution_id uuid NOT NULL,
  batch_seq int NOT NULL,
  kind text NOT NULL CHECK (kind IN ('dispatch', 'refund')),
  amount numeric(14, 4) NOT NULL,
  messages int NOT NULL,
  created_at timestamptz(3) NOT NULL DEFAULT now(),
  FOREIGN KEY (company_id, budget_id) REFERENCES budgets (company_id, id),
  FOREIGN KEY (company_id, broker_id) REFERENCES brokers (company_id, id)
);
CREATE INDEX ON budget_charges (company_id, budget_id, broker_id);
CREATE INDEX ON budget_charges (execution_id);

CREATE TABLE templates (
  id uuid PRIMARY KEY DEFAULT uuidv7(),
  company_id uuid NOT NULL REFERENCES companies (id),
  name text NOT NULL,
  template_code text NOT NULL,
  content text NOT NULL,
  -- {"1": "nome", "2": "valor"}: which column fills which number of the content.
  variables jsonb NOT NULL DEFAULT '{}',
  created_at timestamptz(3) NOT NULL DEFAULT now(),
  updated_at timestamptz(3) NOT NULL DEFAULT now(),
  UNIQUE (company_id, id),
  UNIQUE (company_id, template_code)
);

CREATE TABLE blocklist_entries (
  id uuid PRIMARY KEY DEFAULT uuidv7(),
  company_id uuid NOT NULL REFERENCES companies (id),
  phone text,
  cpf_cnpj text,
  reason text,
  created_at timestamptz(3) NOT NULL DEFAULT now(),
  updated_at timestamptz(3) NOT NULL DEFAULT now(),
  CHECK (phone IS NOT NULL OR cpf_cnpj IS NOT NULL),
  UNIQUE NULLS NOT DISTINCT (company_id, phone, cpf_cnpj)
);
CREATE INDEX ON blocklist_entries (company_id, cpf_cnpj) WHERE cpf_cnpj IS NOT NULL;

CREATE TABLE fish_contacts (
  id uuid PRIMARY KEY DEFAULT uuidv7(),
  company_id uuid NOT NULL REFERENCES companies (id),
  name text NOT NULL,
  phone text NOT NULL,
  created_at timestamptz(3) NOT NULL DEFAULT now(),
  updated_at timestamptz(3) NOT NULL DEFAULT now(),
  UNIQUE (company_id, phone)
);

CREATE TABLE opt_outs (
  id uuid PRIMARY KEY DEFAULT uuidv7(),
  company_id uuid NOT NULL REFERENCES companies (id),
  channel text NOT NULL CHECK (channel IN ('sms', 'whatsapp', 'rcs', 'email')),
  address text NOT NULL,
  reason text,
  created_at timestamptz(3) NOT NULL DEFAULT now(),
  UNIQUE (company_id, channel, address)
);
