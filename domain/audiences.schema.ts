import { z } from 'zod';
import { AUDIENCE_FIELDS } from './audience-columns';
import { plainText } from './plain-text.schema';

/** More people than this are a file, which is streamed. */
const MAX_LIST = 10_000;

/** Reads a `ColumnMapping` of `audience-columns.ts`. */
export const ColumnMappingInput = z.partialRecord(z.enum(AUDIENCE_FIELDS), plainText(200));

const Value = z.union([z.string().max(20_000), z.number(), z.boolean(), z.null()]);

const Variables = z.record(z.string().max(200), Value);

/**
 * A small audience as JSON: each item is a row, its keys are the column names. An object under `variables` holds values
 * for the message by name, as that of a test send does.
 */
export const AudienceList = z.strictObject({
  items: z
    .array(z.object({ variables: z.union([Variables, Value]).optional() }).catchall(Value))
    .min(1)
    .max(MAX_LIST),
});
export type AudienceList = z.infer<typeof AudienceList>;
