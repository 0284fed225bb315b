import type { Readable } from 'node:stream';
import { resolveColumns } from '../../domain/audience-columns';
import { RegenteError } from '../../domain/errors';
import {
  RowCollector,
  type AudienceBatch,
  type AudienceCsvOptions,
  type AudienceProgress,
} from './batches';
import { counted } from './bytes';
import { openAudienceFile } from './detect';
import { readHeader } from './header';
import { RecordSplitter } from './records';

export type { AudienceBatch, AudienceCsvOptions, AudienceProgress, AudienceRow } from './batches';

export interface AudienceCsv {
  readonly progress: Readonly<AudienceProgress>;
  /** Reads on only when asked: a slow consumer slows the upload down. Can be iterated once. */
  readonly batches: AsyncIterable<AudienceBatch>;
}

/**
 * Reads an audience from an uploaded CSV in constant memory. Delimiter, quotes, encoding, line breaks and gzip are
 * detected. A bad row becomes a reject; a bad file makes the iteration throw: UNSUPPORTED_MEDIA (no CSV), VALIDATION
 * (empty, no header, no address column, no rows, damaged), PAYLOAD_TOO_LARGE (over a limit). The source is not
 * destroyed then, so that the caller can still answer over the same connection.
 */
export function parseAudienceCsv(source: Readable, options: AudienceCsvOptions): AudienceCsv {
  const progress: AudienceProgress = {
    receivedBytes: 0,
    bytes: 0,
    rows: 0,
    valid: 0,
    invalid: 0,
    corrected: 0,
    blank: 0,
    file: null,
  };
  return { progress, batches: readBatches(source, options, progress) };
}

async function* readBatches(
  source: Readable,
  options: AudienceCsvOptions,
  progress: AudienceProgress,
): AsyncGenerator<AudienceBatch> {
  // After a refusal nobody listens any more, and a connection that breaks then must not end the process.
  source.on('error', () => {});
  const received = counted(source.iterator({ destroyOnReturn: false }), (count) => {
    progress.receivedBytes += count;
  });
  const { bytes, format } = await openAudienceFile(received, options.limits.maxBytes, (count) => {
    progress.bytes += count;
  });
  try {
    const header = readHeader(await bytes.peek(1), format);
    bytes.skip(header.bytes);
    const file = { ...format, columns: resolveColumns(header.cells, options) };
    progress.file = file;
    const collector = new RowCollector(options, file, progress);
    const splitter = new RecordSplitter(format, collector.expected, header.nextLine);
    for await (const chunk of bytes) yield* collector.collect(splitter.push(chunk, false));
    yield* collector.collect(splitter.push(Buffer.alloc(0), true));
    yield* collector.rest();
  } finally {
    await bytes.close();
  }
  if (progress.rows === 0) {
    throw new RegenteError('VALIDATION', 'The file has column names but no rows below them.');
  }
}
