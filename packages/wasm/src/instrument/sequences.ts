import type { ByteWriter } from '../binary/writer.ts'
import { COSTS_V1 } from '../opcodes/costs.ts'
import { NAN_F32, NAN_F32X4, NAN_F64 } from '../opcodes/types.ts'
import { LENGTH } from './edits.ts'
import type { PassGlobals, Scratch } from './layout.ts'

/** Opcodes that the pass itself writes. */
export const OP = {
  unreachable: 0x00,
  block: 0x02,
  if: 0x04,
  else: 0x05,
  end: 0x0b,
  br: 0x0c,
  call: 0x10,
  select: 0x1b,
  localGet: 0x20,
  localSet: 0x21,
  localTee: 0x22,
  globalGet: 0x23,
  globalSet: 0x24,
  i32Const: 0x41,
  i64Const: 0x42,
  i32Eqz: 0x45,
  i32Eq: 0x46,
  i32LtS: 0x48,
  i32LtU: 0x49,
  i64LtS: 0x53,
  i64LeU: 0x58,
  f32Eq: 0x5b,
  f64Eq: 0x61,
  i32Add: 0x6a,
  i32Sub: 0x6b,
  i64Add: 0x7c,
  i64Sub: 0x7d,
  i64Mul: 0x7e,
  i64ShrU: 0x88,
  i64ExtendS: 0xac,
  i64ExtendU: 0xad,
} as const

export const EMPTY = 0x40

const F32_NAN = [0x43, 0x00, 0x00, 0xc0, 0x7f]
const F64_NAN = [0x44, 0, 0, 0, 0, 0, 0, 0xf8, 0x7f]
const V128 = [0xfd, 0x0c]
const F32X4_NAN = [...V128, ...Array.from({ length: 4 }, () => F32_NAN.slice(1)).flat()]
const F64X2_NAN = [...V128, ...F64_NAN.slice(1), ...F64_NAN.slice(1)]
const F32X4_EQ = [0xfd, 0x41]
const F64X2_EQ = [0xfd, 0x47]
const BITSELECT = [0xfd, 0x52]

/** Replaces a NaN on the stack by the canonical one: x = x ? x : NaN. */
export function canonicalize(out: ByteWriter, shape: number, scratch: Scratch): void {
  const scalar = shape === NAN_F32 || shape === NAN_F64
  const local = shape === NAN_F32 ? scratch.f32 : shape === NAN_F64 ? scratch.f64 : scratch.v128
  out.u8(OP.localTee).u32(local)
  if (scalar) out.bytes(shape === NAN_F32 ? F32_NAN : F64_NAN)
  else out.bytes(shape === NAN_F32X4 ? F32X4_NAN : F64X2_NAN)
  out.u8(OP.localGet).u32(local).u8(OP.localGet).u32(local)
  if (scalar) out.u8(shape === NAN_F32 ? OP.f32Eq : OP.f64Eq).u8(OP.select)
  else out.bytes(shape === NAN_F32X4 ? F32X4_EQ : F64X2_EQ).bytes(BITSELECT)
}

/**
 * Where fuel is while a piece of code runs: `global`: in the global, and after a charge also in `local` (−1: not);
 * `local`: only in the local, in a loop that calls nothing.
 */
export interface FuelPlace {
  readonly local: number
  readonly kept: 'global' | 'local'
}

/** fuel := fuel − cost. */
export function charge(out: ByteWriter, globals: PassGlobals, cost: number, place: FuelPlace): void {
  readFuel(out, globals, place)
  out.u8(OP.i64Const).s32(cost).u8(OP.i64Sub)
  writeFuel(out, globals, place)
}

function readFuel(out: ByteWriter, globals: PassGlobals, place: FuelPlace): void {
  if (place.kept === 'local') out.u8(OP.localGet).u32(place.local)
  else out.u8(OP.globalGet).u32(globals.fuel)
}

function writeFuel(out: ByteWriter, globals: PassGlobals, place: FuelPlace): void {
  if (place.kept === 'local') {
    out.u8(OP.localSet).u32(place.local)
    return
  }
  if (place.local >= 0) out.u8(OP.localTee).u32(place.local)
  out.u8(OP.globalSet).u32(globals.fuel)
}

/** Writes fuel back to the global. */
export function settleFuel(out: ByteWriter, globals: PassGlobals, local: number): void {
  out.u8(OP.localGet).u32(local).u8(OP.globalSet).u32(globals.fuel)
}

/** Traps when fuel is below zero, with the global saying so. */
export function checkFuel(out: ByteWriter, globals: PassGlobals, place: FuelPlace): void {
  out.u8(OP.localGet).u32(place.local).u8(OP.i64Const).u8(0).u8(OP.i64LtS)
  out.u8(OP.if).u8(EMPTY)
  if (place.kept === 'local') settleFuel(out, globals, place.local)
  out.u8(OP.unreachable).u8(OP.end)
}

export function trapIf(out: ByteWriter): void {
  out.u8(OP.if).u8(EMPTY).u8(OP.unreachable).u8(OP.end)
}

/** Charges for a length that lies in local `length`, and checks. */
export function chargeLength(
  out: ByteWriter,
  globals: PassGlobals,
  how: number,
  length: number,
  place: FuelPlace,
): void {
  readFuel(out, globals, place)
  out.u8(OP.localGet).u32(length)
  if (how === LENGTH.pages) {
    const most = COSTS_V1.memoryGrowPages
    out.u8(OP.i32Const).s32(most).u8(OP.localGet).u32(length).u8(OP.i32Const).s32(most)
    out.u8(OP.i32LtU).u8(OP.select)
  }
  out.u8(OP.i64ExtendU)
  if (how === LENGTH.memoryBytes) out.u8(OP.i64Const).s32(COSTS_V1.bulkBytesShift).u8(OP.i64ShrU)
  else if (how === LENGTH.pages) out.u8(OP.i64Const).s32(COSTS_V1.memoryGrowPage).u8(OP.i64Mul)
  out.u8(OP.i64Sub)
  writeFuel(out, globals, place)
  checkFuel(out, globals, place)
}
