import type { Connection } from '@temporalio/client';
import { temporal } from '@temporalio/proto';
import { RegenteError } from '../domain/errors';
import { SEARCH_ATTRIBUTES } from '../workflows/search-attributes';

const { INDEXED_VALUE_TYPE_KEYWORD } = temporal.api.enums.v1.IndexedValueType;

/**
 * Registers what the workflows set, where the namespace does not know it: a workflow that sets an unknown attribute
 * would stand still. Nothing happens where all are there.
 * @throws CONFIGURATION when they are missing and this connection may not register them.
 */
export async function ensureSearchAttributes(
  { operatorService }: Connection,
  namespace: string,
): Promise<void> {
  const { customAttributes } = await operatorService.listSearchAttributes({ namespace });
  const missing = SEARCH_ATTRIBUTES.filter((name) => !Object.hasOwn(customAttributes, name));
  if (missing.length === 0) return;
  try {
    await operatorService.addSearchAttributes({
      namespace,
      searchAttributes: Object.fromEntries(
        missing.map((name) => [name, INDEXED_VALUE_TYPE_KEYWORD]),
      ),
    });
  } catch (cause) {
    throw new RegenteError(
      'CONFIGURATION',
      `The namespace "${namespace}" does not know the search attributes ${missing.join(', ')} (all Keyword), and they cannot be registered from here; let its administrator do it.`,
      { cause },
    );
  }
}
