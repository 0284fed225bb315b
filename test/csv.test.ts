import { setImmediate as oneTurn } from 'node:timers/promises';
import { csvStream, type CsvCell, type CsvForm } from '../api/csv';

const unfailing = async (error: unknown): Promise<void> => {
  throw error;
};

async function csv(cells: CsvCell[], form: CsvForm = 'csv'): Promise<string> {
  const columns = cells.map((cell, index) => ({ header: `c${index}`, cell: () => cell }));
  const bytes = await new Response(csvStream(columns, [null], form, unfailing)).arrayBuffer();
  const [, line = ''] = Buffer.from(bytes)
    .toString('utf8')
    .split(/\r\n(.*)/s);
  return line.replace(/\r\n$/, '');
}

test.each(['=1+1', '+55', '-1', '@x', '\tx', '\rx', '\nx', '＝1', "=cmd|' /C calc'!A0"])(
  'the text %j is no formula for a spreadsheet',
  async (text) => {
    for (const form of ['csv', 'excel-br'] as const)
      expect(await csv([text], form)).toMatch(/^"?'[=+\-@\t\r\n＝]/);
  },
);

test('numbers and decimals of ours are not taken for formulas', async () => {
  expect(await csv([-1.5, { decimal: '-0.0001' }, 10, null])).toBe('-1.5,-0.0001,10,');
  expect(await csv([-1.5, { decimal: '-0.0001' }, 10, null], 'excel-br')).toBe('-1,5;-0,0001;10;');
});

test('separators, quotes and line breaks stay inside their cell', async () => {
  expect(await csv(['a,b', 'c;d', 'e"f', 'g\nh', ' i', 'ção'])).toBe(
    '"a,b","c;d","e""f","g\nh"," i",ção',
  );
});

test('the Brazilian form begins with one byte order mark', async () => {
  const stream = csvStream([{ header: 'a', cell: () => 'b' }], [1], 'excel-br', unfailing);
  const bytes = Buffer.from(await new Response(stream).arrayBuffer());
  expect(bytes.toString('utf8')).toBe('\ufeffa\r\nb\r\n');
});

test('rows are read as they are wanted, and no more when the reader leaves', async () => {
  let read = 0;
  let ended = false;
  async function* endless() {
    try {
      for (;;) {
        await oneTurn();
        yield read++;
      }
    } finally {
      ended = true;
    }
  }
  const wide = 'x'.repeat(10_000);
  const columns = [{ header: 'a', cell: () => wide }];
  const reader = csvStream(columns, endless(), 'csv', unfailing).getReader();
  await reader.read();
  // Each row takes a turn of the event loop, so that this is enough for a reader that does not wait.
  for (let turns = 0; turns < 1_000; turns += 1) await oneTurn();
  expect(read).toBeLessThan(30);
  await reader.cancel();
  expect(ended).toBe(true);
});

test('a reader who leaves while a row is being read is no failure', async () => {
  let goOn = (): void => undefined;
  const asked = new Promise<void>((resolve) => {
    goOn = resolve;
  });
  let isOver = false;
  async function* slow() {
    await asked;
    yield 1;
    isOver = true;
  }
  const told: unknown[] = [];
  const tell = async (error: unknown): Promise<void> => void told.push(error);
  const columns = [{ header: 'a', cell: () => 'x'.repeat(100_000) }];
  const reader = csvStream(columns, slow(), 'csv', tell).getReader();
  const left = reader.cancel();
  goOn();
  await left;
  for (let turns = 0; turns < 100; turns += 1) await oneTurn();
  expect({ told, isOver }).toEqual({ told: [], isOver: false });
});

test('rows that fail make the stream fail, so that nobody takes a part for the whole', async () => {
  function* broken() {
    yield 1;
    throw new Error('gone');
  }
  const told: unknown[] = [];
  const stream = csvStream(
    [{ header: 'a', cell: (row) => row }],
    broken(),
    'csv',
    async (error) => void told.push(error),
  );
  await expect(new Response(stream).text()).rejects.toThrow('The file broke off.');
  expect(told).toEqual([new Error('gone')]);
});
