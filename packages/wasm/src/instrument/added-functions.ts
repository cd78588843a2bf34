import { ByteWriter } from '../binary/writer.ts'
import { HOST_SHORTAGE } from '../constants.ts'
import type { Module } from '../module/model.ts'
import { COSTS_V1 } from '../opcodes/costs.ts'
import { F32, F64, I32 } from '../opcodes/types.ts'
import { LENGTH } from './edits.ts'
import type { AddedFunction, Plan } from './plan.ts'
import { charge, chargeLength, checkFuel, EMPTY, OP } from './sequences.ts'

const I32_TYPE = 0x7f
const I64_TYPE = 0x7e
/** Position of the length among the parameters of an imported function. */
const LENGTH_PARAMETER: ReadonlyMap<string, number> = new Map([
  ['input_read', 2],
  ['output_write', 1],
  ['log', 1],
])

/** Body (without its length) of a function that the pass appends. */
export function addedBody(added: AddedFunction, plan: Plan, module: Module): Uint8Array {
  const out = new ByteWriter(128)
  switch (added.kind) {
    case 'import':
      importStandIn(out, added, plan)
      break
    case 'grow':
      growStandIn(out, plan, module.memory?.max ?? 0)
      break
    case 'entry':
      entryStandIn(out, added, plan)
      break
    default:
      stateAccess(out, added.kind, plan, module)
  }
  return out.u8(OP.end).view().slice()
}

/**
 * run or step as the executor calls it: charged and checked before, and checked after. A step that calls nothing and
 * does not loop has no check of its own, and a task may ask for as many steps as it likes.
 */
function entryStandIn(out: ByteWriter, added: AddedFunction & { kind: 'entry' }, plan: Plan): void {
  const globals = { fuel: plan.fuelGlobal, stack: plan.stackGlobal }
  const place = { local: 0, kept: 'global' } as const
  out.u8(1).u8(1).u8(I64_TYPE)
  charge(out, globals, COSTS_V1.taskEntry, place)
  checkFuel(out, globals, place)
  if (added.start !== null && plan.startedGlobal !== null) {
    out.u8(OP.globalGet).u32(plan.startedGlobal).u8(OP.i32Eqz).u8(OP.if).u8(EMPTY)
    out.u8(OP.i32Const).u8(1).u8(OP.globalSet).u32(plan.startedGlobal)
    out.u8(OP.call).u32(added.start).u8(OP.end)
  }
  out.u8(OP.call).u32(added.target)
  out.u8(OP.globalGet).u32(globals.fuel).u8(OP.localSet).u32(place.local)
  checkFuel(out, globals, place)
}

/** Charges a call of the host, by length where it has one, and passes it on. */
function importStandIn(out: ByteWriter, added: AddedFunction & { kind: 'import' }, plan: Plan): void {
  const params = plan.types[added.type]?.params.length ?? 0
  const globals = { fuel: plan.fuelGlobal, stack: plan.stackGlobal }
  const local = params
  out.u8(1).u8(1).u8(I64_TYPE)
  const place = { local, kept: 'global' } as const
  charge(out, globals, COSTS_V1.hostCall, place)
  const length = LENGTH_PARAMETER.get(added.name)
  if (length === undefined) checkFuel(out, globals, place)
  else chargeLength(out, globals, LENGTH.memoryBytes, length, place)
  for (let index = 0; index < params; index++) out.u8(OP.localGet).u32(index)
  out.u8(OP.call).u32(added.target)
}

/** memory.grow that never shows the task a shortage of the host: it traps and marks the node's fault. */
function growStandIn(out: ByteWriter, plan: Plan, maximum: number): void {
  const globals = { fuel: plan.fuelGlobal, stack: plan.stackGlobal }
  const [delta, before, fuel] = [0, 1, 2]
  out.u8(2).u8(1).u8(I32_TYPE).u8(1).u8(I64_TYPE)
  const place = { local: fuel, kept: 'global' } as const
  charge(out, globals, COSTS_V1.memoryGrow, place)
  chargeLength(out, globals, LENGTH.pages, delta, place)
  out.u8(OP.localGet).u32(delta).u8(0x40).u8(0).u8(OP.localTee).u32(before)
  out.u8(OP.i32Const).s32(-1).u8(OP.i32Eq).u8(OP.if).u8(EMPTY)
  out.u8(0x3f).u8(0).u8(OP.i64ExtendU).u8(OP.localGet).u32(delta).u8(OP.i64ExtendU).u8(OP.i64Add)
  out.u8(OP.i64Const).s32(maximum).u8(OP.i64LeU).u8(OP.if).u8(EMPTY)
  out.u8(OP.i32Const).s32(HOST_SHORTAGE).u8(OP.globalSet).u32(globals.stack)
  out.u8(OP.unreachable).u8(OP.end).u8(OP.end).u8(OP.localGet).u32(before)
}

/** One word of state by its index, as a chain of comparisons: executors call it once a word and checkpoint. */
function stateAccess(out: ByteWriter, kind: 'state-get' | 'state-set', plan: Plan, module: Module): void {
  out.u8(0)
  plan.state.forEach((global, word) => {
    const type = module.globals[global]?.type ?? I32
    out.u8(OP.localGet).u8(0).u8(OP.i32Const).s32(word).u8(OP.i32Eq).u8(OP.if).u8(EMPTY)
    if (kind === 'state-get') {
      out.u8(OP.globalGet).u32(global)
      if (type === F32) out.u8(0xbc)
      if (type === F64) out.u8(0xbd)
      if (type === F32 || type === I32) out.u8(OP.i64ExtendU)
      out.u8(0x0f)
    } else {
      out.u8(OP.localGet).u8(1)
      if (type === F32 || type === I32) out.u8(0xa7)
      if (type === F32) out.u8(0xbe)
      if (type === F64) out.u8(0xbf)
      out.u8(OP.globalSet).u32(global)
    }
    out.u8(OP.end)
  })
  if (kind === 'state-get') out.u8(OP.unreachable)
}
