import { inputRead, inputSize } from './abi'

/**
 * Reads the input from front to back. All numbers are little-endian. Reading past the end traps (`unreachable`):
 * a malformed input gives the same trap on every node, and so an answer that can be voted on.
 */
export class Reader {
  private bytes: StaticArray<u8>
  private position: i32 = 0

  /** A reader over the whole input of this task. */
  constructor() {
    const size = inputSize()
    this.bytes = new StaticArray<u8>(size)
    if (inputRead(changetype<usize>(this.bytes), 0, size) != size) unreachable()
  }

  /** Bytes not read yet. */
  get remaining(): i32 {
    return this.bytes.length - this.position
  }

  u8(): u8 {
    return load<u8>(this.take(1))
  }

  u32(): u32 {
    return load<u32>(this.take(4))
  }

  u64(): u64 {
    return load<u64>(this.take(8))
  }

  f64(): f64 {
    return load<f64>(this.take(8))
  }

  /** The next `length` bytes, copied. */
  byteArray(length: i32): StaticArray<u8> {
    const from = this.take(length)
    const out = new StaticArray<u8>(length)
    memory.copy(changetype<usize>(out), from, length)
    return out
  }

  /** The next `length` doubles, copied. */
  f64Array(length: i32): StaticArray<f64> {
    if (<u32>length > <u32>(this.remaining / 8)) unreachable()
    const from = this.take(length * 8)
    const out = new StaticArray<f64>(length)
    memory.copy(changetype<usize>(out), from, length * 8)
    return out
  }

  /** Address of the next `length` bytes, which then count as read. */
  private take(length: i32): usize {
    if (<u32>length > <u32>this.remaining) unreachable()
    const address = changetype<usize>(this.bytes) + this.position
    this.position += length
    return address
  }
}
