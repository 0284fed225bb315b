-- Companies, the people and keys that act for them, and what they did.
-- The roles regente_app and regente_definer exist before the first migration (prisma/roles.ts).

CREATE FUNCTION app_company() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
  AS $$ SELECT NULLIF(current_setting('app.company_id', true), '')::uuid $$;

CREATE TABLE companies (
  id uuid PRIMARY KEY DEFAULT uuidv7(),
  name text NOT NULL,
  slug text NOT NULL UNIQUE,
  domain text,
  time_zone text NOT NULL DEFAULT 'America/Sao_Paulo',
  currency text NOT NULL DEFAULT 'BRL',
  features jsonb NOT NULL DEFAULT '{}',
  settings jsonb NOT NULL DEFAULT '{}',
  created_at timestamptz(3) NOT NULL DEFAULT now(),
  updated_at timestamptz(3) NOT NULL DEFAULT now()
);

CREATE TABLE users (
  id uuid PRIMARY KEY DEFAULT uuidv7(),
  company_id uuid NOT NULL REFERENCES companies (id),
  email text NOT NULL UNIQUE CHECK (email = lower(email)),
  name text NOT NULL,
  linkedin text,
  password_hash text,
  role text NOT NULL CHECK (role IN ('AGENT', 'MANAGER', 'DIRECTOR', 'ADMIN')),
  status text NOT NULL DEFAULT 'INVITED' CHECK (status IN ('ACTIVE', 'INACTIVE', 'INVITED')),
  avatar_url text,
  area text NOT NULL DEFAULT 'SALES' CHECK (area IN ('SALES', 'MARKETING', 'CX_CS', 'GTM')),
  last_login_at timestamptz(3),
  created_at timestamptz(3) NOT NULL DEFAULT now(),
  updated_at timestamptz(3) NOT NULL DEFAULT now(),
  UNIQUE (company_id, id)
);

CREATE TABLE squads (
  id uuid PRIMARY KEY DEFAULT uuidv7(),
  company_id uuid NOT NULL REFERENCES companies (id),
  name text NOT NULL,
  type text NOT NULL CHECK (type IN ('sales', 'pre_sales', 'cs')),
  target_monthly numeric(14, 2),
  created_at timestamptz(3) NOT NULL DEFAULT now(),
  updated_at timestamptz(3) NOT NULL DEFAULT now(),
  UNIQUE (company_id, id),
  UNIQUE (company_id, name)
);

CREATE TABLE squad_members (
  id uuid PRIMARY KEY DEFAULT uuidv7(),
  company_id uuid NOT NULL,
  user_id uuid NOT NULL,
  squad_id uuid NOT NULL,
  is_leader boolean NOT NULL DEFAULT false,
  joined_at timestamptz(3) NOT NULL DEFAULT now(),
  FOREIGN KEY (company_id, user_id) REFERENCES users (company_id, id) ON DELETE CASCADE,
  FOREIGN KEY (company_id, squad_id) REFERENCES squads (company_id, id) ON DELETE CASCADE,
  UNIQUE (user_id, squad_id)
);
CREATE INDEX ON squad_members (company_id, squad_id);

CREATE TABLE sessions (
  id uuid PRIMARY KEY DEFAULT uuidv7(),
  company_id uuid NOT NULL,
  user_id uuid NOT NULL,
  token_hash bytea NOT NULL UNIQUE,
  expires_at timestamptz(3) NOT NULL,
  last_used_at timestamptz(3) NOT NULL DEFAULT now(),
  ip_address text,
  user_agent text,
  created_at timestamptz(3) NOT NULL DEFAULT now(),
  FOREIGN KEY (company_id, user_id) REFERENCES users (company_id, id) ON DELETE CASCADE
);
CREATE INDEX ON sessions (company_id, user_id);

CREATE TABLE api_keys (
  id uuid PRIMARY KEY DEFAULT uuidv7(),
  company_id uuid NOT NULL REFERENCES companies (id),
  name text NOT NULL,
  prefix text NOT NULL,
  key_hash bytea NOT NULL UNIQUE,
  scopes text[] NOT NULL,
  created_by uuid,
  expires_at timestamptz(3),
  last_used_at timestamptz(3),
  revoked_at timestamptz(3),
  created_at timestamptz(3) NOT NULL DEFAULT now(),
  updated_at timestamptz(3) NOT NULL DEFAULT now(),
  FOREIGN KEY (company_id, created_by) REFERENCES users (company_id, id)
);
CREATE INDEX ON api_keys (company_id, created_by);

CREATE TABLE verification_tokens (
  id uuid PRIMARY KEY DEFAULT uuidv7(),
  company_id uuid NOT NULL,
  user_id uuid NOT NULL,
  purpose text NOT NULL CHECK (purpose IN ('invitation', 'password_reset')),
  token_hash bytea NOT NULL UNIQUE,
  -- The token itself, encrypted, until its message has been handed to the provider.
  pending_delivery text,
  expires_at timestamptz(3) NOT NULL,
  used_at timestamptz(3),
  created_at timestamptz(3) NOT NULL DEFAULT now(),
  FOREIGN KEY (company_id, user_id) REFERENCES users (company_id, id) ON DELETE CASCADE
);
CREATE INDEX ON verification_tokens (company_id, user_id);

CREATE TABLE audit_logs (
  id uuid PRIMARY KEY DEFAULT uuidv7(),
  company_id uuid NOT NULL REFERENCES companies (id),
  actor_type text NOT NULL CHECK (actor_type IN ('user', 'key', 'system')),
  actor_id uuid,
  action text NOT NULL,
  entity_type text NOT NULL,
  entity_id text NOT NULL,
  changes jsonb NOT NULL DEFAULT '{}',
  ip_address text,
  user_agent text,
  request_id text,
  created_at timestamptz(3) NOT NULL DEFAULT now()
);
CREATE INDEX ON audit_logs (company_id, id DESC);
CREATE INDEX ON audit_logs (company_id, entity_type, entity_id, id DESC);

-- The first executed answer of a write, so that a client that repeats it gets the same one.
CREATE TABLE idempotency_keys (
  company_id uuid NOT NULL REFERENCES companies (id),
  actor_id uuid NOT NULL,
  key text NOT NULL,
  request_hash bytea NOT NULL,
  claim uuid NOT NULL,
  state text NOT NULL CHECK (state IN ('running', 'done')),
  response_status int,
  response_body jsonb,
  touched_at timestamptz(3) NOT NULL DEFAULT now(),
  PRIMARY KEY (company_id, actor_id, key)
);

-- Failed logins and other guesses, counted per subject in fixed windows; no tenant is known yet.
CREATE TABLE login_attempts (
  subject text NOT NULL,
  window_start timestamptz(3) NOT NULL,
  attempts int NOT NULL,
  PRIMARY KEY (subject, window_start)
);
