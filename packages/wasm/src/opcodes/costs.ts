/**
 * Cost table of version 1: fuel an instruction. A unit is about one simple machine instruction. Changing a number
 * changes every result digest, so a change is a new version beside this one, never an edit.
 */
export const COSTS_V1 = {
  version: 1,
  /** A call of run or step by the executor, besides what it does. */
  taskEntry: 64,
  /** Charged at the entry of every function besides its first instructions. */
  functionEntry: 2,
  /** Bytes of declared locals that one unit more pays for at the entry, as a power of two: they are set to zero. */
  localBytesShift: 5,
  /** A function that calls nothing and costs no more than this, loops counted once, is not checked at its entry. */
  unchecked: 128,
  /** Most that one region charges in advance for small regions that it always comes before. */
  inAdvance: 16,
  /** nop, block, else, end: they are no machine code. */
  structure: 0,
  /** Every instruction not named here, `loop` among them. */
  simple: 1,
  load: 2,
  store: 2,
  branchTable: 3,
  call: 4,
  callIndirect: 8,
  integerDivision: 10,
  floatDivision: 8,
  squareRoot: 10,
  simd: 2,
  simdDivision: 12,
  simdSquareRoot: 16,
  /** memory.init, memory.copy, memory.fill, table.init, table.copy before their length. */
  bulk: 16,
  /** Bytes of a bulk memory operation that one unit pays for, as a power of two. */
  bulkBytesShift: 3,
  /** Units for each element of table.init and table.copy. */
  tableElement: 1,
  memoryGrow: 64,
  /** Units for each page asked for; requests above `memoryGrowPages` are charged as that many. */
  memoryGrowPage: 8192,
  memoryGrowPages: 65_536,
  /** A call of input_read, output_write or log before its length; and the bytes one unit pays for. */
  hostCall: 64,
  hostBytesShift: 3,
} as const
