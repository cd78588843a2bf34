/**
 * Limits of version 1. None is above what V8 and wasmtime take after instrumentation, so that a module admitted
 * here is not refused by an engine; together they keep admission linear in the size of the module.
 */
export const LIMITS = {
  /** Bytes of a module. */
  moduleBytes: 16 * 1024 * 1024,
  /** Bytes that a module may grow to. Executors take 64 MiB, together with what they are told about the task. */
  instrumentedBytes: 48 * 1024 * 1024,
  types: 10_000,
  imports: 10_000,
  /** Defined and imported together. */
  functions: 100_000,
  globals: 10_000,
  exports: 100_000,
  dataSegments: 50_000,
  elementSegments: 10_000,
  /** Items of one element segment. */
  elementItems: 1_000_000,
  /** Elements of the table when it starts. */
  tableElements: 1_000_000,
  /** Pages of 64 KiB. */
  memoryPages: 65_536,
  params: 128,
  results: 64,
  /** Parameters and declared locals of one function. */
  locals: 10_000,
  /** Bytes of one function body. */
  bodyBytes: 1024 * 1024,
  /** Bytes that one function body may grow to: V8 takes 7,654,321. */
  instrumentedBodyBytes: 7_500_000,
  /** Blocks inside one another. */
  nesting: 4_096,
  branchTargets: 16_384,
  /** Bytes of an import or export name. */
  nameBytes: 10_000,
} as const
