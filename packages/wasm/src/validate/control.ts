import { refuse } from '../errors.ts'
import { EDIT } from '../instrument/edits.ts'
import { LIMITS } from '../limits.ts'
import type { FunctionType } from '../module/model.ts'
import { COSTS_V1 as C } from '../opcodes/costs.ts'
import { refuseInstruction } from '../opcodes/refused.ts'
import { I32 } from '../opcodes/types.ts'
import type { Body } from './body.ts'
import { FRAME, type Frame } from './frame.ts'

/** Opcodes 0x00–0x11. Returns whether this was the function's last `end`. */
export function controlInstruction(body: Body, opcode: number, offset: number): boolean {
  switch (opcode) {
    case 0x00:
      body.charge(C.simple)
      body.noteTrap(offset)
      body.unreachable()
      return false
    case 0x01:
      return false
    case 0x02:
    case 0x03:
    case 0x04:
      enterBlock(body, opcode, offset)
      return false
    case 0x05:
      elseArm(body, offset)
      return false
    case 0x0b:
      return endBlock(body, offset)
    case 0x0c:
    case 0x0d:
      branch(body, opcode, offset)
      return false
    case 0x0e:
      branchTable(body, offset)
      return false
    case 0x0f:
      returnFromFunction(body, offset)
      return false
    case 0x10:
      callDirect(body, offset)
      return false
    case 0x11:
      callIndirect(body, offset)
      return false
    default:
      return refuseInstruction(opcode, offset)
  }
}

function enterBlock(body: Body, opcode: number, offset: number): void {
  const { params, results } = body.readBlockType()
  const { operands, reader } = body
  if (opcode === 0x04) {
    operands.pop(I32, offset)
    body.charge(C.simple)
  }
  operands.popAll(params, offset)
  body.pushFrame(opcode === 0x02 ? FRAME.block : opcode === 0x03 ? FRAME.loop : FRAME.if, params, results)
  if (opcode === 0x03) body.enterLoop(offset)
  else if (opcode === 0x04 && body.region >= 0) {
    const { frame } = body
    if (frame.loop >= 0) frame.exchange = body.tape.add(offset, EDIT.exchangeArms, reader.pos - offset, 0)
    body.beginRegion(reader.pos, body.region)
  }
}

function elseArm(body: Body, offset: number): void {
  const { frame } = body
  if (frame.kind !== FRAME.if) refuse('wasm/invalid', offset, 'else without if')
  body.closeFrame(offset)
  // What the first arm reached counts for the end: it falls through to there.
  if (body.region >= 0) frame.targeted = true
  frame.kind = FRAME.else
  const { operands } = body
  operands.polymorphic = false
  operands.bytes = frame.bytes
  operands.pushAll(frame.params)
  if (frame.entryRegion >= 0) body.beginRegion(body.reader.pos, frame.entryRegion)
  else body.region = -1
}

function endBlock(body: Body, offset: number): boolean {
  const { frame } = body
  if (frame.kind === FRAME.if && !sameTypes(frame.params, frame.results)) {
    refuse('wasm/invalid', offset, 'if without else whose parameters and results differ')
  }
  if (frame.kind === FRAME.if && frame.exchange >= 0 && body.wentBack === offset) {
    body.tape.exchangeArms(frame.exchange)
  }
  return body.popFrame(offset)
}

function sameTypes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((type, index) => type === b[index])
}

function labelTypes(frame: Frame): Uint8Array {
  return frame.kind === FRAME.loop ? frame.params : frame.results
}

function branch(body: Body, opcode: number, offset: number): void {
  const { operands, reader } = body
  const label = reader.u32()
  const target = body.target(label, offset)
  const types = labelTypes(target)
  if (opcode === 0x0d) operands.pop(I32, offset)
  operands.popAll(types, offset)
  body.charge(C.simple)
  body.noteLeave(offset, opcode === 0x0d && types.length === 0 ? EDIT.leaveIf : EDIT.leave, label)
  body.noteBranch(label)
  if (opcode === 0x0c) {
    if (target.kind === FRAME.loop) body.wentBack = reader.pos
    body.unreachable()
    return
  }
  operands.pushAll(types)
  if (body.region >= 0) body.beginRegion(reader.pos, body.region)
}

function branchTable(body: Body, offset: number): void {
  const { operands, reader } = body
  const count = reader.count(LIMITS.branchTargets, 'branch targets')
  operands.pop(I32, offset)
  let checked: Uint8Array | null = null
  let outermost = 0
  for (let index = 0; index <= count; index++) {
    const label = reader.u32()
    const types = labelTypes(body.target(label, offset))
    if (checked === null || (types !== checked && !sameTypes(types, checked))) {
      if (checked !== null && types.length !== checked.length) {
        refuse('wasm/invalid', offset, 'branch table whose targets take different values')
      }
      peekAll(body, types, offset)
      checked = types
    }
    body.noteBranch(label)
    if (label > outermost) outermost = label
  }
  body.noteLeave(offset, EDIT.leave, outermost)
  body.charge(C.branchTable)
  body.unreachable()
}

/** Checks that values of `types` lie on top and leaves everything as it is. */
function peekAll(body: Body, types: Uint8Array, offset: number): void {
  const { operands } = body
  const popped: number[] = []
  for (let index = types.length - 1; index >= 0; index--) {
    const below = operands.height === operands.floor
    const type = operands.pop(types[index] as number, offset)
    if (!below) popped.push(type)
  }
  for (const type of popped.reverse()) operands.push(type)
}

function returnFromFunction(body: Body, offset: number): void {
  const label = body.depth - 1
  body.operands.popAll(body.target(label, offset).results, offset)
  body.charge(C.simple)
  body.noteBranch(label)
  body.noteLeave(offset, EDIT.leave, label)
  body.tape.add(offset, EDIT.return, label, 0)
  body.unreachable()
}

function callDirect(body: Body, offset: number): void {
  const { context, reader } = body
  const index = reader.u32()
  const type = context.types[context.functions[index] ?? -1]
  if (type === undefined) refuse('wasm/invalid', offset, `call of function ${index}, which does not exist,`)
  body.charge(C.call)
  const standIn = context.standIns.get(index)
  if (standIn !== undefined) body.tape.add(offset, EDIT.call, reader.pos - offset, standIn)
  applyCall(body, type, offset)
}

function callIndirect(body: Body, offset: number): void {
  const { context, operands, reader } = body
  const typeIndex = reader.u32()
  const at = reader.pos
  const table = reader.u32()
  const type = context.types[typeIndex]
  if (type === undefined) refuse('wasm/invalid', offset, `call of type ${typeIndex}, which does not exist,`)
  if (!context.hasTable) refuse('wasm/invalid', offset, 'call_indirect without a table')
  if (table !== 0) refuse('wasm/reference-types', at, `call through table ${table}`)
  operands.pop(I32, offset)
  body.charge(C.callIndirect)
  applyCall(body, type, offset)
}

function applyCall(body: Body, type: FunctionType, offset: number): void {
  body.operands.popAll(type.params, offset)
  body.operands.pushAll(type.results)
  body.noteCall()
}
