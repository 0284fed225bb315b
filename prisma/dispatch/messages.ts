import type { MessageFields } from '../../domain/campaign-messages';
import type { Database } from '../client';
import type { ExecutionRef } from './batches';
import { callDispatch } from './call';

/** The batch that a caller holds: its number and the attempt that is the fence. */
export interface HeldBatch extends ExecutionRef {
  seq: number;
  attempt: number;
}

export interface MarkedPerson extends MessageFields {
  position: number;
}

export interface MarkInput {
  markId: string;
  limit: number;
  leaseMs: number;
  credentialVersion: number;
  /** Zones in which sending is not allowed now, and when it is again (null: never). */
  closedZones: readonly { zone: string; opensAtMs: number | null }[];
  /** Skips everybody of this call as `bad_row`: the database cannot take the row. */
  badRow: boolean;
}

/** Somebody whom the gate skipped or deferred instead of marking them. */
export interface GatedPerson {
  state: 'skipped' | 'queued';
  /** As in the ledger. */
  reason: string;
}

export type MarkResult =
  | { outcome: 'stopped' | 'fenced' }
  | {
      outcome: 'marked';
      people: MarkedPerson[];
      /** The batch has more to mark right now. */
      more: boolean;
      /** The batch's money did not cover everybody. */
      short: boolean;
      gated: readonly GatedPerson[];
    };

type PersonTuple = [
  number,
  string,
  string | null,
  string | null,
  string | null,
  string | null,
  Record<string, string>,
];

interface MarkRow {
  outcome: 'marked' | 'stopped' | 'fenced';
  more: boolean;
  short: boolean;
  gated: [GatedPerson['state'], string][] | null;
  messages: PersonTuple[] | null;
}

/** Applies the gate to the next people of a held batch and marks those who pass: nobody is called without it. */
export async function markPeople(
  db: Database,
  batch: HeldBatch,
  input: MarkInput,
): Promise<MarkResult> {
  const { closedZones } = input;
  const row = await callDispatch<MarkRow>(db, 'dispatch_mark', [
    batch.companyId,
    batch.executionId,
    batch.seq,
    batch.attempt,
    input.markId,
    input.limit,
    input.leaseMs,
    input.credentialVersion,
    closedZones.map(({ zone }) => zone),
    closedZones.map(({ opensAtMs }) =>
      opensAtMs === null ? null : new Date(opensAtMs).toISOString(),
    ),
    input.badRow,
  ]);
  if (row.outcome !== 'marked') return { outcome: row.outcome };
  return {
    outcome: 'marked',
    people: people(row.messages),
    more: row.more,
    short: row.short,
    gated: (row.gated ?? []).map(([state, reason]) => ({ state, reason })),
  };
}

/** Takes open rows for a repeat with the same key: those of ended marks, and those whose lease and grace are over. */
export async function remarkPeople(
  db: Database,
  batch: HeldBatch,
  input: {
    markId: string;
    positions: readonly number[];
    endedMarks: readonly string[];
    leaseMs: number;
    graceMs: number;
  },
): Promise<{ outcome: 'stopped' | 'fenced' } | { outcome: 'marked'; people: MarkedPerson[] }> {
  const row = await callDispatch<MarkRow>(db, 'dispatch_remark', [
    batch.companyId,
    batch.executionId,
    batch.seq,
    batch.attempt,
    input.markId,
    input.positions,
    input.endedMarks,
    input.leaseMs,
    input.graceMs,
  ]);
  return row.outcome === 'marked'
    ? { outcome: 'marked', people: people(row.messages) }
    : { outcome: row.outcome };
}

function people(tuples: PersonTuple[] | null): MarkedPerson[] {
  return (tuples ?? []).map(
    ([position, address, nome, cpfCnpj, idcobContrato, customMessage, variables]) => ({
      position,
      address,
      nome,
      cpfCnpj,
      idcobContrato,
      customMessage,
      variables,
    }),
  );
}

/** What became of one called message. */
export interface Settlement {
  position: number;
  outcome: 'sent' | 'failed' | 'queued' | 'unknown';
  providerId?: string;
  code?: string;
  permanent?: boolean;
  /** For `queued`: after how long it may be tried again. */
  delayMs?: number;
}

export interface SettleInput {
  /** The mark that the settlements belong to; null when the holder of the fence reconciles rows of older marks. */
  markId: string | null;
  graceMs: number;
  /** False only where the vendor has a key or a look-up, so that a lost commit can be found out again. */
  durable: boolean;
  /** Writes down each vendor id for callbacks that carry nothing else; a second id of a message is always kept. */
  keepIds: boolean;
  settlements: readonly Settlement[];
}

export interface SettleResult {
  changed: number;
  /** Messages for which the vendor has given two ids: two messages where there should be one. */
  secondIds: number;
  /** Acceptances that came after the row had been given up or put back. */
  late: number;
}

interface SettleRow {
  changed: number;
  second_ids: number;
  late: number;
}

/** Writes results down, once, and moves the money of the rows that changed. */
export async function settlePeople(
  db: Database,
  batch: HeldBatch,
  input: SettleInput,
): Promise<SettleResult> {
  const { settlements } = input;
  const row = await callDispatch<SettleRow>(db, 'dispatch_settle', [
    batch.companyId,
    batch.executionId,
    batch.seq,
    batch.attempt,
    input.markId,
    input.graceMs,
    settlements.map((each) => each.position),
    settlements.map((each) => each.outcome),
    valuesOf(settlements, ({ providerId }) => storable(providerId)),
    valuesOf(settlements, ({ code }) => storable(code)),
    valuesOf(settlements, ({ permanent }) => permanent ?? null),
    valuesOf(settlements, ({ delayMs }) => (delayMs === undefined ? null : Math.ceil(delayMs))),
    input.durable,
    input.keepIds,
  ]);
  return { changed: row.changed, secondIds: row.second_ids, late: row.late };
}

/** One value per settlement; null for a column that none of them has, which is nearly every one when all goes well. */
function valuesOf<T>(
  settlements: readonly Settlement[],
  read: (each: Settlement) => T | null,
): (T | null)[] | null {
  const values = settlements.map(read);
  return values.every((value) => value === null) ? null : values;
}

const LONGEST_TEXT = 250;

/** What a vendor says must never be what the database refuses: settling would be tried again for ever. */
function storable(text: string | undefined): string | null {
  return text === undefined ? null : text.replaceAll('\0', '').slice(0, LONGEST_TEXT);
}

export interface OpenRow {
  position: number;
  markId: string;
  markedAtMs: number;
  callBeforeMs: number;
  credentialVersion: number;
  /** How often it was marked, repeats included. */
  tries: number;
}

/** The rows of a batch that are in `sending`, and the database's clock. */
export async function listOpenRows(
  db: Database,
  batch: HeldBatch,
): Promise<{ rows: OpenRow[]; nowMs: number }> {
  const row = await callDispatch<{
    now: Date;
    open: [number, string, string, string, number, number][] | null;
  }>(db, 'dispatch_open_rows', [batch.companyId, batch.executionId, batch.seq]);
  const rows = (row.open ?? []).map(
    ([position, markId, markedAt, callBefore, credentialVersion, tries]) => ({
      position,
      markId,
      markedAtMs: Date.parse(markedAt),
      callBeforeMs: Date.parse(callBefore),
      credentialVersion,
      tries,
    }),
  );
  return { rows, nowMs: row.now.getTime() };
}
