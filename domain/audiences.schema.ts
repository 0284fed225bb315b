import { z } from 'zod';
import { plainText } from './plain-text.schema';

/** More people than this are a file, which is streamed. */
const MAX_LIST = 10_000;

const Column = plainText(200);

/** Header of the file per field, where the names alone would be understood differently. */
export const ColumnMapping = z.strictObject({
  phone: Column.optional(),
  email: Column.optional(),
  nome: Column.optional(),
  cpfCnpj: Column.optional(),
  idcobContrato: Column.optional(),
  customMessage: Column.optional(),
});
export type ColumnMapping = z.infer<typeof ColumnMapping>;

export const AUDIENCE_FIELD_NAMES = Object.keys(ColumnMapping.shape) as (keyof ColumnMapping)[];

const Value = z.union([z.string().max(20_000), z.number(), z.boolean(), z.null()]);

/** A small audience as JSON: each item is a row, its keys are the column names. */
export const AudienceList = z.strictObject({
  items: z
    .array(z.record(z.string().max(200), Value))
    .min(1)
    .max(MAX_LIST),
});
export type AudienceList = z.infer<typeof AudienceList>;
