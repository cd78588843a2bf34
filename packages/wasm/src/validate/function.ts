import { refuse } from '../errors.ts'
import { EDIT, LENGTH } from '../instrument/edits.ts'
import { COSTS_V1 as C } from '../opcodes/costs.ts'
import { NUMERIC } from '../opcodes/numeric.ts'
import { refuseInstruction } from '../opcodes/refused.ts'
import { ANY, F32, F64, I32, I64, V128 } from '../opcodes/types.ts'
import type { Body } from './body.ts'
import { controlInstruction } from './control.ts'
import { memoryInstruction } from './memory.ts'
import { prefixedInstruction } from './prefixed.ts'
import { vectorInstruction } from './vector.ts'

/**
 * Validates one function body and records what the pass will do to it, in one walk.
 * @throws AskeeError `wasm/*`
 */
export function validateBody(
  body: Body,
  type: { params: Uint8Array; results: Uint8Array },
  start: number,
  end: number,
): void {
  body.begin(type, start, end)
  const { reader } = body
  for (;;) {
    const offset = reader.pos
    const opcode = reader.u8()
    if (opcode >= 0x45 && opcode <= 0xc4) body.plain(NUMERIC[opcode]!, offset)
    else if (opcode >= 0x20 && opcode <= 0x24) variable(body, opcode, offset)
    else if (opcode >= 0x28 && opcode <= 0x3e) memoryInstruction(body, opcode, offset)
    else if (opcode <= 0x11) {
      if (controlInstruction(body, opcode, offset)) break
    } else other(body, opcode, offset)
  }
  if (!reader.atEnd) refuse('wasm/malformed', reader.pos, 'instructions after the end of a function')
  body.tape.chargeInAdvance(C.inAdvance)
}

function variable(body: Body, opcode: number, offset: number): void {
  const { operands, reader } = body
  const index = reader.u32()
  body.charge(C.simple)
  if (opcode >= 0x23) {
    globalVariable(body, opcode, index, offset)
    return
  }
  if (index >= body.localCount) refuse('wasm/invalid', offset, `local ${index}, which does not exist,`)
  const type = body.localTypes[index] as number
  if (opcode !== 0x20) operands.pop(type, offset)
  if (opcode !== 0x21) operands.push(type)
}

function globalVariable(body: Body, opcode: number, index: number, offset: number): void {
  const global = body.context.globals[index]
  if (global === undefined) {
    refuse('wasm/invalid', offset, `global ${index}, which does not exist,`)
  }
  if (opcode === 0x23) {
    body.operands.push(global.type)
    return
  }
  if (!global.mutable) refuse('wasm/invalid', offset, `write to constant global ${index}`)
  body.operands.pop(global.type, offset)
}

function other(body: Body, opcode: number, offset: number): void {
  const { operands, reader } = body
  switch (opcode) {
    case 0x1a:
      body.charge(C.simple)
      operands.pop(ANY, offset)
      return
    case 0x1b:
      select(body, offset)
      return
    case 0x3f:
    case 0x40:
      memorySize(body, opcode, offset)
      return
    case 0x41:
      body.charge(C.simple)
      reader.s32()
      operands.push(I32)
      return
    case 0x42:
      body.charge(C.simple)
      reader.skipS64()
      operands.push(I64)
      return
    case 0x43:
      body.charge(C.simple)
      reader.skip(4)
      operands.push(F32)
      return
    case 0x44:
      body.charge(C.simple)
      reader.skip(8)
      operands.push(F64)
      return
    case 0xfc:
      prefixedInstruction(body, offset)
      return
    case 0xfd:
      vectorInstruction(body, offset)
      return
    default:
      refuseInstruction(opcode, offset)
  }
}

function select(body: Body, offset: number): void {
  const { operands } = body
  body.charge(C.simple)
  operands.pop(I32, offset)
  const second = operands.pop(ANY, offset)
  const first = operands.pop(second, offset)
  operands.push(first)
  body.computedBytes += first === V128 ? 8 : 4
}

function memorySize(body: Body, opcode: number, offset: number): void {
  const { context, operands, reader } = body
  const at = reader.pos
  if (reader.u32() !== 0) refuse('wasm/multi-memory', at, 'memory other than 0')
  if (!context.hasMemory) refuse('wasm/invalid', offset, 'memory instruction without a memory')
  if (opcode === 0x3f) {
    body.charge(C.simple)
    operands.push(I32)
    return
  }
  operands.pop(I32, offset)
  operands.push(I32)
  if (context.growStandIn !== null) {
    body.charge(C.call)
    body.noteCall()
    body.tape.add(offset, EDIT.call, reader.pos - offset, context.growStandIn)
    return
  }
  body.charge(C.memoryGrow)
  if (body.region >= 0) body.tape.add(offset, EDIT.length, LENGTH.pages, body.frame.loop)
}
