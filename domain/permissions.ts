export const ROLES = ['AGENT', 'MANAGER', 'DIRECTOR', 'ADMIN'] as const;
export type Role = (typeof ROLES)[number];

/** Slug of the platform company: the operator's own, to which every ADMIN belongs. */
export const PLATFORM_SLUG = 'regente';

/** Everything that a route can ask for. */
export const PERMISSIONS = [
  'companies:manage',
  'company:read',
  'company:write',
  'users:read',
  'users:write',
  'squads:read',
  'squads:write',
  'keys:manage',
  'audit:read',
  'wallets:read',
  'wallets:write',
  'budgets:read',
  'budgets:write',
  'credentials:read',
  'credentials:write',
  'templates:read',
  'templates:write',
  'restrictions:read',
  'restrictions:write',
  'campaigns:read',
  'campaigns:write',
  'campaigns:approve',
  'campaigns:control',
] as const;
export type Permission = (typeof PERMISSIONS)[number];

/** What an API key can be given; a key lives in one company, so it never makes others. */
export const KEY_SCOPES: readonly Permission[] = PERMISSIONS.filter(
  (permission) => permission !== 'companies:manage',
);

const AGENT: readonly Permission[] = [
  'company:read',
  'squads:read',
  'wallets:read',
  'budgets:read',
  'templates:read',
  'restrictions:read',
  'campaigns:read',
  'campaigns:write',
];
const MANAGER: readonly Permission[] = [
  ...AGENT,
  'users:read',
  'templates:write',
  'restrictions:write',
  'campaigns:approve',
  'campaigns:control',
];

/** The role × permission table; the only one. Which campaigns a role sees is decided by `campaignScope`. */
export const ROLE_PERMISSIONS: Readonly<Record<Role, readonly Permission[]>> = {
  AGENT,
  MANAGER,
  DIRECTOR: KEY_SCOPES,
  ADMIN: PERMISSIONS,
};

/** Whether `role` stands above `other`. */
export function outranks(role: Role, other: Role): boolean {
  return ROLES.indexOf(role) > ROLES.indexOf(other);
}

/** Whose campaigns a role sees and may act on: its own, those of its squads' people, or the whole company's. */
export function campaignScope(role: Role): 'own' | 'squad' | 'company' {
  switch (role) {
    case 'AGENT':
      return 'own';
    case 'MANAGER':
      return 'squad';
    case 'DIRECTOR':
    case 'ADMIN':
      return 'company';
  }
}
