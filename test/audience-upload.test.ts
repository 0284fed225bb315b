import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { parseAudienceCsv } from '../api/audience/parse';
import { load, OPTIONS, phone, refusal, SMALL, streamOf } from './support/audience-csv';

describe('a file that is refused', () => {
  test.each([
    ['nothing', '', 'VALIDATION', /empty/],
    ['blank lines', '\r\n  \r\n', 'VALIDATION', /empty/],
    ['a mark only', '\ufeff', 'VALIDATION', /empty/],
    ['an empty gzip', gzipSync(''), 'VALIDATION', /empty/],
    ['a header only', 'telefone;nome\n', 'VALIDATION', /no rows/],
    ['blank rows only', 'telefone;nome\n;\n\n', 'VALIDATION', /no rows/],
    ['no address column', 'nome;cpf\nAna;\n', 'VALIDATION', /"nome", "cpf"/],
    ['no header', 'Ana;11987654321\nBia;11987654322\n', 'VALIDATION', /looks like data/],
    ['an open quote in the header', '"telefone;nome\n11987654321;Ana\n', 'VALIDATION', /quote/],
    ['an endless first line', 'x'.repeat(2_000_000), 'VALIDATION', /too long/],
    ['a workbook', 'PK\u0003\u0004xl/workbook.xml', 'UNSUPPORTED_MEDIA', /xlsx/],
    ['a workbook in gzip', gzipSync('PK\u0003\u0004xl/workbook.xml'), 'UNSUPPORTED_MEDIA', /xlsx/],
    ['an old workbook', Buffer.from('d0cf11e0a1b11ae1', 'hex'), 'UNSUPPORTED_MEDIA', /\.xls/],
    ['a PDF', '%PDF-1.7\n', 'UNSUPPORTED_MEDIA', /PDF/],
    ['a web page', '<!DOCTYPE html><table>', 'UNSUPPORTED_MEDIA', /web page/],
    ['JSON', '[{"telefone":"11987654321"}]', 'UNSUPPORTED_MEDIA', /application\/json/],
    ['a binary file', Buffer.alloc(5_000, 1), 'UNSUPPORTED_MEDIA', /binary/],
    ['a gzip that is cut short', gzipSync(SMALL).subarray(0, 40), 'VALIDATION', /damaged/],
    [
      'a damaged gzip',
      Buffer.concat([gzipSync(SMALL).subarray(0, 12), Buffer.alloc(40, 7)]),
      'VALIDATION',
      /damaged/,
    ],
  ])('%s gets one clear error', async (_what, input, code, message) => {
    const error = await refusal(input);
    expect([error.code, error.message]).toEqual([code, expect.stringMatching(message)]);
  });

  test('has more rows than allowed', async () => {
    const limits = { maxRows: 2, maxBytes: 1_000_000 };
    const file = 'telefone\n11987654321\n\n1\n';
    expect((await load(file, { limits })).rows).toHaveLength(1);
    expect((await refusal(`${file}2\n`, { limits })).code).toBe('PAYLOAD_TOO_LARGE');
  });

  test('is larger than allowed, packed or not', async () => {
    const limits = { maxRows: 1_000_000, maxBytes: 50_000 };
    const big = `telefone;nome\n${'11987654321;Ana\n'.repeat(10_000)}`;
    expect((await refusal(big, { limits })).code).toBe('PAYLOAD_TOO_LARGE');
    expect((await refusal(gzipSync(big), { limits })).code).toBe('PAYLOAD_TOO_LARGE');
  });

  test('is a gzip bomb, of which only a little is unpacked', async () => {
    const bomb = gzipSync(Buffer.alloc(200_000_000, 'telefone\n'));
    const limits = { maxRows: 1_000_000_000, maxBytes: 1_000_000 };
    const { batches, progress } = parseAudienceCsv(streamOf(bomb), { ...OPTIONS, limits });
    const reading = (async () => {
      for await (const _ of batches);
    })();
    await expect(reading).rejects.toMatchObject({ code: 'PAYLOAD_TOO_LARGE' });
    expect(progress.bytes).toBeLessThanOrEqual(1_000_000);
  });

  test('leaves the source usable, so that an answer can still be sent', async () => {
    const source = streamOf([Buffer.from('%PDF-1.7'), Buffer.alloc(100_000)]);
    expect((await refusal(source)).code).toBe('UNSUPPORTED_MEDIA');
    expect(source.destroyed).toBe(false);
    source.destroy(new Error('the client left'));
    await new Promise((resolve) => source.once('close', resolve));
  });
});

describe('streaming', () => {
  function* endless(): Generator<Buffer> {
    yield Buffer.from('telefone;nome\n');
    for (let i = 0; ; i += 1_000) {
      yield Buffer.from(
        Array.from({ length: 1_000 }, (_, k) => `${phone((i + k) % 9e7)};Ana\n`).join(''),
      );
    }
  }

  test('reads no further than the consumer asks', async () => {
    let pulled = 0;
    const counted = (function* () {
      for (const chunk of endless()) {
        pulled += chunk.length;
        yield chunk;
      }
    })();
    const source = Readable.from(counted, { objectMode: false });
    const { batches, progress } = parseAudienceCsv(source, OPTIONS);
    const iterator = batches[Symbol.asyncIterator]();
    const first = await iterator.next();
    expect(first.value!.rows.length).toBeGreaterThanOrEqual(1_000);
    expect(pulled).toBeLessThan(2_000_000);
    expect(progress.receivedBytes).toBeLessThanOrEqual(pulled);
    const before = progress.rows;
    await iterator.next();
    expect(progress.rows).toBeGreaterThan(before);
    await iterator.return?.();
    source.destroy();
  });

  test('reads the first rows while a slow client has sent 150 kilobytes', async () => {
    const source = new Readable({ read() {} });
    const rows = Array.from({ length: 14_000 }, (_, index) => `${phone(index)}\n`);
    source.push(`telefone\n${rows.join('')}`);
    const { batches, progress } = parseAudienceCsv(source, OPTIONS);
    const iterator = batches[Symbol.asyncIterator]();
    expect((await iterator.next()).done).toBe(false);
    expect(progress.receivedBytes).toBeLessThan(200_000);
    expect(progress.rows).toBeGreaterThan(0);
    await iterator.return?.();
    source.destroy();
  });

  test('passes on that the upload broke off', async () => {
    const broken = (function* () {
      yield Buffer.from(SMALL);
      throw new Error('connection lost');
    })();
    await expect(load(Readable.from(broken, { objectMode: false }))).rejects.toThrow(
      'connection lost',
    );
    const packed = (function* () {
      yield gzipSync(SMALL).subarray(0, 40);
      throw new Error('connection lost');
    })();
    await expect(load(Readable.from(packed, { objectMode: false }))).rejects.toThrow(
      'connection lost',
    );
  });

  test('reads 300,000 rows within a heap of 64 MB', async () => {
    const child = join(__dirname, 'support', 'parse-many.ts');
    const flags = ['--max-old-space-size=64', '--import', 'tsx', child, '300000'];
    const { stdout } = await promisify(execFile)(process.execPath, flags, { cwd: __dirname });
    const taken = JSON.parse(stdout) as { valid: number; grownBytes: number };
    expect(taken.valid).toBe(300_000);
    expect(taken.grownBytes).toBeLessThan(150_000_000);
  });
});
