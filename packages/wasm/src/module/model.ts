/** A module as its binary says, indices checked, function bodies not yet. Offsets are bytes in the module. */
export interface FunctionType {
  readonly params: Uint8Array
  readonly results: Uint8Array
}

export const EXTERNAL_FUNCTION = 0
export const EXTERNAL_TABLE = 1
export const EXTERNAL_MEMORY = 2
export const EXTERNAL_GLOBAL = 3

export interface ModuleImport {
  readonly module: string
  readonly name: string
  readonly kind: number
  readonly offset: number
  /** Type index of a function; unused otherwise. */
  readonly typeIndex: number
}

export interface ModuleExport {
  readonly name: string
  readonly kind: number
  readonly index: number
  readonly offset: number
}

export interface Limits {
  readonly min: number
  readonly max: number | null
  readonly imported: boolean
  readonly offset: number
}

export interface GlobalType {
  readonly type: number
  readonly mutable: boolean
  readonly imported: boolean
}

/** A constant expression: its bytes with the final `end`, and its value when it is one `i32.const`. */
export interface ConstantExpression {
  readonly start: number
  readonly end: number
  readonly i32: number | null
}

export interface ElementSegment {
  readonly offset: number
  /** 0–7 as the binary writes them. */
  readonly flags: number
  /** Null for passive and declarative segments. */
  readonly at: ConstantExpression | null
  /** Function indices; −1 for null. */
  readonly items: Int32Array
}

export interface DataSegment {
  readonly offset: number
  readonly at: ConstantExpression | null
  readonly length: number
}

/** The content of a section after its count, to be copied as it is. */
export interface RawSection {
  readonly count: number
  readonly start: number
  readonly end: number
}

export interface Module {
  readonly bytes: Uint8Array
  readonly raw: ReadonlyMap<number, RawSection>
  readonly types: readonly FunctionType[]
  readonly imports: readonly ModuleImport[]
  /** Type index of every function, imported ones first. */
  readonly functions: readonly number[]
  readonly importedFunctions: number
  readonly table: Limits | null
  readonly memory: Limits | null
  readonly globals: readonly GlobalType[]
  readonly exports: readonly ModuleExport[]
  readonly start: { readonly index: number; readonly offset: number } | null
  readonly elements: readonly ElementSegment[]
  readonly dataCount: number | null
  readonly bodies: readonly { readonly start: number; readonly end: number }[]
  readonly data: readonly DataSegment[]
}

export const SECTION = {
  custom: 0,
  type: 1,
  import: 2,
  function: 3,
  table: 4,
  memory: 5,
  global: 6,
  export: 7,
  start: 8,
  element: 9,
  code: 10,
  data: 11,
  dataCount: 12,
} as const
