import { ROLE_PERMISSIONS } from '../../domain/permissions';
import { refuseHigherRole, refuseSelf, refuseSuperior, type UserEditor } from '../../domain/users';
import type { UserPatch } from '../../domain/users.schema';
import { narrowApiKeysOf, roleBehindKey, type NarrowedKey } from '../../prisma/api-keys';
import type { TenantTx } from '../../prisma/tenant';
import { refuseLastLeader, updateUser, type Person } from '../../prisma/users';
import { retireTokens } from '../../prisma/verification-tokens';
import type { Actor } from '../context';

/** Who edits: a person by their role; a key by its maker's, and never above DIRECTOR. */
export async function editorOf(tx: TenantTx, actor: Actor): Promise<UserEditor> {
  if (actor.type === 'user') return { id: actor.id, role: actor.role };
  const role = await roleBehindKey(tx, actor.id);
  return { id: actor.id, role: role === null || role === 'ADMIN' ? 'DIRECTOR' : role };
}

/**
 * Changes a person's fields; tokens that went to an old address and keys beyond a new role lose their effect.
 * Answers the person, and the keys that are not what they were.
 */
export async function editUser(
  tx: TenantTx,
  editor: UserEditor,
  before: Person,
  patch: UserPatch,
): Promise<{ after: Person; narrowedKeys: NarrowedKey[] }> {
  let narrowedKeys: NarrowedKey[] = [];
  const { id, role, email } = before;
  refuseSuperior(editor, before);
  if (patch.role !== undefined && patch.role !== role) {
    refuseHigherRole(editor, patch.role);
    refuseSelf(editor, id, 'changes the role of');
    await refuseLastLeader(tx, before);
    narrowedKeys = await narrowApiKeysOf(tx, id, ROLE_PERMISSIONS[patch.role]);
  }
  if (patch.email !== undefined && patch.email !== email) await retireTokens(tx, id);
  return { after: await updateUser(tx, id, patch), narrowedKeys };
}
