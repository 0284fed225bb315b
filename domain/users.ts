import { RegenteError } from './errors';
import { outranks, type Role } from './permissions';

export const USER_STATUSES = ['INVITED', 'ACTIVE', 'INACTIVE'] as const;
export type UserStatus = (typeof USER_STATUSES)[number];

export const USER_AREAS = ['SALES', 'MARKETING', 'CX_CS', 'GTM'] as const;
export type UserArea = (typeof USER_AREAS)[number];

/** Who changes a person: their id, and the highest role that they may hand out. */
export interface UserEditor {
  id: string;
  role: Role;
}

/** Throws FORBIDDEN when the editor would give a role above their own. */
export function refuseHigherRole(editor: UserEditor, role: Role): void {
  if (!outranks(role, editor.role)) return;
  throw new RegenteError('FORBIDDEN', `Nobody gives a role above their own (${editor.role}).`, {
    details: { role: editor.role },
  });
}

/** Throws FORBIDDEN when this person stands above the editor. */
export function refuseSuperior(editor: UserEditor, person: { role: Role }): void {
  if (!outranks(person.role, editor.role)) return;
  throw new RegenteError(
    'FORBIDDEN',
    'This person has a role above yours; somebody with at least theirs has to do it.',
    {
      details: { role: editor.role },
    },
  );
}

/** Throws FORBIDDEN when somebody would take away their own role or access. */
export function refuseSelf(editor: UserEditor, personId: string, what: string): void {
  if (editor.id !== personId) return;
  throw new RegenteError('FORBIDDEN', `Nobody ${what} themselves; somebody else has to.`);
}

/** What happens to a person: INVITED → ACTIVE (by accepting) → INACTIVE → ACTIVE. `done` ends "cannot be". */
const USER_VERBS = {
  invite: { from: ['INVITED'], done: 'invited' },
  accept: { from: ['INVITED'], done: 'activated by an invitation' },
  delete: { from: ['INVITED'], done: 'deleted' },
  setPassword: { from: ['ACTIVE'], done: 'given a password' },
  deactivate: { from: ['ACTIVE'], done: 'deactivated' },
  activate: { from: ['INACTIVE'], done: 'activated' },
} as const satisfies Record<string, { from: readonly UserStatus[]; done: string }>;
type UserVerb = keyof typeof USER_VERBS;

/** Throws CONFLICT with the states from which the verb is allowed. */
export function requireStatus(status: UserStatus, verb: UserVerb): void {
  const { from, done } = USER_VERBS[verb];
  const allowedFrom: readonly UserStatus[] = from;
  if (allowedFrom.includes(status)) return;
  const allowed = allowedFrom.join(' or ');
  throw new RegenteError(
    'CONFLICT',
    `A person who is ${status} cannot be ${done}; only one who is ${allowed}.`,
    { details: { state: status, allowedFrom } },
  );
}
