import { COSTS_V1 } from './costs.ts'
import type { Signature, SignatureTable } from './signature.ts'
import { F32, F64, I32, I64, NAN_F32X4, NAN_F64X2, V128 } from './types.ts'

const C = COSTS_V1
const RESERVED = [
  154, 162, 165, 166, 175, 176, 178, 179, 180, 187, 194, 197, 198, 207, 208, 210, 211, 212, 226, 238,
]

function build(): SignatureTable {
  const table: SignatureTable = new Array(256).fill(undefined)
  const put = (codes: readonly number[], params: number[], result: number, rest: Partial<Signature> = {}) => {
    for (const code of codes)
      table[code] = { params, result, canonical: 0, ignores: 0, cost: C.simd, ...rest }
  }
  const unary = (codes: readonly number[], rest?: Partial<Signature>) => put(codes, [V128], V128, rest)
  const binary = (codes: readonly number[], rest?: Partial<Signature>) => put(codes, [V128, V128], V128, rest)
  const narrow = { canonical: NAN_F32X4, ignores: NAN_F32X4 }
  const wide = { canonical: NAN_F64X2, ignores: NAN_F64X2 }

  // From 96 on almost everything takes two vectors; what differs is put over it below.
  binary(range(96, 247).filter((code) => !RESERVED.includes(code)))
  put([15, 16, 17], [I32], V128)
  put([18], [I64], V128)
  put([19], [F32], V128)
  put([20], [F64], V128)
  binary([14, ...range(35, 64)])
  binary(range(65, 70), { ignores: NAN_F32X4 })
  binary(range(71, 76), { ignores: NAN_F64X2 })
  unary([77])
  binary(range(78, 81))
  put([82], [V128, V128, V128], V128)
  put([83, 99, 100, 131, 132, 163, 164, 195, 196], [V128], I32)
  unary([96, 97, 98, 124, 125, 126, 127, 128, 129, 160, 161, 192, 193])
  unary([...range(135, 138), ...range(167, 170), ...range(199, 202)])
  put([107, 108, 109, 139, 140, 141, 171, 172, 173, 203, 204, 205], [V128, I32], V128)
  unary([94], { canonical: NAN_F32X4, ignores: NAN_F64X2 })
  unary([95], { canonical: NAN_F64X2, ignores: NAN_F32X4 })
  unary([103, 104, 105, 106], narrow)
  unary([116, 117, 122, 148], wide)
  unary([224, 225, 236, 237])
  unary([227], { ...narrow, cost: C.simdSquareRoot })
  unary([239], { ...wide, cost: C.simdSquareRoot })
  binary([228, 229, 230, 232, 233], narrow)
  binary([231], { ...narrow, cost: C.simdDivision })
  binary([240, 241, 242, 244, 245], wide)
  binary([243], { ...wide, cost: C.simdDivision })
  unary([248, 249], { ignores: NAN_F32X4 })
  unary([250, 251])
  unary([252, 253], { ignores: NAN_F64X2 })
  unary([254, 255])
  return table
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, index) => from + index)
}

/** Fixed-width vector instructions without immediates (0xfd and one LEB128 number). */
export const SIMD: SignatureTable = build()

/** Lanes and lane type of extract (21–34) and replace, by opcode. */
export const LANES: ReadonlyMap<number, { lanes: number; type: number; replaces: boolean }> = new Map(
  [
    [21, 16, I32],
    [22, 16, I32],
    [23, 16, I32],
    [24, 8, I32],
    [25, 8, I32],
    [26, 8, I32],
    [27, 4, I32],
    [28, 4, I32],
    [29, 2, I64],
    [30, 2, I64],
    [31, 4, F32],
    [32, 4, F32],
    [33, 2, F64],
    [34, 2, F64],
  ].map(([code = 0, lanes = 0, type = 0]) => [
    code,
    { lanes, type, replaces: [23, 26, 28, 30, 32, 34].includes(code) },
  ]),
)

/** Largest alignment exponent of the vector loads 0–10, 92 and 93 and of the store 11. */
export const VECTOR_ALIGNMENT: ReadonlyMap<number, number> = new Map([
  ...[4, 3, 3, 3, 3, 3, 3, 0, 1, 2, 3, 4].map((align, code): [number, number] => [code, align]),
  [92, 2],
  [93, 3],
])
