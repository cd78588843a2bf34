import type { ByteWriter } from '../binary/writer.ts'
import type { Body } from '../validate/body.ts'
import { EDIT } from './edits.ts'
import { frameBytes, keepsFuelLocal, type PassGlobals, planScratch, type Scratch } from './layout.ts'
import {
  canonicalize,
  charge,
  chargeLength,
  checkFuel,
  EMPTY,
  type FuelPlace,
  OP,
  settleFuel,
  trapIf,
} from './sequences.ts'

const I32 = 0x7f
const I64 = 0x7e
const F32 = 0x7d
const F64 = 0x7c
const V128 = 0x7b

/**
 * Writes the instrumented form of a body that was just validated (without its length).
 * @param resultType block type of the function's results, signed LEB128
 */
export function emitFunction(out: ByteWriter, body: Body, globals: PassGlobals, resultType: number): void {
  const { tape } = body
  const { bytes } = body.context
  const stackBytes = frameBytes(body)
  const scratch = planScratch(body, stackBytes)
  emitLocals(out, body, scratch)
  emitEntry(out, body, globals, scratch, stackBytes)
  if (stackBytes > 0) {
    out.u8(OP.block)
    if (resultType >= 0) out.s32(resultType)
    else out.u8(resultType & 0x7f)
  }
  let copied = body.codeStart
  for (let index = 1; index < tape.length; index++) {
    const kind = tape.kind(index)
    const a = tape.a(index)
    if (kind === EDIT.charge && a === 0) continue
    if (kind === EDIT.canonical && tape.b(index) === 1) continue
    if (kind === EDIT.return && stackBytes === 0) continue
    if (kind === EDIT.exchangeArms && tape.b(index) === 0) continue
    const at = tape.at(index)
    if (at > copied) {
      out.range(bytes, copied, at)
      copied = at
    }
    copied += emitEdit(out, body, globals, scratch, index)
  }
  out.range(bytes, copied, body.reader.end)
  if (stackBytes > 0) emitExit(out, globals, stackBytes)
}

function emitLocals(out: ByteWriter, body: Body, scratch: Scratch): void {
  out.u32(body.localGroups + scratch.count)
  out.range(body.context.bytes, body.localGroupsStart, body.codeStart)
  if (scratch.fuel >= 0) out.u8(1).u8(I64)
  if (scratch.stack >= 0) out.u8(1).u8(I32)
  if (scratch.length >= 0) out.u8(1).u8(I32)
  if (scratch.f32 >= 0) out.u8(1).u8(F32)
  if (scratch.f64 >= 0) out.u8(1).u8(F64)
  if (scratch.v128 >= 0) out.u8(1).u8(V128)
}

/**
 * Charges the first region, and the frame. One branch checks both: either being negative makes the bitwise or
 * of them negative. A small function that calls nothing cannot recurse, so its caller's checks bound it.
 */
function emitEntry(
  out: ByteWriter,
  body: Body,
  globals: PassGlobals,
  scratch: Scratch,
  stackBytes: number,
): void {
  const place = { local: scratch.fuel, kept: 'global' } as const
  charge(out, globals, body.tape.a(0), place)
  if (stackBytes === 0) {
    if (scratch.checksEntry) checkFuel(out, globals, place)
    return
  }
  out.u8(OP.globalGet).u32(globals.stack).u8(OP.i32Const).s32(stackBytes).u8(OP.i32Sub)
  out.u8(OP.localTee).u32(scratch.stack).u8(OP.globalSet).u32(globals.stack)
  out.u8(OP.localGet).u32(scratch.stack)
  if (scratch.checksEntry) {
    out.u8(OP.i64ExtendS).u8(OP.localGet).u32(scratch.fuel).u8(0x84)
    out.u8(OP.i64Const).u8(0).u8(OP.i64LtS)
  } else {
    out.u8(OP.i32Const).u8(0).u8(OP.i32LtS)
  }
  trapIf(out)
}

function emitExit(out: ByteWriter, globals: PassGlobals, stackBytes: number): void {
  out.u8(OP.globalGet).u32(globals.stack).u8(OP.i32Const).s32(stackBytes).u8(OP.i32Add)
  out.u8(OP.globalSet).u32(globals.stack).u8(OP.end)
}

/** Writes one edit; returns how many bytes of the original it stands for. */
function emitEdit(
  out: ByteWriter,
  body: Body,
  globals: PassGlobals,
  scratch: Scratch,
  index: number,
): number {
  const { tape } = body
  const a = tape.a(index)
  const b = tape.b(index)
  const keeps = (loop: number): boolean => keepsFuelLocal(body, loop)
  const kept: FuelPlace = { local: scratch.fuel, kept: 'local' }
  switch (tape.kind(index)) {
    case EDIT.charge:
      charge(out, globals, a, keeps(b) ? kept : { local: -1, kept: 'global' })
      return 0
    case EDIT.loopCharge: {
      const place = keeps(b) ? kept : { local: scratch.fuel, kept: 'global' as const }
      charge(out, globals, a, place)
      checkFuel(out, globals, place)
      return 0
    }
    case EDIT.beforeLoop:
      if (keeps(b) && !keeps(tape.loopParent[b] as number)) {
        out.u8(OP.globalGet).u32(globals.fuel).u8(OP.localSet).u32(scratch.fuel)
      }
      return 0
    case EDIT.afterLoop:
    case EDIT.leave:
      if (keeps(b) && !keeps(tape.c(index))) settleFuel(out, globals, scratch.fuel)
      return 0
    case EDIT.leaveIf:
      if (!keeps(b) || keeps(tape.c(index))) return 0
      out.u8(OP.if).u8(EMPTY)
      settleFuel(out, globals, scratch.fuel)
      out
        .u8(OP.br)
        .u32(a + 1)
        .u8(OP.end)
      return instructionLength(body.context.bytes, tape.at(index))
    case EDIT.canonical:
      canonicalize(out, a, scratch)
      return 0
    case EDIT.call:
      out.u8(OP.call).u32(b)
      return a
    case EDIT.exchangeArms: {
      const at = tape.at(index)
      out.u8(OP.i32Eqz)
      out.range(body.context.bytes, at, at + a)
      out.u8(OP.else)
      return a
    }
    case EDIT.length: {
      out.u8(OP.localTee).u32(scratch.length)
      chargeLength(out, globals, a, scratch.length, keeps(b) ? kept : { local: scratch.fuel, kept: 'global' })
      return 0
    }
    default:
      out.u8(OP.br).u32(a)
      return 1
  }
}

/** Bytes of an instruction with one LEB128 immediate. */
function instructionLength(bytes: Uint8Array, at: number): number {
  let end = at + 1
  while ((bytes[end] as number) >= 0x80) end++
  return end + 1 - at
}
