/** Long enough for the length rule and still the first that anybody tries. */
const COMMON = new Set([
  '0123456789',
  '1234567890',
  '12345678910',
  '123456789a',
  '1q2w3e4r5t',
  '1q2w3e4r5t6y',
  'abcdefghij',
  'administrador',
  'administrator',
  'brasil123456',
  'changeme123',
  'mudar12345',
  'password12',
  'password123',
  'password1234',
  'qwerty12345',
  'qwertyuiop',
  'qwertyuiop123',
  'senha12345',
  'senha123456',
  'senhasenha',
]);

const LEAST_DIFFERENT_CHARACTERS = 4;

/** What is wrong with a new password of this account beyond its length; null when nothing is. */
export function passwordProblem(password: string, email: string): string | null {
  const lower = password.toLowerCase();
  const [name = ''] = email.toLowerCase().split('@');
  if (lower === email.toLowerCase() || lower === name) return 'must not be the e-mail address';
  if (COMMON.has(lower)) return 'is one of the most common passwords';
  if (new Set(lower).size < LEAST_DIFFERENT_CHARACTERS) {
    return `needs at least ${LEAST_DIFFERENT_CHARACTERS} different characters`;
  }
  return null;
}
