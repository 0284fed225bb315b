import { RegenteError } from '../../domain/errors';
import type { MessagingVendor } from './port';
import { sandboxVendor } from './sandbox';

/** Every vendor that an account can name. */
const VENDORS: readonly MessagingVendor[] = [sandboxVendor];

/** Throws RegenteError('VALIDATION') for a name that no vendor has. */
export function vendorFor(name: string): MessagingVendor {
  const vendor = VENDORS.find((one) => one.name === name);
  if (vendor !== undefined) return vendor;
  const known = VENDORS.map((one) => one.name).join(', ');
  throw new RegenteError(
    'VALIDATION',
    `There is no messaging vendor of this name; known: ${known}.`,
    {
      fields: [{ pointer: '/provider', detail: `must be one of ${known}` }],
    },
  );
}
