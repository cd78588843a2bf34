import { refuse } from '../errors.ts'
import { ANY, typeName, V128 } from '../opcodes/types.ts'

/** No edit made this value. */
export const NO_PRODUCER = -1

/**
 * The operand stack of the validation algorithm (specification, appendix "Validation Algorithm"), which also
 * knows for each value which pending NaN edit made it, and how many bytes a naive compiler needs to hold all.
 */
export class OperandStack {
  #types = new Uint8Array(256)
  #producers = new Int32Array(256)
  height = 0
  /** Height below which the current block may not pop. */
  floor = 0
  /** Whether below the floor there is anything one likes: the code cannot be reached. */
  polymorphic = false
  /** Edit that made the value popped last. */
  producer = NO_PRODUCER
  bytes = 0
  peakBytes = 0

  reset(): void {
    this.height = 0
    this.floor = 0
    this.polymorphic = false
    this.bytes = 0
    this.peakBytes = 0
  }

  push(type: number, producer: number = NO_PRODUCER): void {
    if (this.height === this.#types.length) this.#grow()
    this.#types[this.height] = type
    this.#producers[this.height++] = producer
    this.bytes += type === V128 ? 16 : 8
    if (this.bytes > this.peakBytes) this.peakBytes = this.bytes
  }

  /** Pops a value of type `expected` (or of any type); returns what it was. */
  pop(expected: number, offset: number): number {
    if (this.height === this.floor) {
      if (!this.polymorphic) refuse('wasm/invalid', offset, `missing operand of type ${typeName(expected)}`)
      this.producer = NO_PRODUCER
      return expected
    }
    const type = this.#types[--this.height] as number
    this.producer = this.#producers[this.height] as number
    this.bytes -= type === V128 ? 16 : 8
    if (type !== expected && type !== ANY && expected !== ANY) {
      refuse('wasm/invalid', offset, `operand of type ${typeName(type)}, expected ${typeName(expected)},`)
    }
    return type === ANY ? expected : type
  }

  popAll(types: Uint8Array, offset: number): void {
    for (let index = types.length - 1; index >= 0; index--) this.pop(types[index] as number, offset)
  }

  pushAll(types: Uint8Array): void {
    for (let index = 0; index < types.length; index++) this.push(types[index] as number)
  }

  /** The rest of the block cannot be reached. */
  markUnreachable(bytesAtFloor: number): void {
    this.height = this.floor
    this.bytes = bytesAtFloor
    this.polymorphic = true
  }

  #grow(): void {
    const types = new Uint8Array(this.#types.length * 2)
    types.set(this.#types)
    this.#types = types
    const producers = new Int32Array(this.#producers.length * 2)
    producers.set(this.#producers)
    this.#producers = producers
  }
}
