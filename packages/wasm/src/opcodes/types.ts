/** Value types as the binary format writes them. 0 stands for "any" below unreachable code. */
export const I32 = 0x7f
export const I64 = 0x7e
export const F32 = 0x7d
export const F64 = 0x7c
export const V128 = 0x7b
export const ANY = 0

const NAMES: ReadonlyMap<number, string> = new Map([
  [I32, 'i32'],
  [I64, 'i64'],
  [F32, 'f32'],
  [F64, 'f64'],
  [V128, 'v128'],
  [ANY, 'any'],
])

export function typeName(type: number): string {
  return NAMES.get(type) ?? `0x${type.toString(16)}`
}

export function isValueType(byte: number): boolean {
  return byte >= V128 && byte <= I32
}

/** Shapes in which the bits of a NaN are looked at: the four canonical NaN of the pass. 0: none. */
export const NAN_F32 = 1
export const NAN_F64 = 2
export const NAN_F32X4 = 3
export const NAN_F64X2 = 4
