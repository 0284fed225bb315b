import { parseArgs } from 'node:util';
import type { ZodType } from 'zod';
import { hashPassword, refuseWeakPassword } from '../api/passwords';
import { ApiKeyInput } from '../domain/api-keys.schema';
import { CompanyInput } from '../domain/companies.schema';
import { RegenteError } from '../domain/errors';
import { noticeLink } from '../domain/notices';
import { NewPassword } from '../domain/passwords.schema';
import { KEY_SCOPES, PLATFORM_SLUG, type Permission } from '../domain/permissions';
import { UserInput } from '../domain/users.schema';
import { createApiKey } from '../prisma/api-keys';
import { recordAudit, SYSTEM_ACTOR } from '../prisma/audit-logs';
import type { Database } from '../prisma/client';
import { createCompany, ensurePlatformCompany } from '../prisma/companies';
import { lookupCompany } from '../prisma/sessions';
import { withTenant } from '../prisma/tenant';
import { createUser } from '../prisma/users';
import { issueToken } from '../prisma/verification-tokens';
import { LEDGER_USAGE, type LedgerCommand } from './ledger/commands';

export const USAGE = `Usage: npm run admin -- <command> [options]

  company:create --slug acme --name "Acme" [--time-zone America/Sao_Paulo] [--currency BRL] [--domain acme.com.br]
  user:create    --company acme --email ana@acme.com.br --name "Ana" --role AGENT|MANAGER|DIRECTOR
                 [--area SALES|MARKETING|CX_CS|GTM] [--linkedin URL] [--password …]
                 without a password, the link of an invitation is printed
                 --company ${PLATFORM_SLUG} --role ADMIN makes staff of the operator
  key:create     --company acme --name "Integration" --scopes campaigns:read,campaigns:write|all
                 [--expires-at 2030-01-01T00:00:00Z]
${LEDGER_USAGE}

Reads DATABASE_URL and PUBLIC_URL from the environment; ledger:… reads MIGRATE_DATABASE_URL, the tables' owner.
Without them, the database of the npm run dev that runs in this checkout is used.`;

/** The command line is not one of `USAGE`. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

type Options = Record<string, string | undefined>;

/** Does it, and answers the lines to print. Throws RegenteError for what cannot be done. */
export type AdminCommand = (db: Database, publicUrl: string) => Promise<string[]>;

/** What is to be done, before there is a database. Throws UsageError for a command line that is none. */
export function parseAdminCommand([command = '', ...args]: string[]): AdminCommand {
  switch (command) {
    case 'company:create':
      return makeCompany(optionsOf(args, ['slug', 'name', 'time-zone', 'currency', 'domain']));
    case 'user:create':
      return makeUser(
        optionsOf(args, ['company', 'email', 'name', 'role', 'area', 'linkedin', 'password']),
      );
    case 'key:create':
      return makeKey(optionsOf(args, ['company', 'name', 'scopes', 'expires-at']));
    default:
      throw new UsageError(`There is no command ${command}.`);
  }
}

/** Answers undefined for a command that is not about the ledger's months. Throws UsageError. */
export function parseLedgerCommand([command, ...args]: string[]): LedgerCommand | undefined {
  switch (command) {
    case 'ledger:months':
      optionsOf(args, []);
      return { name: 'months' };
    case 'ledger:archive': {
      const drop = args.includes('--drop');
      const rest = args.filter((arg) => arg !== '--drop');
      const { month, to } = optionsOf(rest, ['month', 'to']);
      if (to === undefined) throw new UsageError('--to is missing');
      return { name: 'archive', month: monthOf(month), to, drop };
    }
    case 'ledger:restore': {
      const { month, from } = optionsOf(args, ['month', 'from']);
      return { name: 'restore', month: monthOf(month), from };
    }
    default:
      return undefined;
  }
}

function monthOf(month: string | undefined): string {
  if (month === undefined) throw new UsageError('--month is missing');
  if (!/^2\d{3}-(0[1-9]|1[0-2])$/.test(month))
    throw new UsageError(`--month: ${month} is not a month like 2026-08`);
  return month;
}

