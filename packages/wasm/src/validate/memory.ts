import { refuse } from '../errors.ts'
import { COSTS_V1 as C } from '../opcodes/costs.ts'
import { F32, F64, I32, I64 } from '../opcodes/types.ts'
import type { Body } from './body.ts'

/** Value type and largest alignment exponent of the instructions 0x28–0x3e. */
const ACCESS: readonly (readonly [type: number, alignment: number])[] = [
  [I32, 2],
  [I64, 3],
  [F32, 2],
  [F64, 3],
  [I32, 0],
  [I32, 0],
  [I32, 1],
  [I32, 1],
  [I64, 0],
  [I64, 0],
  [I64, 1],
  [I64, 1],
  [I64, 2],
  [I64, 2],
  [I32, 2],
  [I64, 3],
  [F32, 2],
  [F64, 3],
  [I32, 0],
  [I32, 1],
  [I64, 0],
  [I64, 1],
  [I64, 2],
]
const FIRST = 0x28
const FIRST_STORE = 0x36

/** Loads and stores. */
export function memoryInstruction(body: Body, opcode: number, offset: number): void {
  const [type, alignment] = ACCESS[opcode - FIRST]!
  memoryArgument(body, alignment, offset)
  const { operands } = body
  if (opcode >= FIRST_STORE) {
    body.charge(C.store)
    operands.pop(type, offset)
    operands.pop(I32, offset)
    return
  }
  body.charge(C.load)
  operands.pop(I32, offset)
  operands.push(type)
  body.computedBytes += 4
}

/** Alignment and offset of an access. */
export function memoryArgument(body: Body, alignment: number, offset: number): void {
  const { reader } = body
  const at = reader.pos
  const flags = reader.u32()
  if (flags >= 64 && flags < 128) refuse('wasm/multi-memory', at, 'access to a memory by its index')
  if (flags >= 128) refuse('wasm/malformed', at, 'unknown flags of a memory access')
  if (flags > alignment) refuse('wasm/invalid', at, `alignment of 2^${flags} bytes, at most 2^${alignment},`)
  reader.u32()
  if (!body.context.hasMemory) refuse('wasm/invalid', offset, 'memory instruction without a memory')
}
