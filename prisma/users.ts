import { notFound, RegenteError } from '../domain/errors';
import { PLATFORM_SLUG, type Role } from '../domain/permissions';
import type { UserStatus } from '../domain/users';
import type { UserFilter, UserInput, UserPatch } from '../domain/users.schema';
import { getCompany } from './companies';
import { unlessTaken } from './conflicts';
import { containing } from './filters';
import type { User } from './generated/client';
import type { PageArgs } from './paging';
import type { TenantTx } from './tenant';

/** A person; the database's CHECKs keep role and status to these lists. */
export type Person = User & { role: Role; status: UserStatus };

const EMAIL_TAKEN = {
  pointer: '/email',
  message: 'Another account already has this e-mail address.',
};

export async function listUsers(
  tx: TenantTx,
  { text, ...filter }: UserFilter,
  { after, ...page }: PageArgs,
): Promise<Person[]> {
  const part = containing(text);
  const users = await tx.user.findMany({
    where: {
      ...after,
      ...filter,
      ...(part === undefined ? {} : { OR: [{ name: part }, { email: part }] }),
    },
    ...page,
  });
  return users as Person[];
}

/** Throws NOT_FOUND; another company's person is not found either. */
export async function getUser(tx: TenantTx, id: string): Promise<Person> {
  const user = await tx.user.findUnique({ where: { id } });
  if (user === null) throw notFound('user');
  return user as Person;
}

/**
 * The same, and nobody else changes this person or the company's leaders until the transaction ends: two people who
 * remove each other at the same time wait for one another here. All rows in one order, so they never deadlock.
 */
export async function lockUser(tx: TenantTx, id: string): Promise<Person> {
  await tx.$executeRaw`
    SELECT FROM users WHERE id = ${id}::uuid OR role IN ('DIRECTOR', 'ADMIN') ORDER BY id FOR UPDATE`;
  return getUser(tx, id);
}

/**
 * Makes a person: INVITED, or ACTIVE where a password hash is given. Throws CONFLICT when the e-mail address has an
 * account in any company, VALIDATION for an ADMIN outside the platform company.
 */
export async function createUser(
  tx: TenantTx,
  companyId: string,
  input: UserInput,
  passwordHash: string | null = null,
): Promise<Person> {
  await refuseStrayAdmin(tx, input.role);
  const status: UserStatus = passwordHash === null ? 'INVITED' : 'ACTIVE';
  const user = await unlessTaken(
    tx.user.create({ data: { ...input, companyId, passwordHash, status } }),
    EMAIL_TAKEN,
  );
  return user as Person;
}

/** Throws like `createUser`. */
export async function updateUser(tx: TenantTx, id: string, patch: UserPatch): Promise<Person> {
  if (patch.role !== undefined) await refuseStrayAdmin(tx, patch.role);
  return (await unlessTaken(tx.user.update({ where: { id }, data: patch }), EMAIL_TAKEN)) as Person;
}

export async function setUserStatus(tx: TenantTx, id: string, status: UserStatus): Promise<Person> {
  return (await tx.user.update({ where: { id }, data: { status } })) as Person;
}

/** Turns somebody who was INVITED into somebody who can log in. */
export async function acceptInvitation(
  tx: TenantTx,
  id: string,
  { passwordHash, name }: { passwordHash: string; name: string | undefined },
): Promise<Person> {
  const named = name === undefined ? {} : { name };
  return (await tx.user.update({
    where: { id },
    data: { ...named, passwordHash, status: 'ACTIVE' },
  })) as Person;
}

export async function setPassword(tx: TenantTx, id: string, passwordHash: string): Promise<void> {
  await tx.user.update({ where: { id }, data: { passwordHash } });
}

/** Notes a login, if the account is still the one whose password was checked. */
export async function noteLogin(
  tx: TenantTx,
  { id, passwordHash }: { id: string; passwordHash: string | null },
): Promise<boolean> {
  const { count } = await tx.user.updateMany({
    where: { id, passwordHash, status: 'ACTIVE' },
    data: { lastLoginAt: new Date() },
  });
  return count === 1;
}

export async function deleteUser(tx: TenantTx, id: string): Promise<void> {
  await tx.user.delete({ where: { id } });
}

/**
 * Throws CONFLICT when this person is the last active one of a role that manages the others (DIRECTOR; ADMIN on the
 * platform). Holds only after `lockUser`.
 */
export async function refuseLastLeader(tx: TenantTx, person: Person): Promise<void> {
  const { id, role, status } = person;
  if (status !== 'ACTIVE' || (role !== 'DIRECTOR' && role !== 'ADMIN')) return;
  const others = await tx.user.count({ where: { role, status: 'ACTIVE', id: { not: id } } });
  if (others > 0) return;
  throw new RegenteError('CONFLICT', `This is the last active ${role}; name another first.`);
}

/** ADMIN is a role of the operator's staff, and the only one that reaches other companies. */
async function refuseStrayAdmin(tx: TenantTx, role: Role): Promise<void> {
  if (role !== 'ADMIN' || (await getCompany(tx)).slug === PLATFORM_SLUG) return;
  throw new RegenteError('VALIDATION', 'An ADMIN belongs to the platform company.', {
    fields: [{ pointer: '/role', detail: 'ADMIN only in the platform company' }],
  });
}
