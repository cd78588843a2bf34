/** Appends to a byte array that grows by doubling. Numbers are written in their shortest LEB128 form. */
export class ByteWriter {
  #bytes: Uint8Array
  #length = 0

  constructor(capacity = 1024) {
    this.#bytes = new Uint8Array(capacity)
  }

  get length(): number {
    return this.#length
  }

  /** Forgets what was written and keeps the memory. */
  clear(): void {
    this.#length = 0
  }

  /** What was written; valid until the next write. */
  view(): Uint8Array {
    return this.#bytes.subarray(0, this.#length)
  }

  #reserve(extra: number): void {
    const needed = this.#length + extra
    if (needed <= this.#bytes.byteLength) return
    const larger = new Uint8Array(Math.max(needed, this.#bytes.byteLength * 2))
    larger.set(this.#bytes.subarray(0, this.#length))
    this.#bytes = larger
  }

  u8(byte: number): this {
    if (this.#length === this.#bytes.byteLength) this.#reserve(1)
    this.#bytes[this.#length++] = byte
    return this
  }

  bytes(source: ArrayLike<number>): this {
    this.#reserve(source.length)
    this.#bytes.set(source, this.#length)
    this.#length += source.length
    return this
  }

  /** `source[from, to)`. */
  range(source: Uint8Array, from: number, to: number): this {
    const length = to - from
    this.#reserve(length)
    // A short copy by hand is several times cheaper than a view and a call of `set`.
    if (length < 48) {
      const target = this.#bytes
      let at = this.#length
      for (let index = from; index < to; index++) target[at++] = source[index] as number
    } else {
      this.#bytes.set(source.subarray(from, to), this.#length)
    }
    this.#length += length
    return this
  }

  u32(value: number): this {
    this.#reserve(5)
    let rest = value >>> 0
    while (rest >= 0x80) {
      this.#bytes[this.#length++] = (rest & 0x7f) | 0x80
      rest >>>= 7
    }
    this.#bytes[this.#length++] = rest
    return this
  }

  /** Signed LEB128 of a number in [-2^31, 2^31): the immediate of `i32.const`, and of `i64.const` for small ones. */
  s32(value: number): this {
    this.#reserve(5)
    let rest = value | 0
    for (;;) {
      const byte = rest & 0x7f
      rest >>= 7
      if ((rest === 0 && (byte & 0x40) === 0) || (rest === -1 && (byte & 0x40) !== 0)) {
        this.#bytes[this.#length++] = byte
        return this
      }
      this.#bytes[this.#length++] = byte | 0x80
    }
  }

  s64(value: bigint): this {
    let rest = BigInt.asIntN(64, value)
    for (;;) {
      const byte = Number(rest & 0x7fn)
      rest >>= 7n
      if ((rest === 0n && (byte & 0x40) === 0) || (rest === -1n && (byte & 0x40) !== 0)) return this.u8(byte)
      this.u8(byte | 0x80)
    }
  }

  name(text: string): this {
    const bytes = new TextEncoder().encode(text)
    return this.u32(bytes.byteLength).bytes(bytes)
  }

  /** A section: its id, its length and its content. */
  section(id: number, content: Uint8Array): this {
    return this.u8(id).u32(content.byteLength).bytes(content)
  }
}
