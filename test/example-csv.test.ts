import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { exampleCampaign } from '../dev/demo/example-campaign';
import { generateAudience, inventedPhone } from '../dev/demo/example-csv';
import { parseDocument } from '../domain/documents';
import { parsePhone } from '../domain/phones';
import { load } from './support/audience-csv';

const committed = (name: string) => readFileSync(join(__dirname, '..', 'examples', name));
const sms = { defaultCountry: 'BR', requireMobile: true } as const;

describe('examples/campanha.csv', () => {
  test('is what the generator writes (npx tsx dev/write-examples.ts)', () => {
    const { campaign, blocked } = exampleCampaign();
    expect(committed('campanha.csv').equals(campaign)).toBe(true);
    expect(committed('bloqueados.csv').equals(blocked)).toBe(true);
  });

  test('has about a thousand people and every kind of bad row', async () => {
    const { rows, rejects, progress } = await load(committed('campanha.csv'));
    const reasons: Record<string, number> = {};
    for (const { reason } of rejects) reasons[reason] = (reasons[reason] ?? 0) + 1;
    expect(reasons).toEqual({
      landline: 2,
      missing_area_code: 2,
      spreadsheet_damaged: 6,
      missing_address: 2,
      letters: 2,
      invalid_area_code: 2,
      wrong_length: 2,
      invalid_number: 2,
      several_numbers: 2,
      service_number: 2,
      invalid_document: 4,
      too_long: 2,
      column_count: 4,
      invalid_quotes: 4,
      invalid_encoding: 1,
    });
    expect(progress).toMatchObject({ rows: 1011, valid: 972, blank: 2, corrected: 56 });
    expect(new Set(rows.map(({ recipient }) => recipient.address)).size).toBe(960);
    const custom = rows.filter(({ recipient }) => recipient.customMessage !== null);
    expect(custom).toHaveLength(60);
    expect(custom.some(({ recipient }) => /\n/.test(recipient.customMessage!))).toBe(true);
    expect(custom.some(({ recipient }) => /"/.test(recipient.customMessage!))).toBe(true);
    expect(rows.filter(({ recipient }) => !recipient.variables['valor'])).toHaveLength(5);
  });

  test('holds the fifteen people of bloqueados.csv, by phone or document', async () => {
    const { rows } = await load(committed('campanha.csv'));
    const [, ...lines] = committed('bloqueados.csv').toString().trim().split('\n');
    expect(lines).toHaveLength(15);
    for (const line of lines) {
      const [phone = '', cpf = ''] = line.split(';');
      const parsed = parsePhone(phone, sms);
      const document = parseDocument(cpf);
      const found = rows.filter(
        ({ recipient }) =>
          (parsed.ok && recipient.address === parsed.e164) ||
          (document.ok && recipient.cpfCnpj === document.value),
      );
      expect([line, found.length]).toEqual([line, 1]);
    }
  });
});

describe('generated audiences', () => {
  test('hold exactly as many people as asked for, all valid and different', async () => {
    const source = Readable.from(generateAudience(20_000, 7), { objectMode: false });
    const { rows, rejects, progress } = await load(source);
    expect(rejects).toEqual([]);
    expect(rows).toHaveLength(20_000);
    expect(progress.corrected).toBe(0);
    expect(new Set(rows.map(({ recipient }) => recipient.address)).size).toBe(20_000);
    expect(rows.every(({ recipient }) => recipient.nome && recipient.cpfCnpj)).toBe(true);
  });

  test('give nobody the phone of somebody else, at both ends of ten million', () => {
    const seen = new Uint8Array(Math.ceil((100 * 1_000_000) / 8));
    for (let index = 0; index < 10_000_000; index += index === 499_999 ? 9_000_001 : 1) {
      const phone = inventedPhone(index, 3);
      const place = Number(phone.slice(0, 2)) * 1_000_000 + Number(phone.slice(5));
      const bit = 1 << (place & 7);
      if ((seen[place >> 3]! & bit) !== 0) throw new Error(`${phone} comes twice`);
      seen[place >> 3]! |= bit;
    }
  });

  test('are the same for the same seed only', () => {
    const text = (seed: number) => [...generateAudience(50, seed)].join('');
    expect(text(1)).toBe(text(1));
    expect(text(1)).not.toBe(text(2));
  });
});
