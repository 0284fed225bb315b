import { z } from '@hono/zod-openapi';
import { ROLES } from '../../domain/permissions';
import { USER_AREAS, USER_STATUSES, type UserArea } from '../../domain/users';
import type { Person } from '../../prisma/users';
import type { ApiDeps } from '../context';

export const User = z
  .object({
    id: z.uuid(),
    name: z.string(),
    email: z.string(),
    linkedin: z.string().nullable(),
    role: z.enum(ROLES),
    status: z.enum(USER_STATUSES),
    area: z.enum(USER_AREAS),
    avatarUrl: z.string().nullable(),
    lastLoginAt: z.iso.datetime().nullable(),
    createdAt: z.iso.datetime(),
    updatedAt: z.iso.datetime(),
  })
  .openapi('User');

const InvitationMail = z.enum(['queued', 'not_configured']).openapi({
  description:
    'Whether the e-mail with the link is on its way. `not_configured`: this installation sends no account mail; whoever runs it ' +
    'sets NOTICE_PROVIDER, after which it goes out by itself while its link is good.',
});

export const InvitedUser = User.extend({ invitationMail: InvitationMail }).openapi('InvitedUser');

export const Invitation = z
  .object({ expiresAt: z.iso.datetime(), invitationMail: InvitationMail })
  .openapi('Invitation');

/** What this installation does with the e-mail of an invitation. */
export const invitationMailOf = ({ config }: ApiDeps): z.infer<typeof InvitationMail> =>
  config.NOTICE_PROVIDER === undefined ? 'not_configured' : 'queued';

export const showUser = (row: Person) => ({
  id: row.id,
  name: row.name,
  email: row.email,
  linkedin: row.linkedin,
  role: row.role,
  status: row.status,
  area: row.area as UserArea,
  avatarUrl: row.avatarUrl,
  lastLoginAt: row.lastLoginAt?.toISOString() ?? null,
  createdAt: row.createdAt.toISOString(),
  updatedAt: row.updatedAt.toISOString(),
});
