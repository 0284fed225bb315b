import { z } from '@hono/zod-openapi';
import { ROLES } from '../../domain/permissions';
import { USER_AREAS, USER_STATUSES, type UserArea } from '../../domain/users';
import type { Person } from '../../prisma/users';

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
