import { refuse } from '../errors.ts'
import { COSTS_V1 as C } from '../opcodes/costs.ts'
import { LANES, SIMD, VECTOR_ALIGNMENT } from '../opcodes/simd.ts'
import { I32, V128 } from '../opcodes/types.ts'
import type { Body } from './body.ts'
import { memoryArgument } from './memory.ts'

const STORE = 11
const CONST = 12
const SHUFFLE = 13
const FIRST_LANE_ACCESS = 84
const FIRST_LANE_STORE = 88
const LAST_LANE_ACCESS = 91
const FIRST_RELAXED = 0x100
const LAST_RELAXED = 0x12f

/** Instructions with prefix 0xfd. */
export function vectorInstruction(body: Body, offset: number): void {
  const opcode = body.reader.u32()
  const plain = SIMD[opcode]
  if (plain !== undefined) {
    body.plain(plain, offset)
    return
  }
  const lane = LANES.get(opcode)
  if (lane !== undefined) {
    laneInstruction(body, lane, offset)
    return
  }
  const alignment = VECTOR_ALIGNMENT.get(opcode)
  if (alignment !== undefined) {
    vectorAccess(body, opcode, alignment, offset)
    return
  }
  if (opcode >= FIRST_LANE_ACCESS && opcode <= LAST_LANE_ACCESS) {
    laneAccess(body, opcode, offset)
    return
  }
  const { operands, reader } = body
  if (opcode === CONST) {
    reader.skip(16)
    body.charge(C.simd)
    operands.push(V128)
    return
  }
  if (opcode === SHUFFLE) {
    for (let index = 0; index < 16; index++) laneIndex(body, 32)
    operands.pop(V128, offset)
    operands.pop(V128, offset)
    produce(body, C.simd)
    return
  }
  if (opcode >= FIRST_RELAXED && opcode <= LAST_RELAXED) {
    refuse('wasm/relaxed-simd', offset, `relaxed instruction 0xfd ${opcode}`)
  }
  refuse('wasm/malformed', offset, `unknown instruction 0xfd ${opcode}`)
}

function produce(body: Body, cost: number): void {
  body.charge(cost)
  body.operands.push(V128)
  body.computedBytes += 8
}

function laneInstruction(
  body: Body,
  lane: { lanes: number; type: number; replaces: boolean },
  offset: number,
): void {
  laneIndex(body, lane.lanes)
  const { operands } = body
  if (lane.replaces) operands.pop(lane.type, offset)
  operands.pop(V128, offset)
  if (lane.replaces) {
    produce(body, C.simd)
    return
  }
  body.charge(C.simd)
  operands.push(lane.type)
  body.computedBytes += 4
}

function vectorAccess(body: Body, opcode: number, alignment: number, offset: number): void {
  memoryArgument(body, alignment, offset)
  const { operands } = body
  if (opcode === STORE) {
    operands.pop(V128, offset)
    operands.pop(I32, offset)
    body.charge(C.store)
    return
  }
  operands.pop(I32, offset)
  produce(body, C.load)
}

function laneAccess(body: Body, opcode: number, offset: number): void {
  const exponent = (opcode - FIRST_LANE_ACCESS) % 4
  memoryArgument(body, exponent, offset)
  laneIndex(body, 16 >> exponent)
  const { operands } = body
  operands.pop(V128, offset)
  operands.pop(I32, offset)
  if (opcode >= FIRST_LANE_STORE) {
    body.charge(C.store)
    return
  }
  produce(body, C.load)
}

function laneIndex(body: Body, lanes: number): void {
  const at = body.reader.pos
  const lane = body.reader.u8()
  if (lane >= lanes) refuse('wasm/invalid', at, `lane ${lane} of ${lanes}`)
}
