import { refuse } from '../errors.ts'

const TEXT = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * Reads the WebAssembly binary format (specification, chapter 5) strictly: every LEB128 number in at most the
 * bytes its width allows, with its unused bits right. Every failure is `wasm/malformed` with the byte offset.
 */
export class ByteReader {
  readonly bytes: Uint8Array
  pos: number
  /** Reading at or past this offset is refused. */
  end: number

  constructor(bytes: Uint8Array, pos = 0, end = bytes.byteLength) {
    this.bytes = bytes
    this.pos = pos
    this.end = end
  }

  get atEnd(): boolean {
    return this.pos >= this.end
  }

  u8(): number {
    if (this.pos >= this.end) refuse('wasm/malformed', this.pos, 'unexpected end of section or body')
    return this.bytes[this.pos++] as number
  }

  u32(): number {
    const first = this.u8()
    if (first < 0x80) return first
    const start = this.pos - 1
    let value = first & 0x7f
    for (let shift = 7; shift < 28; shift += 7) {
      const byte = this.u8()
      value |= (byte & 0x7f) << shift
      if (byte < 0x80) return value >>> 0
    }
    const last = this.u8()
    if (last > 0x0f) refuse('wasm/malformed', start, 'LEB128 number does not fit u32')
    return (value | (last << 28)) >>> 0
  }

  s32(): number {
    const start = this.pos
    let value = 0
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = this.u8()
      value |= (byte & 0x7f) << shift
      if (byte < 0x80) return (value << (25 - shift)) >> (25 - shift)
    }
    const last = this.u8()
    const high = last & 0xf8
    if (high !== 0 && high !== 0x78) refuse('wasm/malformed', start, 'LEB128 number does not fit s32')
    return value | (last << 28)
  }

  /** A 64-bit constant, checked and skipped: the pass never needs its value. */
  skipS64(): void {
    const start = this.pos
    for (let index = 0; index < 9; index++) if (this.u8() < 0x80) return
    const last = this.u8()
    if (last !== 0 && last !== 0x7f) refuse('wasm/malformed', start, 'LEB128 number does not fit s64')
  }

  /** A block type's index: s33, of which only the non-negative half is an index. */
  blockTypeIndex(): number {
    const start = this.pos
    let value = 0
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = this.u8()
      value |= (byte & 0x7f) << shift
      if (byte < 0x80) {
        if ((byte & 0x40) !== 0) refuse('wasm/malformed', start, 'negative block type')
        return value
      }
    }
    const last = this.u8()
    if (last > 0x0f) refuse('wasm/malformed', start, 'block type does not fit s33 or is negative')
    return (value | (last << 28)) >>> 0
  }

  skip(length: number): void {
    if (length > this.end - this.pos) refuse('wasm/malformed', this.pos, 'unexpected end of section or body')
    this.pos += length
  }

  /** A count of things that take at least one byte each, so that no count can exceed what is left. */
  count(limit: number, what: string): number {
    const start = this.pos
    const count = this.u32()
    if (count > limit) refuse('wasm/too-large', start, `${count} ${what}, at most ${limit} allowed`)
    if (count > this.end - this.pos) refuse('wasm/malformed', start, `more ${what} than bytes`)
    return count
  }

  name(limit: number): string {
    const start = this.pos
    const length = this.u32()
    if (length > this.end - this.pos) refuse('wasm/malformed', start, 'name longer than its section')
    if (length > limit) refuse('wasm/too-large', start, `name of ${length} bytes, at most ${limit} allowed`)
    const bytes = this.bytes.subarray(this.pos, this.pos + length)
    this.pos += length
    try {
      return TEXT.decode(bytes)
    } catch {
      return refuse('wasm/malformed', start, 'name that is not UTF-8')
    }
  }
}
