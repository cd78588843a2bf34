import { COSTS_V1 } from './costs.ts'
import type { Signature, SignatureTable } from './signature.ts'
import { F32, F64, I32, I64, NAN_F32, NAN_F64 } from './types.ts'

const C = COSTS_V1

function build(): SignatureTable {
  const table: SignatureTable = new Array(256).fill(undefined)
  const put = (from: number, to: number, params: number[], result: number, rest: Partial<Signature> = {}) => {
    for (let code = from; code <= to; code++) {
      table[code] = { params, result, canonical: 0, ignores: 0, cost: C.simple, ...rest }
    }
  }
  put(0x45, 0x45, [I32], I32)
  put(0x46, 0x4f, [I32, I32], I32)
  put(0x50, 0x50, [I64], I32)
  put(0x51, 0x5a, [I64, I64], I32)
  put(0x5b, 0x60, [F32, F32], I32, { ignores: NAN_F32 })
  put(0x61, 0x66, [F64, F64], I32, { ignores: NAN_F64 })
  put(0x67, 0x69, [I32], I32)
  put(0x6a, 0x78, [I32, I32], I32)
  put(0x6d, 0x70, [I32, I32], I32, { cost: C.integerDivision })
  put(0x79, 0x7b, [I64], I64)
  put(0x7c, 0x8a, [I64, I64], I64)
  put(0x7f, 0x82, [I64, I64], I64, { cost: C.integerDivision })
  floats(put, 0x8b, F32, NAN_F32)
  floats(put, 0x99, F64, NAN_F64)
  put(0xa7, 0xa7, [I64], I32)
  put(0xa8, 0xa9, [F32], I32, { ignores: NAN_F32 })
  put(0xaa, 0xab, [F64], I32, { ignores: NAN_F64 })
  put(0xac, 0xad, [I32], I64)
  put(0xae, 0xaf, [F32], I64, { ignores: NAN_F32 })
  put(0xb0, 0xb1, [F64], I64, { ignores: NAN_F64 })
  put(0xb2, 0xb3, [I32], F32)
  put(0xb4, 0xb5, [I64], F32)
  put(0xb6, 0xb6, [F64], F32, { canonical: NAN_F32, ignores: NAN_F64 })
  put(0xb7, 0xb8, [I32], F64)
  put(0xb9, 0xba, [I64], F64)
  put(0xbb, 0xbb, [F32], F64, { canonical: NAN_F64, ignores: NAN_F32 })
  put(0xbc, 0xbc, [F32], I32)
  put(0xbd, 0xbd, [F64], I64)
  put(0xbe, 0xbe, [I32], F32)
  put(0xbf, 0xbf, [I64], F64)
  put(0xc0, 0xc1, [I32], I32)
  put(0xc2, 0xc4, [I64], I64)
  return table
}

type Put = (from: number, to: number, params: number[], result: number, rest?: Partial<Signature>) => void

/** abs neg | ceil floor trunc nearest sqrt | add sub mul div min max | copysign, beginning at `base`. */
function floats(put: Put, base: number, type: number, nan: number): void {
  const arithmetic = { canonical: nan, ignores: nan }
  put(base, base + 1, [type], type)
  put(base + 2, base + 5, [type], type, arithmetic)
  put(base + 6, base + 6, [type], type, { ...arithmetic, cost: C.squareRoot })
  put(base + 7, base + 12, [type, type], type, arithmetic)
  put(base + 10, base + 10, [type, type], type, { ...arithmetic, cost: C.floatDivision })
  put(base + 13, base + 13, [type, type], type)
}

/** One-byte instructions 0x45 to 0xc4. */
export const NUMERIC: SignatureTable = build()

/** 0xfc 0x00 to 0x07: saturating conversions. */
export const SATURATING: SignatureTable = [I32, I32, I64, I64].flatMap((result, index): Signature[] => {
  const wide = index % 2 === 1
  const one: Signature = {
    params: [wide ? F64 : F32],
    result,
    canonical: 0,
    ignores: wide ? NAN_F64 : NAN_F32,
    cost: C.simple,
  }
  return [one, one]
})
