import { randomBytes } from 'node:crypto';
import { createEncryption } from '../prisma/encryption';

const [OLD, NEW] = [randomBytes(32), randomBytes(32)];
const PLAIN = '{"token":"segredo"}';
const refused = expect.objectContaining({ code: 'CONFIGURATION' });

test('a value is read back, and is another text each time it is written', () => {
  const encryption = createEncryption([NEW]);
  const sealed = [1, 2].map(() => encryption.encrypt(PLAIN, 'company', 'row'));
  expect(sealed.map((each) => encryption.decrypt(each, 'company', 'row'))).toEqual([PLAIN, PLAIN]);
  expect(sealed[0]).not.toBe(sealed[1]);
  expect(sealed.join()).not.toContain('segredo');
});

test.each([
  ['another company', 'other', 'row'],
  ['another row', 'company', 'other'],
])('a value that was copied to %s cannot be read there', (_, companyId, rowId) => {
  const encryption = createEncryption([NEW]);
  const sealed = encryption.encrypt(PLAIN, 'company', 'row');
  expect(() => encryption.decrypt(sealed, companyId, rowId)).toThrow(refused);
});

test('a value that was changed anywhere cannot be read', () => {
  const encryption = createEncryption([NEW]);
  const [version, ...parts] = encryption.encrypt(PLAIN, 'company', 'row').split(':');
  expect(parts).toHaveLength(3);
  for (const at of parts.keys()) {
    const bytes = Buffer.from(parts[at]!, 'base64');
    bytes[0]! ^= 1;
    const changed = [version, ...parts.with(at, bytes.toString('base64'))].join(':');
    expect(() => encryption.decrypt(changed, 'company', 'row')).toThrow(refused);
  }
  for (const other of ['', 'v0', `v2:${parts.join(':')}`])
    expect(() => encryption.decrypt(other, 'company', 'row')).toThrow(refused);
});

test('during a rotation the new key writes and both are read; afterwards the old one reads nothing', () => {
  const before = createEncryption([OLD]).encrypt(PLAIN, 'company', 'row');
  const during = createEncryption([NEW, OLD]);
  expect(during.decrypt(before, 'company', 'row')).toBe(PLAIN);
  const after = createEncryption([NEW]);
  const written = during.encrypt(PLAIN, 'company', 'row');
  expect(after.decrypt(written, 'company', 'row')).toBe(PLAIN);
  expect(() => after.decrypt(before, 'company', 'row')).toThrow(refused);
});

test('a fingerprint is that of its parts and of the oldest key', () => {
  const of = (keys: Buffer[], ...parts: (string | Buffer)[]): string =>
    createEncryption(keys).fingerprint(parts).toString('hex');
  const print = of([OLD], 'a', Buffer.from('b'));
  expect(print).toMatch(/^[0-9a-f]{64}$/);
  expect(of([NEW, OLD], 'ab')).toBe(print);
  expect(of([NEW], 'ab')).not.toBe(print);
  expect(of([OLD], 'ac')).not.toBe(print);
});

test.each([[[]], [[randomBytes(16)]], [[NEW, randomBytes(31)]]])(
  'keys that are none are refused at the start (%#)',
  (keys) => {
    expect(() => createEncryption(keys)).toThrow(refused);
  },
);
