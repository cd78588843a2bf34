import { AskeeError, fromUtf8 } from '@askee/core'

/** Writes what the task kit's `Reader` reads: little-endian numbers and bytes, one after the other. */
export class InputWriter {
  readonly #chunks: Uint8Array[] = []

  u8(value: number): this {
    return this.#number(1, (view) => view.setUint8(0, value))
  }

  u32(value: number): this {
    return this.#number(4, (view) => view.setUint32(0, value, true))
  }

  u64(value: number | bigint): this {
    return this.#number(8, (view) => view.setBigUint64(0, BigInt(value), true))
  }

  f64(value: number): this {
    return this.#number(8, (view) => view.setFloat64(0, value, true))
  }

  f64s(values: Iterable<number>): this {
    for (const value of values) this.f64(value)
    return this
  }

  bytes(bytes: Uint8Array): this {
    this.#chunks.push(bytes)
    return this
  }

  /** Everything written so far. */
  finish(): Uint8Array {
    return new Uint8Array(Buffer.concat(this.#chunks))
  }

  #number(size: number, set: (view: DataView) => void): this {
    const chunk = new Uint8Array(size)
    set(new DataView(chunk.buffer))
    return this.bytes(chunk)
  }
}

/** An accepted output that no correct task gives. */
export function badOutput(expected: string, output: Uint8Array): AskeeError<'workloads/bad-output'> {
  return new AskeeError(
    'workloads/bad-output',
    `expected ${expected}, received ${output.byteLength} bytes of something else`,
    { expected, outputBytes: output.byteLength },
  )
}

/** The outputs of a round, each as text that `pattern` matches in full. */
export function textsOf(
  outputs: readonly Uint8Array[],
  expected: string,
  pattern: RegExp,
): readonly RegExpExecArray[] {
  return outputs.map((output) => {
    const match = pattern.exec(decode(output, expected))
    if (match === null) throw badOutput(expected, output)
    return match
  })
}

/** The sum of outputs that are each a count in decimal digits. */
export function sumOfCounts(outputs: readonly Uint8Array[]): string {
  let sum = 0n
  for (const [digits] of textsOf(outputs, 'a count in decimal digits', /^\d{1,20}$/)) sum += BigInt(digits)
  return sum.toString()
}

/** The doubles of a binary output of exactly `count` doubles after `offset` bytes. */
export function doublesOf(output: Uint8Array, offset: number, count: number): Float64Array {
  if (output.byteLength !== offset + 8 * count) {
    throw badOutput(`${offset} bytes and ${count} doubles`, output)
  }
  const view = new DataView(output.buffer, output.byteOffset, output.byteLength)
  return Float64Array.from({ length: count }, (_, i) => view.getFloat64(offset + 8 * i, true))
}

function decode(output: Uint8Array, expected: string): string {
  try {
    return fromUtf8(output)
  } catch (cause) {
    throw new AskeeError('workloads/bad-output', `expected ${expected}, received no UTF-8`, {}, { cause })
  }
}
