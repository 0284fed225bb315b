import { fieldOfName } from '../../domain/audience-columns';
import { normalizeName } from '../../domain/column-names';
import { RegenteError } from '../../domain/errors';
import { gunzipped, limited, PeekableBytes, transcoded } from './bytes';
import { judgeEncoding, type Encoding } from './encoding';

export interface FileFormat {
  compressed: boolean;
  /** null while every byte seen was ASCII; the first other one decides. */
  encoding: Encoding | null;
  delimiter: string;
  newline: '\n' | '\r';
}

/** What is looked at before the first row is read: much more, and a slow upload would seem to stand still. */
const HEAD_BYTES = 128 * 1024;
const DELIMITERS = [';', ',', '\t', '|'];

/** First bytes of what people upload instead of a CSV. */
const FOREIGN: [magic: string, name: string, advice: string][] = [
  [
    'PK\u0003\u0004',
    'an Excel workbook (.xlsx) or another zip archive',
    'In Excel use "Save as" and "CSV UTF-8"; gzip may stay as it is, zip must be unpacked.',
  ],
  [
    '\u00d0\u00cf\u0011\u00e0',
    'an old Excel workbook (.xls)',
    'In Excel use "Save as" and "CSV UTF-8".',
  ],
  ['%PDF', 'a PDF', 'Export the list as CSV from where the PDF was made.'],
  ['{\\rtf', 'a text document (.rtf)', 'Save it as CSV.'],
  ['\u0089PNG', 'an image', 'Upload a CSV.'],
  ['\u00ff\u00d8\u00ff', 'an image', 'Upload a CSV.'],
  ['7z\u00bc\u00af', 'a 7z archive', 'Unpack it first; gzip may stay as it is.'],
  ['Rar!', 'a rar archive', 'Unpack it first; gzip may stay as it is.'],
  ['\u0028\u00b5\u002f\u00fd', 'a zstd archive', 'Unpack it first; gzip may stay as it is.'],
  ['\u00fd7zXZ', 'an xz archive', 'Unpack it first; gzip may stay as it is.'],
  ['BZh', 'a bzip2 archive', 'Unpack it first; gzip may stay as it is.'],
  ['PAR1', 'a Parquet file', 'Export it as CSV.'],
];

/**
 * Opens an uploaded file: unpacks gzip, keeps the limit on unpacked bytes, turns UTF-16 into UTF-8, and finds out how
 * its lines and columns are cut. Throws UNSUPPORTED_MEDIA for what is no CSV, VALIDATION for an empty or damaged file,
 * PAYLOAD_TOO_LARGE past the limit.
 */
export async function openAudienceFile(
  source: AsyncIterable<Uint8Array>,
  maxBytes: number,
  onBytes: (count: number) => void,
): Promise<{ bytes: PeekableBytes; format: FileFormat }> {
  let bytes = new PeekableBytes(source);
  const compressed = (await bytes.peek(2)).subarray(0, 2).equals(Buffer.from([0x1f, 0x8b]));
  if (compressed) bytes = new PeekableBytes(gunzipped(bytes));
  bytes = new PeekableBytes(limited(bytes, maxBytes, onBytes));
  try {
    const start = await bytes.peek(4096);
    refuseForeign(start);
    const utf16 = utf16Of(start);
    if (utf16 !== null) bytes = new PeekableBytes(transcoded(bytes, utf16));
    const head = await bytes.peek(HEAD_BYTES);
    const marked = head.subarray(0, 3).equals(Buffer.from([0xef, 0xbb, 0xbf]));
    if (marked) bytes.skip(3);
    const text = head.toString('latin1', marked ? 3 : 0, HEAD_BYTES);
    refuseMarkup(text);
    const newline = head.includes(10) || !head.includes(13) ? '\n' : '\r';
    const encoding = marked || utf16 !== null ? 'utf8' : judgeEncoding(head);
    return { bytes, format: { compressed, encoding, newline, delimiter: delimiterOf(text) } };
  } catch (error) {
    await bytes.close();
    throw error;
  }
}

function refuseForeign(start: Buffer): void {
  const text = start.toString('latin1');
  const foreign = FOREIGN.find(([magic]) => text.startsWith(magic));
  if (foreign) throw notCsv(foreign[1], foreign[2]);
  if (utf16Of(start) !== null) return;
  const strange = start.filter((byte) => byte < 32 && ![9, 10, 12, 13].includes(byte)).length;
  if (strange > start.length / 20 && strange > 4) {
    throw notCsv('a binary file', 'Export the list as CSV and upload that.');
  }
}

function refuseMarkup(text: string): void {
  const start = text.trimStart().slice(0, 200);
  if (/^<(?:!doctype|html|table|\?xml|meta|head|div|script)/i.test(start)) {
    throw notCsv(
      'a web page or XML, perhaps named .xls',
      'Open it in Excel and use "Save as" and "CSV UTF-8".',
    );
  }
  if (/^(?:\{\s*"|\[\s*[{[])/.test(start)) {
    throw notCsv('JSON', 'Send small lists as application/json, everything else as CSV.');
  }
}

function notCsv(name: string, advice: string): RegenteError {
  return new RegenteError('UNSUPPORTED_MEDIA', `This is ${name}, not a CSV file. ${advice}`);
}

/** By its mark, or, without one, by the zero in every second byte of Western text. */
function utf16Of(start: Buffer): 'utf-16le' | 'utf-16be' | null {
  if (start[0] === 0xff && start[1] === 0xfe) return 'utf-16le';
  if (start[0] === 0xfe && start[1] === 0xff) return 'utf-16be';
  const zeros = (parity: number) => start.filter((b, i) => b === 0 && i % 2 === parity).length;
  const even = zeros(0);
  const odd = zeros(1);
  const most = start.length * 0.4;
  if (start.length < 8 || (odd < most && even < most)) return null;
  return odd > even ? 'utf-16le' : 'utf-16be';
}

/** The delimiter under which the header has the most known names, then the most columns. */
function delimiterOf(text: string): string {
  const [first = '', second = ''] = text.split(/[\r\n]+/).filter((line) => line.trim() !== '');
  const declared = /^"?sep=(.)"?/i.exec(first)?.[1];
  if (declared !== undefined) return declared;
  const header = first.replace(/"(?:[^"]|"")*"/g, (quoted) => quoted.replace(/[;,\t|]/g, ' '));
  const score = (delimiter: string) => {
    const cells = header.split(delimiter);
    const known = cells.filter((cell) => fieldOfName(normalizeName(cell)) !== undefined).length;
    return cells.length === 1
      ? 0
      : known * 1000 + cells.length + (second.includes(delimiter) ? 0.5 : 0);
  };
  return DELIMITERS.reduce((best, next) => (score(next) > score(best) ? next : best));
}
