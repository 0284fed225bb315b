/** GSM 03.38 default alphabet; national shift tables are not used, because operators rarely accept them. */
const GSM7_BASIC =
  '@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !"#¤%&\'()*+,-./0123456789:;<=>?' +
  '¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà';
/** Each costs two septets: an escape and the character. */
const GSM7_EXTENSION = '\f^{}\\[~]|€';

const SINGLE = { gsm7: 160, ucs2: 70 } as const;
/** A part of a longer message gives up six octets to the header that joins the parts. */
const PART = { gsm7: 153, ucs2: 67 } as const;

/** Septets per UTF-16 unit: 0 means that the default alphabet does not have it. */
const SEPTETS = new Uint8Array(0x20ad);
for (const char of GSM7_BASIC) SEPTETS[char.charCodeAt(0)] = 1;
for (const char of GSM7_EXTENSION) SEPTETS[char.charCodeAt(0)] = 2;

export interface SmsSize {
  encoding: 'gsm7' | 'ucs2';
  /** Septets (GSM-7) or 16-bit units (UCS-2). */
  units: number;
  /** What an operator bills; 0 for an empty text. */
  segments: number;
}

/**
 * How many SMS a text is. Portuguese letters outside GSM-7 (ã, õ, ç, á, ê, í, ó, ô, ú …) make the whole text UCS-2;
 * é, à, Ç and É do not. An escaped character or a surrogate pair is never split between two parts.
 */
export function smsSegments(text: string): SmsSize {
  let septets = 0;
  for (let i = 0; i < text.length; i++) {
    const cost = SEPTETS[text.charCodeAt(i)] ?? 0;
    if (cost === 0) return ucs2Size(text);
    septets += cost;
  }
  if (septets <= SINGLE.gsm7) {
    return { encoding: 'gsm7', units: septets, segments: septets === 0 ? 0 : 1 };
  }
  const segments = countParts(
    text.length,
    PART.gsm7,
    (i) => SEPTETS[text.charCodeAt(i)] ?? 0,
    () => 1,
  );
  return { encoding: 'gsm7', units: septets, segments };
}

function ucs2Size(text: string): SmsSize {
  const units = text.length;
  if (units <= SINGLE.ucs2) return { encoding: 'ucs2', units, segments: 1 };
  const width = (i: number) => ((text.codePointAt(i) ?? 0) > 0xffff ? 2 : 1);
  return { encoding: 'ucs2', units, segments: countParts(units, PART.ucs2, width, width) };
}

/** Fills parts in order; `cost` is what the character at `i` takes, `step` how many UTF-16 units it spans. */
function countParts(
  length: number,
  capacity: number,
  cost: (i: number) => number,
  step: (i: number) => number,
): number {
  let parts = 1;
  let used = 0;
  for (let i = 0; i < length; i += step(i)) {
    const needed = cost(i);
    if (used + needed > capacity) {
      parts++;
      used = 0;
    }
    used += needed;
  }
  return parts;
}
