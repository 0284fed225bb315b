import { z } from 'zod';
import { NewPassword } from './passwords.schema';
import { ROLES } from './permissions';
import { plainText, SearchText } from './plain-text.schema';
import { USER_AREAS, USER_STATUSES } from './users';

const link = z.url({ protocol: /^https?$/ }).max(500);

export const Email = z.email().max(254).toLowerCase();

const fields = {
  name: plainText(200),
  email: Email,
  role: z.enum(ROLES),
  area: z.enum(USER_AREAS),
  linkedin: link.nullable(),
  avatarUrl: link.nullable(),
};

/** A person who is invited. */
export const UserInput = z.strictObject({
  name: fields.name,
  email: fields.email,
  role: fields.role,
  area: fields.area.optional(),
  linkedin: fields.linkedin.optional(),
  avatarUrl: fields.avatarUrl.optional(),
});
export type UserInput = z.infer<typeof UserInput>;

/** The status has its own verbs: deactivate, activate, and accepting an invitation. */
export const UserPatch = z.strictObject(fields).partial();
export type UserPatch = z.infer<typeof UserPatch>;

export const UserFilter = z.object({
  status: z.enum(USER_STATUSES).optional(),
  role: z.enum(ROLES).optional(),
  area: z.enum(USER_AREAS).optional(),
  text: SearchText.optional().describe('A part of the name or of the e-mail address.'),
});
export type UserFilter = z.infer<typeof UserFilter>;

export const InvitationAcceptance = z.strictObject({
  token: z.string().min(1).max(200),
  password: NewPassword,
  name: fields.name.optional(),
});
