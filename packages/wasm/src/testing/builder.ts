import { ByteWriter } from '../binary/writer.ts'

/** Instructions: bytes and nested lists of them. */
export type Code = readonly (number | Code)[]

export const type = { i32: 0x7f, i64: 0x7e, f32: 0x7d, f64: 0x7c, v128: 0x7b } as const

export function flatten(code: Code, out: number[] = []): number[] {
  for (const part of code) {
    if (typeof part === 'number') out.push(part)
    else flatten(part, out)
  }
  return out
}

/** Unsigned LEB128. */
export function u32(value: number): number[] {
  return [...new ByteWriter(8).u32(value).view()]
}

/** `i32.const value`. */
export function i32(value: number): number[] {
  return [0x41, ...new ByteWriter(8).s32(value).view()]
}

/** `i64.const value`. */
export function i64(value: bigint): number[] {
  return [0x42, ...new ByteWriter(16).s64(value).view()]
}

/** `f32.const` of the given bits. */
export function f32Bits(bits: number): number[] {
  return [0x43, bits & 255, (bits >>> 8) & 255, (bits >>> 16) & 255, bits >>> 24]
}

/** `f64.const` of the given bits. */
export function f64Bits(bits: bigint): number[] {
  const bytes = new Uint8Array(8)
  new DataView(bytes.buffer).setBigUint64(0, bits, true)
  return [0x44, ...bytes]
}

export const get = (local: number): number[] => [0x20, ...u32(local)]
export const set = (local: number): number[] => [0x21, ...u32(local)]
export const tee = (local: number): number[] => [0x22, ...u32(local)]
export const globalGet = (index: number): number[] => [0x23, ...u32(index)]
export const globalSet = (index: number): number[] => [0x24, ...u32(index)]
export const call = (index: number): number[] => [0x10, ...u32(index)]

/** Encodes modules for tests, valid ones and others: nothing is checked. Imports must come before functions. */
export class ModuleBuilder {
  readonly #types: string[] = []
  readonly #typeBytes: number[][] = []
  readonly #imports: number[][] = []
  readonly #functions: number[] = []
  readonly #bodies: number[][] = []
  readonly #globals: number[][] = []
  readonly #exports: number[][] = []
  readonly #elements: number[][] = []
  readonly #data: number[][] = []
  #importedFunctions = 0
  #table: number[] | null = null
  #memory: number[] | null = null
  #start: number | null = null
  #dataCount = false

  type(params: readonly number[], results: readonly number[]): number {
    const bytes = [0x60, ...u32(params.length), ...params, ...u32(results.length), ...results]
    const key = bytes.join()
    const found = this.#types.indexOf(key)
    if (found >= 0) return found
    this.#types.push(key)
    this.#typeBytes.push(bytes)
    return this.#types.length - 1
  }

  importFunction(
    module: string,
    name: string,
    params: readonly number[],
    results: readonly number[],
  ): number {
    const bytes = new ByteWriter(64).name(module).name(name).u8(0).u32(this.type(params, results))
    this.#imports.push([...bytes.view()])
    return this.#importedFunctions++
  }

  /** Any import: kind byte and description. */
  importRaw(module: string, name: string, description: Code): this {
    const bytes = new ByteWriter(64).name(module).name(name)
    this.#imports.push([...bytes.view(), ...flatten(description)])
    return this
  }

  /** A function; the final `end` is added. `locals` one type each. */
  func(params: readonly number[], results: readonly number[], locals: readonly number[], code: Code): number {
    const declared = locals.flatMap((local) => [1, local])
    this.#functions.push(this.type(params, results))
    this.#bodies.push([...u32(locals.length), ...declared, ...flatten(code), 0x0b])
    return this.#importedFunctions + this.#functions.length - 1
  }

  /** Replaces the body of a function made before (with its locals, as `func` takes them). */
  body(index: number, locals: readonly number[], code: Code): this {
    const declared = locals.flatMap((local) => [1, local])
    this.#bodies[index - this.#importedFunctions] = [
      ...u32(locals.length),
      ...declared,
      ...flatten(code),
      0x0b,
    ]
    return this
  }

  memory(min: number, max: number | null): this {
    this.#memory = max === null ? [0, ...u32(min)] : [1, ...u32(min), ...u32(max)]
    return this
  }

  /** Limits as bytes, for memories that are refused. */
  memoryRaw(bytes: Code): this {
    this.#memory = flatten(bytes)
    return this
  }

  table(min: number, max: number | null = null): this {
    this.#table = max === null ? [0x70, 0, ...u32(min)] : [0x70, 1, ...u32(min), ...u32(max)]
    return this
  }

  tableRaw(bytes: Code): this {
    this.#table = flatten(bytes)
    return this
  }

  global(valueType: number, mutable: 'mutable' | 'constant', init: Code): number {
    this.#globals.push([valueType, mutable === 'mutable' ? 1 : 0, ...flatten(init), 0x0b])
    return this.#globals.length - 1
  }

  exportFunction(name: string, index: number): this {
    return this.exportRaw(name, 0, index)
  }

  exportMemory(name = 'memory'): this {
    return this.exportRaw(name, 2, 0)
  }

  exportGlobal(name: string, index: number): this {
    return this.exportRaw(name, 3, index)
  }

  exportRaw(name: string, kind: number, index: number): this {
    this.#exports.push([...new ByteWriter(64).name(name).u8(kind).u32(index).view()])
    return this
  }

  start(index: number): this {
    this.#start = index
    return this
  }

  /** Active segment of functions at a constant place. */
  elements(at: number, functions: readonly number[]): this {
    const items = functions.flatMap((index) => u32(index))
    return this.elementsRaw([0, i32(at), 0x0b, u32(functions.length), items])
  }

  elementsRaw(bytes: Code): this {
    this.#elements.push(flatten(bytes))
    return this
  }

  data(at: number, bytes: readonly number[]): this {
    this.#data.push(flatten([0, i32(at), 0x0b, u32(bytes.length), bytes]))
    return this
  }

  /** Passive segment; writes the data count section too. */
  passiveData(bytes: readonly number[]): this {
    this.#dataCount = true
    this.#data.push(flatten([1, u32(bytes.length), bytes]))
    return this
  }

  dataRaw(bytes: Code): this {
    this.#data.push(flatten(bytes))
    return this
  }

  bytes(): Uint8Array {
    const out = new ByteWriter().bytes([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0])
    const vector = (id: number, entries: readonly (readonly number[])[]): void => {
      if (entries.length === 0) return
      const content = new ByteWriter().u32(entries.length)
      for (const entry of entries) content.bytes(entry)
      out.section(id, content.view())
    }
    vector(1, this.#typeBytes)
    vector(2, this.#imports)
    vector(
      3,
      this.#functions.map((index) => u32(index)),
    )
    vector(4, this.#table === null ? [] : [this.#table])
    vector(5, this.#memory === null ? [] : [this.#memory])
    vector(6, this.#globals)
    vector(7, this.#exports)
    if (this.#start !== null) out.section(8, Uint8Array.from(u32(this.#start)))
    vector(9, this.#elements)
    if (this.#dataCount) out.section(12, Uint8Array.from(u32(this.#data.length)))
    vector(
      10,
      this.#bodies.map((body) => [...u32(body.length), ...body]),
    )
    vector(11, this.#data)
    return out.view().slice()
  }
}
