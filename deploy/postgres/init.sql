-- Runs once, when the database's volume is empty. Roles and databases as an administrator would make them: nobody
-- but the superuser may do more than its part needs.
\getenv owner_password REGENTE_OWNER_PASSWORD
\getenv app_password REGENTE_APP_PASSWORD
\getenv temporal_password TEMPORAL_DB_PASSWORD

CREATE ROLE regente_definer NOLOGIN BYPASSRLS;
CREATE ROLE regente_owner LOGIN PASSWORD :'owner_password';
GRANT regente_definer TO regente_owner;
CREATE ROLE regente_app LOGIN NOBYPASSRLS PASSWORD :'app_password';
CREATE ROLE temporal LOGIN PASSWORD :'temporal_password';

CREATE DATABASE regente OWNER regente_owner;
CREATE DATABASE temporal OWNER temporal;
CREATE DATABASE temporal_visibility OWNER temporal;
REVOKE CONNECT ON DATABASE regente, temporal, temporal_visibility FROM PUBLIC;
GRANT CONNECT ON DATABASE regente TO regente_app;
