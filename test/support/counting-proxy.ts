import { startTcpProxy, type TcpProxy } from './tcp-proxy';

/** What went over the wire to PostgreSQL. */
export interface WireCounts {
  /** Times that a client waited for the server. */
  roundTrips: number;
  /** Statements that were carried out, `BEGIN` and `COMMIT` among them. */
  statements: number;
  transactions: number;
}

/** A way to PostgreSQL that counts what passes. */
export interface CountingProxy extends TcpProxy {
  counts(): WireCounts;
}

const READY_FOR_QUERY = 'Z';
const COMMAND_COMPLETE = 'C';
const IDLE = 'I';
/** A type of one byte, and a length that counts itself. */
const HEADER_BYTES = 5;

export async function startCountingProxy(target: string): Promise<CountingProxy> {
  const counts: WireCounts = { roundTrips: 0, statements: 0, transactions: 0 };
  const proxy = await startTcpProxy(target, (near, far) => {
    const read = createReader(counts);
    near.on('data', (chunk) => far.write(chunk));
    far.on('data', (chunk: Buffer) => {
      read(chunk);
      near.write(chunk);
    });
  });
  return { ...proxy, counts: () => ({ ...counts }) };
}

/** Reads the server's messages of one connection. Its first readiness ends the greeting, which nobody counts. */
function createReader(counts: WireCounts): (chunk: Buffer) => void {
  let rest = Buffer.alloc(0);
  let isGreeted = false;
  return (chunk) => {
    rest = Buffer.concat([rest, chunk]);
    let from = 0;
    while (rest.length - from >= HEADER_BYTES) {
      const end = from + 1 + rest.readUInt32BE(from + 1);
      if (end > rest.length) break;
      const type = String.fromCharCode(rest.readUInt8(from));
      if (type === COMMAND_COMPLETE) counts.statements += 1;
      if (type === READY_FOR_QUERY) {
        if (isGreeted) counts.roundTrips += 1;
        if (isGreeted && rest.toString('latin1', end - 1, end) === IDLE) counts.transactions += 1;
        isGreeted = true;
      }
      from = end;
    }
    rest = rest.subarray(from);
  };
}
