import { isAscii, isUtf8 } from 'node:buffer';
import iconv from 'iconv-lite';

export type Encoding = 'utf8' | 'windows1252';

const HIGH = /[\u0080-\u00ff]/;

/**
 * What the bytes of a file are, decided by the first of them that are not ASCII; null while all are. A few damaged
 * characters do not make a UTF-8 file Windows-1252: the kind of which there is more wins.
 */
export function judgeEncoding(bytes: Buffer): Encoding | null {
  if (isAscii(bytes)) return null;
  const whole = withoutCutCharacter(bytes);
  if (isUtf8(whole)) return 'utf8';
  const { valid, invalid } = countSequences(whole);
  return valid > invalid ? 'utf8' : 'windows1252';
}

/** Leaves out a character whose last bytes are still to come. */
function withoutCutCharacter(bytes: Buffer): Buffer {
  for (let back = 1; back <= 3 && back <= bytes.length; back++) {
    const byte = bytes[bytes.length - back] ?? 0;
    if (byte < 0x80) break;
    if (byte < 0xc0) continue;
    return sequenceLength(byte) > back ? bytes.subarray(0, bytes.length - back) : bytes;
  }
  return bytes;
}

function sequenceLength(first: number): number {
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first < 0xe0) return 2;
  if (first >= 0xe0 && first < 0xf0) return 3;
  return first >= 0xf0 && first < 0xf5 ? 4 : 0;
}

function countSequences(bytes: Buffer): { valid: number; invalid: number } {
  let valid = 0;
  let invalid = 0;
  for (let at = 0; at < bytes.length;) {
    const length = sequenceLength(bytes[at] ?? 0);
    if (length === 1) at++;
    else if (length > 1 && isUtf8(bytes.subarray(at, at + length))) {
      valid++;
      at += length;
    } else {
      invalid++;
      at++;
    }
  }
  return { valid, invalid };
}

/**
 * The text of a cell whose bytes were read one to a character (`latin1`). A cell of valid UTF-8 is UTF-8 in any file,
 * so that a file put together from two systems is read right.
 * @returns null when a UTF-8 file holds bytes that are none
 */
export function decodeCell(latin1: string, encoding: Encoding): string | null {
  if (!HIGH.test(latin1)) return latin1;
  const bytes = Buffer.from(latin1, 'latin1');
  if (isUtf8(bytes)) return bytes.toString('utf8');
  return encoding === 'windows1252' ? iconv.decode(bytes, 'win1252') : null;
}
