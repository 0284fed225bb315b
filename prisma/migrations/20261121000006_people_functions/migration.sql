-- Two more functions that look across companies.

CREATE INDEX ON login_attempts (window_start);

-- Takes back one counted guess: it was none. Only failures stay counted.
CREATE FUNCTION forgive_login_attempt(p_subject text, p_window interval) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  UPDATE login_attempts a SET attempts = a.attempts - 1
    WHERE a.subject = p_subject AND a.window_start = date_bin(p_window, now(), 'epoch') AND a.attempts > 0
$$;

-- Every company by descending id, for the staff of the operator.
CREATE FUNCTION list_companies(p_text text, p_before uuid, p_limit int)
RETURNS TABLE (id uuid, name text, slug text, domain text, time_zone text, currency text, created_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT c.id, c.name, c.slug, c.domain, c.time_zone, c.currency, c.created_at FROM companies c
    WHERE (p_before IS NULL OR c.id < p_before)
      AND (p_text IS NULL OR strpos(lower(c.name), lower(p_text)) > 0 OR strpos(c.slug, lower(p_text)) > 0)
    ORDER BY c.id DESC LIMIT p_limit
$$;

GRANT CREATE ON SCHEMA public TO regente_definer;
ALTER FUNCTION forgive_login_attempt(text, interval) OWNER TO regente_definer;
ALTER FUNCTION list_companies(text, uuid, int) OWNER TO regente_definer;
REVOKE CREATE ON SCHEMA public FROM regente_definer;
REVOKE ALL ON FUNCTION forgive_login_attempt(text, interval), list_companies(text, uuid, int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION forgive_login_attempt(text, interval), list_companies(text, uuid, int) TO regente_app;