function makeCompany(options: Options): AdminCommand {
  const input = check(CompanyInput, options);
  return (db) =>
    createCompany(db, input, async (tx, after) => {
      const line = { action: 'company.create', entityType: 'company', entityId: after.id };
      await recordAudit(tx, after.id, SYSTEM_ACTOR, { ...line, after });
      return [`company  ${after.slug}`, `id       ${after.id}`];
    });
}

function makeUser({ company, password, ...fields }: Options): AdminCommand {
  const input = check(UserInput, fields);
  const slug = given(company);
  if (password !== undefined) {
    check(NewPassword, password, '--password');
    refuseWeakPassword(password, input.email, '/password');
  }
  return async (db, publicUrl) => {
    const companyId = await companyNamed(db, slug);
    const passwordHash = password === undefined ? null : await hashPassword(password);
    return withTenant(db, companyId, async (tx) => {
      const after = await createUser(tx, companyId, input, passwordHash);
      const line = { action: 'user.create', entityType: 'user', entityId: after.id };
      await recordAudit(tx, companyId, SYSTEM_ACTOR, { ...line, after });
      const made = [`user        ${after.email}`, `id          ${after.id}`];
      if (passwordHash !== null) return made;
      const owner = { companyId, userId: after.id, purpose: 'invitation' as const };
      const { token, expiresAt } = await issueToken(tx, owner, null);
      return [
        ...made,
        `invitation  ${noticeLink(publicUrl, 'invitation', token)}`,
        `token       ${token}   (shown once, valid until ${expiresAt.toISOString()})`,
      ];
    });
  };
}

function makeKey({ company, scopes, ...fields }: Options): AdminCommand {
  const list = scopes === 'all' ? KEY_SCOPES : scopes?.split(',').map((scope) => scope.trim());
  const input = check(ApiKeyInput, { ...fields, scopes: list });
  const slug = given(company);
  const foreign = input.scopes.filter((scope: Permission) => !KEY_SCOPES.includes(scope));
  if (foreign.length > 0) throw new UsageError(`--scopes: no key can have ${foreign.join(', ')}`);
  const expiresAt = input.expiresAt === undefined ? null : new Date(input.expiresAt);
  return async (db) => {
    const companyId = await companyNamed(db, slug);
    return withTenant(db, companyId, async (tx) => {
      const owner = { companyId, createdBy: null };
      const { key, row } = await createApiKey(tx, { ...input, ...owner, expiresAt });
      const line = { action: 'api_key.create', entityType: 'api_key', entityId: row.id };
      await recordAudit(tx, companyId, SYSTEM_ACTOR, { ...line, after: row });
      return [`key  ${key}   (shown once)`, `id   ${row.id}`];
    });
  };
}

function given(company: string | undefined): string {
  if (company === undefined) throw new UsageError('--company is missing');
  return company;
}

async function companyNamed(db: Database, slug: string): Promise<string> {
  const id =
    slug === PLATFORM_SLUG ? await ensurePlatformCompany(db) : await lookupCompany(db, slug);
  if (id !== undefined) return id;
  throw new RegenteError(
    'NOT_FOUND',
    `There is no company ${slug}; make it with company:create first.`,
  );
}

function optionsOf(args: string[], names: readonly string[]): Options {
  try {
    const { values } = parseArgs({
      args,
      options: Object.fromEntries(names.map((name) => [name, { type: 'string' as const }])),
    });
    return Object.fromEntries(
      Object.entries(values).map(([name, value]) => [
        name.replaceAll(/-(\w)/g, (_, letter: string) => letter.toUpperCase()),
        String(value),
      ]),
    );
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

/** Throws UsageError that names each option by its spelling. */
function check<T>(schema: ZodType<T>, value: unknown, option?: string): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map(({ path, message, code, input }) => {
    const name =
      option ?? `--${String(path[0]).replaceAll(/[A-Z]/g, (c) => `-${c.toLowerCase()}`)}`;
    return code === 'invalid_type' && input === undefined
      ? `${name} is missing`
      : `${name}: ${message}`;
  });
  throw new UsageError(problems.join('\n'));
}
