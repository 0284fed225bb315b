export { PARTS, readPart, writePart, type Contents, type Part } from './contents';
export {
  growingTables,
  listMonths,
  openWork,
  placeOf,
  requireOver,
  type LedgerMonth,
} from './months';
export {
  attach,
  createDetached,
  deleteProviderIds,
  detach,
  dropDetached,
  seal,
  sealOf,
} from './partitions';
export { inTransaction, takeTurn, withLedger } from './session';
