import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from 'node:crypto';
import { RegenteError } from '../domain/errors';

const VERSION = 'v1';

/** Encrypts and decrypts what must not lie readable in the database. */
export interface Encryption {
  /** AES-256-GCM; company and row id are authenticated with it, so a value copied to another row cannot be read. */
  encrypt(plain: string, companyId: string, rowId: string): string;
  /** Throws RegenteError('CONFIGURATION') when the key is not the one it was written with, or the value was moved. */
  decrypt(sealed: string, companyId: string, rowId: string): string;
  /**
   * 32 bytes that are equal for equal parts, and that nobody without the keys can compare with a guess. They stay while
   * a rotation goes on and change with its end, when the old key is taken out.
   */
  fingerprint(parts: readonly (string | Uint8Array)[]): Buffer;
}

/** `keys` are 32 bytes each; the first one encrypts, every one is tried for decryption (key rotation). */
export function createEncryption(keys: readonly Buffer[]): Encryption {
  const [current] = keys;
  const oldest = keys.at(-1);
  if (current === undefined || oldest === undefined || keys.some((key) => key.length !== 32)) {
    throw new RegenteError('CONFIGURATION', 'ENCRYPTION_KEY must hold keys of 32 bytes, base64.');
  }
  const printKey = Buffer.from(hkdfSync('sha256', oldest, '', 'fingerprint', 32));
  const aad = (companyId: string, rowId: string): Buffer => Buffer.from(`${companyId}:${rowId}`);
  return {
    encrypt(plain, companyId, rowId) {
      const iv = randomBytes(12);
      const cipher = createCipheriv('aes-256-gcm', current, iv).setAAD(aad(companyId, rowId));
      const body = Buffer.concat([cipher.update(plain, 'utf8'), cipher.final()]);
      return [
        VERSION,
        iv.toString('base64'),
        cipher.getAuthTag().toString('base64'),
        body.toString('base64'),
      ].join(':');
    },
    decrypt(sealed, companyId, rowId) {
      const [version, iv = '', tag = '', body = ''] = sealed.split(':');
      for (const key of version === VERSION ? keys : []) {
        try {
          const decipher = createDecipheriv('aes-256-gcm', key, Buffer.from(iv, 'base64'), {
            authTagLength: 16,
          })
            .setAAD(aad(companyId, rowId))
            .setAuthTag(Buffer.from(tag, 'base64'));
          return Buffer.concat([
            decipher.update(Buffer.from(body, 'base64')),
            decipher.final(),
          ]).toString('utf8');
        } catch {
          continue;
        }
      }
      throw new RegenteError(
        'CONFIGURATION',
        'A stored secret cannot be read with ENCRYPTION_KEY; was the key changed?',
      );
    },
    fingerprint(parts) {
      const hmac = createHmac('sha256', printKey);
      for (const part of parts) hmac.update(part);
      return hmac.digest();
    },
  };
}
