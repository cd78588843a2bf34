/**
 * DER (X.690), as far as a list of revoked certificates needs it. The certificates' library reads no list of more than some
 * thousand entries and takes minutes to write one.
 */
export const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  oid: 0x06,
  enumerated: 0x0a,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  extensions: 0xa0,
} as const

/** One element: its tag, its content, and its whole bytes with both and the length. */
export interface Element {
  readonly tag: number
  readonly content: Uint8Array
  readonly whole: Uint8Array
}

export function der(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(parts)
  const length = content.byteLength
  if (length < 0x80) return Buffer.concat([Buffer.of(tag, length), content])
  const digits = Buffer.alloc(4)
  digits.writeUInt32BE(length)
  const from = digits.findIndex((byte) => byte !== 0)
  const size = digits.subarray(from)
  return Buffer.concat([Buffer.of(tag, 0x80 | size.byteLength), size, content])
}

/** @param bytes of a number without sign, highest first */
export function derUnsigned(bytes: Uint8Array, tag: number = TAG.integer): Buffer {
  const from = bytes.findIndex((byte) => byte !== 0)
  const digits = from < 0 ? Buffer.of(0) : Buffer.from(bytes.subarray(from))
  return der(tag, (digits[0] as number) < 0x80 ? digits : Buffer.concat([Buffer.of(0), digits]))
}

/** The digits of an INTEGER without sign, without leading zeros. @throws RangeError when it is negative or empty */
export function unsignedOf({ content }: Element): Uint8Array {
  if (content.byteLength === 0 || (content[0] as number) >= 0x80) throw new RangeError('no positive number')
  const from = content.findIndex((byte) => byte !== 0)
  return content.subarray(from < 0 ? content.byteLength - 1 : from)
}

/** @param at milliseconds since 1970; seconds are kept (RFC 5280, 4.1.2.5) */
export function derTime(at: number): Buffer {
  const digits = `${new Date(at).toISOString().replace(/[-:T]/g, '').slice(0, 14)}Z`
  const isShort = digits < '2050'
  return der(
    isShort ? TAG.utcTime : TAG.generalizedTime,
    Buffer.from(isShort ? digits.slice(2) : digits, 'latin1'),
  )
}

/** @throws RangeError */
export function timeOf({ tag, content }: Element): number {
  const text = Buffer.from(content).toString('latin1')
  const digits = tag === TAG.utcTime ? `${text < '50' ? '20' : '19'}${text}` : text
  const [, date, month, day, hour, minute, second] =
    /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(digits) ?? []
  const at = Date.parse(`${date}-${month}-${day}T${hour}:${minute}:${second}Z`)
  if ((tag === TAG.utcTime || tag === TAG.generalizedTime) && Number.isSafeInteger(at)) return at
  throw new RangeError('no time')
}

/** Reads elements one behind the other. */
export class DerReader {
  readonly #bytes: Uint8Array
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  isAtEnd(): boolean {
    return this.#at === this.#bytes.byteLength
  }

  /** The tag of the next element, or undefined at the end. */
  peek(): number | undefined {
    return this.#bytes[this.#at]
  }

  /** @throws RangeError when there is none, it is cut off, or of another tag */
  next(...tags: readonly number[]): Element {
    const bytes = this.#bytes
    const start = this.#at
    const tag = bytes[start]
    if (tag === undefined || (tags.length > 0 && !tags.includes(tag))) throw new RangeError('another element')
    let length = bytes[start + 1] ?? 0
    let from = start + 2
    if (length >= 0x80) {
      const size = length & 0x7f
      if (size < 1 || size > 4 || from + size > bytes.byteLength) throw new RangeError('no length')
      length = Buffer.from(bytes.subarray(from, from + size)).readUIntBE(0, size)
      // X.690, 10.1: in the shortest form, so that every content has one encoding.
      if (length < 0x80 || bytes[from] === 0) throw new RangeError('a longer length than it needs')
      from += size
    }
    if (from + length > bytes.byteLength) throw new RangeError('cut off')
    this.#at = from + length
    return { tag, content: bytes.subarray(from, this.#at), whole: bytes.subarray(start, this.#at) }
  }

  /** @throws RangeError when something follows */
  end(): void {
    if (!this.isAtEnd()) throw new RangeError('bytes follow')
  }
}
