// A process of its own for `audience-upload.test.ts`: reads that many rows and prints what it took.
import { Readable } from 'node:stream';
import { parseAudienceCsv } from '../../api/audience/parse';

const rows = Number(process.argv[2]);

function* file(): Generator<Buffer> {
  yield Buffer.from('telefone;nome\n');
  for (let i = 0; i < rows; i += 1_000) {
    const people = Array.from({ length: 1_000 }, (_, k) => `119${10_000_000 + i + k};Ana\n`);
    yield Buffer.from(people.join(''));
  }
}

async function main(): Promise<void> {
  const { batches, progress } = parseAudienceCsv(Readable.from(file(), { objectMode: false }), {
    channel: 'sms',
    defaultCountry: 'BR',
    companyTimeZone: 'America/Sao_Paulo',
    limits: { maxRows: rows, maxBytes: 1e9 },
  });
  const before = process.memoryUsage().rss;
  let peak = before;
  for await (const _ of batches) peak = Math.max(peak, process.memoryUsage().rss);
  console.log(JSON.stringify({ valid: progress.valid, grownBytes: peak - before }));
}

void main();
