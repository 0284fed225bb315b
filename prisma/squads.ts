import { notFound } from '../domain/errors';
import type { SquadFilter, SquadInput, SquadPatch } from '../domain/squads.schema';
import { unlessTaken } from './conflicts';
import { containing } from './filters';
import type { Squad, SquadMember, User } from './generated/client';
import type { PageArgs } from './paging';
import type { TenantTx } from './tenant';

const NAME_TAKEN = { pointer: '/name', message: 'The company already has a squad of this name.' };

export type Member = SquadMember & { user: User };

export async function listSquads(
  tx: TenantTx,
  { text, type }: SquadFilter,
  { after, ...page }: PageArgs,
): Promise<Squad[]> {
  return tx.squad.findMany({
    where: {
      ...after,
      name: containing(text),
      type,
    },
    ...page,
  });
}

/** Throws NOT_FOUND. */
export async function getSquad(tx: TenantTx, id: string): Promise<Squad> {
  const squad = await tx.squad.findUnique({ where: { id } });
  if (squad === null) throw notFound('squad');
  return squad;
}

/** Throws CONFLICT when the name is taken. */
export async function createSquad(
  tx: TenantTx,
  companyId: string,
  input: SquadInput,
): Promise<Squad> {
  return unlessTaken(tx.squad.create({ data: { companyId, ...input } }), NAME_TAKEN);
}

export async function updateSquad(tx: TenantTx, id: string, patch: SquadPatch): Promise<Squad> {
  return unlessTaken(tx.squad.update({ where: { id }, data: patch }), NAME_TAKEN);
}

/** Its members lose the membership, nothing else. */
export async function deleteSquad(tx: TenantTx, id: string): Promise<void> {
  await tx.squad.delete({ where: { id } });
}

export async function listMembers(
  tx: TenantTx,
  squadId: string,
  { after, ...page }: PageArgs,
): Promise<Member[]> {
  return tx.squadMember.findMany({
    where: { squadId, ...after },
    include: { user: true },
    ...page,
  });
}

/** Throws NOT_FOUND when the person is not in the squad. */
export async function getMember(tx: TenantTx, squadId: string, userId: string): Promise<Member> {
  const member = await tx.squadMember.findUnique({
    where: { userId_squadId: { userId, squadId } },
    include: { user: true },
  });
  if (member === null) throw notFound('member');
  return member;
}

/** Throws CONFLICT when the person is in the squad already. */
export async function addMember(
  tx: TenantTx,
  data: { companyId: string; squadId: string; userId: string; isLeader: boolean },
): Promise<Member> {
  return unlessTaken(tx.squadMember.create({ data, include: { user: true } }), {
    pointer: '/userId',
    message: 'This person is in the squad already.',
  });
}

export async function updateMember(
  tx: TenantTx,
  id: string,
  change: { isLeader: boolean },
): Promise<Member> {
  return tx.squadMember.update({ where: { id }, data: change, include: { user: true } });
}

export async function removeMember(tx: TenantTx, id: string): Promise<void> {
  await tx.squadMember.delete({ where: { id } });
}
