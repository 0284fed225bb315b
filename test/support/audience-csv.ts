import { Readable } from 'node:stream';
import {
  parseAudienceCsv,
  type AudienceCsvOptions,
  type AudienceRow,
} from '../../api/audience/parse';
import type { AudienceReject } from '../../domain/audience-rows';
import { RegenteError } from '../../domain/errors';

export const OPTIONS: AudienceCsvOptions = {
  channel: 'sms',
  defaultCountry: 'BR',
  companyTimeZone: 'America/Sao_Paulo',
  limits: { maxRows: 1_000_000, maxBytes: 100_000_000 },
};

type Input = string | Buffer | Buffer[] | Readable;
export const streamOf = (input: Input): Readable => {
  if (input instanceof Readable) return input;
  const chunks = Array.isArray(input) ? input : [Buffer.from(input as string)];
  return Readable.from(chunks, { objectMode: false });
};

export async function load(input: Input, options: Partial<AudienceCsvOptions> = {}) {
  const { batches, progress } = parseAudienceCsv(streamOf(input), { ...OPTIONS, ...options });
  const rows: AudienceRow[] = [];
  const rejects: AudienceReject[] = [];
  for await (const batch of batches) {
    rows.push(...batch.rows);
    rejects.push(...batch.rejects);
  }
  expect(progress.rows).toBe(rows.length + rejects.length);
  return { rows, rejects, progress, file: progress.file! };
}

export async function refusal(input: Input, options: Partial<AudienceCsvOptions> = {}) {
  const error: unknown = await load(input, options).then(
    () => null,
    (reason: unknown) => reason,
  );
  if (error instanceof RegenteError) return error;
  throw new Error('nothing was refused', { cause: error });
}

export const names = (rows: AudienceRow[]) => rows.map(({ recipient }) => recipient.nome);
export const phone = (i: number) => `119${String(10_000_000 + i)}`;
/** Cuts bytes into pieces of a few bytes, so that every border falls somewhere unlucky. */
export const crumbs = (bytes: Buffer, size: number) =>
  Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) =>
    bytes.subarray(i * size, (i + 1) * size),
  );

export const SMALL = 'telefone;nome\n11987654321;João\n11987654322;Zoë "Zô" D’Ávila\n';
