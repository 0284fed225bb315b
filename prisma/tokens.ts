import { createHash, randomBytes } from 'node:crypto';

/** Each kind of token has its own beginning, so that a leak is found by its look. */
export const API_KEY_PREFIX = 'rgt_';
export const SESSION_PREFIX = 'rgs_';

/** 256 random bits in URL-safe characters. */
export function newToken(prefix = ''): string {
  return `${prefix}${randomBytes(32).toString('base64url')}`;
}

/** What the database keeps of a token. 256 random bits cannot be guessed, so a plain hash hides them well enough. */
export function hashToken(token: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(createHash('sha256').update(token).digest());
}
