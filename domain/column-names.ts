const MAX_LENGTH = 80;

/**
 * One spelling for a column header or a template variable: no accents, lower case, `_` for everything else, 80
 * characters at most. `"Valor da Dívida (R$)"` becomes `valor_da_divida_r`. Empty when there is no letter or digit.
 */
export function normalizeName(written: string): string {
  return written
    .normalize('NFKD')
    .replace(/\p{M}/gu, '')
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, '_')
    .replace(/^_+/, '')
    .slice(0, MAX_LENGTH)
    .replace(/_+$/, '');
}
