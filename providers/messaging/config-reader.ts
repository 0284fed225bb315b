import { RegenteError } from '../../domain/errors';
import type { FieldError } from '../../domain/errors';

/**
 * Reads a vendor account's config field by field and reports everything wrong at once. The messages
 * never repeat a value, because most of them are secrets.
 */
export class ConfigReader {
  readonly #config: Record<string, unknown>;
  readonly #errors: FieldError[] = [];
  readonly #known = new Set<string>();

  constructor(config: unknown) {
    const isObject = typeof config === 'object' && config !== null && !Array.isArray(config);
    this.#config = isObject ? { ...config } : {};
    if (!isObject) this.#errors.push({ pointer: '', detail: 'must be an object' });
  }

  /** Visible ASCII, so that it fits a header. */
  secret(name: string): string {
    const value = this.#take(name);
    if (typeof value === 'string' && /^[\x21-\x7e]{1,512}$/.test(value)) return value;
    this.#refuse(name, 'must be a text of 1 to 512 visible ASCII characters');
    return '';
  }

  /** The origin (scheme, host and port) of an http or https address. */
  origin(name: string): string {
    const value = this.#take(name);
    const url = typeof value === 'string' && URL.canParse(value) ? new URL(value) : null;
    if (url !== null && /^https?:$/.test(url.protocol) && url.pathname === '/') return url.origin;
    this.#refuse(name, 'must be an http or https address without a path');
    return '';
  }

  choice<Value>(name: string, values: readonly Value[], fallback: Value): Value {
    const value = this.#take(name);
    if (value === undefined) return fallback;
    const found = values.find((one) => one === value);
    if (found === undefined) this.#refuse(name, `must be one of ${values.join(', ')}`);
    return found ?? fallback;
  }

  whole(name: string, { min, max }: { min: number; max: number }, fallback: number): number {
    const value = this.#take(name);
    if (value === undefined) return fallback;
    if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) {
      return value;
    }
    this.#refuse(name, `must be a whole number from ${min} to ${max}`);
    return fallback;
  }

  /** Throws RegenteError('VALIDATION') when anything was wrong or unknown. */
  finish(vendor: string): void {
    for (const name of Object.keys(this.#config)) {
      if (!this.#known.has(name)) this.#refuse(name, 'is not known here');
    }
    if (this.#errors.length === 0) return;
    throw new RegenteError('VALIDATION', `The config of this ${vendor} account is not valid.`, {
      fields: this.#errors,
    });
  }

  #take(name: string): unknown {
    this.#known.add(name);
    return this.#config[name];
  }

  #refuse(name: string, detail: string): void {
    const pointer = `/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`;
    this.#errors.push({ pointer, detail });
  }
}
